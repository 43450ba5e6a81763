//! A function, its deployments, and the view of its book that calls are matched in.
//!
//! Deployments live as long as their specification stands: what was learned of them and what
//! is running there survives every rebuild of the book. A [`View`] is immutable; readers load
//! it without a lock, and a rebuild swaps it whole.
//!
//! Known limitation: a profile's news reaches the book at most every [`REBUILD_EVERY`], so an
//! estimate may lag by that much; prices and health are never delayed.

mod sharing;
#[cfg(test)]
mod tests;
mod view;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use http::HeaderValue;
use merit_market::{Isolation, Slot, VenueIndex};
use merit_pricing::{Size, Usage, UsageProfile};
use merit_units::{DeploymentId, FunctionId, Micros, Money, Timestamp, VenueId, vcpu_text};
use merit_venue::Target;
use merit_wire::DeploymentSpec;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::Broker;
use crate::equivalence::{Equality, EqualityRules};
use crate::events::Rules;
use crate::prices::{InForce, Prices};
use crate::provider::OfferGate;
use crate::settings::Settings;
use crate::venue::VenueEntry;

pub(crate) use sharing::{Seat, Sharing};
pub use view::View;

/// How often new usage may rebuild a book: often enough for people, rarely enough to cost nothing.
const REBUILD_EVERY: Micros = Micros::from_millis(50);

/// Calls of a deployment before its news waits for [`REBUILD_EVERY`]: the first few teach the most.
const EAGER_SAMPLES: u64 = 16;

/// A function's code at one venue with one size.
pub struct Deployment {
    /// Its name.
    pub id: DeploymentId,
    /// Its name as replies tell it.
    pub shown: HeaderValue,
    /// Where it is.
    pub venue: Arc<VenueEntry>,
    /// What it is billed by: the venue's price sheet, or its own.
    pub prices: Arc<Prices>,
    /// What is configured for it.
    pub size: Size,
    /// Where the venue finds it.
    pub target: Arc<Target>,
    /// Calls it may run at once.
    pub concurrency: u32,
    /// Instances that are kept for it whether calls come or not.
    pub kept: u32,
    /// A sheet of its own, by name.
    pub own_sheet: Option<Box<str>>,
    /// What keeps calls apart there.
    pub isolation: Isolation,
    /// The offer that it is, where nobody registered it.
    pub offer: Option<Arc<OfferGate>>,
    /// The digest of the artefact installed there, where it is known.
    pub digest: Option<Box<str>>,
    /// When it was read from `merit.toml`, where it was: that is the operator's word.
    pub from_file: Option<Timestamp>,
    /// Whether it is equal to the function's others.
    pub equality: Equality,
    /// Its room and health.
    pub slot: Arc<Slot>,
    /// The calls that share its instances.
    sharing: Arc<Sharing>,
    profile: Mutex<UsageProfile>,
}

impl Deployment {
    /// A deployment that takes over from the one of its name, if there was one at the same venue:
    /// what was learned and what is running there stay.
    #[must_use]
    pub fn new(parts: DeploymentParts, former: Option<&Self>) -> Self {
        let DeploymentParts { id, venue, prices, size, target, concurrency, .. } = parts;
        let DeploymentParts { kept, own_sheet, isolation, offer, digest, from_file, .. } = parts;
        let former = former.filter(|former| Arc::ptr_eq(&former.venue.slots, &venue.slots) && former.target == target);
        let slot = match former {
            Some(former) => {
                former.slot.set_concurrency(concurrency);
                Arc::clone(&former.slot)
            }
            None => Arc::new(Slot::new(concurrency, Arc::clone(&venue.slots))),
        };
        let each = size.concurrency;
        let sharing = match former {
            Some(former) => {
                former.sharing.set(each, Instant::now());
                Arc::clone(&former.sharing)
            }
            None => Arc::new(Sharing::new(each)),
        };
        slot.set_memory_mb(size.memory.megabytes().into());
        let profile = Mutex::new(former.map_or_else(UsageProfile::new, |former| former.profile().clone()));
        let shown = crate::venue::shown(id.as_str());
        Self {
            id,
            shown,
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
            equality: Equality::default(),
            slot,
            sharing,
            profile,
        }
    }

    /// Whether it already is what `parts` describe.
    #[must_use]
    pub fn is_made_of(&self, parts: &DeploymentParts) -> bool {
        self.id == parts.id
            && Arc::ptr_eq(&self.venue, &parts.venue)
            && Arc::ptr_eq(&self.prices, &parts.prices)
            && (self.size, self.concurrency, self.kept) == (parts.size, parts.concurrency, parts.kept)
            && self.runs_what(parts)
            && self.digest == parts.digest
            && self.from_file == parts.from_file
            && self.isolation == parts.isolation
    }

    /// Whether it is the code that `parts` describe, as far as was known.
    #[must_use]
    pub fn runs_what(&self, parts: &DeploymentParts) -> bool {
        let same_digest = self.digest.is_none() || self.digest == parts.digest;
        self.venue.id == parts.venue.id && self.target == parts.target && same_digest
    }

    /// As it would be put.
    #[must_use]
    pub fn spec(&self) -> DeploymentSpec {
        DeploymentSpec {
            venue: self.venue.id.to_string(),
            target: self.target.as_str().to_owned(),
            memory_mb: self.size.memory.megabytes().into(),
            vcpu: self.size.vcpu_milli.map(vcpu_text),
            architecture: Some(self.size.architecture.to_string()),
            concurrency: Some(self.concurrency),
            instance_concurrency: Some(self.size.concurrency).filter(|calls| *calls > 1),
            kept_instances: Some(self.kept).filter(|kept| *kept > 0),
            sheet: self.own_sheet.as_deref().map(str::to_owned),
            digest: self.digest.as_deref().map(str::to_owned),
        }
    }

    /// The place of a call on its instances, where calls share them and their price.
    pub(crate) fn sit_down(&self, prices: &InForce) -> Option<Seat> {
        let shared = self.size.concurrency > 1 && prices.bills_shared_instances();
        shared.then(|| Sharing::enter(&self.sharing, Instant::now()))
    }

    /// Whether somebody registered it, or its offer stands.
    fn is_offered(&self) -> bool {
        self.offer.as_ref().is_none_or(|offer| offer.state().stands())
    }

    /// Puts back what was learned before a restart.
    pub fn restore(&self, mut profile: UsageProfile) {
        if let Some(sheet) = self.prices.sheet() {
            profile.rebase(&sheet, &self.size);
        }
        *self.profile() = profile;
    }

    /// What has been learned of it.
    pub fn profile(&self) -> MutexGuard<'_, UsageProfile> {
        self.profile.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a deployment is made of.
pub struct DeploymentParts {
    /// Its name.
    pub id: DeploymentId,
    /// Where it is.
    pub venue: Arc<VenueEntry>,
    /// What it is billed by.
    pub prices: Arc<Prices>,
    /// What is configured for it.
    pub size: Size,
    /// Where the venue finds it.
    pub target: Arc<Target>,
    /// Calls it may run at once.
    pub concurrency: u32,
    /// Instances that are kept for it whether calls come or not.
    pub kept: u32,
    /// A sheet of its own, by name.
    pub own_sheet: Option<Box<str>>,
    /// What keeps calls apart there.
    pub isolation: Isolation,
    /// The offer that it is, where nobody registers it.
    pub offer: Option<Arc<OfferGate>>,
    /// The digest of the artefact installed there.
    pub digest: Option<Box<str>>,
    /// When it was read from `merit.toml`, where it was.
    pub from_file: Option<Timestamp>,
}

/// How much room a function has for offers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Deployments and offers in all.
    pub(crate) deployments: usize,
    /// Offers of one venue.
    pub(crate) of_venue: usize,
}

/// A logical function.
pub struct Function {
    /// Its name.
    pub id: FunctionId,
    /// Whether running it twice does no harm.
    pub idempotent: bool,
    /// The longest one run may take.
    pub timeout: Micros,
    /// Dollars a second of waiting is worth, unless the caller says otherwise.
    pub value_of_time: Money,
    /// What it is a kind of, for providers' offers.
    pub class: Option<Box<str>>,
    /// What it demands of its deployments, and how their replies are compared.
    pub equality: EqualityRules,
    /// How its events are delivered.
    pub events: Rules,
    /// Where it is deployed.
    pub deployments: Vec<Arc<Deployment>>,
    /// Where providers offer to run it, in order of venue and offer.
    offered: ArcSwap<Vec<Arc<Deployment>>>,
    /// Woken at each new view; `rest` orders wait for it.
    pub changed: Notify,
    view: ArcSwap<View>,
    building: Mutex<()>,
    built_at: AtomicU64,
}

impl Function {
    /// A function with an empty book; [`Self::rebuild`] fills it.
    #[must_use]
    pub fn new(
        id: FunctionId,
        idempotent: bool,
        timeout: Micros,
        value_of_time: Money,
        deployments: Vec<Arc<Deployment>>,
    ) -> Self {
        let view = ArcSwap::from_pointee(View::empty());
        Self {
            id,
            idempotent,
            timeout,
            value_of_time,
            class: None,
            equality: EqualityRules::default(),
            events: Rules::default(),
            deployments,
            offered: ArcSwap::default(),
            changed: Notify::new(),
            view,
            building: Mutex::new(()),
            built_at: AtomicU64::new(0),
        }
    }

    /// This function with rules for its events.
    #[must_use]
    pub fn with_events(self, events: Rules) -> Self {
        Self { events, ..self }
    }

    /// This function with a demand on its deployments.
    #[must_use]
    pub fn with_equality(self, equality: EqualityRules) -> Self {
        Self { equality, ..self }
    }

    /// This function as one of a class.
    #[must_use]
    pub fn with_class(self, class: Option<Box<str>>) -> Self {
        Self { class, ..self }
    }

    /// This function taking over from its former self: the merit order changes gradually, not at once.
    #[must_use]
    pub fn succeeding(self, former: Option<&Self>) -> Self {
        if let Some(former) = former {
            self.view.store(former.view());
            self.offered.store(former.offered.load_full());
        }
        self
    }

    /// Where it can run: where it is deployed, and where providers offer to run it.
    #[must_use]
    pub fn places(&self) -> Vec<Arc<Deployment>> {
        self.deployments.iter().chain(self.offered.load().iter()).cloned().collect()
    }

    /// Whether an offer of a venue, to be called `id`, would find room. Offers that have ended give way.
    pub(crate) fn has_room_for(&self, id: &DeploymentId, venue: &VenueId, room: Room) -> bool {
        let (mut standing, mut of_venue) = (self.deployments.len(), 0);
        for other in self.offered.load().iter().filter(|other| other.id != *id && other.is_offered()) {
            standing += 1;
            of_venue += usize::from(other.venue.id == *venue);
        }
        standing < room.deployments && of_venue < room.of_venue
    }

    /// Adds an offered deployment, or puts it in the place of the one of its name. Returns whether there is room.
    pub(crate) fn put_offered(&self, deployment: &Arc<Deployment>, room: Room) -> bool {
        if !self.has_room_for(&deployment.id, &deployment.venue.id, room) {
            return false;
        }
        let room = room.deployments.saturating_sub(self.deployments.len());
        let mut fits = true;
        self.offered.rcu(|offered| {
            let mut next: Vec<_> = offered.iter().filter(|other| other.id != deployment.id).cloned().collect();
            if next.len() >= room
                && let Some(ended) = next.iter().position(|other| !other.is_offered())
            {
                next.remove(ended);
            }
            fits = next.len() < room;
            if fits {
                let place = next.partition_point(|other| other.id < deployment.id);
                next.insert(place, Arc::clone(deployment));
            }
            next
        });
        fits
    }

    /// Takes away the offered deployments that are not to be kept.
    pub(crate) fn retain_offered(&self, keep: &dyn Fn(&Deployment) -> bool) {
        self.offered.rcu(|offered| offered.iter().filter(|deployment| keep(deployment)).cloned().collect::<Vec<_>>());
    }

    /// The book as it stands.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Learns from a call, and brings the news into the book when it is worth it.
    pub fn learn(&self, broker: &Broker, deployment: &Deployment, usage: &Usage, latency: Micros, now: Timestamp) {
        let sheet = deployment.prices.sheet();
        let samples = {
            let mut profile = deployment.profile();
            if let Some(sheet) = &sheet {
                // A size the sheet does not sell has no price either, so nothing was sent there.
                profile.observe(sheet, &deployment.size, usage, latency).ok();
            }
            profile.samples()
        };
        let due = Timestamp::from_micros(self.built_at.load(Ordering::Relaxed)) + REBUILD_EVERY;
        if samples <= EAGER_SAMPLES || now >= due {
            self.rebuild_unless_busy(broker, now);
        }
    }

    /// Rebuilds the book from prices, profiles and health as they stand.
    pub fn rebuild(&self, broker: &Broker, now: Timestamp) {
        let building = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        self.rebuild_locked(broker, now);
        drop(building);
    }

    /// Brings the prices of one venue, and whether it can be called, into the book. The other rows stay as they are:
    /// a thousand books are built anew for one change of a price.
    pub fn reprice(&self, broker: &Broker, settings: &Settings, venue: VenueIndex, now: Timestamp) {
        let building = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        let former = self.view.load();
        let same = former.is_of(&self.deployments, &self.offered.load());
        match same.then(|| former.repriced(venue, &self.building_rules(now, &settings.market))).flatten() {
            Some(view) => self.publish(broker, view),
            None => self.rebuild_locked(broker, now),
        }
        drop(building);
    }

    fn rebuild_unless_busy(&self, broker: &Broker, now: Timestamp) {
        if let Ok(building) = self.building.try_lock() {
            self.rebuild_locked(broker, now);
            drop(building);
        }
    }

    fn rebuild_locked(&self, broker: &Broker, now: Timestamp) {
        let settings = broker.settings.load();
        let former = self.view.load();
        let same = former.is_of(&self.deployments, &self.offered.load());
        let changed = (!same).then(|| self.places());
        self.publish(broker, former.rebuilt(changed, &self.building_rules(now, &settings.market)));
        self.built_at.store(now.micros(), Ordering::Relaxed);
    }

    fn building_rules<'a>(&self, now: Timestamp, market: &'a merit_market::Config) -> view::Rules<'a> {
        view::Rules { timeout: self.timeout, demand: self.equality.demand, now, market }
    }

    fn publish(&self, broker: &Broker, view: View) {
        self.view.store(Arc::new(view));
        broker.metrics.book_builds.inc();
        self.changed.notify_waiters();
    }
}
