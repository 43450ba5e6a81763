//! What the headers of a reply tell: meters, the function's own error, the end of the log.
//!
//! Invariant: meters are taken whole or not at all. A duration that is no number, or longer than the call itself took,
//! makes them worthless, and the own clock counts instead.
//!
//! Known limitation: the duration is in whole milliseconds, rounded up, and no header tells a cold start.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use merit_cloud_wire::fc::{self, FunctionErrorBody};
use merit_pricing::Usage;
use merit_units::{MemoryMb, Micros};
use merit_venue::{FunctionError, Measured, MeterBasis, Meters};

/// The longest number taken, in bytes.
const MOST_DIGITS: usize = 15;
/// The longest end of a log that is passed on, in bytes.
const LOG_BYTES: usize = 4096;

/// A header as text.
pub(crate) fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|text| !text.is_empty())
}

/// The digest of the code package that ran, as it is listed; nothing where it is not told.
pub(crate) fn digest(headers: &HeaderMap) -> Option<Box<str>> {
    fc::digest(text(headers, fc::CODE_CHECKSUM)?).map(Into::into)
}

/// What a call of `elapsed` by the own clock used.
pub(crate) fn measure(headers: &HeaderMap, meters: Meters, elapsed: Micros, reply_bytes: usize) -> Measured {
    let own = |basis| Measured::by_clock(elapsed, reply_bytes, basis);
    let told = text(headers, fc::DURATION_MS).filter(|_| meters == Meters::Reported);
    let Some(told) = told else { return own(MeterBasis::OwnClock) };
    let memory = text(headers, fc::MEMORY_MB);
    match (thousandths(told).map(Micros::new), memory.map(whole_mb)) {
        (Some(duration), None | Some(Some(_))) if duration <= Measured::longest_credible(elapsed) => {
            let memory_peak = memory.and_then(whole_mb);
            let usage = Usage { duration, memory_peak, egress_bytes: reply_bytes as u64, ..Usage::default() };
            Measured { usage, basis: MeterBasis::Reported }
        }
        _ => {
            tracing::warn!(told, ?memory, ?elapsed, "refused a venue's meters: malformed or impossible");
            own(MeterBasis::Refused)
        }
    }
}

/// A decimal in thousandths, further digits cut off: milliseconds in microseconds.
fn thousandths(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| (1..=MOST_DIGITS).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let thousandths: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(thousandths)
}

/// `30.99` is 31 MB.
fn whole_mb(text: &str) -> Option<MemoryMb> {
    MemoryMb::try_new(thousandths(text)?.div_ceil(1000)).ok()
}

/// The error a function ended with; `named` is what the header says, such as `UnhandledInvocationError`.
pub(crate) fn function_error(named: &str, payload: &[u8]) -> FunctionError {
    let body: FunctionErrorBody = serde_json::from_slice(payload).unwrap_or_default();
    let kind = body.error_type.filter(|kind| !kind.is_empty()).unwrap_or_else(|| named.to_owned());
    FunctionError::new(kind, body.error_message.unwrap_or_else(|| FunctionError::excerpt(payload)))
}

/// The end of the log, where it was asked for and came.
pub(crate) fn log_tail(headers: &HeaderMap) -> Option<Bytes> {
    let mut log = BASE64_STANDARD.decode(text(headers, fc::LOG_RESULT)?).ok()?;
    log.drain(..log.len().saturating_sub(LOG_BYTES));
    Some(log.into())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn measured(duration: &'static str, memory: Option<&'static str>) -> (u64, Option<u32>, MeterBasis) {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(fc::DURATION_MS), HeaderValue::from_static(duration));
        if let Some(memory) = memory {
            headers.insert(HeaderName::from_static(fc::MEMORY_MB), HeaderValue::from_static(memory));
        }
        let Measured { usage, basis } = measure(&headers, Meters::Reported, Micros::from_millis(100), 7);
        (usage.duration.get(), usage.memory_peak.map(|size| size.megabytes()), basis)
    }

    #[test]
    fn what_function_compute_tells_is_taken() {
        assert_eq!(measured("18", Some("30.99")), (18_000, Some(31), MeterBasis::Reported));
        assert_eq!(measured("17.4567", None), (17_456, None, MeterBasis::Reported));
        assert_eq!(measured("0", Some("66")), (0, Some(66), MeterBasis::Reported));
    }

    #[test]
    fn what_can_not_be_true_counts_for_nothing() {
        for (duration, memory) in [
            ("104", None),
            ("-1", None),
            ("1e3", None),
            ("1.", None),
            (".5", None),
            ("soon", None),
            ("18", Some("much")),
            ("18", Some("0")),
        ] {
            assert_eq!(measured(duration, memory), (100_000, None, MeterBasis::Refused), "{duration} {memory:?}");
        }
        let nothing = measure(&HeaderMap::new(), Meters::Reported, Micros::from_millis(5), 3);
        assert_eq!((nothing.usage.egress_bytes, nothing.basis), (3, MeterBasis::OwnClock));
    }

    #[test]
    fn an_error_is_read_from_its_body_and_named_by_its_header() {
        for (payload, kind, message) in [
            (r#"{"errorMessage":"no","errorType":"ValueError","stackTrace":[]}"#, "ValueError", "no"),
            (
                r#"{"errorMessage":"Function timed out after 3 seconds (maxMemoryUsage: 9 MB)"}"#,
                "FunctionTimeoutError",
                "Func",
            ),
            ("text", "FunctionTimeoutError", "text"),
        ] {
            let error = function_error("FunctionTimeoutError", payload.as_bytes());
            assert_eq!(error.kind, kind, "{payload}");
            assert!(error.message.starts_with(message), "{error:?}");
        }
    }

    #[test]
    fn the_end_of_the_log_is_at_most_four_kilobytes() {
        let mut headers = HeaderMap::new();
        assert_eq!(log_tail(&headers), None);
        let long = BASE64_STANDARD.encode([&[b'x'; 5000][..], b"end"].concat());
        headers.insert(HeaderName::from_static(fc::LOG_RESULT), HeaderValue::from_str(&long).expect("base64"));
        let tail = log_tail(&headers).expect("a log");
        assert!(tail.len() == LOG_BYTES && tail.ends_with(b"end"));
        headers.insert(HeaderName::from_static(fc::LOG_RESULT), HeaderValue::from_static("!"));
        assert_eq!(log_tail(&headers), None);
    }
}
