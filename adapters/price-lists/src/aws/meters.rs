//! One product: what it is the price of, and its rates by range.

use std::borrow::Cow;

use merit_pricing::{Architecture, Date};
use merit_units::{Currency, Quantity, Rate};
use serde::Deserialize;

use super::file::Values;

/// What a Lambda product is the price of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Priced {
    Request,
    Duration,
    /// Duration of calls that run in provisioned concurrency.
    ProvisionedDuration,
    /// Provisioned concurrency kept, used or not.
    ProvisionedKept,
    /// Scratch disk above the free part.
    Storage,
}

impl Priced {
    /// Each with the middle of its group, between `AWS-Lambda-` and `-ARM`, and the stem of its usage type.
    const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Request, "Requests", "Request"),
        (Self::Duration, "Duration", "Lambda-GB-Second"),
        (Self::ProvisionedDuration, "Duration-Provisioned", "Lambda-Provisioned-GB-Second"),
        (Self::ProvisionedKept, "Provisioned-Concurrency", "Lambda-Provisioned-Concurrency"),
        (Self::Storage, "Storage-Duration", "Lambda-Storage-GB-Second"),
    ];

    /// The word for people.
    pub(super) fn word(self) -> &'static str {
        Self::ALL.iter().find(|(priced, ..)| *priced == self).map_or("", |(_, word, _)| word)
    }

    fn of_group(group: &str) -> Option<(Self, Architecture)> {
        let rest = group.strip_prefix("AWS-Lambda-")?;
        let (rest, architecture) = match rest.strip_suffix("-ARM") {
            Some(rest) => (rest, Architecture::Arm64),
            None => (rest, Architecture::X86_64),
        };
        let found = Self::ALL.iter().find(|(_, word, _)| *word == rest);
        found.map(|(priced, ..)| (*priced, architecture))
    }

    /// Whether the usage type is the plain one, such as `USE2-Lambda-GB-Second-ARM`, and not of a variant.
    fn is_plain(self, architecture: Architecture, usage_type: &str) -> bool {
        let stem = Self::ALL.iter().find(|(priced, ..)| *priced == self).map_or("", |(.., stem)| stem);
        let bare = match architecture {
            Architecture::X86_64 => Some(usage_type),
            Architecture::Arm64 => usage_type.strip_suffix("-ARM"),
        };
        let before = bare.and_then(|bare| bare.strip_suffix(stem));
        before.is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('-'))
    }

    fn counts(self, unit: &str) -> bool {
        let known: &[&str] = match self {
            Self::Request => &["Request", "Requests"],
            _ => &["Lambda-GB-Second", "Lambda-GB-Seconds", "GB-Second", "GB-Seconds", "Second", "Seconds"],
        };
        known.iter().any(|known| known.eq_ignore_ascii_case(unit))
    }
}

#[derive(Deserialize)]
pub(super) struct Product<'a> {
    #[serde(borrow)]
    attributes: Attributes<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Attributes<'a> {
    #[serde(borrow)]
    group: Cow<'a, str>,
    #[serde(borrow)]
    usagetype: Cow<'a, str>,
    #[serde(borrow)]
    region_code: Cow<'a, str>,
    #[serde(borrow)]
    location: Cow<'a, str>,
    #[serde(borrow)]
    location_type: Cow<'a, str>,
}

/// A product that Merit bills by.
pub(super) struct Wanted<'a> {
    pub(super) priced: Priced,
    pub(super) architecture: Architecture,
    /// The region's code; `None` for the free tier, which is everywhere.
    pub(super) region: Option<Cow<'a, str>>,
    pub(super) plain: bool,
}

impl<'a> Wanted<'a> {
    pub(super) fn of(product: Product<'a>) -> Option<Self> {
        let attributes = product.attributes;
        let (priced, architecture) = Priced::of_group(&attributes.group)?;
        if attributes.location_type != "AWS Region" {
            return None;
        }
        let plain = priced.is_plain(architecture, &attributes.usagetype);
        let region = match (attributes.location == "Any", attributes.region_code.is_empty()) {
            (true, _) => None,
            (false, false) => Some(attributes.region_code),
            (false, true) => return None,
        };
        Some(Self { priced, architecture, region, plain })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Term<'a> {
    #[serde(borrow, default)]
    effective_date: Cow<'a, str>,
    #[serde(borrow)]
    price_dimensions: Values<Dimension<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dimension<'a> {
    #[serde(borrow)]
    unit: Cow<'a, str>,
    #[serde(borrow)]
    begin_range: Cow<'a, str>,
    #[serde(borrow)]
    end_range: Cow<'a, str>,
    #[serde(borrow)]
    price_per_unit: PerUnit<'a>,
}

/// Amounts by currency; anything but dollars is for the China regions.
#[derive(Deserialize)]
struct PerUnit<'a> {
    #[serde(borrow, default, rename = "USD")]
    usd: Option<Amount<'a>>,
    #[serde(borrow, default, rename = "CNY")]
    cny: Option<Amount<'a>>,
}

#[derive(Deserialize)]
struct Amount<'a>(#[serde(borrow)] Cow<'a, str>);

/// The rates of one product, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tiers {
    pub(super) currency: Currency,
    /// Each with the quantity it holds up to; without gaps from zero, the last one open or, for a free tier, not.
    pub(super) steps: Vec<(Option<Quantity>, Rate)>,
    /// The first day they hold, when the term says it.
    pub(super) effective: Option<Date>,
}

/// More ranges than any provider has.
const MAX_STEPS: usize = 32;

impl Tiers {
    /// The term in force on `today`: the latest that has begun, or the first to begin.
    pub(super) fn read(priced: Priced, terms: &[Term<'_>], today: Date) -> Result<Self, String> {
        let day = |term: &Term<'_>| term.effective_date.get(..10).and_then(|day| day.parse::<Date>().ok());
        let begun = terms.iter().filter(|term| day(term).is_none_or(|day| day <= today)).max_by_key(|term| day(term));
        let term = begun.or_else(|| terms.iter().min_by_key(|term| day(term)));
        let Some(term) = term else { return Err(format!("{} has no price", priced.word())) };
        let dimensions = &term.price_dimensions.0;
        if dimensions.is_empty() || dimensions.len() > MAX_STEPS {
            return Err(format!("{} has {} price ranges; 1 to {MAX_STEPS} are usual", priced.word(), dimensions.len()));
        }
        let ranges: Result<Vec<Range>, String> = dimensions.iter().map(|dimension| dimension.range(priced)).collect();
        let mut ranges = ranges.map_err(|problem| format!("{}: {problem}", priced.word()))?;
        ranges.sort_by_key(|range| range.begin);
        let mut next = Some(Quantity::ZERO);
        for range in &ranges {
            if Some(range.begin) != next {
                let ended = next.map_or_else(|| "without end".to_owned(), |end| format!("at {end}"));
                let begin = range.begin;
                return Err(format!("{}: a range begins at {begin} after one that ends {ended}", priced.word()));
            }
            if range.end.is_some_and(|end| end <= range.begin) {
                return Err(format!("{}: the range at {} is empty", priced.word(), range.begin));
            }
            next = range.end;
        }
        let currency = ranges[0].currency;
        if ranges.iter().any(|range| range.currency != currency) {
            return Err(format!("{} is priced in two currencies", priced.word()));
        }
        let steps = ranges.iter().map(|range| (range.end, range.rate)).collect();
        Ok(Self { currency, steps, effective: day(term) })
    }

    /// The quantity that is free, when this is a free tier.
    pub(super) fn free(&self) -> Option<Quantity> {
        match self.steps.as_slice() {
            [(Some(quantity), Rate::FREE)] => Some(*quantity),
            _ => None,
        }
    }

    /// Whether the last range is open: every quantity has a price.
    pub(super) fn is_open(&self) -> bool {
        self.steps.last().is_some_and(|(end, _)| end.is_none())
    }
}

struct Range {
    begin: Quantity,
    end: Option<Quantity>,
    rate: Rate,
    currency: Currency,
}

impl Dimension<'_> {
    fn range(&self, priced: Priced) -> Result<Range, String> {
        if !priced.counts(&self.unit) {
            return Err(format!("the unit is `{}`, which is not known for it", shown(&self.unit)));
        }
        let quantity = |text: &str| text.parse::<Quantity>().map_err(|error| format!("`{}` {error}", shown(text)));
        let (amount, currency) = match (&self.price_per_unit.usd, &self.price_per_unit.cny) {
            (Some(amount), _) => (amount, Currency::USD),
            (None, Some(amount)) => (amount, "CNY".parse().expect("invariant: CNY is a currency")),
            (None, None) => return Err("it has no price in USD or CNY".to_owned()),
        };
        let rate = amount.0.parse::<Rate>().map_err(|error| format!("the price `{}` {error}", shown(&amount.0)))?;
        let begin = quantity(&self.begin_range)?;
        let end = if self.end_range.eq_ignore_ascii_case("inf") { None } else { Some(quantity(&self.end_range)?) };
        Ok(Range { begin, end, rate, currency })
    }
}

/// What a message shows of a text that may be anything.
fn shown(text: &str) -> String {
    text.chars().take(40).map(|char| if char.is_control() { ' ' } else { char }).collect()
}
