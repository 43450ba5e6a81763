//! A price sheet: what a venue bills, by which rule, at which rates, and where each price was read.
//!
//! A sheet is data. It is written as TOML or JSON ([`PriceSheet::parse_toml`]), checked once with
//! every mistake reported, and immutable after that. A new provider needs a sheet, not code.
//!
//! Invariants of a parsed sheet: one to [`MAX_LINES`](crate::MAX_LINES) lines with different meters; every rate is
//! zero or more and below 10^9; tiers ascend and the last one is open; every price has a source with a
//! retrieval date. Known limitation: a line's rate depends on the month's volume and on nothing else, so
//! prices by hour of day need one sheet for each.

mod line;
mod mistake;
mod offered;
mod raw;
mod revise;
mod standing;
mod validate;
mod write;

use std::fmt;

use merit_units::{Currency, Micros, Quantity, Rate, RegionId, SheetName, Timestamp};

pub(crate) use line::{Grant, Line, Part, PartKind, Tier};
pub use mistake::{SheetErrors, SheetMistake};
pub use offered::OfferedRateError;
pub(crate) use raw::RawSheet;
pub use revise::{RevisedGrant, RevisedLine, Revision};
use standing::Standing;

use crate::date::Date;
use crate::meter::{Meter, Metered, Meters};
use crate::rule::Rule;
use crate::size::{Architecture, Usage};

/// A venue's prices and its billing rule.
#[derive(Clone)]
pub struct PriceSheet {
    name: SheetName,
    currency: Currency,
    seq: u64,
    valid_from: Option<Date>,
    valid_until: Option<Date>,
    region: Option<RegionId>,
    architecture: Option<Architecture>,
    notes: Vec<String>,
    /// The first one is the sheet's own, unless a line says otherwise.
    sources: Vec<Source>,
    rule: Rule,
    rule_source: u8,
    lines: Vec<Line>,
    meters: Meters,
    standing: Vec<Standing>,
    /// Per month, whatever is used.
    base_fee: Rate,
    hourly: Option<Hourly>,
    shape: u64,
}

/// Where a price was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub(crate) key: String,
    /// The document, such as `AWS Price List, offer file version 20260521184754`.
    pub title: String,
    /// Where it can be read again.
    pub url: Option<String>,
    /// When it was read.
    pub retrieved: Date,
    /// Whether it quotes the provider instead of being the provider's own, or derives the price.
    pub second_hand: bool,
}

/// What the invoice does to the sum of one function's calls in one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hourly {
    /// Quantities are rounded up to whole units.
    pub(crate) ceil_to_units: bool,
    /// The least charge of a function that was called in the hour.
    pub(crate) floor: Rate,
}

impl PriceSheet {
    /// The sheet's name, such as `aws-lambda/us-east-1/x86_64`.
    #[must_use]
    pub fn name(&self) -> &SheetName {
        &self.name
    }

    /// The currency of all its rates.
    #[must_use]
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// Its sequence number: of two sheets with one name the higher replaces the lower.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The first day it holds, in UTC; `None` means since ever.
    #[must_use]
    pub fn valid_from(&self) -> Option<Date> {
        self.valid_from
    }

    /// The day it stops holding, in UTC; `None` means until replaced.
    #[must_use]
    pub fn valid_until(&self) -> Option<Date> {
        self.valid_until
    }

    /// Whether it holds at `now`. A sheet that does not makes its venue ineligible.
    #[must_use]
    pub fn valid_at(&self, now: Timestamp) -> bool {
        let begun = self.valid_from.is_none_or(|date| date.start() <= now);
        begun && self.valid_until.is_none_or(|date| now < date.start())
    }

    /// The region it prices, when it prices one.
    #[must_use]
    pub fn region(&self) -> Option<&RegionId> {
        self.region.as_ref()
    }

    /// The architecture it prices, when it prices one.
    #[must_use]
    pub fn architecture(&self) -> Option<Architecture> {
        self.architecture
    }

    /// What a reader should know: assumptions, and charges the sheet leaves out.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Where the sheet's first price was read.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.sources[0]
    }

    /// Every source of the sheet.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Whether any price or rule of the sheet is second-hand.
    #[must_use]
    pub fn second_hand(&self) -> bool {
        self.sources.iter().any(|source| source.second_hand)
    }

    /// Each price of the sheet with the quantity it holds up to (`None`: without bound) and its source.
    pub fn prices(&self) -> impl Iterator<Item = Price<'_>> {
        self.lines.iter().flat_map(|line| {
            line.tiers.iter().map(|tier| Price {
                meter: line.meter,
                up_to: (tier.up_to < Quantity::MAX).then_some(tier.up_to),
                rate: tier.rate,
                source: &self.sources[usize::from(tier.source)],
            })
        })
    }

    /// Each meter with a free grant and its monthly quantity.
    pub fn grants(&self) -> impl Iterator<Item = (Meter, Quantity)> {
        self.lines.iter().filter_map(|line| Some((line.meter, line.grant.as_ref()?.quantity)))
    }

    /// What the month costs before anything is used.
    #[must_use]
    pub fn base_fee(&self) -> Rate {
        self.base_fee
    }

    /// The meters it bills, in the order of its lines.
    pub fn billed_meters(&self) -> impl Iterator<Item = Meter> {
        self.lines.iter().map(|line| line.meter)
    }

    /// No quantities, to start a sum with.
    #[must_use]
    pub fn zero(&self) -> Metered {
        Metered::zero(self.meters)
    }

    /// A number that two sheets share when they turn usage into billed quantities alike. It is stable
    /// between runs of one build; after an upgrade of Merit it may change.
    #[must_use]
    pub fn shape_id(&self) -> u64 {
        self.shape
    }

    /// Whether `other` meters alike and differs at most in rates, grants and tiers. Means learned under
    /// one are then valid under the other.
    #[must_use]
    pub fn same_shape(&self, other: &Self) -> bool {
        self.shape == other.shape && self.meters == other.meters
    }

    /// The same sheet with every rate and standing price at `percent` of its own and the next sequence
    /// number: a simulated move of a price. Rates are cut to whole attounits.
    #[must_use]
    pub fn scaled(&self, percent: u32) -> Self {
        // Rates are below 10^27 attounits, so the product fits.
        let scale = |rate: &mut Rate| *rate = Rate::from_atto(rate.atto() * u128::from(percent) / 100);
        let mut sheet = self.clone();
        sheet.seq = self.seq.saturating_add(1);
        sheet.lines.iter_mut().flat_map(|line| &mut line.tiers).for_each(|tier| scale(&mut tier.rate));
        sheet.standing.iter_mut().for_each(|standing| scale(&mut standing.rate));
        sheet
    }

    /// Replaces each rate by what `to` makes of it.
    pub(crate) fn map_rates(&mut self, to: impl Fn(Meter, Rate) -> Rate) {
        for line in &mut self.lines {
            line.tiers.iter_mut().for_each(|tier| tier.rate = to(line.meter, tier.rate));
        }
    }

    /// How long a call is billed for, before concurrent requests share it: what a provider's log calls the billed
    /// duration.
    #[must_use]
    pub fn billed_time(&self, usage: &Usage) -> Micros {
        Micros::new(self.rule.time_steps(usage).saturating_mul(self.rule.granularity.get()))
    }

    /// The billing rule in words, such as `time rounded up to 1 ms; initialisation billed; ...`.
    #[must_use]
    pub fn rule_in_words(&self) -> String {
        let hourly = self.hourly.is_some_and(|hourly| hourly.ceil_to_units);
        let invoice = if hourly { "; the invoice rounds each function's hour up to whole units" } else { "" };
        let parts = self.lines.iter().filter(|line| line.meter == Meter::ComputeUnit).flat_map(|line| &line.parts);
        let sum: Vec<String> = parts.map(|part| format!("{} x {}", part.weight(), part.kind.word())).collect();
        let sum = if sum.is_empty() { String::new() } else { format!("; compute_unit = {}", sum.join(" + ")) };
        format!("{}{sum}{invoice}", self.rule)
    }

    pub(crate) fn rule(&self) -> &Rule {
        &self.rule
    }

    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub(crate) fn meters(&self) -> Meters {
        self.meters
    }

    pub(crate) fn hourly(&self) -> Option<Hourly> {
        self.hourly
    }
}

/// One price of a sheet.
#[derive(Clone, Copy, Debug)]
pub struct Price<'a> {
    /// What it is the price of.
    pub meter: Meter,
    /// The monthly quantity it holds up to, counted after the grant.
    pub up_to: Option<Quantity>,
    /// Per unit of the meter.
    pub rate: Rate,
    /// Where it was read.
    pub source: &'a Source,
}

impl fmt::Debug for PriceSheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PriceSheet({} seq {}, {} {:?})", self.name, self.seq, self.currency, self.meters)
    }
}
