//! The section `[exchange_rates]`: dollars for other currencies, each with the day it held.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use merit_units::{Currency, ExchangeRate, Micros, Timestamp};

use crate::catalog::list_address;
use crate::reader::{Kind, Section};

/// Dollars for other currencies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeRates {
    /// Days after which a rate is stale.
    pub stale_after_days: u32,
    /// Where a list of rates is, if one is to be asked.
    pub list_url: Option<String>,
    /// The rates; never one for dollars.
    pub rates: BTreeMap<Currency, DatedRate>,
}

/// An exchange rate and the day it held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatedRate {
    /// Dollars for one unit of the currency.
    pub usd: ExchangeRate,
    /// The day's beginning in UTC.
    pub date: Timestamp,
}

impl DatedRate {
    /// The day it held, as it is written: `2026-11-20`.
    #[must_use]
    pub fn day(&self) -> String {
        let micros = i64::try_from(self.date.micros()).ok();
        let day = micros.and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
        day.map_or_else(String::new, |day| day.to_zoned(TimeZone::UTC).date().to_string())
    }
}

impl ExchangeRates {
    pub(crate) fn read(mut section: Section<'_, '_>) -> Self {
        let stale_after_days = section.number("stale_after_days", 1..=3650);
        let list_url = section.value("list_url", &[Kind::String], list_address);
        let mut rates = BTreeMap::new();
        for name in section.other_keys() {
            match name.parse::<Currency>() {
                Ok(Currency::USD) => section.mistake(name, "needs no rate: it is the currency of every account"),
                Ok(_) if !section.is_table(name) => {
                    section
                        .mistake(name, format!("must be like {name} = {{ usd = \"0.1405\", date = \"2026-11-20\" }}"));
                }
                Ok(currency) => {
                    if let Some(rate) = section.child(name).and_then(read_rate) {
                        rates.insert(currency, rate);
                    }
                }
                // `finish` reports it as an unknown key when it resembles one.
                Err(_) if name.len() > 5 => continue,
                Err(error) => section.mistake(name, error.to_string()),
            }
            section.know(name);
        }
        Self { stale_after_days, list_url, rates }
    }

    /// When a rate is too old.
    #[must_use]
    pub fn stale_at(&self, rate: &DatedRate) -> Timestamp {
        rate.date + Micros::from_secs(u64::from(self.stale_after_days) * 86_400)
    }
}

fn read_rate(mut section: Section<'_, '_>) -> Option<DatedRate> {
    let usd = section.required("usd", &[Kind::String, Kind::Float, Kind::Integer], |text| {
        let refuse = |_| format!("must be above 0 with at most nine decimals, such as \"0.1405\"; got `{text}`");
        text.parse::<ExchangeRate>().map_err(refuse)
    });
    let date = section.required("date", &[Kind::String, Kind::Date], day);
    Some(DatedRate { usd: usd?, date: date? })
}

fn day(text: &str) -> Result<Timestamp, String> {
    let refuse = || format!("must be a day such as 2026-11-20, got `{text}`");
    let date: Date = text.parse().map_err(|_| refuse())?;
    let midnight = date.to_zoned(TimeZone::UTC).map_err(|_| refuse())?;
    let micros = u64::try_from(midnight.timestamp().as_microsecond()).map_err(|_| refuse())?;
    Ok(Timestamp::from_micros(micros))
}
