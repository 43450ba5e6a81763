//! A look at the venue: keys, the way to SCF, a function that is not there, and what is.
//!
//! SCF has no dry run. A call of a function that is not there is refused after its signature was checked, and nothing
//! runs. What is deployed is looked for in the namespace `default` only, which is the one that is listed.

use std::sync::Arc;
use std::time::Duration;

use merit_units::InvocationId;
use merit_venue::{Step, Target, absent};
use tokio::time::Instant;

use crate::target;
use crate::venue::{NO_KEYS, ScfVenue};

/// For the call that is not made.
const PATIENCE: Duration = Duration::from_secs(10);

impl ScfVenue {
    pub(crate) async fn look(&self, targets: &[Arc<Target>]) -> Vec<Step> {
        let (mut steps, mut named) = (Vec::new(), Vec::new());
        for target in targets {
            match target::called(target) {
                Ok(called) if called.namespace.is_none() => named.push(called.function),
                Ok(_) => {}
                Err(error) => steps.push(Step::of_error("target", &error)),
            }
        }
        steps.push(if self.has_keys() {
            Step::ok("credentials", "there is an access key")
        } else {
            Step::failed("credentials", NO_KEYS, "make an access key that may call scf:InvokeFunction")
        });
        if !self.transport.look([Arc::clone(&self.route.origin)], &mut steps).await {
            return steps;
        }
        if !self.has_keys() {
            steps.push(Step::no_dry_run("not tried without credentials"));
            return steps;
        }
        let answer = self.attempt(absent(InvocationId::from_bits(0), Instant::now() + PATIENCE)).await;
        let tried = Step::of_absent(&answer, &self.config.region, self.lockout.why().is_some());
        let taken = tried.todo.is_empty();
        steps.push(tried);
        if taken {
            steps.push(Step::deployed(&self.list().await.map(Some), &named));
        }
        steps
    }
}
