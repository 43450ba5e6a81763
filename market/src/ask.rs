//! What one call is expected to cost and take at one deployment now.
//!
//! An ask is made outside, from a price sheet and a usage profile; here it is a row of
//! integers. The deployment's live state, its slot, stands beside it in the book, so that
//! a book of new prices is made without touching any deployment.

use merit_units::Micros;

use crate::config::WHOLE_PPM;
use crate::{Architecture, Basis, Exclusion, Isolation, RegionIndex, VenueIndex};

/// One deployment's ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The venue it runs at.
    pub venue: VenueIndex,
    /// The venue's region.
    pub region: RegionIndex,
    /// What keeps it apart from its neighbours.
    pub isolation: Isolation,
    /// The instruction set it runs on.
    pub architecture: Architecture,
    /// Expected charge of the call, in picodollars; below zero is taken as no price at all.
    pub cost_pico: i64,
    /// The most the call can be charged, in picodollars; what is held. Carried, not read here.
    pub ceiling_pico: i64,
    /// Median latency, taken as the expected one.
    pub latency_p50: Micros,
    /// 95th percentile of latency, what [`Terms::max_latency_p95`](crate::Terms) bounds.
    pub latency_p95: Micros,
    /// Probability that the attempt fails, in ppm ([`Slot::fail_ppm`](crate::Slot::fail_ppm) learns it).
    pub fail_ppm: u32,
    /// Expected charge of the retry a failure makes necessary, in picodollars.
    pub retry_pico: i64,
    /// Expected delay a failure causes.
    pub retry_delay: Micros,
    /// On what grounds all this is expected.
    pub basis: Basis,
    /// Calls it rests on. Few of the deployment's own attract exploration.
    pub samples: u64,
    /// Why no call may be sent there whatever the terms.
    pub ineligible: Option<Ineligible>,
}

/// Why an ask cannot be matched whatever the terms. Missing is not cheap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ineligible {
    /// The venue has no price for it.
    NoPrice,
    /// The price has outlived its validity.
    StalePrice,
    /// The price is in a currency without an exchange rate.
    NoExchangeRate,
    /// The deployment or its venue was switched off.
    Disabled,
    /// Its venue says that it can't be called now, as for want of credentials.
    VenueUnready,
    /// Its provider has no offer for it: cancelled, or gone with the session.
    NoOffer,
    /// Its provider's offer was not sent again in time.
    OfferExpired,
    /// The price of its provider's offer moved too far and waits to be confirmed.
    QuoteHeld,
    /// Its replies differed from others' of its function.
    Quarantined,
    /// Its function takes only what is proven equal, and it is not.
    NotProvenEqual,
    /// A kill switch of its venue is on.
    Killed,
}

impl From<Ineligible> for Exclusion {
    fn from(why: Ineligible) -> Self {
        match why {
            Ineligible::NoPrice => Self::NoPrice,
            Ineligible::StalePrice => Self::StalePrice,
            Ineligible::NoExchangeRate => Self::NoExchangeRate,
            Ineligible::Disabled => Self::Disabled,
            Ineligible::VenueUnready => Self::VenueUnready,
            Ineligible::NoOffer => Self::NoOffer,
            Ineligible::OfferExpired => Self::OfferExpired,
            Ineligible::QuoteHeld => Self::QuoteHeld,
            Ineligible::Quarantined => Self::Quarantined,
            Ineligible::NotProvenEqual => Self::NotProvenEqual,
            Ineligible::Killed => Self::Killed,
        }
    }
}

impl Ask {
    /// Why it cannot be matched whatever the terms, if so.
    #[must_use]
    pub fn why_ineligible(&self) -> Option<Ineligible> {
        self.ineligible.or((self.cost_pico < 0).then_some(Ineligible::NoPrice))
    }

    /// What merit order goes by, in picodollars, at a value of time in picodollars a second:
    /// `E[charge] + value_of_time x E[latency] + P(fail) x (E[retry charge] + value_of_time x E[delay])`.
    #[must_use]
    pub fn score_pico(&self, value_of_time_pico_per_s: i64) -> i128 {
        let value_of_time = u64::try_from(value_of_time_pico_per_s).unwrap_or(0);
        self.score().at(value_of_time) / i128::from(WHOLE_PPM)
    }

    /// How exploration prefers it: 16 without samples of its own, 8 at 64 of them, 1 in the end.
    pub(crate) fn curiosity(&self) -> u8 {
        match (self.basis, self.samples) {
            (Basis::Measured, own @ 1..) => {
                u8::try_from(1024 / own.saturating_add(64)).map_or(1, |weight| weight.max(1))
            }
            _ => 16,
        }
    }

    pub(crate) fn score(&self) -> Score {
        if self.why_ineligible().is_some() {
            return Score::UNKNOWN;
        }
        let retry = share(self.fail_ppm, self.retry_pico.max(0).unsigned_abs());
        let delay = share(self.fail_ppm, self.retry_delay.get());
        Score {
            base_pico: self.cost_pico.saturating_add_unsigned(retry).min(i64::MAX - 1),
            delay: self.latency_p50.get().saturating_add(delay),
        }
    }
}

/// `ppm` millionths of an amount, cut to a whole one.
fn share(ppm: u32, of: u64) -> u64 {
    let ppm = ppm.min(WHOLE_PPM);
    // Nearly always it fits 64 bits, which divide several times faster than 128; and a book has a share for each ask.
    match of.checked_mul(ppm.into()) {
        Some(product) => product / u64::from(WHOLE_PPM),
        None => u64::try_from(u128::from(of) * u128::from(ppm) / u128::from(WHOLE_PPM)).unwrap_or(of),
    }
}

/// The two parts of an ask's score: money, and time that money is put on per call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Score {
    /// Expected charges, in picodollars; not negative.
    pub(crate) base_pico: i64,
    /// Expected time, in microseconds.
    pub(crate) delay: u64,
}

impl Score {
    /// Of an ask without a price, or one a former book did not know: behind all others.
    pub(crate) const UNKNOWN: Self = Self { base_pico: i64::MAX, delay: u64::MAX };

    pub(crate) fn is_known(self) -> bool {
        self != Self::UNKNOWN
    }

    /// The score in millionths of a picodollar: no division on the way to a decision.
    /// Fits: 2^63 x 10^6 + 2^63 x 2^64 < 2^127 + 2^83, held below by saturation.
    pub(crate) fn at(self, value_of_time: u64) -> i128 {
        let money = i128::from(self.base_pico) * i128::from(WHOLE_PPM);
        money.saturating_add(i128::from(value_of_time) * i128::from(self.delay))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_cut_alike_however_large_the_amount() {
        for of in [0, 1, 999_999, 1_000_001, u64::from(u32::MAX), u64::MAX / WHOLE_PPM as u64 + 1, u64::MAX] {
            for ppm in [0, 1, 2_000, 999_999, WHOLE_PPM, u32::MAX] {
                let exact = u128::from(of) * u128::from(ppm.min(WHOLE_PPM)) / u128::from(WHOLE_PPM);
                assert_eq!(u128::from(share(ppm, of)), exact, "{ppm} of {of}");
            }
        }
    }
}
