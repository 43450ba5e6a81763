//! What a provider's fills tell of it: its trial, its honesty, and what its session hears.
//!
//! Called once an attempt, as it lands. A call that surely did not start is no fill, but it counts for the trial when
//! the venue failed it.

use merit_market::{Fill, Observation, Went};
use merit_units::{FunctionId, Micros, Money};
use merit_wire::ServerFrame;

use super::Provider;
use crate::Broker;
use crate::function::Deployment;
use crate::venue::VenueEntry;

/// One attempt that has landed.
pub(crate) struct Landed<'a> {
    pub(crate) invocation: merit_units::InvocationId,
    pub(crate) function: &'a FunctionId,
    pub(crate) deployment: &'a Deployment,
    pub(crate) result: &'static str,
    pub(crate) observation: Observation,
    pub(crate) quoted: Money,
    pub(crate) charged: Money,
    pub(crate) expected: Micros,
    pub(crate) took: Micros,
}

impl Provider {
    /// Learns from an attempt.
    pub(crate) fn landed(&self, broker: &Broker, venue: &VenueEntry, landed: &Landed<'_>) {
        let went = match landed.observation {
            Observation::Ok => Went::Well,
            Observation::FunctionError => Went::ErrorOfItsOwn,
            Observation::Failed | Observation::Unknown => Went::Wrong,
            // It said that it is full: no promise was broken.
            Observation::Throttled { .. } | Observation::Burst { .. } => return,
        };
        let Landed { quoted, charged, expected, took, .. } = *landed;
        let passed = {
            let mut track = self.track();
            track.observe(&Fill { went, quoted, charged, expected, took }, &self.trial())
        };
        if passed && self.trial().calls > 0 {
            venue.slots.set_on_trial(false);
            tracing::info!(venue = %venue.id, "the trial is passed: calls go there by merit");
            broker.requotes.mark_all(venue.functions().iter());
        }
        let open = self.session.load();
        let Some(open) = open.as_ref().filter(|_| charged > Money::ZERO) else { return };
        let name = landed.deployment.id.as_str();
        let offer = name.strip_prefix(venue.id.as_str()).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name);
        open.tell_fill(ServerFrame::Fill {
            invocation: landed.invocation.to_string(),
            offer: offer.to_owned(),
            function: landed.function.to_string(),
            result: landed.result.to_owned(),
            charge: charged.to_string(),
            missed: 0,
        });
    }

    /// Puts the venue on trial, or not, as its record and the configuration say.
    pub(crate) fn judge_trial(&self, venue: &VenueEntry) {
        let rule = self.trial();
        let passed = self.track().passed || rule.calls == 0;
        venue.slots.set_on_trial(!passed);
    }
}
