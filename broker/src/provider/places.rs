//! Offers as deployments of the functions they are for.
//!
//! A function has room for so many deployments, and for so many offers of one venue, so that none keeps the others out.
//! Whether there is room is asked before anything is made.

use std::sync::Arc;

use merit_units::FunctionId;

use super::offer::{Refused, Runs};
use super::offers::Scene;
use super::standing::Standing;
use crate::function::{Deployment, DeploymentParts, Function, Room};

/// How much room functions have for the offers of one venue.
fn room(scene: Scene<'_>) -> Room {
    let settings = scene.broker.settings.load();
    Room { deployments: settings.max_deployments, of_venue: settings.providers.max_offers_per_function }
}

/// Why no call can come to an offer.
pub(super) fn why_idle(runs: &Runs, scene: Scene<'_>) -> Refused {
    let Room { deployments, of_venue } = room(scene);
    let full = format!(
        "{deployments} offers and deployments, limits.max_deployments_per_function, or {of_venue} of this venue, \
         providers.max_offers_per_function"
    );
    match runs {
        Runs::Function(function) if scene.broker.functions.find(function.as_str()).is_some() => {
            Refused::new("function_full", format!("the function `{function}` has {full}"))
        }
        Runs::Function(function) => {
            let message = format!("there is no function `{function}`; once there is, this offer is for it");
            Refused::new("no_function", message)
        }
        Runs::Class(class) => {
            let message = format!("there is no function of the class `{class}` that has fewer than {full}");
            Refused::new("no_function", message)
        }
    }
}

/// Makes an offer a deployment of every function it is for.
pub(super) fn deploy(standing: &mut Standing, scene: Scene<'_>) {
    let functions = match &standing.offer.runs {
        Runs::Function(function) => scene.broker.functions.find(function.as_str()).into_iter().collect(),
        Runs::Class(class) => scene.broker.functions.of_class(class),
    };
    for function in &functions {
        deploy_to(standing, function, scene);
    }
}

pub(super) fn deploy_to(standing: &mut Standing, function: &Arc<Function>, scene: Scene<'_>) {
    let room = room(scene);
    if !function.has_room_for(&standing.offer.deployment, &scene.venue.id, room) {
        if let Some(former) = standing.deployments.remove(&function.id) {
            function.retain_offered(&|other| other.id != former.id);
            scene.broker.requotes.mark(&function.id);
        }
        return;
    }
    let parts = DeploymentParts {
        id: standing.offer.deployment.clone(),
        venue: Arc::clone(scene.venue),
        prices: Arc::clone(&standing.prices),
        size: standing.offer.size,
        target: standing.offer.target(&function.id),
        concurrency: standing.offer.slots,
        kept: 0,
        own_sheet: None,
        isolation: standing.offer.isolation,
        offer: Some(Arc::clone(&standing.gate)),
        digest: None,
        from_file: None,
    };
    let former = standing.deployments.get(&function.id);
    let deployment = match former {
        Some(former) if former.is_made_of(&parts) => Arc::clone(former),
        former => {
            let fresh = former.is_none();
            let made = Arc::new(Deployment::new(parts, former.map(|former| &**former)));
            if fresh && let Some(profile) = scene.broker.take_learned(&function.id, &made.id) {
                made.restore(profile);
            }
            made
        }
    };
    if function.put_offered(&deployment, room) {
        standing.deployments.insert(function.id.clone(), deployment);
        scene.broker.equivalence.judge(function);
        scene.venue.remember(&function.id);
        scene.broker.requotes.mark(&function.id);
    }
}

/// Takes an offer's deployments out of their functions.
pub(super) fn withdraw(standing: &mut Standing, scene: Scene<'_>) {
    for (function, deployment) in std::mem::take(&mut standing.deployments) {
        if let Some(function) = scene.broker.functions.find(function.as_str()) {
            function.retain_offered(&|other| other.id != deployment.id);
        }
        scene.broker.requotes.mark(&function);
    }
}

/// The books that an offer is in are to be rebuilt.
pub(super) fn mark(standing: &Standing, scene: Scene<'_>) {
    scene.broker.requotes.mark_all(standing.deployments.keys());
}

/// Functions that an offer is for now, for whoever asks.
pub(super) fn functions_of(standing: &Standing) -> impl Iterator<Item = &FunctionId> {
    standing.deployments.keys()
}
