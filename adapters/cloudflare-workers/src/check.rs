//! A look at the venue: where targets lead, what is sent to prove who calls, the way there, and what is listed.
//!
//! Known limitation: whether a Worker, or Access before it, takes the tokens, only a call shows.

use std::sync::Arc;

use merit_venue::{Step, Target};

use crate::target;
use crate::venue::WorkersVenue;

const CREDENTIALS: &str = "credentials";

impl WorkersVenue {
    pub(crate) async fn look(&self, targets: &[Arc<Target>]) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut origins: Vec<_> = self.base.iter().map(|(origin, _)| Arc::clone(origin)).collect();
        let (targets, left_out) = Step::first_of(targets);
        for target in targets {
            match target::called(target, &self.config, self.base.as_ref()) {
                Ok(called) => origins.push(called.route.origin),
                Err(error) => steps.push(Step::of_error("target", &error)),
            }
        }
        steps.push(match (self.lockout.why(), self.credentials.is_empty()) {
            (Some(why), _) => Step::failed(CREDENTIALS, &*why, "mend what it names, and look again"),
            (None, true) => Step::none(CREDENTIALS, "none are sent: anybody may call, and is paid for by the account"),
            (None, false) => Step::ok(CREDENTIALS, "there are some, and none was refused lately"),
        });
        if !self.transport.look(origins, &mut steps).await {
            return steps;
        }
        steps.push(Step::of_list(&self.list().await));
        steps.extend(left_out);
        steps.push(Step::no_dry_run("Workers have none; only a call shows whether the tokens are taken"));
        steps
    }
}
