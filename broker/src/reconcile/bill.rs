//! The file that says what a provider billed: a few columns of FOCUS, which a bill or an answer of the provider's analytics
//! is quickly brought into.
//!
//! One line is one meter of one service in one period. Other columns of FOCUS may stand beside these and are not read.
//! Everything that is wrong with a file is told at once, each with its line.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;

use csv::StringRecord;
use merit_pricing::Meter;
use merit_units::{Micros, Quantity, Timestamp};

use crate::clock::{month_of, parse_rfc3339, rfc3339};

/// The columns, as FOCUS 1.4 names them; the last may be left out.
const COLUMNS: [&str; 6] =
    ["ChargePeriodStart", "ChargePeriodEnd", "ResourceId", "SkuMeter", "ConsumedQuantity", "ConsumedUnit"];

/// The meter of Google's `billable_instance_time`: seconds of an instance, which are vCPU seconds and GiB seconds by its size.
const INSTANCE_SECOND: &str = "instance_second";

/// The meters that instance seconds come to.
pub(super) const BY_SIZE: [Meter; 2] = [Meter::VcpuSecond, Meter::GibSecond];

/// What one service was billed for in one period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bill {
    /// The first line that is about it.
    pub(crate) line: u64,
    /// The service, as the bill names it.
    pub(crate) resource: String,
    /// From, inclusive, and to, exclusive.
    pub(crate) period: Range<Timestamp>,
    /// Calls.
    pub(crate) calls: u64,
    /// What only the provider can measure, by meter.
    pub(crate) billed: BTreeMap<Meter, Quantity>,
    /// Seconds of instances, in place of vCPU seconds and GiB seconds.
    pub(crate) instance: Option<Quantity>,
}

impl Bill {
    /// The last moment of its period: what it corrects is of then.
    pub(crate) fn last_moment(&self) -> Timestamp {
        self.period.end - Micros::new(1)
    }

    /// Its figures as text, to tell the same bill from another one.
    pub(crate) fn figures(&self) -> String {
        // What is computed from instance seconds is none of its figures.
        let told = |meter: &Meter| self.instance.is_none() || !BY_SIZE.contains(meter);
        let billed = self.billed.iter().filter(|(meter, _)| told(meter));
        let billed = billed.map(|(meter, quantity)| format!("{meter} {quantity}"));
        let instance = self.instance.iter().map(|quantity| format!("{INSTANCE_SECOND} {quantity}"));
        let figures: Vec<String> = billed.chain(instance).collect();
        format!("{} {} {}", rfc3339(self.period.end), self.calls, figures.join(" "))
    }
}

/// One line.
struct Row {
    resource: String,
    period: Range<Timestamp>,
    what: What,
}

enum What {
    Calls(u64),
    Billed(Meter, Quantity),
    Instance(Quantity),
}

/// Reads a file, in order of period and service.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn read(text: &str, now: Timestamp) -> Result<Vec<Bill>, Vec<String>> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(text.as_bytes());
    let unreadable = |error: &csv::Error| format!("it is no CSV: {error}");
    let places = reader.headers().map_err(|error| unreadable(&error)).and_then(columns);
    let places = places.map_err(|problem| vec![problem])?;
    let (mut bills, mut problems) = (BTreeMap::new(), Vec::new());
    for record in reader.records() {
        let record = record.map_err(|error| vec![unreadable(&error)])?;
        let line = record.position().map_or(0, csv::Position::line);
        match row(&record, &places, now) {
            Ok(row) => {
                if let Err(problem) = add(&mut bills, line, row) {
                    problems.push(format!("line {line}: {problem}"));
                }
            }
            Err(wrong) => problems.extend(wrong.into_iter().map(|problem| format!("line {line}: {problem}"))),
        }
    }
    if bills.is_empty() && problems.is_empty() {
        problems.push("it has no line but the header".to_owned());
    }
    let bills: Vec<Bill> = bills.into_values().collect();
    if problems.is_empty() {
        problems = bills.iter().filter_map(incomplete).collect();
        problems.extend(overlaps(&bills));
    }
    if problems.is_empty() { Ok(bills) } else { Err(problems) }
}

/// Where each of [`COLUMNS`] stands.
fn columns(header: &StringRecord) -> Result<[Option<usize>; 6], String> {
    let places = COLUMNS.map(|column| header.iter().position(|name| name.eq_ignore_ascii_case(column)));
    let absent: Vec<&str> =
        COLUMNS.into_iter().zip(places).take(5).filter(|(_, at)| at.is_none()).map(|(name, _)| name).collect();
    if absent.is_empty() { Ok(places) } else { Err(missing(&absent)) }
}

fn missing(columns: &[&str]) -> String {
    format!("line 1: the header has no column {}; write one such as {}", columns.join(", "), COLUMNS.join(","))
}

fn row(record: &StringRecord, places: &[Option<usize>; 6], now: Timestamp) -> Result<Row, Vec<String>> {
    let field = |column: usize| places[column].and_then(|at| record.get(at)).unwrap_or_default();
    let mut problems = Vec::new();
    let time = |column: usize| match field(column) {
        "" => Err(format!("{} is empty", COLUMNS[column])),
        text => parse_rfc3339(text).map_err(|error| format!("{}: {error}", COLUMNS[column])),
    };
    let period = time(0).and_then(|from| check_period(from..time(1)?, now));
    let resource = field(2).to_owned();
    if resource.is_empty() {
        problems.push("ResourceId is empty; write the target of a deployment, or the name of a function".to_owned());
    }
    let what = what(field(3), field(4), field(5));
    match (period, what) {
        (Ok(period), Ok(what)) if problems.is_empty() => Ok(Row { resource, period, what }),
        (period, what) => {
            problems.extend(period.err());
            problems.extend(what.err());
            Err(problems)
        }
    }
}

fn check_period(period: Range<Timestamp>, now: Timestamp) -> Result<Range<Timestamp>, String> {
    let (from, to) = (rfc3339(period.start), rfc3339(period.end));
    if period.end <= period.start {
        return Err(format!("the period ends at {to}, which is not after its beginning, {from}"));
    }
    if period.end > now {
        return Err(format!("the period ends at {to}, and it is {} now; import it when it is over", rfc3339(now)));
    }
    if month_of(period.start) != month_of(period.end - Micros::new(1)) {
        return Err(format!("the period from {from} to {to} is of several months (UTC); write one for each"));
    }
    Ok(period)
}

fn what(meter: &str, quantity: &str, unit: &str) -> Result<What, String> {
    let amount = || {
        let read = nine_decimals(quantity).parse::<Quantity>();
        read.map_err(|error| format!("ConsumedQuantity: `{quantity}` {error}"))
    };
    let unit_error = |known: &str| format!("ConsumedUnit: {meter} in `{unit}` is not known; write {known}, or nothing");
    let unit_word = unit.to_ascii_lowercase();
    let part_of = |amount: Quantity, parts: u128| Quantity::from_quanta(amount.quanta() / parts);
    if meter == INSTANCE_SECOND {
        return match unit_word.as_str() {
            "" | "s" => Ok(What::Instance(amount()?)),
            _ => Err(unit_error("s")),
        };
    }
    let meter_known: Meter = meter
        .parse()
        .map_err(|error: merit_pricing::UnknownMeter| format!("SkuMeter: {error}, or {INSTANCE_SECOND}"))?;
    match (meter_known, unit_word.as_str()) {
        (Meter::Request, "" | "requests" | "calls" | "count") => {
            let calls = quantity.strip_suffix(".0").unwrap_or(quantity).parse();
            calls.map(What::Calls).map_err(|_| format!("ConsumedQuantity: `{quantity}` is no count of calls"))
        }
        (Meter::Request, _) => Err(unit_error("requests")),
        // The execution units of Azure's metrics.
        (Meter::GbSecond, "mb-ms" | "mb-milliseconds") => Ok(What::Billed(meter_known, part_of(amount()?, 1_024_000))),
        (Meter::GbSecond, "" | "gb-s") => Ok(What::Billed(meter_known, amount()?)),
        (Meter::GbSecond, _) => Err(unit_error("GB-s or MB-ms")),
        // cpuTimeUs of Cloudflare's analytics.
        (Meter::CpuMs, "us") => Ok(What::Billed(meter_known, part_of(amount()?, 1000))),
        (Meter::CpuMs, "" | "ms") => Ok(What::Billed(meter_known, amount()?)),
        (Meter::CpuMs, _) => Err(unit_error("ms or us")),
        (other, "") if other.is_of_run() => Ok(What::Billed(other, amount()?)),
        (other, "vcpu-s" | "gib-s" | "gb-s" | "s" | "cu") if other.is_of_run() => Ok(What::Billed(other, amount()?)),
        (other, _) if other.is_of_run() => Err(unit_error("the unit of the meter")),
        (other, _) => Err(format!("SkuMeter: Merit counts {other} itself; leave the line out")),
    }
}

/// A decimal without what is beyond its ninth: sums of doubles have more, and nobody bills them.
fn nine_decimals(text: &str) -> &str {
    match text.split_once('.') {
        Some((whole, fraction)) if fraction.len() > 9 && fraction.bytes().all(|byte| byte.is_ascii_digit()) => {
            &text[..whole.len() + 10]
        }
        _ => text,
    }
}

type Key = (Timestamp, Timestamp, String);

fn add(bills: &mut BTreeMap<Key, Bill>, line: u64, row: Row) -> Result<(), String> {
    let Row { resource, period, what } = row;
    let key = (period.start, period.end, resource.clone());
    let empty = || Bill { line, resource, period, calls: 0, billed: BTreeMap::new(), instance: None };
    let bill = bills.entry(key).or_insert_with(empty);
    let twice = |meter: &str| format!("{meter} of `{}` in this period stands there twice", bill.resource);
    let again = match &what {
        What::Calls(_) => (bill.calls > 0).then(|| twice("request")),
        What::Billed(meter, _) => bill.billed.contains_key(meter).then(|| twice(meter.name())),
        What::Instance(_) => bill.instance.is_some().then(|| twice(INSTANCE_SECOND)),
    };
    match what {
        _ if again.is_some() => {}
        What::Calls(calls) => bill.calls = calls,
        What::Billed(meter, quantity) => drop(bill.billed.insert(meter, quantity)),
        What::Instance(quantity) => bill.instance = Some(quantity),
    }
    again.map_or(Ok(()), Err)
}

fn incomplete(bill: &Bill) -> Option<String> {
    let Bill { line, resource, .. } = bill;
    let by_size = BY_SIZE.iter().any(|meter| bill.billed.contains_key(meter));
    if bill.calls == 0 {
        return Some(format!(
            "line {line}: there is no line with the requests of `{resource}` in this period, or there were none"
        ));
    }
    if bill.billed.is_empty() && bill.instance.is_none() {
        return Some(format!(
            "line {line}: there is nothing but requests of `{resource}` in this period; add what was billed"
        ));
    }
    (by_size && bill.instance.is_some()).then(|| {
        format!("line {line}: {INSTANCE_SECOND} of `{resource}` stands beside what is computed from it; leave one out")
    })
}

/// Periods of one service that overlap. Bills are in order of period.
fn overlaps(bills: &[Bill]) -> Vec<String> {
    let mut last: BTreeMap<&str, &Bill> = BTreeMap::new();
    let mut problems = Vec::new();
    for bill in bills {
        if let Some(before) = last.insert(&bill.resource, bill)
            && before.period.end > bill.period.start
        {
            let (line, other) = (bill.line, before.line);
            problems.push(format!("line {line}: the period overlaps that of line {other} for `{}`", bill.resource));
        }
    }
    problems
}
