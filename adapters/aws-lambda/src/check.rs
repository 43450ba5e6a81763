//! A look at the venue: credentials, the way to Lambda, and a dry run of the functions that are called.
//!
//! A dry run (`DryRun`) checks signature, permission and the function's existence, and runs nothing. It is sent as calls
//! are.

use std::sync::Arc;
use std::time::Duration;

use merit_units::InvocationId;
use merit_venue::{Call, ErrorKind, Step, StepResult, Target, Venue as _, VenueError, absent};
use tokio::time::Instant;

use crate::discover;
use crate::endpoint::Operation;
use crate::venue::{Admitted, LambdaVenue};

/// For one dry run.
const PATIENCE: Duration = Duration::from_secs(10);

impl LambdaVenue {
    pub(crate) async fn look(&self, targets: &[Arc<Target>]) -> Vec<Step> {
        let mut steps = Vec::new();
        let has_key = match self.key(Instant::now() + discover::OPERATION_TIMEOUT).await {
            Ok(_) => {
                steps.push(Step::ok("credentials", "there are some that have not expired"));
                true
            }
            Err((_, why)) => {
                let todo = "give the venue credentials: [venues.NAME.credentials], a profile, or the environment of the broker";
                steps.push(Step::failed("credentials", &*why, todo));
                false
            }
        };
        if !self.transport.look([Arc::clone(&self.endpoint.origin)], &mut steps).await {
            return steps;
        }
        if has_key {
            self.dry_runs(targets, &mut steps).await;
        } else {
            steps.push(Step::no_dry_run("not tried without credentials"));
        }
        steps
    }

    async fn dry_runs(&self, targets: &[Arc<Target>], steps: &mut Vec<Step>) {
        let call = || absent(InvocationId::v7(0, 0), Instant::now() + PATIENCE);
        if targets.is_empty() {
            // Something that is signed and not there shows whether signatures are taken.
            let answer = self.dry_run(&call()).await;
            steps.push(Step::of_absent(&answer, &self.config.region, self.unready().is_some()));
            return;
        }
        // Lambda counts dry runs as calls of its API.
        let (first, left_out) = Step::first_of(targets);
        for target in first {
            let step = match self.dry_run(&Call { target: Arc::clone(target), ..call() }).await {
                Ok(()) => Step::ok(Step::DRY, format!("`{}` may be called", self.shown(target))),
                Err(error) if error.kind == ErrorKind::BadCredentials => {
                    let todo = "give the credentials lambda:InvokeFunction on it, or set this machine's clock if that is the reason";
                    Step::failed(Step::DRY, error.message, todo)
                }
                Err(error) => Step::of_error(Step::DRY, &error),
            };
            let failed = step.result == StepResult::Failed;
            steps.push(step);
            if failed {
                return;
            }
        }
        steps.extend(left_out);
    }

    /// Signs and sends a dry run.
    async fn dry_run(&self, call: &Call) -> Result<(), VenueError> {
        let admitted = self.admit(call, Operation::Invoke).await?;
        let admitted = Admitted { request: admitted.request.dry(), ..admitted };
        let _place = self.transport.admit(&admitted.route, admitted.ends).await?;
        let answer = self.send(&admitted).await?;
        let head = answer.head;
        let said = answer.body.excerpt().await.unwrap_or_default();
        if head.status.is_success() { Ok(()) } else { Err(self.refusal(&call.target, &admitted.key, &head, &said)) }
    }
}
