//! Lists of exchange rates: `{"base": "EUR", "date": "2026-11-20", "rates": {"USD": 1.08, "CNY": 7.7, ...}}`.
//!
//! Units of each currency for one of the base, on a day; the form that open feeds of central banks' rates have. What is
//! wanted is dollars for one unit, so dollars must be the base or among the rates.
//!
//! Invariant: no float; one rounding, half to even, to the billionth of a dollar that [`ExchangeRate`] has. Known
//! limitation: a currency worth less than half a billionth of a dollar has no rate.

use std::borrow::Cow;
use std::collections::BTreeMap;

use merit_pricing::Date;
use merit_units::{Currency, ExchangeRate};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{ListError, number, shown};

/// More than there are currencies.
const MAX_RATES: usize = 1000;
const WANTED: &str = "a list of exchange rates (JSON with base, date and rates)";

/// Dollars for other currencies on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateList {
    /// The day they held.
    pub date: Date,
    /// Dollars for one unit of each; never one for dollars.
    pub usd: BTreeMap<Currency, ExchangeRate>,
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    base: Cow<'a, str>,
    #[serde(borrow)]
    date: Cow<'a, str>,
    #[serde(borrow)]
    rates: BTreeMap<Cow<'a, str>, &'a RawValue>,
}

impl RateList {
    /// Reads a list.
    ///
    /// # Errors
    /// [`ListError`] when it is no such list, when it has no dollars, or when any of its rates is no positive number:
    /// then none is to be trusted. Codes that are no currency's are passed over.
    pub fn read(bytes: &[u8]) -> Result<Self, ListError> {
        let list: List<'_> =
            serde_json::from_slice(bytes).map_err(|error| ListError::unreadable(WANTED, bytes, &error))?;
        let wrong = |problem: String| ListError::Wrong(problem);
        let base: Currency =
            list.base.parse().map_err(|_| wrong(format!("its base `{}` is no currency", shown(&list.base))))?;
        let date: Date = list
            .date
            .parse()
            .map_err(|_| wrong(format!("its date `{}` is no day such as 2026-11-20", shown(&list.date))))?;
        if list.rates.len() > MAX_RATES {
            return Err(wrong(format!("it has {} rates; at most {MAX_RATES} are usual", list.rates.len())));
        }
        let mut for_one = BTreeMap::new();
        for (code, raw) in &list.rates {
            let Ok(currency) = code.parse::<Currency>() else { continue };
            let rate = cut(raw).map_err(|problem| wrong(format!("{currency}: {problem}")))?;
            for_one.insert(currency, rate);
        }
        for_one.insert(base, ONE);
        let dollars = *for_one.get(&Currency::USD).ok_or_else(|| wrong("it has no rate for USD".to_owned()))?;
        for_one.remove(&Currency::USD);
        let mut usd = BTreeMap::new();
        for (currency, rate) in for_one {
            let quotient = divide(dollars, rate).ok_or_else(|| {
                wrong(format!("{currency} is out of range: {dollars} USD against {rate}, in 10^-12 of the base"))
            })?;
            usd.insert(currency, quotient);
        }
        if usd.is_empty() { Err(ListError::Empty("no rate for any currency")) } else { Ok(Self { date, usd }) }
    }
}

/// 10^12: rates of lists are kept to as many decimals as any bank gives.
const ONE: u128 = 1_000_000_000_000;
const DECIMALS: usize = 12;

/// A positive number in 10^-12, what is behind cut off.
fn cut(raw: &RawValue) -> Result<u128, String> {
    let text = number::plain(raw)?;
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = &fraction[..fraction.len().min(DECIMALS)];
    let parsed = format!("{whole}{fraction:0<DECIMALS$}").parse::<u128>().ok();
    let in_range = parsed.filter(|rate| (1..=ONE * 1_000_000_000).contains(rate));
    in_range.ok_or_else(|| format!("the rate `{}` is not above zero, or is too large", shown(&text)))
}

/// Dollars for one unit, in billionths, half to even.
fn divide(dollars: u128, rate: u128) -> Option<ExchangeRate> {
    const NANO: u128 = 1_000_000_000;
    let numerator = dollars.checked_mul(NANO)?;
    let (whole, rest) = (numerator / rate, numerator % rate);
    let up = match (rest * 2).cmp(&rate) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => !whole.is_multiple_of(2),
    };
    let nano = whole + u128::from(up);
    format!("{}.{:09}", nano / NANO, nano % NANO).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RateList, String> {
        RateList::read(text.as_bytes()).map_err(|error| error.to_string())
    }

    fn usd(list: &RateList, code: &str) -> String {
        list.usd[&code.parse::<Currency>().expect("a currency")].to_string()
    }

    #[test]
    fn dollars_are_had_from_any_base() {
        let list =
            read(r#"{"base":"USD","date":"2026-11-20","rates":{"CNY":7.1175,"EUR":0.8,"USD":1}}"#).expect("a list");
        assert_eq!((usd(&list, "CNY"), usd(&list, "EUR")), ("0.140498771".to_owned(), "1.25".to_owned()));
        assert_eq!((list.date.to_string().as_str(), list.usd.len()), ("2026-11-20", 2));
        let list = read(r#"{"amount":1.0,"base":"EUR","date":"2026-11-20","rates":{"CNY":"7.7","USD":1.155,"??":0}}"#);
        let list = list.expect("a list");
        assert_eq!((usd(&list, "CNY"), usd(&list, "EUR")), ("0.15".to_owned(), "1.155".to_owned()));
    }

    #[test]
    fn a_list_with_one_wrong_rate_is_refused_whole() {
        for (text, wanted) in [
            (r#"{"base":"EUR","date":"2026-11-20","rates":{"CNY":7.7}}"#, "it has no rate for USD"),
            (r#"{"base":"USD","date":"2026-11-20","rates":{"CNY":0}}"#, "CNY: the rate `0` is not above zero"),
            (r#"{"base":"USD","date":"2026-11-20","rates":{"CNY":-7}}"#, "CNY: `-7` is no number"),
            (r#"{"base":"USD","date":"2026-11-20","rates":{"CNY":null}}"#, "CNY: `null` is no number"),
            (r#"{"base":"USD","date":"2026-11-20","rates":{"CNY":1e30}}"#, "is too large"),
            (r#"{"base":"USD","date":"20 November","rates":{}}"#, "its date `20 November` is no day"),
            (r#"{"base":"dollars","date":"2026-11-20","rates":{}}"#, "its base `dollars` is no currency"),
            (r#"{"base":"USD","date":"2026-11-20","rates":{}}"#, "no rate for any currency"),
            (r#"{"base":"USD","date":"2026-11-20"}"#, "missing field `rates`"),
            ("<html>", "it begins with `<html>`"),
        ] {
            let error = read(text).expect_err(wanted);
            assert!(error.contains(wanted), "{wanted}: {error}");
        }
    }
}
