//! The venues the broker can reach, and the numbers their names stand for in books and terms.
//!
//! A directory is immutable and swapped whole when the configuration changes; a venue that
//! stays keeps its number, its live state and what it has charged this month.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderValue;
use merit_ledger::VenueAccount;
use merit_market::{
    Architecture, ArchitectureSet, Ineligible, Isolation, IsolationSet, RegionIndex, RegionSet, Terms, VenueIndex,
    VenueSet, VenueSlots,
};
use merit_pricing::PriceSheet;
use merit_units::{FunctionId, Money, RegionId, SheetName, VenueId};
use merit_venue::Venue;
use merit_wire::header;

use crate::metrics::VenueMetrics;
use crate::prices::Prices;
use crate::provider::Provider;
use crate::refusal::Refusal;
use crate::terms::{NameFilter, Stated, similarity};

/// One venue.
pub struct VenueEntry {
    /// Its name.
    pub id: VenueId,
    /// Its name as replies tell it.
    pub shown: HeaderValue,
    /// Its number.
    pub index: VenueIndex,
    /// Its region.
    pub region: RegionId,
    /// The region's number.
    pub region_index: RegionIndex,
    /// What keeps calls apart there.
    pub isolation: Isolation,
    /// The instruction set, unless a deployment says otherwise.
    pub architecture: Architecture,
    /// How it is reached.
    pub adapter: Arc<dyn Venue>,
    /// The room it has for all its deployments together.
    pub slots: Arc<VenueSlots>,
    /// Its price sheet in force.
    pub prices: Arc<Prices>,
    /// Whose grants and tiers its calls use up; "" unless the configuration names an account.
    pub billing_account: Box<str>,
    /// Where its earnings are posted.
    pub ledger_account: VenueAccount,
    /// What is counted of it.
    pub metrics: VenueMetrics,
    /// Price sheets of deployments that have their own, by name. Outlives a reload, as the next.
    pub own_prices: Arc<Mutex<BTreeMap<String, Arc<Prices>>>>,
    /// Functions deployed or offered there: whose books a price change touches.
    pub functions: Arc<Mutex<BTreeSet<FunctionId>>>,
    /// What there is of it besides, where it is a provider's.
    pub provider: Option<Arc<Provider>>,
    /// Set when it is taken out of the configuration.
    pub disabled: AtomicBool,
    /// Whether its adapter could not be called when last asked by [`Self::readiness_changed`].
    pub unready: AtomicBool,
}

/// A name as a header value.
pub(crate) fn shown(name: &str) -> HeaderValue {
    HeaderValue::from_str(name).expect("invariant: names are ASCII")
}

impl VenueEntry {
    /// Whether it was taken out of the configuration: nothing is sent there any more.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.disabled.load(Ordering::Relaxed)
    }

    /// Why nothing is sent there whatever the price: it was switched off, or can't be called now.
    #[must_use]
    pub fn barred(&self) -> Option<Ineligible> {
        let unready = || self.unready.load(Ordering::Relaxed).then_some(Ineligible::VenueUnready);
        let killed = || self.slots.is_stopped().then_some(Ineligible::Killed);
        self.is_disabled().then_some(Ineligible::Disabled).or_else(killed).or_else(unready)
    }

    /// Whether it can, or can no longer, be called since this was last asked.
    pub fn readiness_changed(&self) -> bool {
        let why = self.adapter.unready();
        let changed = self.unready.swap(why.is_some(), Ordering::Relaxed) != why.is_some();
        match why {
            Some(why) if changed => tracing::warn!(venue = %self.id, %why, "can't be called and is ineligible"),
            None if changed => tracing::info!(venue = %self.id, "can be called again"),
            _ => {}
        }
        changed
    }

    /// A function is deployed there now.
    pub fn remember(&self, function: &FunctionId) {
        self.functions.lock().unwrap_or_else(PoisonError::into_inner).insert(function.clone());
    }

    /// A function is not deployed there any more.
    pub fn forget(&self, function: &FunctionId) {
        self.functions.lock().unwrap_or_else(PoisonError::into_inner).remove(function);
    }

    /// Every price sheet in force there.
    #[must_use]
    pub fn sheets(&self) -> Vec<Arc<Prices>> {
        let own = self.own_prices.lock().unwrap_or_else(PoisonError::into_inner);
        let offered = self.provider.iter().flat_map(|provider| provider.prices());
        std::iter::once(&self.prices).chain(own.values()).cloned().chain(offered).collect()
    }

    /// The prices there that have this very sheet in force, not only one of its name.
    #[must_use]
    pub fn billed_by(&self, sheet: &Arc<PriceSheet>) -> Vec<Arc<Prices>> {
        let is_it = |prices: &Arc<Prices>| prices.sheet().is_some_and(|other| Arc::ptr_eq(&other, sheet));
        self.sheets().into_iter().filter(is_it).collect()
    }

    /// The prices there that wait for the sheet of this name.
    #[must_use]
    pub fn awaiting(&self, sheet: &SheetName) -> Vec<Arc<Prices>> {
        self.sheets().into_iter().filter(|prices| prices.awaits().as_ref() == Some(sheet)).collect()
    }

    /// The functions deployed there.
    #[must_use]
    pub fn functions(&self) -> Vec<FunctionId> {
        self.functions.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// All venues.
#[derive(Default)]
pub struct Directory {
    /// By name.
    pub venues: BTreeMap<VenueId, Arc<VenueEntry>>,
    /// Every region that ever had a venue, by number.
    pub regions: Vec<RegionId>,
    /// Every venue there ever was, by number.
    pub numbers: Vec<VenueId>,
}

impl Directory {
    /// The venue of that name.
    ///
    /// # Errors
    /// [`Refusal::Unknown`] with names that resemble it.
    pub fn venue(&self, name: &str) -> Result<&Arc<VenueEntry>, Refusal> {
        self.venues.get(name).ok_or_else(|| Refusal::Unknown {
            kind: "venue",
            name: name.to_owned(),
            near: near(name, self.venues.keys().map(VenueId::as_str)),
        })
    }

    /// A caller's terms with names turned into numbers.
    ///
    /// # Errors
    /// [`Refusal::MalformedTerms`] naming the header with the unknown name.
    pub fn resolve(&self, stated: &Stated, value_of_time_pico_per_s: i64) -> Result<Terms, Refusal> {
        Ok(Terms {
            max_cost_pico: stated.max_price.map(Money::pico_saturating_i64),
            venues: self.venue_set(&stated.venues)?,
            regions: self.region_set(&stated.regions)?,
            isolation: isolation_set(&stated.isolation)?,
            architecture: architecture_set(&stated.architecture)?,
            max_latency_p95: stated.max_latency,
            value_of_time_pico_per_s,
            tried: 0,
            unfit: 0,
        })
    }

    fn venue_set(&self, filter: &NameFilter) -> Result<VenueSet, Refusal> {
        let number = |name: &str| self.venues.get(name).map(|venue| venue.index);
        let near = |name: &str| near(name, self.venues.keys().map(VenueId::as_str));
        let (allow, exclude) = numbers(header::VENUES, filter, number, near)?;
        let set = if allow.is_empty() { VenueSet::ALL } else { allow.into_iter().collect() };
        Ok(exclude.into_iter().fold(set, VenueSet::without))
    }

    fn region_set(&self, filter: &NameFilter) -> Result<RegionSet, Refusal> {
        let number = |name: &str| {
            let position = self.regions.iter().position(|region| region.as_str() == name)?;
            u8::try_from(position).ok().map(RegionIndex::new)
        };
        let near = |name: &str| near(name, self.regions.iter().map(RegionId::as_str));
        let (allow, exclude) = numbers(header::REGIONS, filter, number, near)?;
        let set = if allow.is_empty() { RegionSet::ALL } else { allow.into_iter().collect() };
        Ok(exclude.into_iter().fold(set, RegionSet::without))
    }
}

/// Numbers of the allowed and of the excluded names.
fn numbers<T>(
    header: &'static str,
    filter: &NameFilter,
    number: impl Fn(&str) -> Option<T>,
    near: impl Fn(&str) -> Vec<String>,
) -> Result<(Vec<T>, Vec<T>), Refusal> {
    let look_up = |names: &[String]| {
        names
            .iter()
            .map(|name| {
                number(name).ok_or_else(|| {
                    let unknown = Refusal::Unknown { kind: "such name:", name: name.clone(), near: near(name) };
                    Refusal::MalformedTerms { header, reason: unknown.to_string() }
                })
            })
            .collect::<Result<Vec<T>, Refusal>>()
    };
    Ok((look_up(&filter.allow)?, look_up(&filter.exclude)?))
}

fn isolation_set(filter: &NameFilter) -> Result<IsolationSet, Refusal> {
    if filter.is_empty() {
        return Ok(IsolationSet::ALL);
    }
    let (allow, exclude) = classes(header::ISOLATION, filter, &Isolation::EACH)?;
    Ok(allow.into_iter().filter(|class| !exclude.contains(class)).collect())
}

fn architecture_set(filter: &NameFilter) -> Result<ArchitectureSet, Refusal> {
    if filter.is_empty() {
        return Ok(ArchitectureSet::ALL);
    }
    let each = [Architecture::X86_64, Architecture::Arm64];
    let (allow, exclude) = classes(header::ARCHITECTURE, filter, &each)?;
    Ok(allow.into_iter().filter(|class| !exclude.contains(class)).collect())
}

fn classes<T>(header: &'static str, filter: &NameFilter, each: &[T]) -> Result<(Vec<T>, Vec<T>), Refusal>
where
    T: Copy + std::str::FromStr<Err: std::fmt::Display>,
{
    let read = |names: &[String]| {
        let read = names.iter().map(|name| name.parse());
        read.collect::<Result<Vec<T>, _>>()
            .map_err(|error| Refusal::MalformedTerms { header, reason: error.to_string() })
    };
    let allow = if filter.allow.is_empty() { each.to_vec() } else { read(&filter.allow)? };
    Ok((allow, read(&filter.exclude)?))
}

/// Up to three names that resemble `name`, nearest first.
#[must_use]
pub fn near<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    const ALIKE: u32 = 800;
    let mut ranked: Vec<(u32, &str)> =
        names.map(|other| (similarity(name, other), other)).filter(|(alike, _)| *alike >= ALIKE).collect();
    ranked.sort_unstable_by(|a, b| b.cmp(a));
    ranked.into_iter().take(3).map(|(_, other)| other.to_owned()).collect()
}
