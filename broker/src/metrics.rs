//! What the broker counts, in Prometheus' text format.
//!
//! Labels are bounded: venues, price feeds, adjustments and fixed words only. Per-function and per-account figures are
//! questions for `/v1/spend`, which a time series database would pay for dearly.

mod equivalence;
mod events;
mod feed;
mod providers;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use merit_units::{Micros, Money, Timestamp, VenueId};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub use equivalence::EquivalenceMetrics;
pub use events::EventMetrics;
pub use feed::FeedMetrics;
pub use providers::ProviderMetrics;

/// Dollars, which a counter can only hold as a float: for graphs, not for accounts.
type Dollars = Counter<f64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VenueLabel {
    venue: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    venue: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WordLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AdjustmentLabel {
    adjustment: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FeedLabel {
    feed: String,
}

/// The handles a venue's calls count on, looked up once when the venue is made.
#[derive(Clone, Debug)]
pub struct VenueMetrics {
    /// `merit_attempt_duration_seconds`.
    duration: Histogram,
    charge: Dollars,
    attempts: Family<AttemptLabels, Counter>,
    ok: Counter,
    venue: String,
}

impl VenueMetrics {
    /// Counts one attempt by its result word, such as `ok` or `throttled`.
    pub fn attempt(&self, result: &'static str, duration: Micros, charge: Money) {
        if result == "ok" {
            self.ok.inc();
        } else {
            self.attempts.get_or_create(&AttemptLabels { venue: self.venue.clone(), result }).inc();
        }
        self.duration.observe(seconds(duration));
        self.charge.inc_by(dollars(charge));
    }
}

/// Every metric of the broker.
pub struct Metrics {
    registry: Registry,
    invocations: Family<WordLabel, Counter>,
    ok: Counter,
    refusals: Family<WordLabel, Counter>,
    duration: Histogram,
    overhead: Histogram,
    attempts: Family<AttemptLabels, Counter>,
    attempt_duration: Family<VenueLabel, Histogram>,
    charge: Family<VenueLabel, Dollars>,
    explored: Dollars,
    /// Calls in flight.
    pub in_flight: Gauge,
    /// Books rebuilt.
    pub book_builds: Counter,
    /// Postings that passed an account's soft budget.
    pub soft_budget_passed: Counter,
    /// Charges above what was held for them: never, unless a venue bills beyond its own sheet.
    pub hold_overruns: Counter,
    /// Receipts that could not be queued for the store.
    pub receipts_dropped: Counter,
    /// Events.
    pub events: EventMetrics,
    /// Market data.
    pub feed: FeedMetrics,
    /// Providers' quotes.
    pub providers: ProviderMetrics,
    /// Shadow calls and quarantine.
    pub equivalence: EquivalenceMetrics,
    callbacks: Family<WordLabel, Counter>,
    /// Calls that wait for a callback.
    pub callbacks_waiting: Gauge,
    catalog_held: Gauge,
    feed_failures: Family<FeedLabel, Counter>,
    feed_confirmed: Family<FeedLabel, Gauge>,
    adjustment_left: Family<AdjustmentLabel, Gauge<f64, AtomicU64>>,
}

fn latency_buckets() -> Histogram {
    const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];
    Histogram::new(SECONDS)
}

fn overhead_buckets() -> Histogram {
    const SECONDS: [f64; 10] = [1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 5e-3, 2e-2, 1e-1];
    Histogram::new(SECONDS)
}

impl Default for Metrics {
    fn default() -> Self {
        let invocations = Family::<WordLabel, Counter>::default();
        let ok = invocations.get_or_create(&WordLabel { kind: "ok" }).clone();
        let mut metrics = Self {
            registry: Registry::with_prefix("merit"),
            ok,
            invocations,
            refusals: Family::default(),
            duration: latency_buckets(),
            overhead: overhead_buckets(),
            attempts: Family::default(),
            attempt_duration: Family::new_with_constructor(latency_buckets),
            charge: Family::default(),
            explored: Dollars::default(),
            in_flight: Gauge::default(),
            book_builds: Counter::default(),
            soft_budget_passed: Counter::default(),
            hold_overruns: Counter::default(),
            receipts_dropped: Counter::default(),
            events: EventMetrics::default(),
            feed: FeedMetrics::default(),
            providers: ProviderMetrics::default(),
            equivalence: EquivalenceMetrics::default(),
            callbacks: Family::default(),
            callbacks_waiting: Gauge::default(),
            catalog_held: Gauge::default(),
            feed_failures: Family::default(),
            feed_confirmed: Family::default(),
            adjustment_left: Family::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("invocations", "Invocations by how they ended", self.invocations.clone());
        registry.register("refusals", "Requests refused, by the problem's type", self.refusals.clone());
        registry.register_with_unit("invocation_duration", "Admission to reply", Unit::Seconds, self.duration.clone());
        registry.register_with_unit(
            "overhead",
            "Merit's own share of an invocation",
            Unit::Seconds,
            self.overhead.clone(),
        );
        registry.register("attempts", "Attempts by venue and result", self.attempts.clone());
        registry.register_with_unit(
            "attempt_duration",
            "One attempt at a venue",
            Unit::Seconds,
            self.attempt_duration.clone(),
        );
        registry.register("charge_dollars", "Charges by venue", self.charge.clone());
        registry.register(
            "exploration_dollars",
            "Spent beyond the cheapest eligible ask to keep profiles fresh",
            self.explored.clone(),
        );
        registry.register("in_flight", "Calls in flight", self.in_flight.clone());
        registry.register("book_builds", "Books rebuilt after a change", self.book_builds.clone());
        registry.register("soft_budget_passed", "Postings that passed a soft budget", self.soft_budget_passed.clone());
        registry.register("hold_overruns", "Charges above their hold", self.hold_overruns.clone());
        self.events.register(registry);
        self.feed.register(registry);
        self.providers.register(registry);
        self.equivalence.register(registry);
        registry.register("receipts_dropped", "Receipts the store had no room for", self.receipts_dropped.clone());
        registry.register("callbacks", "Replies that were brought, by what came of it", self.callbacks.clone());
        registry.register("callbacks_waiting", "Calls that wait for a callback", self.callbacks_waiting.clone());
        registry.register("catalog_held", "Sheets whose newer prices wait for a person", self.catalog_held.clone());
        registry.register("catalog_feed_failures", "Looks at a price feed that failed", self.feed_failures.clone());
        registry.register_with_unit(
            "catalog_feed_confirmed_timestamp",
            "When a price feed was last read or had not changed, since 1970",
            Unit::Seconds,
            self.feed_confirmed.clone(),
        );
        registry.register(
            "adjustment_left_ratio",
            "The share that is left of a package or a commitment",
            self.adjustment_left.clone(),
        );
    }

    /// The handles of one venue.
    #[must_use]
    pub fn venue(&self, venue: &VenueId) -> VenueMetrics {
        let label = VenueLabel { venue: venue.to_string() };
        VenueMetrics {
            duration: self.attempt_duration.get_or_create(&label).clone(),
            charge: self.charge.get_or_create(&label).clone(),
            ok: self.attempts.get_or_create(&AttemptLabels { venue: venue.to_string(), result: "ok" }).clone(),
            attempts: self.attempts.clone(),
            venue: label.venue,
        }
    }

    /// Counts one ended invocation.
    pub fn invocation(&self, status: &'static str, duration: Micros, overhead: Micros, explored: Money) {
        if status == "ok" {
            self.ok.inc();
        } else {
            self.invocations.get_or_create(&WordLabel { kind: status }).inc();
        }
        self.duration.observe(seconds(duration));
        self.overhead.observe(seconds(overhead));
        if explored > Money::ZERO {
            self.explored.inc_by(dollars(explored));
        }
    }

    /// Counts one refused request by the stable word of its problem type.
    pub fn refusal(&self, kind: &'static str) {
        self.refusals.get_or_create(&WordLabel { kind }).inc();
    }

    /// Counts a reply that was brought, by what came of it.
    pub fn callback(&self, kind: &'static str) {
        self.callbacks.get_or_create(&WordLabel { kind }).inc();
    }

    /// Counts a look at a price feed that failed.
    pub fn feed_failed(&self, feed: &str) {
        self.feed_failures.get_or_create(&FeedLabel { feed: feed.to_owned() }).inc();
    }

    /// Sets how many sheets are held, and when each price feed was last confirmed.
    pub fn catalog<'a>(&self, held: usize, feeds: impl Iterator<Item = (&'a str, Timestamp)>) {
        self.catalog_held.set(i64::try_from(held).unwrap_or(i64::MAX));
        for (feed, confirmed_at) in feeds {
            let seconds = i64::try_from(confirmed_at.micros() / 1_000_000).unwrap_or(i64::MAX);
            self.feed_confirmed.get_or_create(&FeedLabel { feed: feed.to_owned() }).set(seconds);
        }
    }

    /// Sets the share that is left of each package and commitment; those that are no longer agreed are forgotten.
    pub fn adjustments_left(&self, shares: BTreeMap<String, f64>) {
        self.adjustment_left.clear();
        for (adjustment, share) in shares {
            self.adjustment_left.get_or_create(&AdjustmentLabel { adjustment }).set(share);
        }
    }

    /// The exposition.
    #[must_use]
    pub fn render(&self) -> String {
        let mut page = String::with_capacity(4096);
        text::encode(&mut page, &self.registry).expect("invariant: writing to a string succeeds");
        page
    }
}

fn seconds(length: Micros) -> f64 {
    length.to_std().as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "graphs need no more than 53 bits")]
fn dollars(amount: Money) -> f64 {
    amount.pico() as f64 / Money::PICO_PER_UNIT as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_what_was_counted() {
        let metrics = Metrics::default();
        let venue = metrics.venue(&VenueId::try_new("pool-a").unwrap());
        venue.attempt("ok", Micros::from_millis(3), Money::from_pico(2_000_000));
        venue.attempt("throttled", Micros::from_millis(1), Money::ZERO);
        metrics.invocation("ok", Micros::from_millis(4), Micros::new(40), Money::ZERO);
        metrics.refusal("rate-limited");
        let page = metrics.render();
        for line in [
            "merit_attempts_total{venue=\"pool-a\",result=\"ok\"} 1",
            "merit_attempts_total{venue=\"pool-a\",result=\"throttled\"} 1",
            "merit_attempt_duration_seconds_count{venue=\"pool-a\"} 2",
            "merit_charge_dollars_total{venue=\"pool-a\"} 0.000002",
            "merit_invocations_total{kind=\"ok\"} 1",
            "merit_refusals_total{kind=\"rate-limited\"} 1",
        ] {
            assert!(page.contains(line), "{line} in\n{page}");
        }
    }
}
