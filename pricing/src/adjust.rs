//! What an account has agreed on with its provider besides the price list: discounts, prepaid packages, commitments.
//!
//! An [`Adjustments`] is data that is applied over a sheet; the sheet itself stays the provider's. In this order:
//! *discounts* lower the rates; the free grant is used up as always; *packages* cover quantities of a meter that the
//! grant does not; what is left fills the volume tiers and has a cost; and that is taken from what is left of the
//! *commitments*, whose money is spent whether it is used or not. Only the rest is charged.
//!
//! What was used of packages and commitments is kept in the account's [`Pools`], beside grants and tiers, and so is shared
//! by all venues of the account that they are for. Of several, those that are lost first are used first: what begins anew
//! each month before what lasts, and of these what ends first.
//!
//! Invariants: a charge is never negative and never above the list price; splitting a quantity into pieces never changes
//! the sum of the charges; an adjustment is applied on the days it holds and on no other. Known limitations: a commitment
//! covers all meters of a sheet, since one for some of them only would make the sum depend on the order of the calls as
//! soon as two overlap; and it covers what the rates come to, not a base fee or instances kept warm.

mod charge;

use std::fmt;
use std::sync::Arc;

use merit_units::{AdjustmentId, Currency, Quantity, Rate, Timestamp};

use crate::date::Date;
use crate::meter::Meter;
use crate::pools::Pools;
use crate::sheet::PriceSheet;

pub use charge::{Adjusted, Balance, Standing, Taken};

const WHOLE_PPM: u128 = 1_000_000;

/// An agreement of one account with its provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adjustment {
    /// Its name: what was used of it is counted under it, so it must not change.
    pub name: AdjustmentId,
    /// The first day it holds, in UTC.
    pub from: Date,
    /// The first day it holds no more; `None`: without end.
    pub until: Option<Date>,
    /// What was agreed.
    pub kind: AdjustmentKind,
}

/// What was agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdjustmentKind {
    /// A share off the rates.
    Discount {
        /// How much, in millionths, at most a million.
        off_ppm: u32,
        /// Of which meters; empty: of all.
        meters: Vec<Meter>,
    },
    /// Money that is due in any case: calls cost nothing until they would have cost that much.
    Commitment {
        /// How much, in `currency`.
        amount: Rate,
        /// What of it calls that are not counted here use: other programs', or those before counting began.
        elsewhere: Rate,
        /// Sheets in other currencies are not covered.
        currency: Currency,
        /// How often it begins anew.
        renewed: Renewed,
    },
    /// Units of a meter that were paid for already, or are with the first of each month.
    Package {
        /// Of which meter.
        meter: Meter,
        /// How many.
        quantity: Quantity,
        /// What of it calls that are not counted here use.
        elsewhere: Quantity,
        /// How often it begins anew.
        renewed: Renewed,
    },
}

/// How often a commitment or a package begins anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Renewed {
    /// Once, for all of its days.
    #[default]
    Never,
    /// With each calendar month, in UTC; what is left of the last one is lost.
    Monthly,
}

impl Adjustment {
    /// Whether it holds at a time.
    #[must_use]
    pub fn holds_at(&self, now: Timestamp) -> bool {
        now >= self.from.start() && self.until.is_none_or(|until| now < until.start())
    }

    fn renewed(&self) -> Renewed {
        match &self.kind {
            AdjustmentKind::Commitment { renewed, .. } | AdjustmentKind::Package { renewed, .. } => *renewed,
            AdjustmentKind::Discount { .. } => Renewed::Never,
        }
    }

    /// Whether it can lower what calls under `sheet` are charged, on its days.
    #[must_use]
    pub fn is_for(&self, sheet: &PriceSheet) -> bool {
        let bills = |meter: &Meter| sheet.billed_meters().any(|billed| billed == *meter);
        match &self.kind {
            AdjustmentKind::Discount { meters, .. } => meters.is_empty() || meters.iter().any(bills),
            AdjustmentKind::Commitment { currency, .. } => *currency == sheet.currency(),
            AdjustmentKind::Package { meter, .. } => bills(meter),
        }
    }
}

impl AdjustmentKind {
    /// The stable word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Discount { .. } => "discount",
            Self::Commitment { .. } => "commitment",
            Self::Package { .. } => "package",
        }
    }
}

/// Millionths as percent.
#[must_use]
pub fn percent(ppm: u32) -> Rate {
    Rate::from_atto(u128::from(ppm) * 100_000_000_000_000)
}

impl fmt::Display for AdjustmentKind {
    /// In words: `500 USD committed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let monthly = |renewed| if renewed == Renewed::Monthly { " a month" } else { "" };
        match self {
            Self::Discount { off_ppm, meters } => {
                let names: Vec<&str> = meters.iter().map(|meter| meter.name()).collect();
                let space = if names.is_empty() { "" } else { " " };
                write!(f, "{} % off{space}{}", percent(*off_ppm), names.join(" and "))
            }
            Self::Commitment { amount, currency, renewed, .. } => {
                write!(f, "{amount} {currency} committed{}", monthly(*renewed))
            }
            Self::Package { meter, quantity, renewed, .. } => {
                write!(f, "{quantity} {meter} prepaid{}", monthly(*renewed))
            }
        }
    }
}

impl fmt::Display for Adjustment {
    /// In words: `savings (500 USD committed)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.kind)
    }
}

/// All that an account has agreed on, in the order in which it is applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adjustments(Vec<Counted>);

/// An adjustment with the names under which its use is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Counted {
    adjustment: Adjustment,
    /// Quanta of a package's meter, or attounits of a commitment.
    used: Arc<str>,
    /// Quanta of an attounit, of a commitment.
    rest: Arc<str>,
}

impl Adjustments {
    /// Those given, in the order in which they are applied. To keep their names apart is the caller's part.
    #[must_use]
    pub fn new(adjustments: impl IntoIterator<Item = Adjustment>) -> Self {
        let mut all: Vec<Counted> = adjustments.into_iter().map(Counted::new).collect();
        all.sort_by(|a, b| a.lost_at().cmp(&b.lost_at()).then_with(|| a.adjustment.name.cmp(&b.adjustment.name)));
        Self(all)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Adjustment> {
        self.0.iter().map(|counted| &counted.adjustment)
    }

    /// Only those that hold at `now` for `sheet`: what is in force with it until a day turns.
    #[must_use]
    pub fn in_force(&self, sheet: &PriceSheet, now: Timestamp) -> Self {
        let holds = |counted: &&Counted| counted.adjustment.holds_at(now) && counted.adjustment.is_for(sheet);
        Self(self.0.iter().filter(holds).cloned().collect())
    }

    /// When the first of them begins or ends after `now`: what is in force is so until then. The end of time for never.
    #[must_use]
    pub fn next_change(&self, now: Timestamp) -> Timestamp {
        let days = self.iter().flat_map(|adjustment| [Some(adjustment.from), adjustment.until]);
        let ahead = days.flatten().map(Date::start).filter(|day| *day > now);
        ahead.min().unwrap_or(Timestamp::from_micros(u64::MAX))
    }

    /// The sheet with the discounts taken off its rates, one after the other.
    #[must_use]
    pub fn discounted(&self, sheet: &PriceSheet) -> PriceSheet {
        self.iter().fold(sheet.clone(), |sheet, adjustment| match &adjustment.kind {
            AdjustmentKind::Discount { off_ppm, meters } => sheet.discounted(*off_ppm, meters),
            AdjustmentKind::Commitment { .. } | AdjustmentKind::Package { .. } => sheet,
        })
    }

    /// Whether any of them lowers rates.
    #[must_use]
    pub fn has_discount(&self) -> bool {
        self.iter().any(|adjustment| matches!(adjustment.kind, AdjustmentKind::Discount { .. }))
    }
}

impl PriceSheet {
    /// The sheet with its rates lowered by so many millionths, those of these meters or of all when there are none, each cut
    /// to whole attounits. Standing prices and the base fee stay.
    #[must_use]
    pub fn discounted(mut self, off_ppm: u32, meters: &[Meter]) -> Self {
        let left = WHOLE_PPM.saturating_sub(off_ppm.into());
        // A rate is below 10^27 attounits, so the product fits.
        let lower = |rate: Rate| Rate::from_atto(rate.atto() * left / WHOLE_PPM);
        let is_lower = |meter| meters.is_empty() || meters.contains(&meter);
        self.map_rates(|meter, rate| if is_lower(meter) { lower(rate) } else { rate });
        self
    }
}

impl Counted {
    fn new(adjustment: Adjustment) -> Self {
        let renewed = adjustment.renewed();
        let scope = if renewed == Renewed::Never { Pools::LASTING } else { "" };
        let name = |what: &str| format!("{scope}{what}:{}", adjustment.name).into();
        Self { used: name("adjustment"), rest: name("adjustment-rest"), adjustment }
    }

    /// What is lost first comes first: what is left at the end of a month, then what ends.
    fn lost_at(&self) -> (bool, bool, Option<Date>) {
        let until = self.adjustment.until;
        (self.adjustment.renewed() == Renewed::Never, until.is_none(), until)
    }
}
