//! What a provider's invoice adds to the charges of calls, where it rounds up the hours of a function.
//!
//! A call's own charge can't have it: what an hour comes to is known when it is over, and belongs to all its calls. The
//! month's fee is the other thing an invoice adds; it is a figure of the sheet ([`PriceSheet::base_fee`]).
//!
//! Known limitation: what is rounded up is priced where the hour's last call ended, and is not counted towards tiers.

use merit_units::{Exact, Quantity};

use crate::meter::Meter;
use crate::position::{Position, RepriceError};
use crate::sheet::PriceSheet;

impl PriceSheet {
    /// Whether an hour of a function's calls may be billed as more than they are.
    #[must_use]
    pub fn bills_hours(&self) -> bool {
        self.hourly().is_some()
    }

    /// What one function's hour is billed beyond its calls, in the sheet's currency: their summed quantities are rounded up
    /// to whole units, and what that comes to is no less than the least for an hour. `charged` is what the calls were
    /// charged, and `after` where the month stood after the last of them, in the order of the lines.
    ///
    /// # Errors
    /// [`RepriceError`] when quantities or positions are not of this sheet's lines, or a sum does not fit.
    pub fn beyond_hour(
        &self,
        used: &[(Meter, Quantity)],
        charged: Exact,
        after: &[Position],
    ) -> Result<Exact, RepriceError> {
        let Some(hourly) = self.hourly() else { return Ok(Exact::ZERO) };
        let rest = |(meter, quantity): &(Meter, Quantity)| (*meter, quantity.ceil_to_units().saturating_sub(*quantity));
        let rounded = if hourly.ceil_to_units { self.charge_at(used.iter().map(rest), after)? } else { Exact::ZERO };
        let least = hourly.floor.times(Quantity::from_units(1))?;
        Ok(charged.checked_add(rounded)?.max(least).saturating_sub(charged))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use merit_units::ExchangeRate;

    use super::*;
    use crate::{Catalogue, Metered, MonthToDate};

    fn sheet(name: &str) -> Arc<PriceSheet> {
        Arc::clone(Catalogue::builtin().get(name).expect("in the catalogue"))
    }

    /// An hour of calls that use `each`, so many of them: what it is billed beyond them, and the invoice of a month of it.
    fn hour(sheet: &PriceSheet, each: &str, calls: u64) -> (Exact, Exact, Exact) {
        let (mut month, mut charged) = (MonthToDate::month_start(sheet), Exact::ZERO);
        let meters: Vec<Meter> = sheet.billed_meters().collect();
        let metered = |quantity: Quantity| -> Metered {
            meters.iter().fold(sheet.zero(), |metered, meter| metered.with(*meter, quantity).expect("it bills it"))
        };
        let one = metered(each.parse().expect("a quantity"));
        let mut used = sheet.zero();
        for _ in 0..calls {
            charged = charged.checked_add(sheet.charge(&one, &month).expect("it fits")).expect("it fits");
            month.add(&one).expect("it fits");
            used = used.checked_add(&one).expect("it fits");
        }
        let after: Vec<Position> =
            month.iter().map(|(_, grant_left, tier_used)| Position { grant_left, tier_used }).collect();
        let used: Vec<(Meter, Quantity)> = used.iter().collect();
        let beyond = sheet.beyond_hour(&used, charged, &after).expect("it can be computed");
        let invoice = sheet.invoice((0..calls).map(|_| ((0, "f"), one))).expect("it fits");
        (charged, beyond, invoice)
    }

    #[test]
    fn calls_and_what_is_beyond_them_are_the_invoice() {
        for name in ["alibaba-fc/cn", "alibaba-fc/intl"] {
            let sheet = sheet(name);
            for (each, calls) in [("0.4", 1), ("0.4", 5), ("1", 3), ("123.000001", 7), ("900000", 200)] {
                let (charged, beyond, invoice) = hour(&sheet, each, calls);
                assert_eq!(charged.checked_add(beyond).expect("it fits"), invoice, "{name}: {calls} of {each}");
            }
        }
        let (charged, beyond, _) = hour(&sheet("alibaba-fc/cn"), "0.4", 1);
        let dollars = |exact: Exact| exact.to_usd(ExchangeRate::USD).expect("it fits").to_string();
        assert_eq!(dollars(charged.checked_add(beyond).expect("it fits")), "0.01", "an hour's least");
    }

    #[test]
    fn other_sheets_bill_nothing_beyond_calls() {
        let sheet = sheet("aws-lambda/us-east-1/x86_64");
        assert!(!sheet.bills_hours());
        assert_eq!(sheet.beyond_hour(&[], Exact::ZERO, &[]).expect("nothing"), Exact::ZERO);
    }
}
