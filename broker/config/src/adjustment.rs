//! The sections `[adjustments.NAME]`: what accounts have agreed on with their providers besides the price lists.
//!
//! An adjustment is for some venues, or for all of a billing account. What is used of it is counted with the account's
//! grants and tiers, so its venues are all of one account.

use std::collections::BTreeMap;

use merit_pricing::{Adjustment, AdjustmentKind, Adjustments, Date, Meter, Renewed};
use merit_units::{AdjustmentId, Currency, Quantity, Rate, VenueId};

use crate::account::MONEY;
use crate::function::existing;
use crate::mistake::did_you_mean;
use crate::reader::{Kind, Reader, Section};
use crate::server::one_of;
use crate::venue::account_name;
use crate::{Config, Venue};

/// Adjustments there can be: each is looked at for every call of its venues, and is a label of a metric.
const MOST: usize = 256;

/// An adjustment and the venues it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreedAdjustment {
    /// What was agreed, and when it holds.
    pub adjustment: Adjustment,
    /// For which venues.
    pub whose: Whose,
}

/// For which venues an adjustment is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// These; all of one billing account.
    Venues(Vec<VenueId>),
    /// All of a billing account.
    Account(String),
}

impl AgreedAdjustment {
    /// Whether it is for this venue.
    #[must_use]
    pub fn is_of(&self, name: &VenueId, venue: &Venue) -> bool {
        match &self.whose {
            Whose::Venues(venues) => venues.contains(name),
            Whose::Account(account) => venue.billing_account == *account,
        }
    }
}

impl Config {
    /// What was agreed for a venue of the configuration.
    #[must_use]
    pub fn adjustments_of(&self, name: &VenueId, venue: &Venue) -> Adjustments {
        let own = self.adjustments.values().filter(|agreed| agreed.is_of(name, venue));
        Adjustments::new(own.map(|agreed| agreed.adjustment.clone()))
    }
}

pub(crate) fn read_all(reader: &mut Reader<'_>) -> BTreeMap<AdjustmentId, AgreedAdjustment> {
    let mut section = reader.section("adjustments");
    let named = section.named(|section| Some(read(section)));
    if named.len() > MOST {
        section.mistake("", format!("has {} adjustments; there can be {MOST}", named.len()));
    }
    let whole = named.into_iter().filter_map(|(name, read): (AdjustmentId, Option<Unnamed>)| {
        let Unnamed { from, until, kind, whose } = read?;
        Some((name.clone(), AgreedAdjustment { adjustment: Adjustment { name, from, until, kind }, whose }))
    });
    whole.collect()
}

struct Unnamed {
    from: Date,
    until: Option<Date>,
    kind: AdjustmentKind,
    whose: Whose,
}

#[derive(Clone, Copy)]
enum Word {
    Discount,
    Commitment,
    Package,
}

const WORDS: [(&str, Word); 3] =
    [("discount", Word::Discount), ("commitment", Word::Commitment), ("package", Word::Package)];

const RENEWED: [(&str, Renewed); 2] = [("never", Renewed::Never), ("monthly", Renewed::Monthly)];

fn read(mut section: Section<'_, '_>) -> Option<Unnamed> {
    let word = section.required("kind", &[Kind::String], |text| one_of(text, &WORDS));
    let whose = read_whose(&mut section);
    let from = section.required("from", DAY, str::parse::<Date>);
    let until = section.given("until", DAY, str::parse::<Date>);
    if let (Some(from), Some(until)) = (from, until)
        && until <= from
    {
        let message = format!("must be after `from` ({from}), got {until}: it is the first day without the adjustment");
        section.mistake("until", message);
    }
    let kind = match word {
        Some(Word::Discount) => discount(&mut section),
        Some(Word::Commitment) => commitment(&mut section),
        Some(Word::Package) => package(&mut section),
        None => {
            // Which keys belong to it is not known.
            section.other_keys().into_iter().for_each(|key| section.know(key));
            None
        }
    };
    Some(Unnamed { from: from?, until, kind: kind?, whose: whose? })
}

const DAY: &[Kind] = &[Kind::String, Kind::Date];

fn read_whose(section: &mut Section<'_, '_>) -> Option<Whose> {
    let known = section.reader.names("venues");
    let has_venues = section.has("venues");
    let venues = section.list("venues", |text| existing(text, &known));
    let account = section.given("billing_account", &[Kind::String], account_name);
    match (has_venues, account) {
        (true, Some(_)) => {
            section.mistake("billing_account", "cannot be given beside `venues`; leave one of them out");
            None
        }
        (false, Some(account)) => Some(Whose::Account(account)),
        (true, None) if section.has("billing_account") => None,
        (true, None) if venues.is_empty() => {
            section.mistake("venues", "names no venue; name those it is for");
            None
        }
        (true, None) => Some(Whose::Venues(venues)),
        (false, None) => {
            if !section.has("billing_account") {
                section.mistake(
                    "",
                    "is for no venue; name some with `venues`, or all of one account with `billing_account`",
                );
            }
            None
        }
    }
}

fn discount(section: &mut Section<'_, '_>) -> Option<AdjustmentKind> {
    let off_ppm = section.required("percent_off", MONEY, percent);
    let meters = section.list("meters", str::parse::<Meter>);
    Some(AdjustmentKind::Discount { off_ppm: off_ppm?, meters })
}

fn commitment(section: &mut Section<'_, '_>) -> Option<AdjustmentKind> {
    let amount = section.required("amount", MONEY, above_zero::<Rate>);
    let currency = section.given("currency", &[Kind::String], str::parse).unwrap_or(Currency::USD);
    let elsewhere = section.given("used_elsewhere", MONEY, decimal::<Rate>).unwrap_or_default();
    let renewed = renewed(section);
    check_elsewhere(section, "amount", amount, elsewhere);
    Some(AdjustmentKind::Commitment { amount: amount?, elsewhere, currency, renewed })
}

fn package(section: &mut Section<'_, '_>) -> Option<AdjustmentKind> {
    let meter = section.required("meter", &[Kind::String], str::parse::<Meter>);
    let quantity = section.required("quantity", MONEY, above_zero::<Quantity>);
    let elsewhere = section.given("used_elsewhere", MONEY, decimal::<Quantity>).unwrap_or_default();
    let renewed = renewed(section);
    check_elsewhere(section, "quantity", quantity, elsewhere);
    Some(AdjustmentKind::Package { meter: meter?, quantity: quantity?, elsewhere, renewed })
}

fn renewed(section: &mut Section<'_, '_>) -> Renewed {
    section.given("renewed", &[Kind::String], |text| one_of(text, &RENEWED)).unwrap_or_default()
}

fn check_elsewhere<T>(section: &mut Section<'_, '_>, key: &str, all: Option<T>, elsewhere: T)
where
    T: Copy + PartialOrd + std::fmt::Display,
{
    if let Some(all) = all.filter(|all| elsewhere > *all) {
        section.mistake("used_elsewhere", format!("must be at most `{key}` ({all}), got {elsewhere}"));
    }
}

fn decimal<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("`{text}` {error}"))
}

fn above_zero<T>(text: &str) -> Result<T, String>
where
    T: std::str::FromStr<Err: std::fmt::Display> + Default + PartialEq,
{
    let value: T = decimal(text)?;
    if value == T::default() { Err("must be above 0".to_owned()) } else { Ok(value) }
}

/// Percent as millionths: `12.5` is 125,000.
fn percent(text: &str) -> Result<u32, String> {
    const PPM: u128 = 100_000_000_000_000;
    let refuse = || format!("must be above 0 and at most 100, with four decimals at most, got {text}");
    let atto = text.parse::<Rate>().map_err(|_| refuse())?.atto();
    let ppm = u32::try_from(atto / PPM).ok().filter(|ppm| (1..=1_000_000).contains(ppm) && atto.is_multiple_of(PPM));
    ppm.ok_or_else(refuse)
}

/// What only the venues can tell: whether there are any, of one account, that are billed for what was agreed.
pub(crate) fn check(config: &Config, reader: &mut Reader<'_>) {
    for (name, agreed) in &config.adjustments {
        let own: Vec<(&VenueId, &Venue)> =
            config.venues.iter().filter(|(name, venue)| agreed.is_of(name, venue)).collect();
        for (key, message) in mistakes(agreed, &own, config) {
            reader.mistake_at(&["adjustments", name.as_str(), key], message);
        }
    }
}

fn mistakes(agreed: &AgreedAdjustment, own: &[(&VenueId, &Venue)], config: &Config) -> Vec<(&'static str, String)> {
    let mut mistakes = Vec::new();
    match &agreed.whose {
        Whose::Account(account) if own.is_empty() => {
            let accounts = config.venues.values().map(|venue| venue.billing_account.as_str());
            let hint = did_you_mean(account, accounts.filter(|account| !account.is_empty()));
            let message = format!("no venue has the billing_account `{account}`{hint}; set it at those it is for");
            mistakes.push(("billing_account", message));
        }
        Whose::Venues(_) => {
            let other = own.iter().find(|(_, venue)| venue.billing_account != own[0].1.billing_account);
            if let Some((other, _)) = other {
                let message = format!(
                    "{} and {other} are of two billing accounts, by which use is counted; write an adjustment for each",
                    own[0].0
                );
                mistakes.push(("venues", message));
            }
        }
        Whose::Account(_) => {}
    }
    let sheets: Vec<_> = own.iter().filter_map(|(_, venue)| venue.sheet.as_ref()).collect();
    let known = !own.is_empty() && sheets.len() == own.len();
    if known && !sheets.iter().any(|sheet| agreed.adjustment.is_for(sheet)) {
        let names: Vec<&str> = sheets.iter().map(|sheet| sheet.name().as_str()).collect();
        let (key, what) = match &agreed.adjustment.kind {
            AdjustmentKind::Discount { .. } => ("meters", "bills any of these meters".to_owned()),
            AdjustmentKind::Commitment { currency, .. } => ("currency", format!("is in {currency}")),
            AdjustmentKind::Package { meter, .. } => ("meter", format!("bills {meter}")),
        };
        mistakes.push((key, format!("no sheet of its venues {what}: {}", names.join(", "))));
    }
    mistakes
}
