//! Checks a written sheet and builds the price sheet from it, noting every mistake on the way.

mod line;
mod rule;
mod standing;

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};

use merit_units::{Rate, SheetName};

use super::mistake::Mistakes;
use super::raw::{RawHourly, RawSheet, RawSource};
use super::{Hourly, PriceSheet, SheetErrors, SheetMistake, Source};
use crate::meter::Meters;

impl PriceSheet {
    /// Reads a sheet written as TOML.
    ///
    /// # Errors
    /// [`SheetErrors`] with every mistake; when the text is not TOML, has an unknown key or a value of the
    /// wrong type, with that one and its line.
    pub fn parse_toml(text: &str) -> Result<Self, SheetErrors> {
        toml::from_str::<RawSheet>(text).map_err(|error| unreadable(&error)).and_then(|raw| Self::try_from_raw(&raw))
    }

    /// Reads a sheet written as JSON, with the same keys as the TOML form.
    ///
    /// # Errors
    /// As [`PriceSheet::parse_toml`].
    pub fn parse_json(text: &str) -> Result<Self, SheetErrors> {
        serde_json::from_str::<RawSheet>(text)
            .map_err(|error| unreadable(&error))
            .and_then(|raw| Self::try_from_raw(&raw))
    }

    pub(crate) fn try_from_raw(raw: &RawSheet) -> Result<Self, SheetErrors> {
        let mut mistakes = Mistakes::default();
        let sheet = build(raw, &mut mistakes);
        match sheet {
            Some(sheet) if mistakes.0.is_empty() => Ok(sheet),
            _ => Err(SheetErrors { sheet: raw.name.chars().take(80).collect(), mistakes: mistakes.0 }),
        }
    }
}

fn unreadable(error: &impl fmt::Display) -> SheetErrors {
    let mistake = SheetMistake { at: String::new(), problem: error.to_string().trim_end().to_owned() };
    SheetErrors { sheet: String::new(), mistakes: vec![mistake] }
}

/// `None` only together with a mistake.
fn build(raw: &RawSheet, mistakes: &mut Mistakes) -> Option<PriceSheet> {
    let name = mistakes.check("name", raw.name.parse::<SheetName>());
    let currency = mistakes.check("currency", raw.currency.parse());
    if raw.seq == Some(0) {
        mistakes.add("seq", "is 0; sequence numbers begin with 1");
    }
    let valid_from = optional(mistakes, "valid_from", raw.valid_from.as_deref());
    let valid_until = optional(mistakes, "valid_until", raw.valid_until.as_deref());
    if let (Some(from), Some(until)) = (valid_from, valid_until)
        && until <= from
    {
        mistakes.add("valid_until", format_args!("{until} is not after valid_from {from}"));
    }
    let region = optional(mistakes, "region", raw.region.as_deref());
    let architecture = optional(mistakes, "architecture", raw.architecture.as_deref());
    let mut sources = Sources::new(raw, mistakes);
    let rule = rule::check(&raw.rule, mistakes);
    let lines = line::check_all(raw, rule.as_ref(), &mut sources, mistakes);
    let rule_source = sources.find(raw.rule.source.as_deref(), "rule", mistakes);
    let standing = standing::check_all(raw, lines.as_deref(), &mut sources, mistakes);
    let base_fee = raw.base_fee.as_deref().and_then(|fee| line::rate(fee, "base_fee", mistakes));
    let hourly = raw.hourly.as_ref().and_then(|hourly| check_hourly(hourly, mistakes));
    let (rule, lines) = (rule?, lines?);
    let meters = Meters::new(lines.iter().map(|line| line.meter));
    let mut sheet = PriceSheet {
        name: name?,
        currency: currency?,
        seq: raw.seq.unwrap_or(1),
        valid_from,
        valid_until,
        region,
        architecture,
        notes: raw.notes.clone(),
        sources: sources.used,
        rule,
        rule_source,
        lines,
        meters,
        standing,
        base_fee: base_fee.unwrap_or(Rate::FREE),
        hourly,
        shape: 0,
    };
    sheet.shape = shape_of(&sheet);
    Some(sheet)
}

fn optional<T: std::str::FromStr<Err: fmt::Display>>(
    mistakes: &mut Mistakes,
    at: &str,
    text: Option<&str>,
) -> Option<T> {
    text.and_then(|text| mistakes.check(at, text.parse()))
}

fn check_hourly(raw: &RawHourly, mistakes: &mut Mistakes) -> Option<Hourly> {
    let floor = match raw.floor.as_deref() {
        Some(floor) => line::rate(floor, "hourly.floor", mistakes)?,
        None => Rate::FREE,
    };
    Some(Hourly { ceil_to_units: raw.ceil_to_units, floor })
}

/// The written sources, and those that a price names, in the order in which they are named.
struct Sources<'a> {
    known: BTreeMap<&'a str, Option<Source>>,
    default: Option<&'a str>,
    used: Vec<Source>,
    unknown: Vec<String>,
}

impl<'a> Sources<'a> {
    fn new(raw: &'a RawSheet, mistakes: &mut Mistakes) -> Self {
        let known = raw.sources.iter().map(|(key, raw)| (key.as_str(), check_source(key, raw, mistakes))).collect();
        Self { known, default: raw.source.as_deref(), used: Vec::new(), unknown: Vec::new() }
    }

    /// The index of the source named here or, failing that, of the sheet's.
    fn find(&mut self, named: Option<&str>, at: &str, mistakes: &mut Mistakes) -> u8 {
        let Some(key) = named.or(self.default) else {
            mistakes
                .add(format_args!("{at}.source"), "is missing; name one of `sources`, or set `source` for the sheet");
            return 0;
        };
        if let Some(at) = self.used.iter().position(|source| source.key == key) {
            return u8::try_from(at).unwrap_or(u8::MAX);
        }
        match self.known.get(key) {
            Some(Some(source)) if self.used.len() < usize::from(u8::MAX) => self.used.push(source.clone()),
            Some(Some(_)) => mistakes.add("sources", "are more than 255; merge some"),
            Some(None) => {} // Its own mistake is noted already.
            None if self.unknown.iter().any(|known| known == key) => {} // Said once is enough.
            None => {
                mistakes.add(format_args!("{at}.source"), format_args!("`{key}` is not one of `sources`"));
                self.unknown.push(key.to_owned());
            }
        }
        u8::try_from(self.used.len().saturating_sub(1)).unwrap_or(u8::MAX)
    }
}

fn check_source(key: &str, raw: &RawSource, mistakes: &mut Mistakes) -> Option<Source> {
    if raw.title.trim().is_empty() {
        mistakes.add(format_args!("sources.{key}.title"), "is missing; say which document gives the price");
    }
    let retrieved = mistakes.check(format_args!("sources.{key}.retrieved"), raw.retrieved.parse())?;
    let (title, url) = (raw.title.clone(), raw.url.clone());
    Some(Source { key: key.to_owned(), title, url, retrieved, second_hand: raw.second_hand })
}

/// A fingerprint of the rule and of what each line counts; rates, grants and tiers are left out.
fn shape_of(sheet: &PriceSheet) -> u64 {
    let mut hasher = Fnv(0xCBF2_9CE4_8422_2325);
    sheet.rule.hash(&mut hasher);
    for line in &sheet.lines {
        line.meter.hash(&mut hasher);
        line.parts.hash(&mut hasher);
    }
    hasher.finish()
}

/// FNV-1a with 64 bits. The standard hasher promises no result that lasts, and means learned under a
/// shape are stored.
struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
