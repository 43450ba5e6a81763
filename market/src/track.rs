//! What a provider's fills came to, next to what was quoted: its trial, and how honest its quotes are.
//!
//! A new provider is on trial: it gets a small share of the calls ([`crate::Config::trial_ppm`]) until enough of them
//! took as long, failed as rarely and cost as little as was quoted. The honesty score compares charges with quotes in
//! sums, because single calls differ from their mean; calls of long ago count less and less.

use merit_units::{Micros, Money};

/// What a call says of the venue that ran it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Went {
    /// It did its part.
    Well,
    /// The function ended with an error of its own, or so the venue says: it is charged for, and proves nothing. Or a
    /// venue could pass its trial without running anything.
    ErrorOfItsOwn,
    /// It failed.
    Wrong,
}

/// One call that a provider ran, as far as it is judged by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Whether the venue did its part.
    pub went: Went,
    /// What it was expected to be charged when it was matched.
    pub quoted: Money,
    /// What it was charged.
    pub charged: Money,
    /// How long it was expected to take.
    pub expected: Micros,
    /// How long it took.
    pub took: Micros,
}

/// When a trial is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrialRule {
    /// Calls it takes at least; none is no trial.
    pub calls: u64,
    /// The most of them that may fail, in percent.
    pub failures_percent: u32,
    /// The most the charges may be above the quotes on the whole, in percent.
    pub charge_percent: u32,
    /// The most the calls may take on the whole, in percent of what was quoted.
    pub latency_percent: u32,
}

impl TrialRule {
    /// The rule for a trial of so many calls: at most 5 % fail, the charges are at most 25 % above the quotes, and
    /// the calls take at most three times as long: latencies have long tails.
    #[must_use]
    pub const fn of_calls(calls: u64) -> Self {
        Self { calls, failures_percent: 5, charge_percent: 25, latency_percent: 300 }
    }
}

/// Fills after which the sums of the honesty score are halved.
const REMEMBERED: u64 = 1024;

/// What a provider's fills came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrackRecord {
    /// Whether its trial is over.
    pub passed: bool,
    /// Calls of the trial.
    pub calls: u64,
    /// Of them, those that failed.
    pub failures: u64,
    /// What the trial's calls were expected to take, in microseconds, and what they took.
    pub expected_us: u64,
    /// What they took, in microseconds.
    pub took_us: u64,
    /// Fills in the next two sums.
    pub fills: u64,
    /// What they were quoted, in picodollars.
    pub quoted_pico: i128,
    /// What they were charged, in picodollars.
    pub charged_pico: i128,
}

impl TrackRecord {
    /// Learns from a fill. Returns whether its trial has just been passed.
    pub fn observe(&mut self, fill: &Fill, rule: &TrialRule) -> bool {
        if self.fills >= REMEMBERED {
            self.fills /= 2;
            self.quoted_pico /= 2;
            self.charged_pico /= 2;
        }
        self.fills += 1;
        self.quoted_pico = self.quoted_pico.saturating_add(fill.quoted.pico());
        self.charged_pico = self.charged_pico.saturating_add(fill.charged.pico());
        if self.passed || fill.went == Went::ErrorOfItsOwn {
            return false;
        }
        if self.calls >= rule.calls.saturating_mul(2) {
            // What it did at first is held against it less and less.
            (self.calls, self.failures) = (self.calls / 2, self.failures / 2);
            (self.expected_us, self.took_us) = (self.expected_us / 2, self.took_us / 2);
        }
        self.calls += 1;
        self.failures += u64::from(fill.went == Went::Wrong);
        if fill.went == Went::Well {
            self.expected_us = self.expected_us.saturating_add(fill.expected.get());
            self.took_us = self.took_us.saturating_add(fill.took.get());
        }
        self.passed = self.meets(rule);
        self.passed
    }

    /// Whether the calls so far pass the trial.
    #[must_use]
    pub fn meets(&self, rule: &TrialRule) -> bool {
        let scaled = |amount: u64, percent: u32| u128::from(amount) * u128::from(percent);
        let most = self.quoted_pico.saturating_mul(100 + i128::from(rule.charge_percent)) / 100;
        self.calls >= rule.calls
            && u128::from(self.failures) * 100 <= scaled(self.calls, rule.failures_percent)
            && self.charged_pico <= most
            && u128::from(self.took_us) * 100 <= scaled(self.expected_us, rule.latency_percent)
    }

    /// How honest its quotes are, in ppm: a million when it charges no more than it quoted, and by as much less as
    /// it charges more, on the whole. Nothing is known without a fill.
    #[must_use]
    pub fn honesty_ppm(&self) -> Option<u32> {
        if self.fills == 0 {
            return None;
        }
        if self.charged_pico <= self.quoted_pico {
            return Some(1_000_000);
        }
        let part = self.quoted_pico.max(0).saturating_mul(1_000_000) / self.charged_pico;
        u32::try_from(part).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Fill = Fill {
        went: Went::Well,
        quoted: Money::from_pico(1000),
        charged: Money::from_pico(1000),
        expected: Micros::from_millis(10),
        took: Micros::from_millis(12),
    };
    const RULE: TrialRule = TrialRule::of_calls(100);

    fn failing(fails: bool) -> Went {
        if fails { Went::Wrong } else { Went::Well }
    }

    /// After how many of these fills the trial is passed, if within 1,000.
    fn passed_after(fill: impl Fn(u64) -> Fill) -> Option<u64> {
        let mut record = TrackRecord::default();
        (1..=1000).find(|&number| record.observe(&fill(number), &RULE))
    }

    #[test]
    fn a_trial_is_passed_by_enough_calls_that_are_as_quoted() {
        assert_eq!(passed_after(|_| GOOD), Some(100));
        let one_in = |n: u64| passed_after(move |number| Fill { went: failing(number.is_multiple_of(n)), ..GOOD });
        assert_eq!(one_in(20), Some(100), "5 % fail");
        assert_eq!(one_in(10), None, "10 % fail");
        assert_eq!(passed_after(|_| Fill { charged: Money::from_pico(1250), ..GOOD }), Some(100));
        assert_eq!(passed_after(|_| Fill { charged: Money::from_pico(1251), ..GOOD }), None);
        assert_eq!(passed_after(|_| Fill { took: Micros::from_millis(30), ..GOOD }), Some(100));
        assert_eq!(passed_after(|_| Fill { took: Micros::from_millis(31), ..GOOD }), None);
    }

    #[test]
    fn errors_of_the_functions_own_prove_nothing_and_are_charged_for() {
        let error = |every: u64| {
            let went = move |number: u64| if number.is_multiple_of(every) { Went::ErrorOfItsOwn } else { Went::Well };
            move |number| Fill { went: went(number), ..GOOD }
        };
        assert_eq!(passed_after(error(1)), None, "nothing but errors");
        assert_eq!(passed_after(error(2)), Some(199), "every other one");
        let dear = |number: u64| Fill { charged: Money::from_pico(9000), ..error(2)(number) };
        let dear = |number: u64| if number.is_multiple_of(2) { dear(number) } else { GOOD };
        assert_eq!(passed_after(dear), None, "charges count, whatever came of the calls");
    }

    #[test]
    fn a_bad_start_is_forgiven_in_time() {
        let after = passed_after(|number| Fill { went: failing(number <= 90), ..GOOD }).expect("in the end");
        assert!((300..=900).contains(&after), "{after}");
    }

    #[test]
    fn the_score_follows_the_charges_and_forgets() {
        let mut record = TrackRecord::default();
        assert_eq!(record.honesty_ppm(), None);
        record.observe(&GOOD, &RULE);
        assert_eq!(record.honesty_ppm(), Some(1_000_000));
        for _ in 0..5000 {
            record.observe(&Fill { charged: Money::from_pico(2000), ..GOOD }, &RULE);
        }
        let score = record.honesty_ppm().expect("known");
        assert!((499_000..502_000).contains(&score), "{score}");
        for _ in 0..20_000 {
            record.observe(&Fill { charged: Money::from_pico(900), ..GOOD }, &RULE);
        }
        assert_eq!(record.honesty_ppm(), Some(1_000_000));
    }
}
