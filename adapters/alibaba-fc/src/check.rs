//! A look at the venue: keys, the way to Function Compute, a function that is not there, and what is.
//!
//! Function Compute has no dry run. A call of a function that is not there is refused after its signature was checked,
//! and nothing runs. Triggers' hosts are looked at as far as a connection.

use std::sync::Arc;
use std::time::Duration;

use merit_units::InvocationId;
use merit_venue::{Step, Target, absent};
use tokio::time::Instant;

use crate::target::{self, Called};
use crate::venue::{FcVenue, NO_KEYS};

/// For the call that is not made.
const PATIENCE: Duration = Duration::from_secs(10);

impl FcVenue {
    pub(crate) async fn look(&self, targets: &[Arc<Target>]) -> Vec<Step> {
        let mut steps = Vec::new();
        let (mut origins, mut named) = (vec![Arc::clone(&self.place.origin)], Vec::new());
        for target in targets {
            match target::called(target, &self.place, &self.config.trigger_hosts) {
                Ok(Called::Function(_)) => named.push(target.as_str().split(':').next().unwrap_or_default()),
                Ok(Called::Trigger(route)) => origins.push(route.origin),
                Err(error) => steps.push(Step::of_error("target", &error)),
            }
        }
        let has_keys = self.signer.is_some();
        steps.push(if has_keys {
            Step::ok("credentials", "there is an access key")
        } else {
            Step::failed("credentials", NO_KEYS, "make an access key that may call fc:InvokeFunction")
        });
        if !self.transport.look(origins, &mut steps).await {
            return steps;
        }
        if !has_keys {
            steps.push(Step::no_dry_run("not tried without credentials"));
            return steps;
        }
        // Each request has an id of its own, or it would be refused as a repeated one.
        let call = absent(InvocationId::v7(0, fastrand::u128(..)), Instant::now() + PATIENCE);
        let answer = self.attempt(call).await;
        let tried = Step::of_absent(&answer, &self.config.region, self.lockout.why().is_some());
        let taken = tried.todo.is_empty();
        steps.push(tried);
        if taken {
            steps.push(Step::deployed(&self.list().await.map(Some), &named));
        }
        steps
    }
}
