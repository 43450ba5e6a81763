//! The concurrency limit, and the instance a call runs on.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use merit_pricing::Size;
use merit_units::{FunctionId, Micros};
use serde::Serialize;

use super::{Cloud, Refusal};
use crate::config::{CloudConfig, FunctionSize};
use crate::controls::Controls;
use crate::model::{Draw, InstanceId, Instances, Model};

/// What clouds tell throttled callers to wait, whole seconds being all `Retry-After` can say.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What changes from call to call.
#[derive(Debug)]
pub(super) struct State {
    functions: HashMap<FunctionId, FunctionState>,
    arrivals: u64,
    counts: Counts,
}

/// Calls so far and calls under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Calls under way.
    pub(crate) in_flight: u32,
    /// The most calls there were at once.
    pub(crate) peak_in_flight: u32,
    /// Calls that were let in.
    pub(crate) admitted: u64,
    /// Of these, those that started an instance.
    pub(crate) cold_starts: u64,
    /// Calls refused over the concurrency limit.
    pub(crate) throttled: u64,
    /// Calls failed at the error rate.
    pub(crate) failed: u64,
    /// Instances alive, busy or idle.
    pub(crate) instances: usize,
}

#[derive(Debug)]
struct FunctionState {
    setup: Arc<Setup>,
    calls: u64,
    in_flight: u32,
    instances: Instances,
}

/// What is fixed about a function at this cloud.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) name: FunctionId,
    pub(super) runs: String,
    pub(super) size: FunctionSize,
    /// The same for the price sheet.
    pub(super) priced: Size,
    pub(super) share_milli: u32,
    /// Its own limit of calls at once.
    reserved: Option<u32>,
    /// Listed in the configuration, not only asked for.
    configured: bool,
}

/// A call that was let in. Gives its slot and instance back when dropped.
pub(super) struct Admitted {
    pub(super) cloud: Arc<Cloud>,
    pub(super) setup: Arc<Setup>,
    pub(super) draw: Draw,
    instance: InstanceId,
    rng: fastrand::Rng,
}

impl State {
    pub(super) fn new(config: &CloudConfig, model: &Model) -> Self {
        let functions = config.functions.iter().map(|function| {
            let mut setup = Setup::new(model, config, &function.name, &function.runs, function.size);
            (setup.configured, setup.reserved) = (true, function.lambda.reserved_concurrency);
            (function.name.clone(), FunctionState::new(setup, model))
        });
        Self { functions: functions.collect(), arrivals: 0, counts: Counts::default() }
    }

    pub(super) fn evict_all(&mut self) {
        self.functions.values_mut().for_each(|function| function.instances.evict_all());
    }

    pub(super) fn counts(&self) -> Counts {
        let instances = self.functions.values().map(|function| function.instances.alive()).sum();
        Counts { instances, ..self.counts }
    }

    /// Drops what was kept for a name that turned out to be no function's.
    pub(super) fn forget(&mut self, name: &FunctionId) {
        if self.functions.get(name).is_some_and(|function| !function.setup.configured) {
            self.functions.remove(name);
        }
    }
}

impl Setup {
    fn new(model: &Model, config: &CloudConfig, name: &FunctionId, runs: &str, size: FunctionSize) -> Self {
        let share_milli = model.share_milli(size.memory, size.vcpu_milli);
        let priced = config.priced_size(size);
        let (name, runs) = (name.clone(), runs.to_owned());
        Self { name, runs, size, priced, share_milli, reserved: None, configured: false }
    }
}

impl FunctionState {
    fn new(setup: Setup, model: &Model) -> Self {
        let instances = Instances::new(model.keep_alive, model.instance_concurrency);
        Self { setup: Arc::new(setup), calls: 0, in_flight: 0, instances }
    }
}

/// Lets a call in, on a warm instance if there is one.
///
/// # Errors
/// [`Refusal`]; in this order: unknown function (by its name alone), platform failure, throttled.
pub(super) fn admit(cloud: &Arc<Cloud>, function: &str, controls: &Controls) -> Result<Admitted, Refusal> {
    let name = FunctionId::try_new(function).map_err(|error| Refusal::UnknownFunction(error.to_string()))?;
    let now = cloud.clock.now();
    let mut state = cloud.state();
    let State { functions, arrivals, counts } = &mut *state;
    *arrivals += 1;
    if seeded(cloud, "platform failure", *arrivals).u32(0..1_000_000) < controls.error_ppm {
        counts.failed += 1;
        return Err(Refusal::Platform);
    }
    let limit = controls.concurrency.unwrap_or(cloud.config.concurrency);
    if counts.in_flight >= limit {
        counts.throttled += 1;
        return Err(Refusal::Throttled {
            in_flight: counts.in_flight,
            limit,
            reserved: false,
            retry_after: RETRY_AFTER,
        });
    }
    let function = functions.entry(name).or_insert_with_key(|name| {
        let setup = Setup::new(&cloud.model, &cloud.config, name, name.as_str(), cloud.config.size);
        FunctionState::new(setup, &cloud.model)
    });
    if let Some(limit) = function.setup.reserved.filter(|limit| function.in_flight >= *limit) {
        counts.throttled += 1;
        let in_flight = function.in_flight;
        return Err(Refusal::Throttled { in_flight, limit, reserved: true, retry_after: RETRY_AFTER });
    }
    function.calls += 1;
    function.in_flight += 1;
    let mut rng = seeded(cloud, function.setup.name.as_str(), function.calls);
    let (instance, cold) = function.instances.take(now);
    counts.in_flight += 1;
    counts.peak_in_flight = counts.peak_in_flight.max(counts.in_flight);
    counts.admitted += 1;
    counts.cold_starts += u64::from(cold);
    let draw = cloud.model.draw(&mut rng, cold);
    let setup = Arc::clone(&function.setup);
    drop(state);
    Ok(Admitted { cloud: Arc::clone(cloud), setup, draw, instance, rng })
}

impl Admitted {
    /// Everything around the execution, in modelled time.
    pub(super) fn around(&self, extra: Micros) -> Micros {
        let start = self.draw.init.saturating_add(self.draw.placement);
        self.draw.overhead.saturating_add(extra).saturating_add(start)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let now = self.cloud.clock.now();
        let mut state = self.cloud.state();
        state.counts.in_flight -= 1;
        if let Some(function) = state.functions.get_mut(&self.setup.name) {
            function.in_flight = function.in_flight.saturating_sub(1);
            function.instances.give_back(self.instance, now, &mut self.rng);
        }
        drop(state);
        self.cloud.waiting.one_ended();
    }
}

/// Randomness of one thing at one cloud, the same in every run of a seed.
pub(super) fn seeded(cloud: &Cloud, what: &str, number: u64) -> fastrand::Rng {
    let mut hasher = DefaultHasher::new();
    (cloud.seed, cloud.config.name.as_str(), what, number).hash(&mut hasher);
    fastrand::Rng::with_seed(hasher.finish())
}
