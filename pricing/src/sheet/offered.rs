//! A sheet at a provider's own rates: what an offer makes of the sheet of its venue.
//!
//! Only rates differ, and they are the same whatever the volume; rounding, minimums and grants stay. So the shape is
//! the sheet's, and what was learned under it holds. It costs a copy of the sheet and nothing is checked anew but the
//! rates, because offers come by the thousand a second.

use merit_units::{Quantity, Rate};

use super::{Line, PriceSheet, Tier};
use crate::meter::{Meter, NotBilled};

/// Why a rate can't be offered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferedRateError {
    /// The sheet has no line for it.
    #[error(transparent)]
    NotBilled(#[from] NotBilled),
    /// More than any unit costs.
    #[error("`{meter}` at {rate} is above 1000000000, the most a sheet can have")]
    TooHigh {
        /// Which meter.
        meter: Meter,
        /// The rate.
        rate: Rate,
    },
}

impl PriceSheet {
    /// The highest rate a unit may have, in attounits: 10^9, which keeps products with real quantities in range.
    const MOST_ATTO: u128 = 10_u128.pow(27);

    /// This sheet with one rate for each of these meters.
    ///
    /// # Errors
    /// [`OfferedRateError`] naming the first meter that the sheet does not bill, or whose rate is too high.
    pub fn at_rates(&self, rates: &[(Meter, Rate)]) -> Result<Self, OfferedRateError> {
        let mut sheet = self.clone();
        for &(meter, rate) in rates {
            if rate.atto() > Self::MOST_ATTO {
                return Err(OfferedRateError::TooHigh { meter, rate });
            }
            let line = &mut sheet.lines[self.meters.line_of(meter)?];
            let source = line.tiers.first().map_or(0, |tier| tier.source);
            line.tiers = vec![Tier { up_to: Quantity::MAX, rate, source }];
        }
        Ok(sheet)
    }

    /// Whether a call that is billed by both meters costs the same under `other` wherever their rates are the same: the
    /// currency, rounding, minimums, sizes, weights and grants agree. Rates and tiers may differ, and meters that only
    /// one of them bills.
    #[must_use]
    pub fn bills_alike(&self, other: &Self) -> bool {
        let grant = |line: &Line| line.grant.as_ref().map(|grant| (grant.quantity, grant.weight_milli));
        let alike = |line: &Line| {
            let same = other.lines.iter().find(|its| its.meter == line.meter);
            same.is_none_or(|its| its.parts == line.parts && grant(its) == grant(line))
        };
        self.currency == other.currency
            && self.rule == other.rule
            && self.hourly == other.hourly
            && self.lines.iter().all(alike)
    }

    /// Each meter with its lowest and its highest rate.
    pub fn rate_ranges(&self) -> impl Iterator<Item = (Meter, Rate, Rate)> {
        self.lines.iter().map(|line| {
            let lowest = line.tiers.iter().map(|tier| tier.rate).min().unwrap_or_default();
            (line.meter, lowest, line.highest_rate())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Catalogue, MonthToDate, Size, Usage};
    use merit_units::{Exact, MemoryMb, Micros};

    fn rate(text: &str) -> Rate {
        text.parse().expect("a rate")
    }

    #[test]
    fn only_the_rates_differ_and_they_hold_whatever_the_volume() {
        let sheet = Catalogue::builtin().get("aws-lambda/us-east-1/x86_64").expect("built in").clone();
        let offered = sheet.at_rates(&[(Meter::GbSecond, rate("0.00001"))]).expect("billed");
        assert!(sheet.same_shape(&offered) && sheet.name() == offered.name());
        let size = Size::new(MemoryMb::try_new(512).expect("a size"));
        let usage = Usage { duration: Micros::from_millis(100), ..Usage::default() };
        let metered = offered.meter(&size, &usage).expect("sold");
        assert_eq!(Some(metered), sheet.meter(&size, &usage).ok());
        let used = [(Meter::GbSecond, Quantity::from_units(20_000_000_000))];
        let charge = |sheet: &PriceSheet| {
            let late = MonthToDate::after_usage(sheet, used).expect("billed");
            sheet.charge(&metered, &late).expect("fits")
        };
        assert_ne!(charge(&offered), charge(&sheet));
        assert!(charge(&offered) > Exact::ZERO);
        let ranges: Vec<_> = offered.rate_ranges().filter(|(meter, ..)| *meter == Meter::GbSecond).collect();
        assert_eq!(ranges, [(Meter::GbSecond, rate("0.00001"), rate("0.00001"))]);
        let (_, lowest, highest) =
            sheet.rate_ranges().find(|(meter, ..)| *meter == Meter::GbSecond).expect("Lambda bills it");
        assert!(lowest < highest, "Lambda's price falls with volume");
    }

    #[test]
    fn whatever_moves_a_bill_besides_rates_bills_otherwise() {
        let text = |currency: &str, rule: &str, grant: &str| {
            format!(
                "name = \"own\"\ncurrency = \"{currency}\"\nsource = \"own\"\nrule = {{ granularity_us = 1000, {rule} \
                 memory = {{ min_mb = 128, max_mb = 1024, step_mb = 1, between = \"round-up\" }} }}\n\
                 lines = [{{ meter = \"gb_second\", rate = \"0.00001\"{grant} }}]\n\
                 [sources.own]\ntitle = \"own\"\nretrieved = \"2026-11-22\"\n"
            )
        };
        let sheet = |currency: &str, rule: &str, grant: &str| {
            PriceSheet::parse_toml(&text(currency, rule, grant)).unwrap_or_else(|errors| panic!("{errors}"))
        };
        let plain = sheet("USD", "", "");
        let grant = ", grant = { quantity = \"400000\", scope = \"own\" }";
        assert!(plain.bills_alike(&plain.at_rates(&[(Meter::GbSecond, rate("7"))]).expect("billed")));
        for other in [sheet("CNY", "", ""), sheet("USD", "minimum_us = 60000000,", ""), sheet("USD", "", grant)] {
            assert!(!plain.bills_alike(&other) && !other.bills_alike(&plain), "{other:?}");
        }
    }

    #[test]
    fn what_the_sheet_does_not_bill_has_no_rate() {
        let sheet = Catalogue::builtin().get("aws-lambda/us-east-1/x86_64").expect("built in").clone();
        let error = sheet.at_rates(&[(Meter::CpuMs, rate("1"))]).unwrap_err().to_string();
        assert!(error.starts_with("`cpu_ms` is not billed by this sheet; it bills request"), "{error}");
        let error = sheet.at_rates(&[(Meter::Request, rate("1000000001"))]).unwrap_err().to_string();
        assert_eq!(error, "`request` at 1000000001 is above 1000000000, the most a sheet can have");
    }
}
