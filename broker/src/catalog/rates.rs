//! Exchange rates as a list last had them, beside those of the configuration.
//!
//! Invariants: the later of two rates for a currency counts, and on one day that of the configuration; a rate that moves
//! by more than `catalog.max_move_percent`, is dated in the future, or goes back in time is not taken, and the former one
//! stays with its own day until it is stale. Then venues in that currency are ineligible: there is no default rate.

use std::collections::BTreeMap;

use merit_config::DatedRate;
use merit_price_lists::rates::RateList;
use merit_pricing::MoveLimit;
use merit_units::{Currency, Micros, Timestamp};
use merit_wire::ExchangeRateView;

use super::feeds::EXCHANGE_RATES;
use super::{FeedState, LiveCatalog};
use crate::Broker;
use crate::clock::rfc3339;
use crate::prices::Exchange;

/// Dollars for one unit of each.
pub(super) type Rates = BTreeMap<Currency, DatedRate>;

/// Clocks and time zones differ by less.
const AHEAD: Micros = Micros::from_secs(86_400);

impl LiveCatalog {
    /// The rate that a list last had for a currency.
    #[must_use]
    pub fn rate(&self, currency: Currency) -> Option<DatedRate> {
        // A provider's quote comes by here, and is nearly always in dollars.
        if currency == Currency::USD {
            return None;
        }
        self.state.load().rates.get(&currency).copied()
    }
}

impl Broker {
    /// What is taken of a list, and why the rest is not.
    pub(super) fn judge_rates(&self, list: &RateList, now: Timestamp) -> (Rates, Vec<String>) {
        let (settings, state, in_use) = (self.settings.load(), self.catalog.state(), self.currencies_in_use());
        let limit = MoveLimit { percent: settings.catalog.max_move_percent };
        let date = list.date.start();
        let mut rates = state.rates.clone();
        if date > now + AHEAD {
            return (rates, vec![format!("it is of {}, which is yet to come", list.date)]);
        }
        let mut problems = Vec::new();
        for (currency, usd) in &list.usd {
            let former = settings.rate(*currency, state.rates.get(currency).copied());
            match former {
                Some(former) if former.date > date => {}
                Some(former) if limit.is_passed(former.usd.nano(), usd.nano()) => {
                    if in_use.contains(currency) {
                        problems.push(format!(
                            "{currency} moves from {} to {usd} dollars, more than {} %; if that is right, write it into \
                             [exchange_rates] with its day",
                            former.usd, limit.percent
                        ));
                    }
                }
                _ => drop(rates.insert(*currency, DatedRate { usd: *usd, date })),
            }
        }
        let missing = in_use.iter().filter(|currency| !list.usd.contains_key(currency));
        problems.extend(missing.map(|currency| format!("it has no rate for {currency}, which venues are billed in")));
        (rates, problems)
    }

    /// Converts what is billed in other currencies by the rates that count now, and rebuilds the books it touches.
    pub(super) fn put_rates(&self, now: Timestamp) {
        let settings = self.settings.load();
        for venue in self.directory.load().venues.values() {
            let mut changed = false;
            for prices in venue.sheets() {
                let Some(sheet) = prices.sheet() else { continue };
                let currency = sheet.currency();
                changed |= prices.convert_by(settings.exchange(currency, self.catalog.rate(currency), now));
            }
            if changed {
                self.rebuild_books(venue, now);
            }
        }
    }

    /// The rates that count for the currencies that are configured or that something is billed in.
    pub(crate) fn rates_in_use(&self, now: Timestamp) -> Vec<ExchangeRateView> {
        let settings = self.settings.load();
        let mut currencies = self.currencies_in_use();
        currencies.extend(settings.exchange_rates.rates.keys());
        let view = |currency: Currency| {
            let listed = self.catalog.rate(currency);
            let rate = settings.rate(currency, listed);
            let from = |rate: DatedRate| if listed == Some(rate) { EXCHANGE_RATES } else { "merit.toml" };
            ExchangeRateView {
                currency: currency.to_string(),
                usd: rate.map(|rate| rate.usd.to_string()),
                date: rate.map(|rate| rfc3339(rate.date)[..10].to_owned()),
                from: rate.map(|rate| from(rate).to_owned()),
                stale: settings.exchange(currency, listed, now) == Exchange::Missing,
            }
        };
        currencies.into_iter().map(view).collect()
    }

    /// Why a sheet in this currency would make its venues ineligible from the start; nothing when a rate is known.
    pub(super) fn unknown_currency(&self, currency: Currency) -> Option<String> {
        let known =
            currency == Currency::USD || self.settings.load().rate(currency, self.catalog.rate(currency)).is_some();
        (!known).then(|| {
            format!(
                "its prices are in {currency}, and no exchange rate is known for it: write {currency} = {{ usd = ..., date = \
                 ... }} into [exchange_rates], or set exchange_rates.list_url and run `merit catalog refresh {EXCHANGE_RATES}`"
            )
        })
    }
}

/// Rates as they are stored.
pub(super) fn storable(rates: &Rates) -> BTreeMap<String, (String, u64)> {
    rates.iter().map(|(currency, rate)| (currency.to_string(), (rate.usd.to_string(), rate.date.micros()))).collect()
}

/// Rates as they were stored; what can't be read any more is left out.
pub(super) fn stored(state: &FeedState) -> Rates {
    let read = |(currency, (usd, date)): (&String, &(String, u64))| {
        Some((currency.parse().ok()?, DatedRate { usd: usd.parse().ok()?, date: Timestamp::from_micros(*date) }))
    };
    state.rates.iter().filter_map(read).collect()
}
