//! Providers as the wire has them.

use merit_wire::{CapsSpec, KillView, KilledView, OfferList, OfferView};

use super::places::functions_of;
use super::standing::Standing;
use super::{Provider, Switch};
use crate::clock::rfc3339;
use crate::venue::VenueEntry;

impl Provider {
    /// Its offers, and what holds for all of them.
    pub(crate) fn view(&self, venue: &VenueEntry) -> OfferList {
        let killed = self.kill_view().killed;
        let offers = self.offers().iter().map(|standing| offer_view(standing, !killed.is_empty())).collect();
        OfferList {
            venue: venue.id.to_string(),
            connected: self.session.load().is_some(),
            endpoint: self.adapter.endpoint().map(|url| url.to_string()),
            killed,
            caps: self.caps(),
            offers,
        }
    }

    /// What it takes at most.
    pub(crate) fn caps(&self) -> CapsSpec {
        self.held().caps.clone()
    }

    /// The switches that are on.
    pub(crate) fn kill_view(&self) -> KillView {
        let held = self.held();
        let both = [(Switch::Provider, &held.provider), (Switch::Operator, &held.operator)];
        let on = both.into_iter().filter_map(|(by, killed)| {
            let killed = killed.as_ref()?;
            Some(KilledView { by: by.word().to_owned(), why: killed.why.clone(), at: rfc3339(killed.at) })
        });
        KillView { killed: on.collect() }
    }

    /// How honest its quotes are, in percent with a decimal, when something is known.
    pub(crate) fn honesty_percent(&self) -> Option<f64> {
        self.track().honesty_ppm().map(|ppm| f64::from(ppm / 1000) / 10.0)
    }

    /// How far its trial is, such as `12 of 100 calls`; nothing when it is over.
    pub(crate) fn trial_view(&self) -> Option<String> {
        let (record, rule) = (*self.track(), self.trial());
        let on = !record.passed && rule.calls > 0;
        on.then(|| format!("{} of {} calls, {} failed", record.calls, rule.calls, record.failures))
    }
}

fn offer_view(standing: &Standing, killed: bool) -> OfferView {
    let state = standing.state();
    let why = standing.hold.filter(|_| state.stands()).map(|hold| hold.told().message);
    OfferView {
        offer: standing.spec.clone(),
        state: if killed && state.stands() { "killed" } else { state.word() }.to_owned(),
        why: why.or_else(|| standing.why.map(str::to_owned)),
        at: rfc3339(standing.at),
        expires_at: rfc3339(standing.expires_at),
        functions: u32::try_from(functions_of(standing).count()).unwrap_or(u32::MAX),
    }
}
