//! What a row is the price of, and its unit.

use merit_units::{Quantity, Rate};
use serde_json::value::RawValue;

use crate::{number, shown};

/// What a meter of Functions is the price of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Priced {
    /// Consumption: calls.
    Calls,
    /// Consumption: GB-seconds.
    Time,
    /// Flex on demand.
    FlexCalls,
    FlexTime,
    /// Flex with always-ready instances.
    ReadyCalls,
    ReadyTime,
    /// Always-ready instances kept, used or not.
    ReadyKept,
    /// Premium: what instances are kept for, by vCPU and by memory.
    PremiumVcpu,
    PremiumMemory,
}

/// What a unit is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Count,
    GbSecond,
    Hour,
    GibHour,
}

const SECONDS_PER_HOUR: u64 = 3600;

impl Priced {
    /// Each with its product and meter.
    const ALL: [(Self, &'static str, &'static str, Unit); 9] = [
        (Self::Calls, "Functions", "Standard Total Executions", Unit::Count),
        (Self::Time, "Functions", "Standard Execution Time", Unit::GbSecond),
        (Self::FlexCalls, "Flex Consumption", "On Demand Total Executions", Unit::Count),
        (Self::FlexTime, "Flex Consumption", "On Demand Execution Time", Unit::GbSecond),
        (Self::ReadyCalls, "Flex Consumption", "Always Ready Total Executions", Unit::Count),
        (Self::ReadyTime, "Flex Consumption", "Always Ready Execution Time", Unit::GbSecond),
        (Self::ReadyKept, "Flex Consumption", "Always Ready Baseline", Unit::GbSecond),
        (Self::PremiumVcpu, "Premium Functions", "Premium vCPU Duration", Unit::Hour),
        (Self::PremiumMemory, "Premium Functions", "Premium Memory Duration", Unit::GibHour),
    ];

    pub(super) fn of(service: &str, product: &str, meter: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, of, name, _)| *of == product && *name == meter);
        found.filter(|_| service == "Functions").map(|(priced, ..)| *priced)
    }

    fn row(self) -> &'static (Self, &'static str, &'static str, Unit) {
        Self::ALL.iter().find(|(priced, ..)| *priced == self).expect("invariant: all are listed")
    }

    /// The meter's own name, for people.
    pub(super) fn word(self) -> &'static str {
        self.row().2
    }

    /// Where a price begins and what it is, for one call, GB-second, vCPU-second or GiB-second.
    pub(super) fn step(self, unit: &str, start: &RawValue, price: &RawValue) -> Result<(Quantity, Rate), String> {
        let count =
            self.count_of(unit).ok_or_else(|| format!("the unit is `{}`, which is not known for it", shown(unit)))?;
        let start = number::times(number::quantity(start)?, count)?;
        Ok((start, number::per(number::rate(price)?, count)))
    }

    /// How many calls, GB-seconds and so on are in a unit of the list.
    fn count_of(self, unit: &str) -> Option<u64> {
        let (number, rest) = unit.split_once(' ').unwrap_or((unit, ""));
        let (digits, scale) = match number.as_bytes().last()? {
            b'K' => (&number[..number.len() - 1], 1000),
            b'M' => (&number[..number.len() - 1], 1_000_000),
            _ => (number, 1),
        };
        let count = digits.parse::<u64>().ok().filter(|count| (1..=1_000_000_000).contains(count))? * scale;
        let (counted, seconds) = match rest.strip_suffix('s').unwrap_or(rest) {
            "" => (Unit::Count, 1),
            "GB Second" => (Unit::GbSecond, 1),
            "Hour" => (Unit::Hour, SECONDS_PER_HOUR),
            "GiB Hour" | "GB Hour" => (Unit::GibHour, SECONDS_PER_HOUR),
            _ => return None,
        };
        (counted == self.row().3).then_some(count * seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_counted_or_not_known() {
        for (priced, unit, count) in [
            (Priced::Calls, "10", Some(10)),
            (Priced::Calls, "1M", Some(1_000_000)),
            (Priced::Calls, "10K", Some(10_000)),
            (Priced::Time, "1 GB Second", Some(1)),
            (Priced::Time, "100 GB Seconds", Some(100)),
            (Priced::PremiumVcpu, "1 Hour", Some(3600)),
            (Priced::PremiumMemory, "1 GiB Hour", Some(3600)),
            (Priced::Calls, "1 GB Second", None),
            (Priced::Time, "10", None),
            (Priced::Time, "1 MB Second", None),
            (Priced::Time, "1 Hour", None),
            (Priced::Calls, "0", None),
            (Priced::Calls, "", None),
            (Priced::Calls, "ten", None),
            (Priced::Calls, "99999999999999999999", None),
            (Priced::Calls, "é", None),
        ] {
            assert_eq!(priced.count_of(unit), count, "{priced:?} {unit}");
        }
    }
}
