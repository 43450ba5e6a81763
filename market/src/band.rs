//! The band a price may move in by itself, around what it was over the last five minutes.
//!
//! A provider's prices come from a program, and a mistake in it would be believed: a unit written otherwise makes a
//! venue the cheapest of all, or its callers pay a thousandfold. So a price that leaves its band is *held*: it is
//! out of the market until somebody confirms it, or until the band has moved to where it is. What is held counts
//! towards the mean ([`Band::set`]), so a price that is meant and stays is in its band after some minutes. A price that
//! comes to zero, or from it, has no band: it is held until it is confirmed ([`Band::confirm`]), and never set.
//!
//! A rate is a price only under terms: what is rounded up, what is free, in which currency. When those change there is
//! nothing to compare, and whoever knows them says so ([`OutOfBand::Terms`]).
//!
//! The mean is over time, not over messages: how often a price is sent does not weigh. It covers the last five
//! minutes to the minute: time is kept in minutes, of which the sixth is forgotten whole.
//!
//! Integers only: attounits times microseconds fit `u128` for rates below 10^27 attounits, which sheets are held to.

use merit_units::{Rate, Timestamp};

/// How far a price may move from its mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BandLimits {
    /// The most it may fall, in percent of the mean, 0 to 100.
    pub fall_percent: u32,
    /// The most it may rise, in percent of the mean.
    pub rise_percent: u32,
}

/// Why a price is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutOfBand {
    /// It would become free, and was not.
    #[error("it falls to zero from {from}")]
    ToZero {
        /// What it was on the mean.
        from: Rate,
    },
    /// It was free, and would cost something.
    #[error("it rises from zero to {to}")]
    FromZero {
        /// What it would be.
        to: Rate,
    },
    /// It is for something else than it was, so it can't be compared.
    #[error("the price sheet bills otherwise than before: its currency, rounding, minimums, sizes, weights or grants")]
    Terms,
    /// It falls by more than the limit.
    #[error("{to} is more than {percent} % below the five-minute mean, {mean}")]
    Fell {
        /// What it would be.
        to: Rate,
        /// The mean.
        mean: Rate,
        /// The limit.
        percent: u32,
    },
    /// It rises by more than the limit.
    #[error("{to} is more than {percent} % above the five-minute mean, {mean}")]
    Rose {
        /// What it would be.
        to: Rate,
        /// The mean.
        mean: Rate,
        /// The limit.
        percent: u32,
    },
}

impl OutOfBand {
    /// A stable word for it, in snake case as in sessions.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::ToZero { .. } | Self::FromZero { .. } => "price_crossed_zero",
            Self::Terms => "terms_changed",
            Self::Fell { .. } => "price_fell",
            Self::Rose { .. } => "price_rose",
        }
    }

    /// Whether time alone can bring the price into its band.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Fell { .. } | Self::Rose { .. })
    }
}

/// Minutes that are kept besides the one that runs.
const MINUTES: usize = 5;
const MINUTE: u64 = 60_000_000;

/// One price over the last minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Band {
    /// What it is now, in attounits.
    now: u128,
    since: Timestamp,
    /// Attounits times microseconds, and microseconds, of minute `n` at `n % (MINUTES + 1)`.
    sums: [(u128, u64); MINUTES + 1],
}

impl Band {
    /// A price that was this for as long as anybody remembers.
    #[must_use]
    pub fn new(rate: Rate, now: Timestamp) -> Self {
        let mut band = Self { now: rate.atto(), since: now, sums: [(0, 0); MINUTES + 1] };
        let running = place(minute(now));
        for (_, sum) in band.sums.iter_mut().enumerate().filter(|(number, _)| *number != running) {
            *sum = (rate.atto() * u128::from(MINUTE), MINUTE);
        }
        band
    }

    /// The price is this from now on; the mean learns of it as time passes.
    pub fn set(&mut self, rate: Rate, now: Timestamp) {
        self.pass(now);
        self.now = rate.atto();
    }

    /// The price somebody confirmed: there is nothing it moved from any more.
    pub fn confirm(&mut self, rate: Rate, now: Timestamp) {
        *self = Self::new(rate, now);
    }

    /// What it was on the mean over the last five minutes.
    #[must_use]
    pub fn mean(&self, now: Timestamp) -> Rate {
        let mut band = *self;
        band.pass(now);
        let (sum, time) = band.sums.iter().fold((0_u128, 0_u128), |(sum, time), (its, micros)| {
            (sum.saturating_add(*its), time + u128::from(*micros))
        });
        Rate::from_atto(sum.checked_div(time).unwrap_or(band.now))
    }

    /// Whether `rate` may be the price at `now` without anybody's confirmation.
    ///
    /// # Errors
    /// [`OutOfBand`] when it is to be held.
    pub fn check(&self, rate: Rate, limits: BandLimits, now: Timestamp) -> Result<(), OutOfBand> {
        let mean = self.mean(now);
        match (mean.atto(), rate.atto()) {
            (0, 0) => return Ok(()),
            (_, 0) => return Err(OutOfBand::ToZero { from: mean }),
            (0, _) => return Err(OutOfBand::FromZero { to: rate }),
            _ => {}
        }
        let least = u128::from(100 - limits.fall_percent.min(100));
        let most = 100 + u128::from(limits.rise_percent);
        let scaled = rate.atto().saturating_mul(100);
        if scaled < mean.atto().saturating_mul(least) {
            Err(OutOfBand::Fell { to: rate, mean, percent: limits.fall_percent })
        } else if scaled > mean.atto().saturating_mul(most) {
            Err(OutOfBand::Rose { to: rate, mean, percent: limits.rise_percent })
        } else {
            Ok(())
        }
    }

    /// Brings the minutes up to `now`, in which the price has stood.
    fn pass(&mut self, now: Timestamp) {
        if now <= self.since {
            return; // A clock that was set back adds nothing.
        }
        if minute(now) - minute(self.since) > MINUTES as u64 {
            *self = Self::new(Rate::from_atto(self.now), now);
            return;
        }
        while self.since < now {
            let number = minute(self.since);
            let end = Timestamp::from_micros((number + 1) * MINUTE).min(now);
            let length = end.since(self.since).get();
            let sum = &mut self.sums[place(number)];
            sum.0 = sum.0.saturating_add(self.now.saturating_mul(u128::from(length)));
            sum.1 += length;
            if minute(end) != number {
                self.sums[place(minute(end))] = (0, 0);
            }
            self.since = end;
        }
    }
}

fn minute(at: Timestamp) -> u64 {
    at.micros() / MINUTE
}

fn place(minute: u64) -> usize {
    usize::try_from(minute % (MINUTES as u64 + 1)).expect("invariant: below six")
}

#[cfg(test)]
mod tests {
    use merit_units::Micros;

    use super::*;

    const SECOND: Micros = Micros::from_secs(1);
    const LIMITS: BandLimits = BandLimits { fall_percent: 30, rise_percent: 100 };
    const START: Timestamp = Timestamp::from_micros(1_763_719_217_000_000);

    fn rate(text: &str) -> Rate {
        text.parse().expect("a rate")
    }

    fn word(checked: Result<(), OutOfBand>) -> &'static str {
        checked.map_or_else(|why| why.word(), |()| "in")
    }

    #[test]
    fn a_price_may_fall_by_30_percent_and_double() {
        let band = Band::new(rate("0.0001"), START);
        for (price, expected) in [
            ("0.0001", "in"),
            ("0.00007", "in"),
            ("0.000069999999999999", "price_fell"),
            ("0.0002", "in"),
            ("0.000200000000000001", "price_rose"),
            ("0", "price_crossed_zero"),
        ] {
            assert_eq!(word(band.check(rate(price), LIMITS, START)), expected, "{price}");
        }
        let free = Band::new(Rate::FREE, START);
        assert_eq!(word(free.check(Rate::FREE, LIMITS, START)), "in");
        assert_eq!(word(free.check(rate("0.000000000000000001"), LIMITS, START)), "price_crossed_zero");
        let told = band.check(rate("0.00001"), LIMITS, START).unwrap_err();
        assert_eq!(told.to_string(), "0.00001 is more than 30 % below the five-minute mean, 0.0001");
        assert!(told.may_pass() && !band.check(Rate::FREE, LIMITS, START).unwrap_err().may_pass());
    }

    #[test]
    fn a_price_that_stays_reaches_its_band_and_how_often_it_is_sent_does_not_matter() {
        let (mut seldom, mut often) = (Band::new(rate("100"), START), Band::new(rate("100"), START));
        seldom.set(rate("50"), START);
        let mut entered = None;
        for tick in 0..4000_u64 {
            let now = START + Micros::from_millis(100 * tick);
            often.set(rate("50"), now);
            assert_eq!(seldom.mean(now), often.mean(now));
            let inside = seldom.check(rate("50"), LIMITS, now).is_ok();
            assert!(inside || entered.is_none(), "once in, it stays in");
            entered = entered.or(inside.then_some(tick));
        }
        // The mean must fall to 50 / 0.7: after 57 % of the five minutes, give or take the minutes' edges.
        let entered = entered.expect("it came into its band");
        assert!((1600..2150).contains(&entered), "after {entered} tenths of a second");
        assert_eq!(seldom.mean(START + Micros::from_secs(400)), rate("50"));
    }

    #[test]
    fn a_short_spike_leaves_no_trace_after_five_minutes() {
        let mut band = Band::new(rate("100"), START);
        band.set(rate("190"), START + SECOND);
        band.set(rate("100"), START + SECOND + SECOND);
        let mean = |seconds| band.mean(START + Micros::from_secs(seconds));
        assert!(mean(3) > rate("100") && mean(3) < rate("101"), "{}", mean(3));
        assert_eq!(mean(400), rate("100"));
        assert_eq!(mean(1_000_000), rate("100"));
    }

    #[test]
    fn what_was_confirmed_is_the_new_mean_and_the_largest_rate_does_not_overflow() {
        let mut band = Band::new(rate("100"), START);
        band.confirm(rate("1"), START);
        assert_eq!(word(band.check(rate("1"), LIMITS, START)), "in");
        assert_eq!(word(band.check(rate("100"), LIMITS, START)), "price_rose");
        let largest = Rate::from_atto(10_u128.pow(27) - 1);
        let mut band = Band::new(largest, START);
        band.set(largest, START + Micros::from_secs(250));
        assert_eq!(band.mean(START + Micros::from_secs(299)), largest);
        band.set(rate("1"), Timestamp::EPOCH);
        assert_eq!(band.mean(START), largest, "a clock that was set back");
    }
}
