//! The functions the broker knows: looked up on every call without a lock, changed rarely.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use merit_pricing::{Catalogue, Size, UnknownArchitecture};
use merit_units::{DeploymentId, FunctionId, MemoryMb, Micros, Money, Timestamp, parse_vcpu};
use merit_venue::Target;
use merit_wire::{DeploymentSpec, FunctionSpec};

use crate::Broker;
use crate::equivalence::EqualityRules;
use crate::events::Rules;
use crate::function::{Deployment, DeploymentParts, Function};
use crate::provider::class_name;
use crate::refusal::Refusal;
use crate::venue::near;

/// Longest run of a function that says nothing about it.
const DEFAULT_TIMEOUT_MS: u64 = 30_000;
/// The longest any function may run, as on AWS Lambda: 15 minutes.
const MAX_TIMEOUT_MS: u64 = 900_000;
/// Calls at once of a deployment that says nothing about it, as on AWS Lambda.
const DEFAULT_CONCURRENCY: u32 = 1000;
const MAX_CONCURRENCY: u32 = 1_000_000;

/// Whose word it is that the deployments that are put are the function's own.
#[derive(Clone, Copy, Debug)]
enum Said<'a> {
    /// Nobody's: they were put before.
    Before,
    /// That of `merit.toml`, as it was read then.
    File(Timestamp),
    /// That of whoever holds this key: of all deployments, or of one.
    Key(&'a str, Option<&'a DeploymentId>),
}

/// All functions by name.
#[derive(Default)]
pub struct Functions {
    by_name: papaya::HashMap<FunctionId, Arc<Function>>,
    /// Changes are rare and take turns; lookups don't take it.
    changing: Mutex<()>,
    changes: AtomicU64,
    classes: ArcSwap<Classes>,
}

/// Functions by their class.
#[derive(Default)]
struct Classes {
    /// The number of changes they were looked up at.
    at: Option<u64>,
    by_name: BTreeMap<Box<str>, Vec<Arc<Function>>>,
}

impl Functions {
    /// The function of that name.
    ///
    /// # Errors
    /// [`Refusal::UnknownFunction`] with names that resemble it.
    pub fn get(&self, name: &str) -> Result<Arc<Function>, Refusal> {
        let by_name = self.by_name.pin();
        if let Some(function) = by_name.get(name) {
            return Ok(Arc::clone(function));
        }
        let near = near(name, by_name.keys().map(FunctionId::as_str));
        Err(Refusal::UnknownFunction { name: name.chars().take(80).collect(), near })
    }

    /// The function of that name, for those who need no hint when there is none.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Arc<Function>> {
        self.by_name.pin().get(name).cloned()
    }

    /// Does something with each of these functions that there is.
    pub(crate) fn each(&self, names: &[FunctionId], mut with: impl FnMut(&Function)) {
        let by_name = self.by_name.pin();
        names.iter().filter_map(|name| by_name.get(name)).for_each(|function| with(function));
    }

    /// The functions of a class.
    #[must_use]
    pub fn of_class(&self, class: &str) -> Vec<Arc<Function>> {
        self.classes().by_name.get(class).cloned().unwrap_or_default()
    }

    /// How many functions a class has.
    #[must_use]
    pub fn count_of_class(&self, class: &str) -> usize {
        self.classes().by_name.get(class).map_or(0, Vec::len)
    }

    /// The classes as they are. They are looked up by the thousand, and change when functions are put and taken away.
    fn classes(&self) -> Arc<Classes> {
        let changes = self.changes();
        let known = self.classes.load_full();
        if known.at == Some(changes) {
            return known;
        }
        let mut by_name = BTreeMap::<Box<str>, Vec<Arc<Function>>>::new();
        for function in self.by_name.pin().values() {
            if let Some(class) = &function.class {
                by_name.entry(class.clone()).or_default().push(Arc::clone(function));
            }
        }
        let classes = Arc::new(Classes { at: Some(changes), by_name });
        self.classes.store(Arc::clone(&classes));
        classes
    }

    /// Counts what is put and taken away: while it stands, so do the functions and their classes.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Every function, in order of name.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Function>> {
        let mut all: Vec<_> = self.by_name.pin().values().cloned().collect();
        all.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        all
    }

    /// Puts a function as specified, keeping what is known of deployments whose specification stands.
    ///
    /// # Errors
    /// [`Refusal::BadRequest`] for values out of range, [`Refusal::Unknown`] for venues and sheets there are not.
    pub fn put(&self, broker: &Broker, id: &FunctionId, spec: &FunctionSpec) -> Result<Arc<Function>, Refusal> {
        self.put_said(broker, id, spec, Said::Before)
    }

    /// [`Self::put`] by whoever holds that key, whose word it is then that the deployments are the function's own. It has to
    /// be kept: [`Broker::vouch`].
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn put_by(
        &self,
        broker: &Broker,
        id: &FunctionId,
        spec: &FunctionSpec,
        by: &str,
    ) -> Result<Arc<Function>, Refusal> {
        self.put_said(broker, id, spec, Said::Key(by, None))
    }

    /// [`Self::put`], of what `merit.toml` said when it was read at that time: that is the operator's word.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn put_from(
        &self,
        broker: &Broker,
        id: &FunctionId,
        spec: &FunctionSpec,
        at: Timestamp,
    ) -> Result<Arc<Function>, Refusal> {
        self.put_said(broker, id, spec, Said::File(at))
    }

    fn put_said(
        &self,
        broker: &Broker,
        id: &FunctionId,
        spec: &FunctionSpec,
        said: Said<'_>,
    ) -> Result<Arc<Function>, Refusal> {
        let _turn = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let former = self.by_name.pin().get(id).cloned();
        let limits = broker.settings.load();
        if former.is_none() && self.by_name.pin().len() >= limits.max_functions {
            return Err(Refusal::BadRequest(format!("limits.max_functions, {}, is reached", limits.max_functions)));
        }
        let kept = || former.iter().flat_map(|function| function.deployments.iter().cloned()).collect();
        let deployments = match &spec.deployments {
            None => kept(),
            Some(specs) => {
                let from_file = if let Said::File(at) = said { Some(at) } else { None };
                deployments(broker, former.as_deref(), specs, from_file)?
            }
        };
        if deployments.len() > limits.max_deployments {
            let (count, max) = (deployments.len(), limits.max_deployments);
            return Err(Refusal::BadRequest(format!(
                "{count} deployments are more than limits.max_deployments_per_function, {max}"
            )));
        }
        let function = Function::new(id.clone(), spec.idempotent, timeout(spec)?, value_of_time(spec)?, deployments);
        let events = match &spec.events {
            None => former.as_ref().map(|former| former.events.clone()).unwrap_or_default(),
            Some(events) => Rules::of(events)?,
        };
        let equality = EqualityRules::of(spec, limits.equivalence.compare_command.is_some())?;
        let class = spec.class.as_deref().map(class_name).transpose().map_err(Refusal::BadRequest)?.map(Into::into);
        let function = function.with_events(events).with_class(class).with_equality(equality);
        let function = Arc::new(function.succeeding(former.as_deref()));
        self.relink(former.as_deref(), &function);
        self.by_name.pin().insert(id.clone(), Arc::clone(&function));
        self.changes.fetch_add(1, Ordering::Release);
        // After it is found by name: an offer that comes meanwhile either finds it, or is found here.
        broker.attach_offers(&function);
        if let (Said::Key(by, only), Some(_)) = (said, &spec.deployments) {
            let put = |one: &&Arc<Deployment>| only.is_none_or(|only| one.id == *only);
            let put: Vec<_> = function.deployments.iter().filter(put).cloned().collect();
            // Before the book is built: nobody finds a function without deployments meanwhile.
            broker.equivalence.say(&function, &put, by, broker.clock.now());
        }
        broker.equivalence.judge(&function);
        function.rebuild(broker, broker.clock.now());
        self.changes.fetch_add(1, Ordering::Release);
        Ok(function)
    }

    /// Puts one deployment of a function, by whoever holds that key: see [`Self::put_by`].
    ///
    /// # Errors
    /// As [`Self::put`], and [`Refusal::UnknownFunction`].
    pub fn put_deployment(
        &self,
        broker: &Broker,
        function: &str,
        id: &DeploymentId,
        spec: &DeploymentSpec,
        by: &str,
    ) -> Result<Arc<Function>, Refusal> {
        let function = self.get(function)?;
        let mut whole = spec_of(&function);
        whole.deployments.get_or_insert_default().insert(id.to_string(), spec.clone());
        self.put_said(broker, &function.id, &whole, Said::Key(by, Some(id)))
    }

    /// Takes one deployment away.
    ///
    /// # Errors
    /// [`Refusal::UnknownFunction`], or [`Refusal::Unknown`] when it has no such deployment.
    pub fn remove_deployment(&self, broker: &Broker, function: &str, id: &str) -> Result<Arc<Function>, Refusal> {
        let function = self.get(function)?;
        let mut whole = spec_of(&function);
        let deployments = whole.deployments.get_or_insert_default();
        if deployments.remove(id).is_none() {
            let near = near(id, deployments.keys().map(String::as_str));
            return Err(Refusal::Unknown { kind: "deployment", name: id.to_owned(), near });
        }
        self.put(broker, &function.id, &whole)
    }

    /// Takes a function away. Calls that are running end as they would.
    ///
    /// # Errors
    /// [`Refusal::UnknownFunction`].
    pub fn remove(&self, name: &str) -> Result<(), Refusal> {
        let _turn = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let function = self.get(name)?;
        self.by_name.pin().remove(&function.id);
        self.changes.fetch_add(1, Ordering::Release);
        for deployment in function.places() {
            deployment.venue.forget(&function.id);
        }
        Ok(())
    }

    fn relink(&self, former: Option<&Function>, function: &Function) {
        for deployment in former.iter().flat_map(|former| &former.deployments) {
            deployment.venue.forget(&function.id);
        }
        for deployment in &function.deployments {
            deployment.venue.remember(&function.id);
        }
    }
}

fn deployments(
    broker: &Broker,
    former: Option<&Function>,
    specs: &BTreeMap<String, DeploymentSpec>,
    from_file: Option<Timestamp>,
) -> Result<Vec<Arc<Deployment>>, Refusal> {
    specs
        .iter()
        .map(|(name, spec)| {
            let id = DeploymentId::try_new(name).map_err(|error| Refusal::BadRequest(error.to_string()))?;
            let mut parts = parts(broker, id, spec)?;
            let former = former.and_then(|former| former.deployments.iter().find(|former| former.id == parts.id));
            // The file's word stands as long as what it was given for.
            let said = former.filter(|former| former.runs_what(&parts)).and_then(|former| former.from_file);
            parts.from_file = said.or(from_file);
            Ok(match former {
                Some(former) if former.is_made_of(&parts) => Arc::clone(former),
                former => Arc::new(Deployment::new(parts, former.map(|former| &**former))),
            })
        })
        .collect()
}

fn timeout(spec: &FunctionSpec) -> Result<Micros, Refusal> {
    match spec.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS) {
        millis @ 1..=MAX_TIMEOUT_MS => Ok(Micros::from_millis(millis)),
        millis => Err(Refusal::BadRequest(format!("timeout_ms must be 1 to {MAX_TIMEOUT_MS}, got {millis}"))),
    }
}

fn value_of_time(spec: &FunctionSpec) -> Result<Money, Refusal> {
    let Some(text) = &spec.value_of_time else { return Ok(Money::ZERO) };
    match Money::from_str(text) {
        Ok(amount) if !amount.is_negative() => Ok(amount),
        Ok(_) => Err(Refusal::BadRequest(format!("value_of_time `{text}` is below zero"))),
        Err(error) => Err(Refusal::BadRequest(format!("value_of_time `{text}` {error}"))),
    }
}

fn parts(broker: &Broker, id: DeploymentId, spec: &DeploymentSpec) -> Result<DeploymentParts, Refusal> {
    let bad = |error: String| Refusal::BadRequest(format!("deployment `{id}`: {error}"));
    let venue = Arc::clone(broker.directory.load().venue(&spec.venue)?);
    if venue.provider.is_some() {
        return Err(bad(format!("`{}` is a provider's venue: its provider offers what it runs there", venue.id)));
    }
    let isolation = venue.isolation;
    let memory = MemoryMb::try_new(spec.memory_mb).map_err(|error| bad(error.to_string()))?;
    let target = Target::try_new(&spec.target).map_err(|error| bad(error.to_string()))?;
    let architecture = match &spec.architecture {
        None => venue.architecture,
        Some(word) => word.parse().map_err(|error: UnknownArchitecture| bad(error.to_string()))?,
    };
    let concurrency = match spec.concurrency.unwrap_or(DEFAULT_CONCURRENCY) {
        calls @ 1..=MAX_CONCURRENCY => calls,
        calls => return Err(bad(format!("concurrency must be 1 to {MAX_CONCURRENCY}, got {calls}"))),
    };
    let vcpu_milli = spec.vcpu.as_deref().map(parse_vcpu).transpose().map_err(|error| bad(format!("vcpu {error}")))?;
    let together = spec.instance_concurrency.unwrap_or(1);
    if !merit_config::range::INSTANCE_CONCURRENCY.contains(&u64::from(together)) {
        return Err(bad(format!("instance_concurrency must be 1 to 1000, got {together}")));
    }
    let size = Size { vcpu_milli, ..Size::new(memory).with_architecture(architecture).with_concurrency(together) };
    let kept = spec.kept_instances.unwrap_or(0);
    if !merit_config::range::KEPT_INSTANCES.contains(&u64::from(kept)) {
        return Err(bad(format!("kept_instances must be 0 to 10000, got {kept}")));
    }
    let prices = broker.prices_of(&venue, spec.sheet.as_deref())?;
    // One whose prices are still to come sells the sizes of its family.
    let like = || Catalogue::builtin().like(prices.awaits()?.as_str()).cloned();
    if let Some(sheet) = prices.sheet().or_else(like) {
        sheet.check(&size).map_err(|error| bad(error.to_string()))?;
    }
    let own_sheet = spec.sheet.as_deref().map(Into::into);
    let target = Arc::new(target);
    let digest = spec.digest.as_deref().map(merit_config::range::digest).transpose();
    let digest = digest.map_err(|error| bad(format!("digest {error}")))?.map(Into::into);
    let (offer, from_file) = (None, None);
    Ok(DeploymentParts {
        id,
        venue,
        prices,
        size,
        target,
        concurrency,
        kept,
        own_sheet,
        isolation,
        offer,
        digest,
        from_file,
    })
}

/// A function as it would be put.
#[must_use]
pub fn spec_of(function: &Function) -> FunctionSpec {
    FunctionSpec {
        idempotent: function.idempotent,
        class: function.class.as_deref().map(str::to_owned),
        timeout_ms: Some(function.timeout.millis_ceil()),
        value_of_time: Some(function.value_of_time.to_string()),
        equivalence: Some(function.equality.demand.word().to_owned()),
        digest: function.equality.digest.as_deref().map(str::to_owned),
        compare: Some(function.equality.compare.word().to_owned()),
        shadow_ppm: function.equality.shadow_ppm,
        events: Some(function.events.spec()),
        deployments: Some(
            function.deployments.iter().map(|deployment| (deployment.id.to_string(), deployment.spec())).collect(),
        ),
    }
}
