//! What changes when one sheet takes another's place, and what of it a person should see first.
//!
//! A price feed is read by no one, so a mistake in it would be believed: a unit written otherwise moves every
//! rate a thousandfold, and a line left out makes a meter free. [`Change::between`] compares the next sheet with
//! the last good one and lists each *difference*, and beside them each *concern*: a difference too large, or of
//! a kind, that it should not come into force by itself. Without a concern a change is ordinary.
//!
//! Rates are compared as functions of the month's volume, so a tier that is split in two with the same rates is
//! no change. Known limitation: many small moves, each within the limit, pass one by one.

use std::fmt;

use merit_units::{Currency, Quantity, Rate, Timestamp};

use crate::meter::Meter;
use crate::sheet::{Line, PriceSheet, Tier};

/// How far a price may move by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoveLimit {
    /// In percent: at 25 a rate may rise to 1.25 times itself and fall to 1/1.25, that is by 20 %.
    pub percent: u32,
}

/// How far a region's prices may be from another's before a person should look. Those that are known of AWS, Azure and
/// Google are within 1.5 times of each other; a mistaken unit makes ten times and more.
const REGIONS_APART: MoveLimit = MoveLimit { percent: 200 };

/// How a free grant is called, in front of its meter.
const FREE: &str = "free ";

/// What differs between the last sheet and the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Every difference in prices, in the order of the lines.
    pub differences: Vec<Difference>,
    /// Why a person should look first; empty when the change is ordinary.
    pub concerns: Vec<Concern>,
}

/// One price that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which, such as `gb_second above 6000000000` or `free gb_second`.
    pub what: String,
    /// What it was; `None` when there was none.
    pub from: Option<String>,
    /// What it becomes; `None` when it ends.
    pub to: Option<String>,
}

/// Why a change should not come into force by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Concern {
    /// Another currency.
    #[error("the currency changes from {from} to {to}")]
    Currency {
        /// Of the last sheet.
        from: Currency,
        /// Of the next.
        to: Currency,
    },
    /// A price that the last sheet had is not there.
    #[error("{0} is missing")]
    Missing(String),
    /// A price moves by more than the limit.
    #[error("{what} moves from {from} to {to}, more than {percent} %")]
    Moved {
        /// Which.
        what: String,
        /// The last one.
        from: String,
        /// The next one.
        to: String,
        /// The limit.
        percent: u32,
    },
    /// A higher volume would cost more a unit.
    #[error("{meter} gets dearer with volume: {below} below {bound}, {above} above it")]
    Rising {
        /// Of which meter.
        meter: Meter,
        /// The tier's end.
        bound: Quantity,
        /// The rate below it.
        below: Rate,
        /// The rate above it.
        above: Rate,
    },
    /// It rounds or measures otherwise.
    #[error("the billing rule changes from `{from}` to `{to}`")]
    Rule {
        /// The last one in words.
        from: String,
        /// The next one in words.
        to: String,
    },
    /// It is not in force on the day it would be put in force.
    #[error("it does not hold now: it is valid from {from}")]
    NotValid {
        /// The day it begins, or `another time`.
        from: String,
    },
}

impl Change {
    /// What happens when `next` takes the place of `last` at `now`.
    #[must_use]
    pub fn between(last: &PriceSheet, next: &PriceSheet, limit: MoveLimit, now: Timestamp) -> Self {
        let mut change = Self::first(next, now);
        if last.currency() != next.currency() {
            let (from, to) = (last.currency(), next.currency());
            change.note("currency", Some(from.to_string()), Some(to.to_string()));
            change.concerns.push(Concern::Currency { from, to });
        }
        if last.rule() != next.rule() || last.hourly() != next.hourly() {
            let (from, to) = (last.rule_in_words(), next.rule_in_words());
            change.note("rule", Some(from.clone()), Some(to.clone()));
            change.concerns.push(Concern::Rule { from, to });
        }
        for line in last.lines() {
            match next.lines().iter().find(|other| other.meter == line.meter) {
                Some(other) => {
                    // What rose already was seen already.
                    let same = line.tiers.iter().map(Tier::step).eq(other.tiers.iter().map(Tier::step));
                    let seen = |concern: &Concern| matches!(concern, Concern::Rising { meter, .. } if same && *meter == line.meter);
                    change.concerns.retain(|concern| !seen(concern));
                    change.compare_lines(line, other, limit);
                }
                None => change.missing(line.meter.to_string(), line.highest_rate().to_string()),
            }
        }
        for line in next.lines().iter().filter(|line| !last.lines().iter().any(|other| other.meter == line.meter)) {
            change.note(line.meter, None, Some(line.highest_rate().to_string()));
        }
        change.compare_standing(last, next, limit);
        change.compare_rates("the monthly fee".to_owned(), last.base_fee(), next.base_fee(), limit);
        change
    }

    /// What is to be seen of a sheet that takes no other's place: only what is wrong with it alone.
    #[must_use]
    pub fn first(next: &PriceSheet, now: Timestamp) -> Self {
        let mut change = Self::default();
        if !next.valid_at(now) {
            let from = next.valid_from().filter(|from| from.start() > now);
            let from = from.map_or_else(|| "another time".to_owned(), |from| from.to_string());
            change.concerns.push(Concern::NotValid { from });
        }
        for line in next.lines() {
            for pair in line.tiers.windows(2).filter(|pair| pair[1].rate > pair[0].rate) {
                change.concerns.push(Concern::Rising {
                    meter: line.meter,
                    bound: pair[0].up_to,
                    below: pair[0].rate,
                    above: pair[1].rate,
                });
            }
        }
        change
    }

    /// What is to be seen of the first sheet of a region, beside one of another region: a price that it lacks, another
    /// billing rule or currency, and a price several times the other's, as a mistaken unit makes it. Prices that differ
    /// by less are the region's own, as is having no free grant, and nothing differs from a sheet there was not.
    #[must_use]
    pub fn beside(other: &PriceSheet, next: &PriceSheet, now: Timestamp) -> Self {
        let mut concerns = Self::between(other, next, REGIONS_APART, now).concerns;
        concerns.retain(|concern| !matches!(concern, Concern::Missing(what) if what.starts_with(FREE)));
        Self { differences: Vec::new(), concerns }
    }

    /// Whether nothing differs: the next sheet only confirms the last.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.differences.is_empty()
    }

    fn note(&mut self, what: impl fmt::Display, from: Option<String>, to: Option<String>) {
        self.differences.push(Difference { what: what.to_string(), from, to });
    }

    fn missing(&mut self, what: String, from: String) {
        self.note(&what, Some(from), None);
        self.concerns.push(Concern::Missing(what));
    }

    fn compare_lines(&mut self, last: &Line, next: &Line, limit: MoveLimit) {
        if last.parts != next.parts {
            let words = |line: &Line| {
                let parts: Vec<_> =
                    line.parts.iter().map(|part| format!("{} x {}", part.weight(), part.kind.word())).collect();
                format!("{} counts {}", line.meter, parts.join(" + "))
            };
            let (from, to) = (words(last), words(next));
            self.note("rule", Some(from.clone()), Some(to.clone()));
            self.concerns.push(Concern::Rule { from, to });
        }
        let bounds = last.tiers.iter().chain(&next.tiers).map(|tier| tier.up_to).filter(|bound| *bound < Quantity::MAX);
        let mut starts: Vec<Quantity> = std::iter::once(Quantity::ZERO).chain(bounds).collect();
        starts.sort_unstable();
        starts.dedup();
        for start in starts {
            let above = |line: &Line| line.tiers.iter().find(|tier| tier.up_to > start).map(|tier| tier.rate);
            let (Some(from), Some(to)) = (above(last), above(next)) else { continue };
            let meter = last.meter;
            let what = if start == Quantity::ZERO { meter.to_string() } else { format!("{meter} above {start}") };
            self.compare_rates(what, from, to, limit);
        }
        let what = || format!("{FREE}{}", last.meter);
        match (&last.grant, &next.grant) {
            (Some(from), Some(to)) => {
                let (from_quanta, to_quanta) = (from.quantity.quanta(), to.quantity.quanta());
                self.compare(what(), (from_quanta, to_quanta), (&from.quantity, &to.quantity), limit);
                if from.pool != to.pool || from.weight_milli != to.weight_milli {
                    let words = |grant: &crate::sheet::Grant| {
                        format!("shared by {}, {} thousandths a unit", grant.scope, grant.weight_milli)
                    };
                    self.note(what(), Some(words(from)), Some(words(to)));
                }
            }
            (Some(from), None) => self.missing(what(), from.quantity.to_string()),
            (None, Some(to)) => self.note(what(), None, Some(to.quantity.to_string())),
            (None, None) => {}
        }
    }

    fn compare_standing(&mut self, last: &PriceSheet, next: &PriceSheet, limit: MoveLimit) {
        let what = |meter: Meter| format!("{meter} kept warm");
        for former in last.standing() {
            match next.standing().find(|price| price.meter == former.meter) {
                Some(price) => self.compare_rates(what(former.meter), former.rate, price.rate, limit),
                None => self.missing(what(former.meter), former.rate.to_string()),
            }
        }
        for added in next.standing().filter(|price| !last.standing().any(|former| former.meter == price.meter)) {
            self.note(what(added.meter), None, Some(added.rate.to_string()));
        }
    }

    fn compare_rates(&mut self, what: String, from: Rate, to: Rate, limit: MoveLimit) {
        self.compare(what, (from.atto(), to.atto()), (&from, &to), limit);
    }

    fn compare(
        &mut self,
        what: String,
        (from, to): (u128, u128),
        (from_text, to_text): (&dyn fmt::Display, &dyn fmt::Display),
        limit: MoveLimit,
    ) {
        if from == to {
            return;
        }
        self.note(&what, Some(from_text.to_string()), Some(to_text.to_string()));
        if limit.is_passed(from, to) {
            let (from, to) = (from_text.to_string(), to_text.to_string());
            self.concerns.push(Concern::Moved { what, from, to, percent: limit.percent });
        }
    }
}

impl MoveLimit {
    /// Whether the larger of two amounts is above the smaller by more than the limit. From or to nothing always is.
    #[must_use]
    pub fn is_passed(self, one: u128, other: u128) -> bool {
        let (small, large) = (one.min(other), one.max(other));
        let scaled = large.checked_mul(100).zip(small.checked_mul(100 + u128::from(self.percent)));
        scaled.is_none_or(|(large, allowed)| large > allowed)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "none".to_owned());
        write!(f, "{}: {} -> {}", self.what, side(&self.from), side(&self.to))
    }
}
