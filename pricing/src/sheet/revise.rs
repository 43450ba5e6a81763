//! A sheet with some of its prices read anew, as a provider's price feed gives them.
//!
//! A feed has rates; it has no rounding, no sizes and often no egress. So a sheet from a feed is one that is
//! known, with the feed's lines put in the place of its own, and it is checked as any written sheet is.

use merit_units::{Currency, Quantity, Rate, RegionId, SheetName};

use super::raw::{RawGrant, RawLine, RawSheet, RawSource, RawStanding, RawTier};
use super::{PriceSheet, SheetErrors, Source};
use crate::date::Date;
use crate::meter::Meter;
use crate::size::Architecture;

/// What a feed says of one sheet. What it does not name stays as it was, with the source it had.
#[derive(Clone, Debug)]
pub struct Revision {
    /// The revised sheet's name.
    pub name: SheetName,
    /// The currency of the revised rates. Lines that stay are in the former one: give all of them when it differs.
    pub currency: Currency,
    /// The region it prices.
    pub region: Option<RegionId>,
    /// The architecture it prices.
    pub architecture: Option<Architecture>,
    /// The first day it holds; `None` leaves the former day.
    pub valid_from: Option<Date>,
    /// Where the prices were read.
    pub source: Source,
    /// Lines that are put in the place of those with the same meter, or added.
    pub lines: Vec<RevisedLine>,
    /// Meters whose line is taken out.
    pub without: Vec<Meter>,
    /// All prices of keeping an instance warm, per unit of the meter; `None` leaves the former ones.
    pub standing: Option<Vec<(Meter, Rate)>>,
    /// Notes after those the sheet has.
    pub notes: Vec<String>,
}

/// One line as a feed has it.
#[derive(Clone, Debug)]
pub struct RevisedLine {
    /// What is billed.
    pub meter: Meter,
    /// Rates with the monthly quantity each holds up to, ascending; the last is open (`None`).
    pub tiers: Vec<(Option<Quantity>, Rate)>,
    /// What is free each month.
    pub grant: RevisedGrant,
}

/// What a feed says of a free grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevisedGrant {
    /// Nothing: the former one stays.
    Keep,
    /// That it is this much, for those who shared the former one; without a former one there is none.
    Of(Quantity),
    /// Nothing of its size, but that one billed unit takes this many thousandths of it, above zero.
    Weighing(u32),
    /// That there is none.
    None,
}

impl PriceSheet {
    /// This sheet with the prices of `revision`, checked.
    ///
    /// # Errors
    /// [`SheetErrors`] with every mistake, such as tiers that do not ascend.
    pub fn revised(&self, revision: &Revision) -> Result<Self, SheetErrors> {
        let mut raw = self.to_raw();
        raw.name = revision.name.to_string();
        raw.currency = revision.currency.to_string();
        raw.region = revision.region.as_ref().map(ToString::to_string);
        raw.architecture = revision.architecture.map(|architecture| architecture.to_string());
        if let Some(from) = revision.valid_from {
            raw.valid_from = Some(from.to_string());
        }
        let Source { key, title, url, retrieved, second_hand } = revision.source.clone();
        raw.sources.insert(key.clone(), RawSource { title, url, retrieved: retrieved.to_string(), second_hand });
        raw.source = Some(key.clone());
        raw.lines.retain(|line| !revision.without.iter().any(|meter| line.meter == meter.name()));
        for line in &revision.lines {
            put_line(&mut raw, line, &key);
        }
        if let Some(standing) = &revision.standing {
            let write = |(meter, rate): &(Meter, Rate)| RawStanding {
                meter: meter.to_string(),
                rate: rate.to_string(),
                billed: None,
                source: Some(key.clone()),
            };
            raw.standing = standing.iter().map(write).collect();
        }
        raw.notes.extend(revision.notes.iter().cloned());
        Self::try_from_raw(&raw)
    }

    /// The same sheet with another sequence number.
    #[must_use]
    pub fn numbered(&self, seq: u64) -> Self {
        Self { seq: seq.max(1), ..self.clone() }
    }
}

impl Source {
    /// A source that is the provider's own document; `key` is the short name that prices refer to it by.
    #[must_use]
    pub fn new(key: &str, title: String, url: Option<String>, retrieved: Date) -> Self {
        Self { key: key.to_owned(), title, url, retrieved, second_hand: false }
    }
}

const ATTO_PER_MILLI: u128 = 10_u128.pow(15);

fn put_line(raw: &mut RawSheet, line: &RevisedLine, source: &str) {
    let place = raw.lines.iter().position(|former| former.meter == line.meter.name());
    let former = place.map(|place| raw.lines[place].clone());
    let tiers = line.tiers.iter().map(|(up_to, rate)| RawTier {
        up_to: up_to.map(|quantity| quantity.to_string()),
        rate: rate.to_string(),
        source: Some(source.to_owned()),
    });
    let former_grant = former.as_ref().and_then(|former| former.grant.clone());
    let grant = match line.grant {
        RevisedGrant::Keep => former_grant,
        RevisedGrant::None => None,
        RevisedGrant::Weighing(milli) => former_grant.map(|grant| RawGrant {
            weight: (milli != 1000).then(|| Rate::from_atto(u128::from(milli) * ATTO_PER_MILLI).to_string()),
            ..grant
        }),
        RevisedGrant::Of(quantity) => former_grant.map(|grant| RawGrant {
            quantity: quantity.to_string(),
            source: Some(source.to_owned()),
            ..grant
        }),
    };
    let written = RawLine {
        meter: line.meter.to_string(),
        source: Some(source.to_owned()),
        rate: None,
        tiers: tiers.collect(),
        grant,
        ..former.unwrap_or_default()
    };
    match place {
        Some(place) => raw.lines[place] = written,
        None => raw.lines.push(written),
    }
}
