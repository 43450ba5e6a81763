//! What is counted of market data.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::WordLabel;

/// Every metric of `/v1/feed`.
#[derive(Default)]
pub struct FeedMetrics {
    /// Readers connected.
    pub connections: Gauge,
    updates: Family<WordLabel, Counter>,
    queued: Counter,
    closed: Family<WordLabel, Counter>,
    /// Fills that a producer had no room for.
    pub fills_lost: Counter,
}

impl FeedMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("feed_connections", "Readers of market data", self.connections.clone());
        registry.register("feed_updates", "Updates made, by channel", self.updates.clone());
        registry.register("feed_messages", "Updates put into readers' queues", self.queued.clone());
        registry.register("feed_closed", "Readers' connections that ended, by why", self.closed.clone());
        registry.register("feed_fills_lost", "Fills that were not told for want of room", self.fills_lost.clone());
    }

    /// Counts an update and the readers it went to.
    pub fn update(&self, channel: &'static str, readers: usize) {
        self.updates.get_or_create(&WordLabel { kind: channel }).inc();
        self.queued.inc_by(readers as u64);
    }

    /// Counts a connection that ended.
    pub fn closed(&self, why: &'static str) {
        self.closed.get_or_create(&WordLabel { kind: why }).inc();
    }
}
