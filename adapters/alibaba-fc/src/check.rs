//! A look at the venue: keys, the way to Function Compute, a function that is not there, and what is.
//!
//! Function Compute has no dry run. A call of a function that is not there is refused after its signature was checked,
//! and nothing runs. Triggers' hosts are looked at as far as a connection.

use std::sync::Arc;
use std::time::Duration;

use merit_cloud_wire::fc::AsyncConfig;
use merit_units::InvocationId;
use merit_venue::{ErrorKind, Step, Target, VenueError, absent};
use tokio::time::Instant;

use crate::target::{self, Called, Task};
use crate::venue::{FcVenue, NO_KEYS};

/// For the call that is not made.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest asynchronous configuration that is read, in bytes.
const MOST_CONFIG_BYTES: usize = 64 * 1024;

impl FcVenue {
    pub(crate) async fn look(&self, targets: &[Arc<Target>]) -> Vec<Step> {
        let mut steps = Vec::new();
        let (mut origins, mut named, mut tasks) = (vec![Arc::clone(&self.place.origin)], Vec::new(), Vec::new());
        for target in targets {
            match target::called(target, &self.place, &self.config.trigger_hosts) {
                Ok(Called::Function(_)) => named.push(target.as_str().split(':').next().unwrap_or_default().to_owned()),
                Ok(Called::Task(task)) => {
                    if let Err(error) = self.may_be_called(&task) {
                        steps.push(Step::of_error("target", &error));
                    }
                    named.push(task.name.clone());
                    tasks.push(task);
                }
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
            let named: Vec<&str> = named.iter().map(String::as_str).collect();
            steps.push(Step::deployed(&self.list().await.map(Some), &named));
            steps.extend(self.look_at_tasks(&tasks).await);
        }
        steps
    }

    /// Whether the tasks of functions that are called asynchronously are remembered, and run once only.
    async fn look_at_tasks(&self, tasks: &[Task]) -> Option<Step> {
        const NAME: &str = "task mode";
        for task in tasks {
            let config = match self.async_config(task).await {
                Ok(config) => config,
                // Calls do not need to read it.
                Err(error) => return Some(Step::none(NAME, error.message)),
            };
            let name = &task.name;
            if config.async_task != Some(true) {
                let found =
                    format!("asynchronous calls of `{name}` are not remembered: nobody can ask how they are doing");
                return Some(Step::failed(NAME, found, "switch on its task mode, in its asynchronous configuration"));
            }
            if config.max_async_retry_attempts != Some(0) {
                let found = format!("Function Compute runs `{name}` again when it failed");
                return Some(Step::failed(
                    NAME,
                    found,
                    "set its maxAsyncRetryAttempts to 0, and leave retries to Merit",
                ));
            }
        }
        (!tasks.is_empty()).then(|| Step::ok(NAME, "tasks are remembered, and run once only"))
    }

    async fn async_config(&self, task: &Task) -> Result<AsyncConfig, VenueError> {
        let route = task.config_route(&self.place);
        let headers = || self.question(&route, "GetAsyncInvokeConfig");
        let asked = self.transport.ask(&route, Instant::now() + PATIENCE, MOST_CONFIG_BYTES, headers).await;
        let told = asked.map_err(|why| VenueError::not_started(ErrorKind::Unavailable, why))?;
        if told.status == 404 {
            return Ok(AsyncConfig::default());
        }
        if told.status != 200 {
            return Err(self.refused(&route, told.status, &told.headers, &told.body));
        }
        let malformed = |error| format!("`{}` sent no configuration: {error}", route.shown());
        serde_json::from_slice(&told.body)
            .map_err(|error| VenueError::not_started(ErrorKind::MalformedReply, malformed(error)))
    }
}
