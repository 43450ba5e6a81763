//! A look at the venue: where targets lead, what proves who calls, the way there, and what is listed.
//!
//! Known limitation: whether an app takes the key or the token, only a call shows; Azure Functions has no dry run.

use std::sync::Arc;
use std::time::Duration;

use merit_venue::{Step, Target};
use tokio::time::Instant;

use crate::venue::AzureVenue;

/// For a token.
const PATIENCE: Duration = Duration::from_secs(20);

const CREDENTIALS: &str = "credentials";

const TODO: &str = "mend function_key, app_keys or the Entra identity of the venue, or this machine's clock";

impl AzureVenue {
    pub(crate) async fn look(&self, targets: &[Arc<Target>]) -> Vec<Step> {
        let (mut steps, mut origins) = (Vec::new(), Vec::new());
        let (targets, left_out) = Step::first_of(targets);
        for target in targets {
            match self.routes.of(target) {
                // One step for an app, unless its functions have keys of their own.
                Ok(route) if route.uri.query().is_none() && origins.contains(&route.origin) => {}
                Ok(route) => {
                    let shown = route.shown();
                    match self.proofs(&route, Instant::now() + PATIENCE).await {
                        Ok((None, None)) if route.uri.query().is_some() => {
                            steps.push(Step::ok(CREDENTIALS, format!("{shown}: what its target has behind the `?`")));
                        }
                        Ok((None, None)) => {
                            steps.push(Step::none(
                                CREDENTIALS,
                                format!("{shown}: none are sent; it has to take any caller"),
                            ));
                        }
                        Ok((key, token)) => {
                            let had = [key.map(|_| "a key"), token.map(|_| "a token")];
                            let had: Vec<&str> = had.into_iter().flatten().collect();
                            steps.push(Step::ok(CREDENTIALS, format!("{shown}: there is {}", had.join(" and "))));
                        }
                        Err(error) => {
                            steps.push(Step::failed(CREDENTIALS, error.message, TODO));
                            return steps;
                        }
                    }
                    origins.push(route.origin);
                }
                Err(error) => steps.push(Step::of_error("target", &error)),
            }
        }
        if !self.transport.look(origins, &mut steps).await {
            return steps;
        }
        steps.push(Step::of_list(&self.list().await));
        steps.extend(left_out);
        steps.push(Step::no_dry_run(
            "Azure Functions has none; only a call shows whether the app takes the key or token",
        ));
        steps
    }
}
