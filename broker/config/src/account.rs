//! The sections `[accounts.NAME]`: monthly budgets.

use std::collections::BTreeMap;

use merit_units::{AccountId, Money};

use crate::reader::{Kind, Reader, Section};

/// Limits on what an account spends in each calendar month (UTC).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountBudget {
    /// Calls that could pass this are refused; none means no limit.
    pub hard: Option<Money>,
    /// Passing this raises a warning.
    pub soft: Option<Money>,
}

pub(crate) fn read_all(reader: &mut Reader<'_>) -> BTreeMap<AccountId, AccountBudget> {
    reader.section("accounts").named(|section| Some(read(section)))
}

fn read(mut section: Section<'_, '_>) -> AccountBudget {
    let hard = section.given("budget_hard", MONEY, dollars);
    let soft = section.given("budget_soft", MONEY, dollars);
    if let (Some(hard), Some(soft)) = (hard, soft)
        && soft > hard
    {
        section.mistake("budget_soft", format!("must be at most budget_hard ({hard}), got {soft}"));
    }
    AccountBudget { hard, soft }
}

/// How money may be written; decimals are read by their digits, never as floats.
pub(crate) const MONEY: &[Kind] = &[Kind::String, Kind::Integer, Kind::Float];

/// Dollars, not negative.
pub(crate) fn dollars(text: &str) -> Result<Money, String> {
    let money: Money = text.parse().map_err(|error| format!("`{text}` {error}"))?;
    if money.is_negative() {
        return Err(format!("must not be negative, got {text}"));
    }
    Ok(money)
}
