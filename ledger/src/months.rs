//! One account's figures by month. Almost every access is to the newest month, which is kept last.

use merit_units::{Money, Month};

use crate::Ledger;

/// Posted and held in one month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) month: Month,
    pub(crate) posted: Money,
    pub(crate) held: Money,
}

/// Months in ascending order, and the sum of those that were folded away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Months {
    /// Posted in months no longer kept apart.
    pub(crate) earlier: Money,
    pub(crate) kept: Vec<Figures>,
}

impl Months {
    pub(crate) fn get(&self, month: Month) -> Option<&Figures> {
        self.kept.iter().rev().find(|figures| figures.month == month)
    }

    /// The month's figures, which begin at zero.
    pub(crate) fn entry(&mut self, month: Month) -> &mut Figures {
        let position = match self.kept.iter().rposition(|figures| figures.month <= month) {
            Some(position) if self.kept[position].month == month => position,
            before => self.insert(before.map_or(0, |position| position + 1), month),
        };
        &mut self.kept[position]
    }

    fn insert(&mut self, position: usize, month: Month) -> usize {
        self.kept.insert(position, Figures { month, posted: Money::ZERO, held: Money::ZERO });
        let foldable = position > 0 && self.kept.len() > Ledger::MONTHS_KEPT && self.kept[0].held == Money::ZERO;
        if !foldable {
            return position;
        }
        self.earlier += self.kept.remove(0).posted;
        position - 1
    }

    /// Posted in all months.
    pub(crate) fn total(&self) -> Money {
        self.earlier + self.kept.iter().map(|figures| figures.posted).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(number: u16) -> Month {
        Month::try_new(2026 + number / 12, u8::try_from(number % 12 + 1).unwrap()).unwrap()
    }

    #[test]
    fn old_months_are_folded_and_nothing_is_lost() {
        let mut months = Months::default();
        for number in 0..40 {
            months.entry(month(number)).posted += Money::from_pico(1);
        }
        assert_eq!(months.kept.len(), Ledger::MONTHS_KEPT);
        assert_eq!(months.total(), Money::from_pico(40));
        assert_eq!(months.get(month(39)).unwrap().posted, Money::from_pico(1));
        assert!(months.get(month(0)).is_none());
    }

    #[test]
    fn a_month_with_holds_is_kept_and_order_holds() {
        let mut months = Months::default();
        months.entry(month(5)).held = Money::from_pico(7);
        months.entry(month(3)).posted = Money::from_pico(1);
        months.entry(month(4)).posted = Money::from_pico(2);
        assert_eq!(months.kept.iter().map(|figures| figures.month).collect::<Vec<_>>(), [3, 4, 5].map(month));
        for number in 6..40 {
            months.entry(month(number));
        }
        assert_eq!(months.get(month(5)).unwrap().held, Money::from_pico(7));
    }
}
