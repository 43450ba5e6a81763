//! Sums over receipts.
//!
//! `SQLite` sums in 64 bits, which picodollars overflow at nine million dollars. So each amount is summed in
//! two parts, its high and its low 32 bits, which cannot overflow below two thousand million receipts, and the
//! parts are put together in `i128`.

use merit_units::{Money, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use crate::receipts::{self, integer};
use crate::record::{GroupBy, ReceiptStatus, SpendQuery, SpendRow, Step};
use crate::{Store, StoreError};

impl Store {
    /// Sums spend, in order of time, then of charge from the highest. Waits until the receipts queued before are
    /// committed, then reads the disk.
    ///
    /// # Errors
    /// [`StoreError::TooManyGroups`], or when the database cannot be read.
    pub fn spend(&self, query: &SpendQuery) -> Result<Vec<SpendRow>, StoreError> {
        if query.group_by.len() > SpendQuery::MAX_GROUPS {
            return Err(StoreError::TooManyGroups { found: query.group_by.len() });
        }
        self.flush().wait()?;
        let (sql, values) = statement(query);
        let mut rows: Vec<SpendRow> = self.read(|connection| {
            let mut statement = connection.prepare(&sql)?;
            statement.query_and_then(params_from_iter(values), |row| spend_row(row, query))?.collect()
        })?;
        rows.sort_by(|a, b| (a.at, b.charge, &a.group).cmp(&(b.at, a.charge, &b.group)));
        Ok(rows)
    }
}

/// The statement and its values, in order. Names are grouped by number, and only the groups get their words.
fn statement(query: &SpendQuery) -> (String, Vec<Value>) {
    let mut values = Vec::new();
    let mut bind = |value: Value| {
        values.push(value);
        format!("?{}", values.len())
    };
    let (mut groups, mut shown) = (Vec::new(), Vec::new());
    if let Some(step) = query.step {
        groups.push(format!("at - at % {}", step.length().get()));
        shown.push("g0".to_owned());
    }
    for group_by in &query.group_by {
        let column = format!("g{}", groups.len());
        let word = format!("COALESCE((SELECT text FROM name WHERE number = {column}), '')");
        let (group, show) = match group_by {
            GroupBy::Function => ("function".to_owned(), word),
            GroupBy::Venue => ("venue".to_owned(), word),
            GroupBy::Account => ("account".to_owned(), word),
            GroupBy::Tag(key) => (tag_value(&bind(Value::Text(format!("\n{key}=")))), column),
        };
        groups.push(group);
        shown.push(show);
    }
    let numbers = receipts::numbers_of(&(query.from..query.to));
    let (first, end) = (bind(Value::Integer(numbers.start)), bind(Value::Integer(numbers.end)));
    let (from, to) = (bind(Value::Integer(integer(query.from))), bind(Value::Integer(integer(query.to))));
    let account = query.account.as_ref().map(|account| bind(Value::Text(account.to_string())));
    let account = account
        .map_or_else(String::new, |account| format!("AND account = (SELECT number FROM name WHERE text = {account})"));
    let group_by: Vec<String> = (1..=groups.len()).map(|column| column.to_string()).collect();
    let group_by = if groups.is_empty() { String::new() } else { format!("GROUP BY {}", group_by.join(", ")) };
    let mut columns: Vec<String> =
        groups.iter().enumerate().map(|(number, group)| format!("{group} AS g{number}")).collect();
    let failed = format!("status IN ({}, {})", ReceiptStatus::Refused.code(), ReceiptStatus::Failed.code());
    let correction = format!("status = {}", ReceiptStatus::Correction.code());
    columns.push(format!("COALESCE(SUM(NOT {correction}), 0) AS calls, COALESCE(SUM({failed}), 0) AS failed"));
    columns.extend(SUMMED.map(|column| parts(column, column)));
    columns.push(parts(&format!("CASE WHEN {correction} THEN charge ELSE 0 END"), "corrected"));
    columns.push(parts(&format!("CASE WHEN estimated AND NOT {correction} THEN charge ELSE 0 END"), "estimated"));
    shown.push("calls, failed".to_owned());
    shown.extend(
        SUMMED.into_iter().chain(["corrected", "estimated"]).map(|column| format!("{column}_high, {column}_low")),
    );
    let sql = format!(
        "SELECT {} FROM (SELECT {} FROM receipt WHERE number >= {first} AND number < {end}
         AND at >= {from} AND at < {to} {account} {group_by})",
        shown.join(", "),
        columns.join(", ")
    );
    (sql, values)
}

/// The columns of amounts.
const SUMMED: [&str; 3] = ["charge", "estimate", "explored"];

/// What stands between `\nKEY=` and the next newline; empty when the label is not there.
fn tag_value(prefix: &str) -> String {
    let rest = format!("SUBSTR(tags, INSTR(tags, {prefix}) + LENGTH({prefix}))");
    format!("CASE INSTR(tags, {prefix}) WHEN 0 THEN '' ELSE SUBSTR({rest}, 1, INSTR({rest}, CHAR(10)) - 1) END")
}

fn parts(value: &str, name: &str) -> String {
    format!("COALESCE(SUM(({value}) >> 32), 0) AS {name}_high, COALESCE(SUM(({value}) & 4294967295), 0) AS {name}_low")
}

fn spend_row(row: &Row<'_>, query: &SpendQuery) -> Result<SpendRow, StoreError> {
    let steps = usize::from(query.step.is_some());
    let figures = steps + query.group_by.len();
    let money = |column: usize| -> Result<Money, StoreError> {
        let (high, low): (i64, i64) = (row.get(column)?, row.get(column + 1)?);
        Ok(Money::from_pico((i128::from(high) << 32) + i128::from(low)))
    };
    Ok(SpendRow {
        at: query.step.map(|_: Step| row.get(0)).transpose()?.map(Timestamp::from_micros),
        group: (steps..figures).map(|column| row.get(column)).collect::<Result<_, _>>()?,
        calls: row.get(figures)?,
        failed: row.get(figures + 1)?,
        charge: money(figures + 2)?,
        estimate: money(figures + 4)?,
        explored: money(figures + 6)?,
        corrected: money(figures + 8)?,
        estimated: money(figures + 10)?,
    })
}
