//! What is counted of shadow calls and of quarantine.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::WordLabel;

/// What is counted of shadow calls and of quarantine.
#[derive(Default)]
pub struct EquivalenceMetrics {
    /// Deployments in quarantine.
    pub quarantined: Gauge,
    shadows: Family<WordLabel, Counter>,
}

impl EquivalenceMetrics {
    /// Counts a call that was to be shadowed, by what came of it: `equal`, `differs`, `failed`, `unknown` (the replies
    /// could not be compared), `nowhere` (there was no other deployment for it) or `left-out`.
    pub fn shadowed(&self, result: &'static str) {
        self.shadows.get_or_create(&WordLabel { kind: result }).inc();
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("deployments_quarantined", "Deployments in quarantine", self.quarantined.clone());
        registry.register("shadow_calls", "Calls to be repeated elsewhere, by what came of it", self.shadows.clone());
    }
}
