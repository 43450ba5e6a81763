//! One offer as it stands: what was sent last, its price with the band it moves in, and the deployments it is.
//!
//! Books read an offer's state through its [`OfferGate`], without the lock of the offers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use arc_swap::ArcSwapOption;
use merit_market::{Band, BandLimits, Ineligible, OutOfBand};
use merit_pricing::{Meter, PriceSheet};
use merit_units::{FunctionId, Rate, Timestamp};
use merit_wire::OfferSpec;

use super::offer::{Offer, Refused};
use crate::function::Deployment;
use crate::prices::Prices;

/// Whether an offer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferState {
    /// It is in the market.
    Live,
    /// It waits to be confirmed, or for the band to reach it.
    Held,
    /// It was not sent again in time.
    Expired,
    /// It was cancelled, or its session has ended.
    Cancelled,
}

impl OfferState {
    const EACH: [Self; 4] = [Self::Live, Self::Held, Self::Expired, Self::Cancelled];

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Held => "held",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it has not ended.
    #[must_use]
    pub const fn stands(self) -> bool {
        matches!(self, Self::Live | Self::Held)
    }
}

/// What books and those who read them see of an offer: whether it stands, and how its price comes about.
#[derive(Debug)]
pub struct OfferGate {
    state: AtomicU8,
    rule: ArcSwapOption<serde_json::Value>,
}

impl OfferGate {
    pub(crate) const fn new(state: OfferState) -> Self {
        Self { state: AtomicU8::new(state as u8), rule: ArcSwapOption::const_empty() }
    }

    /// Its state.
    #[must_use]
    pub fn state(&self) -> OfferState {
        OfferState::EACH[usize::from(self.state.load(Ordering::Relaxed))]
    }

    /// Why nothing is sent to it, if so.
    #[must_use]
    pub fn ineligible(&self) -> Option<Ineligible> {
        match self.state() {
            OfferState::Live => None,
            OfferState::Held => Some(Ineligible::QuoteHeld),
            OfferState::Expired => Some(Ineligible::OfferExpired),
            OfferState::Cancelled => Some(Ineligible::NoOffer),
        }
    }

    /// How its price comes about, in the provider's words.
    #[must_use]
    pub fn rule(&self) -> Option<serde_json::Value> {
        self.rule.load().as_deref().cloned()
    }

    pub(crate) fn tell_rule(&self, rule: Option<&serde_json::Value>) {
        self.rule.store(rule.cloned().map(Arc::new));
    }

    pub(crate) fn set(&self, state: OfferState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }
}

/// The bands of one meter: of its lowest and of its highest rate, which are one without tiers.
#[derive(Clone, Copy, Debug)]
pub(super) struct MeterBands {
    pub(super) meter: Meter,
    pub(super) low: Band,
    pub(super) high: Band,
}

/// The bands of all meters of a price.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bands(Vec<MeterBands>);

impl FromIterator<MeterBands> for Bands {
    fn from_iter<I: IntoIterator<Item = MeterBands>>(bands: I) -> Self {
        Self(bands.into_iter().collect())
    }
}

/// Why a price is held, and of which meter if of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Hold {
    meter: Option<Meter>,
    pub(crate) why: OutOfBand,
}

impl Hold {
    pub(crate) fn told(&self) -> Refused {
        let hint = if self.why.may_pass() {
            "confirm the offer, or wait until the band reaches it"
        } else {
            "confirm the offer if this is meant"
        };
        let of = self.meter.map_or_else(String::new, |meter| format!("{meter}: "));
        Refused::new(self.why.word(), format!("{of}{}; {hint}", self.why))
    }
}

impl Bands {
    /// Of prices that nobody has known otherwise.
    pub(crate) fn of(sheet: &PriceSheet, now: Timestamp) -> Self {
        let bands = sheet.rate_ranges().map(|(meter, low, high)| MeterBands {
            meter,
            low: Band::new(low, now),
            high: Band::new(high, now),
        });
        Self(bands.collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &MeterBands> {
        self.0.iter()
    }

    /// Whether a price that is what `other` means would be held by these.
    pub(super) fn would_hold(&self, other: &Self, limits: BandLimits, now: Timestamp) -> bool {
        let same = |own: &MeterBands, other: &MeterBands| {
            [(&own.low, &other.low), (&own.high, &other.high)].iter().all(|(own, other)| {
                own.check(other.mean(now), limits, now).is_ok() && other.check(own.mean(now), limits, now).is_ok()
            })
        };
        self.0.len() != other.0.len()
            || other.0.iter().any(|other| self.of_meter(other.meter).is_none_or(|own| !same(own, other)))
    }

    /// Whether the price of a sheet is within the bands. What crosses zero comes first.
    pub(crate) fn check(&self, sheet: &PriceSheet, limits: BandLimits, now: Timestamp) -> Option<Hold> {
        let mut held: Option<Hold> = None;
        for bands in &self.0 {
            let (low, high) = rates_of(sheet, bands.meter);
            for why in [bands.low.check(low, limits, now), bands.high.check(high, limits, now)] {
                let Err(why) = why else { continue };
                let hold = Hold { meter: Some(bands.meter), why };
                if !why.may_pass() {
                    return Some(hold);
                }
                held = held.or(Some(hold));
            }
        }
        let added = sheet.rate_ranges().find(|(meter, _, high)| self.of_meter(*meter).is_none() && *high > Rate::FREE);
        let added = added.map(|(meter, _, to)| Hold { meter: Some(meter), why: OutOfBand::FromZero { to } });
        added.or(held)
    }

    /// These are the prices now. Not for those that cross zero: they are confirmed or not known.
    pub(crate) fn set(&mut self, sheet: &PriceSheet, now: Timestamp) {
        for bands in &mut self.0 {
            let (low, high) = rates_of(sheet, bands.meter);
            bands.low.set(low, now);
            bands.high.set(high, now);
        }
    }

    /// The price of a sheet is meant.
    pub(crate) fn confirm(&mut self, sheet: &PriceSheet, now: Timestamp) {
        *self = Self::of(sheet, now);
    }

    fn of_meter(&self, meter: Meter) -> Option<&MeterBands> {
        self.0.iter().find(|bands| bands.meter == meter)
    }
}

/// The lowest and the highest rate of a meter; a meter that is not billed is free.
fn rates_of(sheet: &PriceSheet, meter: Meter) -> (Rate, Rate) {
    let found = sheet.rate_ranges().find(|(its, ..)| *its == meter);
    found.map_or((Rate::FREE, Rate::FREE), |(_, low, high)| (low, high))
}

/// One offer.
pub(crate) struct Standing {
    pub(crate) spec: OfferSpec,
    pub(crate) offer: Offer,
    /// The sheet with the offer's rates.
    pub(crate) sheet: Arc<PriceSheet>,
    pub(crate) prices: Arc<Prices>,
    pub(crate) bands: Bands,
    pub(crate) hold: Option<Hold>,
    pub(crate) gate: Arc<OfferGate>,
    pub(crate) at: Timestamp,
    pub(crate) expires_at: Timestamp,
    /// When it ended, if it has.
    pub(crate) ended_at: Option<Timestamp>,
    /// Why it ended.
    pub(crate) why: Option<&'static str>,
    /// The session that sent it.
    pub(crate) session: Option<u64>,
    pub(crate) deployments: BTreeMap<FunctionId, Arc<Deployment>>,
}

impl Standing {
    pub(crate) fn state(&self) -> OfferState {
        self.gate.state()
    }

    /// Judges its price, and opens or closes its gate. `meant` is a sheet by whose terms it is meant to be billed.
    /// Whether that or its price has changed anything is for the caller to know.
    pub(crate) fn judge(&mut self, limits: BandLimits, meant: Option<&PriceSheet>, now: Timestamp) {
        let other = meant.filter(|meant| !meant.bills_alike(&self.sheet));
        let other = other.map(|_| Hold { meter: None, why: OutOfBand::Terms });
        self.hold = other.or_else(|| self.bands.check(&self.sheet, limits, now));
        if self.hold.is_none_or(|hold| hold.why.may_pass()) {
            self.bands.set(&self.sheet, now);
        }
        self.gate.set(if self.hold.is_some() { OfferState::Held } else { OfferState::Live });
        (self.ended_at, self.why) = (None, None);
    }

    /// Ends it. Returns whether it stood.
    pub(crate) fn end(&mut self, state: OfferState, why: &'static str, now: Timestamp) -> bool {
        let stood = self.state().stands();
        if stood {
            self.gate.set(state);
            (self.ended_at, self.why) = (Some(now), Some(why));
        }
        stood
    }
}
