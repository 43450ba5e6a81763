//! From what a venue has deployed to what Merit should know of it: a plan, and its application.
//!
//! A function there is taken for the function of Merit that its tag [`FUNCTION_TAG`] names, or for
//! the one of the same name when Merit has it, or, when asked for, for a new one of its name.
//! Its tag [`ALIAS_TAG`] picks the alias to call.
//!
//! Invariants: a plan changes nothing; what only Merit knows of a deployment (its concurrency, its own
//! sheet) stays when the rest changes; what is gone is taken away only when that is asked for.
//!
//! Known limitations: functions of `merit.toml` are put as the file says at every start, so what was
//! discovered for them belongs in the file. That instances are kept no longer is not told by every
//! provider; `kept_instances` stays then.

use std::collections::BTreeMap;
use std::sync::Arc;

use merit_lambda_wire::reference::FunctionReference;
use merit_pricing::{Architecture, Catalogue, Size};
use merit_units::{DeploymentId, FunctionId, MemoryMb, vcpu_text};
use merit_venue::Discovered;
use merit_wire::{ChangeView, DeploymentSpec, FoundView, FunctionSpec};

use crate::Broker;
use crate::function::{Deployment, Function};
use crate::refusal::Refusal;
use crate::venue::VenueEntry;

/// The tag that names the function of Merit.
pub const FUNCTION_TAG: &str = "merit:function";

/// The tag that names the alias or version to call.
pub const ALIAS_TAG: &str = "merit:alias";

/// Memory of a deployment whose venue tells none: the least Lambda has.
const ASSUMED_MEMORY_MB: u64 = 128;

/// What is there, and what it changes.
#[derive(Debug, Default)]
pub struct Plan {
    /// Everything found.
    pub found: Vec<FoundView>,
    /// What differs.
    pub changes: Vec<Change>,
}

/// One deployment that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The function.
    pub function: FunctionId,
    /// The deployment's name.
    pub deployment: String,
    /// As Merit has it.
    pub before: Option<DeploymentSpec>,
    /// As it is found.
    pub after: Option<DeploymentSpec>,
    /// After how long the venue ends a call, for a function that is new.
    pub timeout_ms: Option<u64>,
}

impl Change {
    /// As the wire has it.
    #[must_use]
    pub fn view(&self, result: String) -> ChangeView {
        let change = match (&self.before, &self.after) {
            (None, _) => "added",
            (Some(_), Some(_)) => "changed",
            (Some(_), None) => "gone",
        };
        ChangeView {
            change: change.to_owned(),
            function: self.function.to_string(),
            deployment: self.deployment.clone(),
            before: self.before.clone(),
            after: self.after.clone(),
            result,
        }
    }
}

/// The plan for what was `found` at a venue, where Merit has `functions`. `all` takes functions that
/// nothing names for new ones.
#[must_use]
pub fn plan(venue: &VenueEntry, functions: &[Arc<Function>], found: &[Discovered], all: bool) -> Plan {
    let mut plan = Plan::default();
    for one in found {
        let claim = claim(one, functions, all);
        let mut view = found_view(one);
        match claim {
            Ok(None) => {}
            Ok(Some(Claim { function, target })) => {
                view.function = Some(function.to_string());
                plan.changes.extend(difference(venue, functions, &function, one, &target));
            }
            Err(problem) => view.problem = Some(problem),
        }
        plan.found.push(view);
    }
    plan.changes.extend(gone(venue, functions, found));
    plan.changes.sort_by(|a, b| (&a.function, &a.deployment).cmp(&(&b.function, &b.deployment)));
    plan
}

struct Claim {
    function: FunctionId,
    target: String,
}

/// Which function of Merit it is, and by what target it is called.
fn claim(one: &Discovered, functions: &[Arc<Function>], all: bool) -> Result<Option<Claim>, String> {
    let tagged = one.tags.get(FUNCTION_TAG);
    let known = functions.iter().any(|function| function.id.as_str() == one.name);
    let Some(name) = tagged.or(Some(&one.name).filter(|_| known || all)) else { return Ok(None) };
    let function = FunctionId::try_new(name).map_err(|error| error.to_string())?;
    let Some(alias) = one.tags.get(ALIAS_TAG) else { return Ok(Some(Claim { function, target: one.target.clone() })) };
    let named = one.aliases.iter().find(|known| known.name == *alias);
    let target = named.map(|known| known.target.clone());
    let target = target.ok_or_else(|| format!("its tag {ALIAS_TAG} names `{alias}`, and it has no such alias"))?;
    Ok(Some(Claim { function, target }))
}

/// What differs between a deployment Merit has and what was found.
fn difference(
    venue: &VenueEntry,
    functions: &[Arc<Function>],
    function: &FunctionId,
    one: &Discovered,
    target: &str,
) -> Option<Change> {
    let known = functions.iter().find(|known| known.id == *function);
    let here = |deployment: &&Arc<Deployment>| {
        deployment.venue.id == venue.id && names_the_same(deployment.target.as_str(), target)
    };
    let timeout_ms = one.timeout.and_then(|limit| u64::try_from(limit.as_millis()).ok());
    let change = |deployment, before, after| {
        Some(Change { function: function.clone(), deployment, before, after: Some(after), timeout_ms })
    };
    let Some(deployment) = known.and_then(|known| known.deployments.iter().find(here)) else {
        let taken = |name: &str| known.is_some_and(|known| known.deployments.iter().any(|one| one.id.as_str() == name));
        return change(free_name(venue, one, taken), None, proposed(venue, one, target));
    };
    let before = deployment.spec();
    let mut after = before.clone();
    if let Some(memory) = one.memory {
        after.memory_mb = memory.megabytes().into();
    }
    if let Some(architecture) = one.architecture.filter(|told| *told != deployment.size.architecture) {
        after.architecture = Some(architecture.to_string());
        after.sheet = sheet_for(venue, one, architecture);
    }
    if let Some(vcpu) = one.vcpu_milli.filter(|told| Some(*told) != deployment.size.vcpu_milli) {
        after.vcpu = Some(vcpu_text(vcpu));
    }
    if one.instance_concurrency.is_some() {
        after.instance_concurrency = several(one);
    }
    if let Some(kept) = one.provisioned {
        after.kept_instances = Some(kept).filter(|kept| *kept > 0);
    }
    if let Some(reserved) = one.reserved.filter(|reserved| *reserved > 0 && *reserved < deployment.concurrency) {
        after.concurrency = Some(reserved);
    }
    if let Some(digest) = digest_of(one, target) {
        after.digest = Some(digest);
    }
    if after == before { None } else { change(deployment.id.to_string(), Some(before), after) }
}

/// A deployment as it would be put.
fn proposed(venue: &VenueEntry, one: &Discovered, target: &str) -> DeploymentSpec {
    let architecture = one.architecture.unwrap_or(venue.architecture);
    DeploymentSpec {
        venue: venue.id.to_string(),
        target: target.to_owned(),
        memory_mb: one.memory.map_or(ASSUMED_MEMORY_MB, |memory| memory.megabytes().into()),
        vcpu: one.vcpu_milli.map(vcpu_text),
        architecture: Some(architecture.to_string()),
        concurrency: one.reserved.filter(|reserved| *reserved > 0),
        instance_concurrency: several(one),
        kept_instances: one.provisioned.filter(|kept| *kept > 0),
        sheet: sheet_for(venue, one, architecture),
        digest: digest_of(one, target),
    }
}

/// How many calls its instances take at once, where that is more than one. More than Merit knows are as many as it knows.
fn several(one: &Discovered) -> Option<u16> {
    let most = u16::try_from(*merit_config::range::INSTANCE_CONCURRENCY.end()).unwrap_or(u16::MAX);
    one.instance_concurrency.filter(|calls| *calls > 1).map(|calls| calls.min(most))
}

/// The digest it tells, of what that target calls.
fn digest_of(one: &Discovered, target: &str) -> Option<String> {
    one.digest.clone().filter(|_| names_the_same(&one.target, target))
}

/// The sheet of that architecture beside the venue's own, when the venue's does not price it.
fn sheet_for(venue: &VenueEntry, one: &Discovered, architecture: Architecture) -> Option<String> {
    let own = venue.prices.sheet()?;
    let memory = one.memory.or_else(|| MemoryMb::try_new(ASSUMED_MEMORY_MB).ok())?;
    let size = Size { vcpu_milli: one.vcpu_milli, ..Size::new(memory).with_architecture(architecture) };
    if own.check(&size).is_ok() {
        return None;
    }
    let (family, _) = own.name().as_str().rsplit_once('/')?;
    let sibling = format!("{family}/{architecture}");
    let fits = Catalogue::builtin().get(&sibling).is_some_and(|sheet| sheet.check(&size).is_ok());
    fits.then_some(sibling)
}

/// The venue's name, or one with the function's name there behind it.
fn free_name(venue: &VenueEntry, one: &Discovered, taken: impl Fn(&str) -> bool) -> String {
    let plain = venue.id.to_string();
    let longer = format!("{plain}-{}", one.name);
    if taken(&plain) && DeploymentId::try_new(&longer).is_ok() { longer } else { plain }
}

/// Deployments at the venue whose function is not there any more.
fn gone(venue: &VenueEntry, functions: &[Arc<Function>], found: &[Discovered]) -> Vec<Change> {
    let there = |target: &str| {
        found.iter().any(|one| {
            let aliases = one.aliases.iter().map(|alias| alias.target.as_str());
            std::iter::once(one.target.as_str()).chain(aliases).any(|named| names_the_same(target, named))
                || is_version_of(target, &one.name)
        })
    };
    let mut gone = Vec::new();
    for function in functions {
        for deployment in function.deployments.iter().filter(|deployment| deployment.venue.id == venue.id) {
            if !there(deployment.target.as_str()) {
                let (function, deployment, before) =
                    (function.id.clone(), deployment.id.to_string(), deployment.spec());
                gone.push(Change { function, deployment, before: Some(before), after: None, timeout_ms: None });
            }
        }
    }
    gone
}

/// Whether two targets name the same, one by name and the other by ARN, with or without `$LATEST`.
fn names_the_same(a: &str, b: &str) -> bool {
    let parts = |target: &str| {
        let reference = FunctionReference::parse(target).ok()?;
        Some((reference.name, reference.qualifier.filter(|qualifier| qualifier != "$LATEST")))
    };
    // How a deployment is called is no part of what is there.
    let [a, b] = [a, b].map(|target| target.strip_prefix("async/").unwrap_or(target));
    a == b || parts(a).is_some_and(|a| parts(b) == Some(a))
}

/// Whether the target is a published version, which lists do not tell.
fn is_version_of(target: &str, name: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    FunctionReference::parse(target)
        .is_ok_and(|reference| reference.name == name && reference.qualifier.as_deref().is_some_and(digits))
}

fn found_view(one: &Discovered) -> FoundView {
    FoundView {
        name: one.name.clone(),
        function: None,
        memory_mb: one.memory.map(|memory| memory.megabytes().into()),
        architecture: one.architecture.map(|architecture| architecture.to_string()),
        timeout_ms: one.timeout.and_then(|limit| u64::try_from(limit.as_millis()).ok()),
        reserved_concurrency: one.reserved,
        provisioned_concurrency: one.provisioned,
        aliases: one.aliases.iter().map(|alias| (alias.name.clone(), alias.version.clone())).collect(),
        tags: one.tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect::<BTreeMap<_, _>>(),
        problem: None,
    }
}

impl Broker {
    /// Makes one change; what is gone is taken away. Whoever holds the key `by` says by it that what was found is the
    /// function's own; that has to be kept ([`Broker::vouch`]). Returns the function as it is now.
    ///
    /// # Errors
    /// As [`crate::functions::Functions::put`].
    pub fn apply_change(&self, change: &Change, by: &str) -> Result<Arc<Function>, Refusal> {
        let function = change.function.as_str();
        let Some(spec) = &change.after else {
            return self.functions.remove_deployment(self, function, &change.deployment);
        };
        let id = DeploymentId::try_new(&change.deployment).map_err(|error| Refusal::BadRequest(error.to_string()))?;
        if self.functions.get(function).is_ok() {
            return self.functions.put_deployment(self, function, &id, spec, by);
        }
        let whole = FunctionSpec {
            timeout_ms: change.timeout_ms,
            deployments: Some(BTreeMap::from([(change.deployment.clone(), spec.clone())])),
            ..FunctionSpec::default()
        };
        self.functions.put_by(self, &change.function, &whole, by)
    }
}

#[cfg(test)]
mod tests;
