//! A look at the venue: where targets lead, an ID token for each of them, the way there, what is listed, and who may call.
//!
//! Cloud Run has no dry run; `dry` asks whether a call would be let in.

use std::sync::Arc;
use std::time::Duration;

use merit_venue::{Step, Target};
use tokio::time::Instant;

use crate::identity;
use crate::venue::GoogleRunVenue;

/// For all tokens.
const PATIENCE: Duration = Duration::from_secs(20);

const CREDENTIALS: &str = "credentials";

const TODO: &str = "mend credentials_file, the metadata server or the roles of the identity, or this machine's clock";

impl GoogleRunVenue {
    pub(crate) async fn look(&self, targets: &[Arc<Target>]) -> Vec<Step> {
        let (mut steps, mut origins, mut audiences, mut places) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (targets, left_out) = Step::first_of(targets);
        for target in targets {
            match self.routes.of(target) {
                Ok(called) => {
                    places.push(called.place());
                    origins.push(called.route.origin);
                    audiences.push(called.audience);
                }
                Err(error) => steps.push(Step::of_error("target", &error)),
            }
        }
        audiences.sort_unstable();
        audiences.dedup();
        if !self.tokens(&audiences, &mut steps).await || !self.transport.look(origins, &mut steps).await {
            return steps;
        }
        steps.push(Step::of_list(&self.list().await));
        steps.extend(left_out);
        steps.push(self.dry(&places).await);
        steps
    }

    /// Whether there is a token for each audience; ends at the first there is none for.
    async fn tokens(&self, audiences: &[String], steps: &mut Vec<Step>) -> bool {
        let ends = Instant::now() + PATIENCE;
        for audience in audiences {
            if let Err(none) = self.keyring(audience).token(ends).await {
                steps.push(Step::failed(CREDENTIALS, format!("for {audience}: {}", none.reason), TODO));
                return false;
            }
            steps.push(Step::ok(CREDENTIALS, format!("there is an ID token for {audience}")));
        }
        if audiences.is_empty() {
            steps.push(match identity::access(&self.config.credentials) {
                Ok(_) => Step::none(CREDENTIALS, "no deployment is there to have an ID token for"),
                Err(why) => Step::failed(CREDENTIALS, why, TODO),
            });
        }
        steps.last().is_none_or(|step| step.todo.is_empty())
    }
}
