//! Sums over receipts.
//!
//! `SQLite` sums in 64 bits, which picodollars overflow at nine million dollars. So each amount is summed in
//! two parts, its high and its low 32 bits, which cannot overflow below two thousand million receipts, and the
//! parts are put together in `i128`.

use merit_units::{Money, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use crate::record::{GroupBy, SpendQuery, SpendRow, Step};
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

/// The statement and its values, in order.
fn statement(query: &SpendQuery) -> (String, Vec<Value>) {
    let mut values = Vec::new();
    let mut bind = |value: Value| {
        values.push(value);
        format!("?{}", values.len())
    };
    let mut groups: Vec<String> = Vec::new();
    groups.extend(query.step.map(|step| format!("at - at % {}", step.length().get())));
    for group_by in &query.group_by {
        groups.push(match group_by {
            GroupBy::Function => "function".to_owned(),
            GroupBy::Venue => "COALESCE(venue, '')".to_owned(),
            GroupBy::Account => "account".to_owned(),
            GroupBy::Tag(key) => tag_value(&bind(Value::Text(format!("\n{key}=")))),
        });
    }
    let from = bind(integer(query.from));
    let to = bind(integer(query.to));
    let account = query.account.as_ref().map(|account| bind(Value::Text(account.to_string())));
    let account = account.map_or_else(String::new, |account| format!("AND account = {account}"));
    let group_by: Vec<String> = (1..=groups.len()).map(|column| column.to_string()).collect();
    let group_by = if groups.is_empty() { String::new() } else { format!("GROUP BY {}", group_by.join(", ")) };
    groups.push("COUNT(*), COALESCE(SUM(status IN ('refused', 'failed')), 0)".to_owned());
    groups.extend(["charge", "estimate", "explored"].map(parts));
    let sql =
        format!("SELECT {} FROM receipt WHERE at >= {from} AND at < {to} {account} {group_by}", groups.join(", "));
    (sql, values)
}

/// What stands between `\nKEY=` and the next newline; empty when the label is not there.
fn tag_value(prefix: &str) -> String {
    let rest = format!("SUBSTR(tags, INSTR(tags, {prefix}) + LENGTH({prefix}))");
    format!("CASE INSTR(tags, {prefix}) WHEN 0 THEN '' ELSE SUBSTR({rest}, 1, INSTR({rest}, CHAR(10)) - 1) END")
}

fn parts(column: &str) -> String {
    format!("COALESCE(SUM({column} >> 32), 0), COALESCE(SUM({column} & 4294967295), 0)")
}

fn integer(at: Timestamp) -> Value {
    Value::Integer(i64::try_from(at.micros()).unwrap_or(i64::MAX))
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
    })
}
