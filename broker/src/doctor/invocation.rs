//! The last step of a look, if it was asked for: one real call of each function that is deployed at the venue.
//!
//! Most clouds have no dry run, and a call that they refuse does not show that they take a right one. What is sent is the
//! function's first recorded sample, whose reply is known: somebody has said that this call may be made at any time.
//!
//! Invariant: such a call is an invocation like any other, with a hold, a receipt and a charge, which is
//! `equivalence.account`'s.

use std::sync::Arc;

use futures_util::future::join_all;
use merit_units::KeyId;
use merit_venue::Step;

use crate::Broker;
use crate::function::{Deployment, Function};
use crate::venue::VenueEntry;

const NAME: &str = "invocation";

/// Calls made at most: each is paid.
const MOST: usize = 20;

impl Broker {
    /// Calls each function that is deployed there once.
    pub(super) async fn invocations(self: &Arc<Self>, venue: &VenueEntry, by: &KeyId) -> Vec<Step> {
        let deployments = self.deployments_at(venue);
        if deployments.is_empty() {
            return vec![Step::none(NAME, "no function is deployed there")];
        }
        let called = deployments.iter().take(MOST);
        let mut steps = join_all(called.map(|(function, deployment)| self.invocation(function, deployment, by))).await;
        let left = deployments.len().saturating_sub(MOST);
        if left > 0 {
            steps.push(Step::none(NAME, format!("{left} more deployments were not called")));
        }
        steps
    }

    async fn invocation(self: &Arc<Self>, function: &Arc<Function>, deployment: &Deployment, by: &KeyId) -> Step {
        let named = format!("`{}` at `{}`", function.id, deployment.id);
        let samples = match self.samples_of(function).await {
            Ok(samples) => samples,
            Err(refusal) => return Step::failed(NAME, format!("{named}: {refusal}"), "see what it says"),
        };
        let Some(sample) = samples.first() else {
            let hint = format!("record one with `merit functions samples record {}`", function.id);
            return Step::none(NAME, format!("{named} was not called, for want of a sample: {hint}"));
        };
        let (replayed, charge) = match self.replay_one(function, &deployment.id, sample, by).await {
            Ok(made) => made,
            Err(refusal) => {
                return Step::failed(NAME, format!("{named} was not called: {refusal}"), "see what it says");
            }
        };
        let invocation = replayed.invocation.map_or_else(String::new, |id| format!(" (`merit explain {id}`)"));
        let cost = format!("charged {charge} dollars{invocation}");
        match replayed.result {
            "equal" => Step::ok(NAME, format!("{named} replied as its sample says, {cost}")),
            "failed" => Step::failed(
                NAME,
                format!("{named}: {}{invocation}", replayed.detail),
                "see what it says, and what the steps above have not shown, such as credentials",
            ),
            "differs" => Step::failed(
                NAME,
                format!("{named} replied otherwise than its sample says: {}; {cost}", replayed.detail),
                "deploy the same code there, or record the sample again",
            ),
            _ => Step::none(NAME, format!("{named} replied, and could not be compared: {}; {cost}", replayed.detail)),
        }
    }

    fn deployments_at(&self, venue: &VenueEntry) -> Vec<(Arc<Function>, Arc<Deployment>)> {
        let names = venue.functions();
        let functions = names.iter().filter_map(|name| self.functions.find(name.as_str()));
        let at = |function: Arc<Function>| {
            let places = function.places();
            let here = places.into_iter().filter(|place| place.venue.id == venue.id);
            here.map(|place| (Arc::clone(&function), place)).collect::<Vec<_>>()
        };
        functions.flat_map(at).collect()
    }
}
