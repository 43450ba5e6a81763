//! What is counted of events.

use merit_store::record::EventNext;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::WordLabel;
use crate::events::Backlog;

/// Every metric of events.
#[derive(Default)]
pub struct EventMetrics {
    /// Events accepted, and records for destinations.
    pub accepted: Counter,
    /// Deliveries after which an event was delivered.
    delivered: Counter,
    retried: Family<WordLabel, Counter>,
    dead: Counter,
    forgotten: Counter,
    queued: Gauge,
    queued_bytes: Gauge,
    running: Gauge,
    oldest_age: Gauge,
    dead_letters: Gauge,
}

impl EventMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let mut count = |name: &str, help: &str, counter: &Counter| registry.register(name, help, counter.clone());
        count("events_accepted", "Events acknowledged, and records for destinations", &self.accepted);
        count("events_delivered", "Events delivered", &self.delivered);
        count("events_dead", "Events given up", &self.dead);
        count("events_forgotten", "Dead letters past their time, or beyond how many are kept", &self.forgotten);
        registry.register("events_retried", "Deliveries that are tried again, by why", self.retried.clone());
        let mut state = |name: &str, help: &str, gauge: &Gauge| registry.register(name, help, gauge.clone());
        state("events_queued", "Events that wait or are being delivered", &self.queued);
        state("events_running", "Deliveries under way", &self.running);
        state("events_dead_letters", "Dead letters that are kept", &self.dead_letters);
        let help = "Payloads of events that wait";
        registry.register_with_unit("events_queued", help, Unit::Bytes, self.queued_bytes.clone());
        let help = "Age of the oldest event that waits";
        registry.register_with_unit("events_oldest_age", help, Unit::Seconds, self.oldest_age.clone());
    }

    /// Counts the end of a delivery.
    pub fn ended(&self, next: EventNext, why: &'static str) {
        match next {
            EventNext::Delivered => self.delivered.inc(),
            EventNext::Again { .. } => self.retried.get_or_create(&WordLabel { kind: why }).inc(),
            EventNext::Dead => self.dead.inc(),
        };
    }

    /// Counts dead letters that were forgotten.
    pub fn forgotten(&self, events: usize) {
        self.forgotten.inc_by(events as u64);
    }

    /// Brings the gauges up to date.
    pub fn tell(&self, backlog: &Backlog) {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.queued.set(number(backlog.events));
        self.queued_bytes.set(number(backlog.bytes));
        self.running.set(number(backlog.running as u64));
        self.oldest_age.set(number(backlog.oldest_age.get() / 1_000_000));
        self.dead_letters.set(number(backlog.dead));
    }
}
