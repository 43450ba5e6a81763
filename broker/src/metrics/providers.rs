//! What is counted of providers' quotes.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::WordLabel;

/// What is counted of providers' quotes.
#[derive(Default)]
pub struct ProviderMetrics {
    /// Offers taken, those held among them.
    pub accepted: Counter,
    /// Times that an offer was held.
    pub held: Counter,
    /// Offers that were not sent again in time.
    pub expired: Counter,
    /// Sessions open.
    pub sessions: Gauge,
    refused: Family<WordLabel, Counter>,
}

impl ProviderMetrics {
    /// Counts a frame or an offer that was not taken, by its reason.
    pub fn refused(&self, kind: &'static str) {
        self.refused.get_or_create(&WordLabel { kind }).inc();
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("quotes", "Offers of providers taken", self.accepted.clone());
        registry.register("quotes_held", "Times that an offer was held for its price", self.held.clone());
        registry.register("quotes_expired", "Offers that were not sent again in time", self.expired.clone());
        registry.register("quotes_refused", "Offers and frames not taken, by reason", self.refused.clone());
        registry.register("provider_sessions", "Sessions of providers open", self.sessions.clone());
    }
}
