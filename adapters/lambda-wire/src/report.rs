//! The REPORT line: what Lambda says at the end of a log that a call used and is billed.
//!
//! ```text
//! REPORT RequestId: 8f10…\tDuration: 12.34 ms\tBilled Duration: 13 ms\tMemory Size: 128 MB\tMax Memory Used: 70 MB\t
//! ```
//!
//! Fields are parted by tabs; lines that were copied through a terminal have runs of spaces instead, and
//! both are read. With the log format JSON the same figures come as a `platform.report` record, which
//! is read too. Durations have at most nine decimals of a millisecond; microseconds are kept, rounded up.
//!
//! Known limitation: what else Lambda may say in such a line is passed over.

mod number;
#[cfg(test)]
mod tests;

use std::fmt;

use merit_units::{MemoryMb, Micros};
use serde_json::Value;

use number::{Millis, millis, millis_of_json};

/// What a call used and is billed, as Lambda reported it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportLine {
    /// Whose report it is.
    pub request_id: String,
    /// Time in the handler.
    pub duration: Micros,
    /// What is billed, a whole number of milliseconds.
    pub billed: Micros,
    /// Configured memory.
    pub memory: MemoryMb,
    /// The most it used, the runtime's own included.
    pub max_memory_used: Option<MemoryMb>,
    /// How long a cold start initialised.
    pub init: Option<Micros>,
    /// How long a snapshot took to be restored.
    pub restore: Option<Micros>,
    /// What of that is billed.
    pub billed_restore: Option<Micros>,
    /// How it ended when it did not end well, such as `timeout` or `error`.
    pub status: Option<String>,
    /// What went wrong, such as `Runtime.ExitError`.
    pub error_type: Option<String>,
    /// The trace it belongs to.
    pub xray_trace_id: Option<String>,
}

/// A REPORT line that can't be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// The text does not begin with `REPORT RequestId:`.
    #[error("not a REPORT line: it does not begin with `REPORT RequestId:`")]
    NoReport,
    /// A field that every report has is not there.
    #[error("a REPORT line without `{0}`")]
    Missing(&'static str),
    /// A field is not a number with its unit.
    #[error("a REPORT line with the {field} `{value}`, which is not {expected}")]
    Bad {
        /// Which field.
        field: &'static str,
        /// What it holds, cut short.
        value: String,
        /// What it should hold.
        expected: &'static str,
    },
}

const START: &str = "REPORT RequestId:";

impl ReportLine {
    /// The last report in the end of a log, in either log format.
    #[must_use]
    pub fn find_in(log: &str) -> Option<Self> {
        let plain = log.rfind(START).and_then(|at| Self::parse(&log[at..]).ok());
        plain.or_else(|| log.lines().rev().find_map(Self::of_record))
    }

    /// Parses a text that begins with a REPORT line; of what follows, a trace line is read too.
    ///
    /// # Errors
    /// [`ReportError`] says what is missing or malformed.
    pub fn parse(text: &str) -> Result<Self, ReportError> {
        let text = text.strip_prefix(START).ok_or(ReportError::NoReport)?;
        let (line, after) = text.split_once('\n').unwrap_or((text, ""));
        let mut fields = Fields::default();
        let mut parts =
            line.split('\t').flat_map(|part| part.split("  ")).map(str::trim).filter(|part| !part.is_empty());
        let request_id = parts.next().ok_or(ReportError::Missing("RequestId"))?.to_owned();
        parts.for_each(|part| fields.take(part));
        let trace = after.lines().next().unwrap_or_default();
        trace.split('\t').map(str::trim).for_each(|part| fields.take(part));
        fields.report(request_id)
    }

    /// Reads a `platform.report` record of a JSON log.
    fn of_record(line: &str) -> Option<Self> {
        if !line.contains("platform.report") {
            return None;
        }
        let event: Value = serde_json::from_str(line.trim()).ok()?;
        if event.get("type")?.as_str()? != "platform.report" {
            return None;
        }
        let record = event.get("record")?;
        let metrics = record.get("metrics")?;
        let time = |key: &str| metrics.get(key).and_then(millis_of_json);
        let memory = |key: &str| metrics.get(key).and_then(Value::as_u64).and_then(|mb| MemoryMb::try_new(mb).ok());
        let text = |key: &str| record.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            request_id: text("requestId")?,
            duration: time("durationMs")?,
            billed: time("billedDurationMs")?,
            memory: memory("memorySizeMB")?,
            max_memory_used: memory("maxMemoryUsedMB"),
            init: time("initDurationMs"),
            restore: time("restoreDurationMs"),
            billed_restore: time("billedRestoreDurationMs"),
            status: text("status").filter(|status| status != "success"),
            error_type: text("errorType"),
            xray_trace_id: None,
        })
    }
}

/// The fields of a line as text.
#[derive(Default)]
struct Fields<'l> {
    duration: Option<&'l str>,
    billed: Option<&'l str>,
    memory: Option<&'l str>,
    max_memory_used: Option<&'l str>,
    init: Option<&'l str>,
    restore: Option<&'l str>,
    billed_restore: Option<&'l str>,
    status: Option<&'l str>,
    error_type: Option<&'l str>,
    xray_trace_id: Option<&'l str>,
}

impl<'l> Fields<'l> {
    fn take(&mut self, part: &'l str) {
        let Some((name, value)) = part.split_once(':') else { return };
        let slot = match name {
            "Duration" => &mut self.duration,
            "Billed Duration" => &mut self.billed,
            "Memory Size" => &mut self.memory,
            "Max Memory Used" => &mut self.max_memory_used,
            "Init Duration" => &mut self.init,
            "Restore Duration" => &mut self.restore,
            "Billed Restore Duration" => &mut self.billed_restore,
            "Status" => &mut self.status,
            "Error Type" => &mut self.error_type,
            "XRAY TraceId" => &mut self.xray_trace_id,
            _ => return,
        };
        *slot = Some(value.trim());
    }

    fn report(self, request_id: String) -> Result<ReportLine, ReportError> {
        let owned = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let time = |field, value: Option<&str>| value.map(|value| time_of(field, value)).transpose();
        Ok(ReportLine {
            request_id,
            duration: time("Duration", self.duration)?.ok_or(ReportError::Missing("Duration"))?,
            billed: time("Billed Duration", self.billed)?.ok_or(ReportError::Missing("Billed Duration"))?,
            memory: memory_of("Memory Size", self.memory.ok_or(ReportError::Missing("Memory Size"))?)?,
            max_memory_used: self.max_memory_used.map(|value| memory_of("Max Memory Used", value)).transpose()?,
            init: time("Init Duration", self.init)?,
            restore: time("Restore Duration", self.restore)?,
            billed_restore: time("Billed Restore Duration", self.billed_restore)?,
            status: owned(self.status),
            error_type: owned(self.error_type),
            xray_trace_id: owned(self.xray_trace_id),
        })
    }
}

/// The most of a malformed field that is repeated.
const MOST_SHOWN: usize = 40;

fn time_of(field: &'static str, value: &str) -> Result<Micros, ReportError> {
    let number = value.strip_suffix("ms").map(str::trim_end).and_then(millis);
    let shown = || value.chars().take(MOST_SHOWN).collect();
    number.ok_or_else(|| ReportError::Bad { field, value: shown(), expected: "a number of ms" })
}

fn memory_of(field: &'static str, value: &str) -> Result<MemoryMb, ReportError> {
    let digits = value.strip_suffix("MB").map(str::trim_end);
    let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let size = digits.and_then(|digits| digits.parse().ok()).and_then(|mb| MemoryMb::try_new(mb).ok());
    let shown = || value.chars().take(MOST_SHOWN).collect();
    size.ok_or_else(|| ReportError::Bad { field, value: shown(), expected: "a number of MB" })
}

/// Lambda's own form, with the line's end. Durations have two decimals, rounded up.
impl fmt::Display for ReportLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{START} {}\tDuration: {} ms\t", self.request_id, Millis(self.duration))?;
        write!(f, "Billed Duration: {} ms\tMemory Size: {} MB\t", self.billed.millis_ceil(), self.memory.megabytes())?;
        if let Some(used) = self.max_memory_used {
            write!(f, "Max Memory Used: {} MB\t", used.megabytes())?;
        }
        if let Some(init) = self.init {
            write!(f, "Init Duration: {} ms\t", Millis(init))?;
        }
        if let Some(restore) = self.restore {
            write!(f, "Restore Duration: {} ms\t", Millis(restore))?;
        }
        if let Some(billed) = self.billed_restore {
            write!(f, "Billed Restore Duration: {} ms\t", billed.millis_ceil())?;
        }
        if let Some(status) = &self.status {
            write!(f, "Status: {status}\t")?;
        }
        if let Some(kind) = &self.error_type {
            write!(f, "Error Type: {kind}\t")?;
        }
        writeln!(f)?;
        self.xray_trace_id.as_ref().map_or(Ok(()), |id| writeln!(f, "XRAY TraceId: {id}\t"))
    }
}
