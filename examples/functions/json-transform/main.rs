//! Reshapes JSON: filters records, groups them and adds them up.
//!
//! Standard input is one document:
//! `{"where": {"path": value}, "group_by": ["path"], "sum": ["path"], "records": [{...}]}`.
//! A path walks into objects by dots, such as `customer.country`. Standard output is an array
//! with one object a group, in order of the groups: the grouped values, `count`, and `sum.path`
//! for each sum. Whole numbers stay whole; a missing or non-numeric value in a sum is an error
//! that names the record.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use serde_json::{Map, Number, Value};

fn main() -> ExitCode {
    match transform() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("json-transform: {message}");
            ExitCode::FAILURE
        }
    }
}

fn transform() -> Result<(), String> {
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text).map_err(|error| format!("failed to read the payload: {error}"))?;
    let document: Value =
        serde_json::from_slice(&text).map_err(|error| format!("the payload is not JSON: {error}"))?;
    let reply = Query::read(&document)?.run()?;
    let mut out = serde_json::to_vec(&reply).map_err(|error| format!("failed to write the reply: {error}"))?;
    out.push(b'\n');
    io::stdout().write_all(&out).map_err(|error| format!("failed to write the reply: {error}"))
}

struct Query<'a> {
    conditions: Vec<(&'a str, &'a Value)>,
    group_by: Vec<&'a str>,
    sums: Vec<&'a str>,
    records: &'a [Value],
}

/// What the records of one group add up to.
struct Group<'a> {
    values: Vec<&'a Value>,
    count: u64,
    sums: Vec<Sum>,
}

#[derive(Clone, Copy)]
enum Sum {
    Whole(i64),
    Real(f64),
}

impl<'a> Query<'a> {
    fn read(document: &'a Value) -> Result<Self, String> {
        let records = document.get("records").and_then(Value::as_array).ok_or("`records` must be an array")?;
        let conditions = match document.get("where") {
            None => Vec::new(),
            Some(Value::Object(conditions)) => conditions.iter().map(|(path, value)| (path.as_str(), value)).collect(),
            Some(_) => return Err("`where` must be an object of paths and values".to_owned()),
        };
        let (group_by, sums) = (paths(document, "group_by")?, paths(document, "sum")?);
        Ok(Self { conditions, group_by, sums, records })
    }

    fn run(&self) -> Result<Value, String> {
        let mut groups: BTreeMap<Vec<String>, Group<'a>> = BTreeMap::new();
        for (index, record) in self.records.iter().enumerate() {
            if !self.conditions.iter().all(|(path, wanted)| at(record, path) == *wanted) {
                continue;
            }
            let values: Vec<_> = self.group_by.iter().map(|path| at(record, path)).collect();
            let key = values.iter().map(ToString::to_string).collect();
            let empty = || Group { values, count: 0, sums: vec![Sum::Whole(0); self.sums.len()] };
            let group = groups.entry(key).or_insert_with(empty);
            group.count += 1;
            for (sum, path) in group.sums.iter_mut().zip(&self.sums) {
                *sum = sum
                    .add(at(record, path))
                    .ok_or_else(|| format!("record {index}: `{path}` is {}, not a number to add", at(record, path)))?;
            }
        }
        Ok(groups.values().map(|group| self.row(group)).collect())
    }

    fn row(&self, group: &Group<'_>) -> Value {
        let mut row = Map::new();
        for (path, value) in self.group_by.iter().zip(&group.values) {
            row.insert((*path).to_owned(), (*value).clone());
        }
        row.insert("count".to_owned(), group.count.into());
        for (path, sum) in self.sums.iter().zip(&group.sums) {
            row.insert(format!("sum.{path}"), sum.value());
        }
        Value::Object(row)
    }
}

impl Sum {
    fn add(self, value: &Value) -> Option<Self> {
        match (self, value.as_i64()) {
            (Self::Whole(sum), Some(whole)) => sum.checked_add(whole).map(Self::Whole),
            (Self::Whole(sum), None) => value.as_f64().map(|real| Self::Real(sum as f64 + real)),
            (Self::Real(sum), _) => value.as_f64().map(|real| Self::Real(sum + real)),
        }
    }

    fn value(self) -> Value {
        match self {
            Self::Whole(sum) => sum.into(),
            Self::Real(sum) => Number::from_f64(sum).map_or(Value::Null, Value::Number),
        }
    }
}

/// The value at a path; null when there is none.
fn at<'a>(record: &'a Value, path: &str) -> &'a Value {
    path.split('.').try_fold(record, |value, name| value.get(name)).unwrap_or(&Value::Null)
}

fn paths<'a>(document: &'a Value, name: &str) -> Result<Vec<&'a str>, String> {
    let refuse = || format!("`{name}` must be an array of paths such as \"customer.country\"");
    match document.get(name) {
        None => Ok(Vec::new()),
        Some(value) => value.as_array().ok_or_else(refuse)?.iter().map(|path| path.as_str().ok_or_else(refuse)).collect(),
    }
}
