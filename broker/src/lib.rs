//! The broker: takes calls in, runs each at the cheapest healthy venue that meets its terms,
//! and keeps the money straight.
//!
//! The life of an invocation is the file list, read in order: a front door in [`doors`], then
//! [`admit`], [`quote`], [`dispatch`], [`settle`] and [`publish`]. Each stage takes what the one
//! before it made, so a wrong order does not compile. Beside them stands what they work on:
//! [`functions`] and their books, [`venue`]s and their [`prices`], [`keys`], the store's ledger.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use merit_market::RetryBudget;
use merit_pricing::UsageProfile;
use merit_store::{DurableLedger, Store};
use merit_units::{DeploymentId, FunctionId, InvocationId, Timestamp};
use tokio::sync::{Semaphore, watch};

mod adapters;
pub mod adjustments;
pub mod admit;
mod alternatives;
mod beyond_calls;
mod body;
pub mod catalog;
pub mod clock;
pub mod discovery;
pub mod dispatch;
mod doctor;
pub mod doors;
pub mod equivalence;
pub mod events;
pub mod feed;
pub mod function;
pub mod functions;
mod guest;
mod idempotent;
pub mod keys;
pub mod lanes;
pub mod metrics;
pub mod prices;
pub mod profiles;
pub mod provider;
pub mod publish;
pub mod quote;
pub mod receipt;
pub mod reconcile;
pub mod refusal;
pub mod reprice;
pub mod secrets;
pub mod serve;
pub mod server;
pub mod settings;
pub mod settle;
pub mod sheets;
mod stages;
pub mod terms;
#[cfg(test)]
mod testing;
pub mod upkeep;
pub mod venue;
pub mod venues;

use merit_venue_http::Callbacks;

use crate::catalog::LiveCatalog;
use crate::clock::Clock;
use crate::equivalence::Equivalence;
use crate::events::Events;
use crate::feed::Feed;
use crate::functions::Functions;
use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::prices::{MonthlyUsage, Prices};
use crate::provider::requote::Requotes;
use crate::secrets::Secrets;
use crate::settings::Settings;
use crate::venue::Directory;

/// The broker's state, shared by everything that serves.
pub struct Broker {
    /// Time.
    pub clock: Clock,
    /// What can be changed while running.
    pub settings: ArcSwap<Settings>,
    /// Functions by name.
    pub functions: Functions,
    /// Venues by name.
    pub directory: ArcSwap<Directory>,
    /// Live prices.
    pub catalog: LiveCatalog,
    /// Books that providers' quotes have changed.
    pub requotes: Requotes,
    /// Statements of providers are made one at a time: each may read a month of receipts.
    pub(crate) statements: Semaphore,
    /// What was learned of offers before a restart, until they are offered again.
    learned: Mutex<BTreeMap<(FunctionId, DeploymentId), UsageProfile>>,
    /// API keys.
    pub keys: Keys,
    /// What encrypts the secrets of those that sign requests.
    pub secrets: Secrets,
    /// Accounts, holds and postings.
    pub ledger: Arc<DurableLedger>,
    /// Everything on disk.
    pub store: Store,
    /// What is counted.
    pub metrics: Metrics,
    /// How many retries the traffic may cause.
    pub retry_budget: RetryBudget,
    /// Usage since the first of the month.
    pub usage: Arc<MonthlyUsage>,
    /// What was acknowledged and is still to be delivered.
    pub events: Events,
    /// Market data.
    pub feed: Feed,
    /// Whether deployments are equal.
    pub equivalence: Equivalence,
    /// Calls whose replies are brought by a platform's queue.
    pub callbacks: Arc<Callbacks>,
    /// Held while a provider's bill is imported.
    reconciling: tokio::sync::Mutex<()>,
    /// Calls in flight.
    pub in_flight: AtomicUsize,
    draining: AtomicBool,
    /// Turns true when calls that outlive their connection are to end at once.
    cut: watch::Sender<bool>,
}

/// What a broker is made of.
pub struct BrokerParts {
    /// Time.
    pub clock: Clock,
    /// What can be changed while running.
    pub settings: Settings,
    /// Everything on disk.
    pub store: Store,
    /// Usage since the first of the month.
    pub usage: MonthlyUsage,
    /// What encrypts secrets at rest.
    pub secrets: Secrets,
}

impl Broker {
    /// A broker with no venues, functions or keys yet.
    #[must_use]
    pub fn new(parts: BrokerParts) -> Arc<Self> {
        let BrokerParts { clock, settings, store, usage, secrets } = parts;
        let feed = Feed::since(clock.now());
        Arc::new(Self {
            clock,
            functions: Functions::default(),
            directory: ArcSwap::default(),
            catalog: LiveCatalog::default(),
            requotes: Requotes::default(),
            statements: Semaphore::new(1),
            learned: Mutex::default(),
            keys: Keys::new(settings.per_key, settings.per_account),
            secrets,
            ledger: Arc::clone(store.ledger()),
            store,
            metrics: Metrics::default(),
            retry_budget: RetryBudget::new(&settings.market),
            usage: Arc::new(usage),
            settings: ArcSwap::from_pointee(settings),
            events: Events::default(),
            feed,
            equivalence: Equivalence::default(),
            callbacks: Callbacks::new(0),
            reconciling: tokio::sync::Mutex::default(),
            in_flight: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            cut: watch::Sender::new(false),
        })
    }

    /// An id for a new invocation.
    #[must_use]
    pub fn new_invocation(&self) -> InvocationId {
        InvocationId::v7(self.clock.now().micros() / 1000, fastrand::u128(..))
    }

    /// Takes no new calls from now on; those in flight go on. Readers of market data are sent away.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
        self.events.wake();
        self.feed.close();
    }

    /// Whether new calls are refused.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Ends the calls that outlive their connection.
    pub(crate) fn cut_calls(&self) {
        self.cut.send_replace(true);
    }

    /// Completes when those calls are to end.
    pub(crate) fn cut(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut cut = self.cut.subscribe();
        async move { drop(cut.wait_for(|cut| *cut).await) }
    }

    /// Reads every rate of the next unit anew and rebuilds the books under those that have changed.
    pub fn refresh_prices(&self, now: Timestamp) {
        for venue in self.directory.load().venues.values() {
            let changed = venue.sheets().iter().filter(|prices| prices.refresh()).count();
            if changed > 0 {
                self.rebuild_books(venue, now);
            }
        }
    }

    /// Rebuilds the books under sheets that have become stale or valid since they were built or whose adjustments have
    /// begun or ended, and of venues that can be called again, or no longer.
    pub fn refresh_stale(&self, now: Timestamp) {
        for venue in self.directory.load().venues.values() {
            let changed = |prices: &&Arc<Prices>| prices.day_changed(now) | prices.eligibility_changed(now);
            let repriced = venue.sheets().iter().filter(changed).count();
            if venue.readiness_changed() || repriced > 0 {
                self.rebuild_books(venue, now);
            }
        }
    }

    /// Rebuilds the books of every function deployed at a venue, for its prices or its state have changed. Returns how
    /// many.
    pub fn rebuild_books(&self, venue: &venue::VenueEntry, now: Timestamp) -> usize {
        let (functions, settings) = (venue.functions(), self.settings.load());
        self.functions.each(&functions, |function| function.reprice(self, &settings, venue.index, now));
        functions.len()
    }
}
