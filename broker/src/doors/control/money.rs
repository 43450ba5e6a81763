//! Spend, what it would have been elsewhere, and budgets.

use std::sync::Arc;

use axum::extract::{Path, State};
use merit_ledger::Budget;
use merit_store::record::{GroupBy, SpendQuery, Step};
use merit_units::{AccountId, Money, Timestamp};
use merit_wire::{AlternativesReport, BudgetSpec, BudgetView, Problem, SpendReport};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Body, Caller, Denied, Json, Query, Shared, blocking};
use crate::alternatives::Alternatives;
use crate::beyond_calls::beyond_calls;
use crate::clock::{self, month_of};
use crate::doors::views;
use crate::keys::Role;
use crate::refusal::Refusal;

/// Which receipts to report on.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Period {
    /// From, inclusive, RFC 3339; the first of this month when absent.
    from: Option<String>,
    /// To, exclusive, RFC 3339; now when absent.
    to: Option<String>,
    /// Only this account's; a key without the role `finance` sees its own only.
    account: Option<String>,
    /// Comma-separated: `function`, `venue`, `account`, `tag:KEY`.
    group_by: Option<String>,
    /// `hour` or `day`; one row a group when absent.
    step: Option<String>,
}

/// What was charged, grouped as asked; beside it, what providers' invoices come to beyond the charges of calls.
#[utoipa::path(get, path = "/v1/spend", tag = "money", params(Period),
    responses((status = 200, body = SpendReport), (status = 400, body = Problem)))]
pub(super) async fn spend(
    State(broker): State<Shared>,
    caller: Caller,
    Query(period): Query<Period>,
) -> Result<Json<SpendReport>, Denied> {
    let query = spend_query(&broker, &caller, &period)?;
    let whole = query.account.is_none() && caller.sees_all_money();
    let (reader, asked) = (Arc::clone(&broker), query.clone());
    let read = move || {
        let rows = reader.store.spend(&asked)?;
        let beyond = if whole { beyond_calls(&reader, &(asked.from..asked.to))? } else { Vec::new() };
        Ok((rows, beyond))
    };
    let (rows, beyond) = blocking(read).await?;
    Ok(Json(views::spend(&query, &rows, beyond)))
}

/// What the answered calls would have cost, had one venue run them all.
#[utoipa::path(get, path = "/v1/spend/alternatives", tag = "money", params(Period),
    responses((status = 200, body = AlternativesReport), (status = 400, body = Problem)))]
pub(super) async fn alternatives(
    State(broker): State<Shared>,
    caller: Caller,
    Query(period): Query<Period>,
) -> Result<Json<AlternativesReport>, Denied> {
    let query = spend_query(&broker, &caller, &period)?;
    let (store, asked) = (broker.store.clone(), query.clone());
    let sums = blocking(move || Alternatives::sum(&store, &asked)).await?;
    Ok(Json(sums.report(&query)))
}

/// An account's budget and how much of it is gone this month.
#[utoipa::path(get, path = "/v1/accounts/{account}/budget", tag = "money",
    params(("account" = String, Path, description = "the account's name")),
    responses((status = 200, body = BudgetView), (status = 404, body = Problem)))]
pub(super) async fn budget(
    State(broker): State<Shared>,
    caller: Caller,
    Path(account): Path<String>,
) -> Result<Json<BudgetView>, Denied> {
    caller.may_see(&account)?;
    budget_view(&broker, &account)
}

/// Replaces an account's budget. Calls that are running go on.
#[utoipa::path(put, path = "/v1/accounts/{account}/budget", tag = "money",
    params(("account" = String, Path, description = "the account's name")),
    request_body = BudgetSpec,
    responses((status = 200, body = BudgetView), (status = 400, body = Problem)))]
pub(super) async fn put_budget(
    State(broker): State<Shared>,
    caller: Caller,
    Path(account): Path<String>,
    Body(spec): Body<BudgetSpec>,
) -> Result<Json<BudgetView>, Denied> {
    caller.require(Role::Finance)?;
    let id = AccountId::try_new(&account).map_err(|error| Refusal::BadRequest(error.to_string()))?;
    let budget = Budget { hard: dollars("hard", spec.hard.as_deref())?, soft: dollars("soft", spec.soft.as_deref())? };
    let number = broker.store.open_account(&id).await?;
    broker.ledger.set_budget(number, budget).await?.map_err(|rejection| Refusal::BadRequest(rejection.to_string()))?;
    budget_view(&broker, &account)
}

fn budget_view(broker: &Shared, account: &str) -> Result<Json<BudgetView>, Denied> {
    let month = month_of(broker.clock.now());
    let balance = broker.ledger.account(account).and_then(|number| broker.ledger.balance(number, month));
    let unknown = || Refusal::Unknown { kind: "account", name: account.to_owned(), near: Vec::new() };
    Ok(Json(views::budget(account, month, &balance.ok_or_else(unknown)?)))
}

fn dollars(field: &str, text: Option<&str>) -> Result<Option<Money>, Refusal> {
    let refuse = |text: &str, reason: String| Refusal::BadRequest(format!("{field}: `{text}` {reason}"));
    text.map(|text| text.parse::<Money>().map_err(|error| refuse(text, error.to_string()))).transpose()
}

fn spend_query(broker: &Shared, caller: &Caller, period: &Period) -> Result<SpendQuery, Denied> {
    let now = broker.clock.now();
    let time = |text: &Option<String>, otherwise: Timestamp| match text {
        None => Ok(otherwise),
        Some(text) => clock::parse_rfc3339(text).map_err(Refusal::BadRequest),
    };
    let account = match &period.account {
        Some(account) => {
            caller.may_see(account)?;
            Some(AccountId::try_new(account).map_err(|error| Refusal::BadRequest(error.to_string()))?)
        }
        None if caller.sees_all_money() => None,
        None => Some(caller.0.account.id.clone()),
    };
    Ok(SpendQuery {
        from: time(&period.from, clock::month_start(now))?,
        to: time(&period.to, now)?,
        account,
        group_by: group_by(period.group_by.as_deref())?,
        step: step(period.step.as_deref())?,
    })
}

fn group_by(text: Option<&str>) -> Result<Vec<GroupBy>, Refusal> {
    let words = text.into_iter().flat_map(|text| text.split(',')).map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| match word {
            "function" => Ok(GroupBy::Function),
            "venue" => Ok(GroupBy::Venue),
            "account" => Ok(GroupBy::Account),
            other => match other.strip_prefix("tag:") {
                Some(key) if !key.is_empty() => Ok(GroupBy::Tag(key.to_owned())),
                _ => Err(Refusal::BadRequest(format!(
                    "group_by: `{other}` is not known; use function, venue, account or tag:KEY"
                ))),
            },
        })
        .collect()
}

fn step(text: Option<&str>) -> Result<Option<Step>, Refusal> {
    match text {
        None => Ok(None),
        Some("hour") => Ok(Some(Step::Hour)),
        Some("day") => Ok(Some(Step::Day)),
        Some(other) => Err(Refusal::BadRequest(format!("step: `{other}` is not known; use hour or day"))),
    }
}
