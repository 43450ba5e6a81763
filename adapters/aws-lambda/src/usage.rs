//! What a call used: told by Lambda in the REPORT line at the end of the log, or taken by the own clock.
//!
//! Lambda bills whole milliseconds of duration and, since 2025-08-01, of initialisation, rounded up
//! as one sum. A sheet does that rounding, so what is told is kept exact as long as it comes to what
//! Lambda says it bills. Where it does not (an initialisation that is not billed, a snapshot's restore,
//! an emulator with other rules), what Lambda says it bills counts.
//!
//! Invariant: a report is taken whole or not at all. One of another request, or one longer than the
//! call itself took, is worthless, and the own clock counts instead.
//!
//! Known limitation: the tail is 4 KB at most, so a function whose extensions log more than that
//! after the REPORT line is metered by the own clock.

use bytes::Bytes;
use merit_lambda_wire::invoke::{LOG_TAIL_BYTES, decode_tail};
use merit_lambda_wire::report::ReportLine;
use merit_pricing::Usage;
use merit_units::Micros;
use merit_venue::{Measured, MeterBasis, Meters};

/// What the end of the log says.
#[derive(Debug, PartialEq)]
pub(crate) struct Read {
    pub(crate) measured: Measured,
    /// Whether the call had to initialise the function.
    pub(crate) cold: bool,
    /// The log itself.
    pub(crate) tail: Option<Bytes>,
}

/// What a call that took `elapsed` by the own clock used; `log` is the tail in base64, `request` the
/// id that the venue gave the call.
pub(crate) fn read(
    log: Option<&str>,
    request: Option<&str>,
    meters: Meters,
    elapsed: Micros,
    reply_bytes: usize,
) -> Read {
    let tail = log.and_then(|log| decode_tail(log.as_bytes())).map(Bytes::from);
    read_tail(tail, request, meters, elapsed, reply_bytes)
}

/// The same, of a tail that is decoded.
pub(crate) fn read_tail(
    tail: Option<Bytes>,
    request: Option<&str>,
    meters: Meters,
    elapsed: Micros,
    reply_bytes: usize,
) -> Read {
    let tail = tail.map(|tail| tail.slice(tail.len().saturating_sub(LOG_TAIL_BYTES)..));
    let report = tail.as_ref().and_then(|tail| ReportLine::find_in(&String::from_utf8_lossy(tail)));
    let cold = report.as_ref().is_some_and(|report| report.init.is_some() || report.restore.is_some());
    let by_clock = |basis| Measured::by_clock(elapsed, reply_bytes, basis);
    let measured = match report {
        _ if meters == Meters::OwnClock => by_clock(MeterBasis::OwnClock),
        None => by_clock(MeterBasis::OwnClock),
        Some(report) if is_false(&report, request, elapsed) => {
            tracing::warn!(?elapsed, duration = ?report.duration, "refused a REPORT line: of another call, or impossible");
            by_clock(MeterBasis::Refused)
        }
        Some(report) => Measured { usage: told(&report, reply_bytes), basis: MeterBasis::Reported },
    };
    Read { measured, cold, tail }
}

fn is_false(report: &ReportLine, request: Option<&str>, elapsed: Micros) -> bool {
    let other = request.is_some_and(|request| request != report.request_id);
    other || report.duration > Measured::longest_credible(elapsed)
}

fn told(report: &ReportLine, reply_bytes: usize) -> Usage {
    let init = report.init.unwrap_or(Micros::ZERO);
    let millis = |time: Micros| time.millis_ceil();
    let billed = millis(report.billed);
    let (duration, init) = if millis(report.duration.saturating_add(init)) == billed {
        (report.duration, init)
    } else if millis(report.duration) == billed {
        (report.duration, Micros::ZERO)
    } else {
        (report.billed, Micros::ZERO)
    };
    Usage { duration, init, memory_peak: report.max_memory_used, egress_bytes: reply_bytes as u64, ..Usage::default() }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    const ID: &str = "8f10f676-9f28-4dd8-ae05-83fe17ac5f8e";

    fn read_line(rest: &str, elapsed_ms: u64) -> Read {
        let log = BASE64_STANDARD.encode(format!("START RequestId: {ID} Version: 3\nREPORT RequestId: {ID}\t{rest}\n"));
        read(Some(&log), Some(ID), Meters::Reported, Micros::from_millis(elapsed_ms), 7)
    }

    fn micros(read: &Read) -> (u64, u64, MeterBasis) {
        let Measured { usage, basis } = read.measured;
        (usage.duration.get(), usage.init.get(), basis)
    }

    #[test]
    fn what_lambda_bills_is_what_counts() {
        let memory = "Memory Size: 512 MB\tMax Memory Used: 102 MB";
        for (line, duration, init) in [
            // A cold start whose initialisation is billed.
            ("Duration: 138999.20 ms\tBilled Duration: 139711 ms\tMEM\tInit Duration: 711.04 ms", 138_999_200, 711_040),
            // One whose initialisation is not.
            ("Duration: 2.49 ms\tBilled Duration: 3 ms\tMEM\tInit Duration: 711.04 ms", 2_490, 0),
            // Another rounding.
            ("Duration: 2.49 ms\tBilled Duration: 100 ms\tMEM", 100_000, 0),
            // A restored snapshot: 59 ms and 210 ms of restore.
            (
                "Duration: 58.47 ms\tBilled Duration: 269 ms\tMEM\tRestore Duration: 529.02 ms\tBilled Restore Duration: 210 ms",
                269_000,
                0,
            ),
        ] {
            let read = read_line(&line.replace("MEM", memory), 200_000);
            assert_eq!(micros(&read), (duration, init, MeterBasis::Reported), "{line}");
            assert_eq!(read.measured.usage.memory_peak.map(|size| size.megabytes()), Some(102));
            assert_eq!(read.cold, line.contains("Init") || line.contains("Restore"), "{line}");
        }
    }

    #[test]
    fn a_report_that_cannot_be_true_counts_for_nothing() {
        let line = "Duration: 500.00 ms\tBilled Duration: 500 ms\tMemory Size: 128 MB\tMax Memory Used: 70 MB";
        assert_eq!(micros(&read_line(line, 100)), (100_000, 0, MeterBasis::Refused));
        let log = BASE64_STANDARD.encode(format!("REPORT RequestId: {ID}\t{line}\n"));
        let elapsed = Micros::from_secs(1);
        let other = read(Some(&log), Some("another"), Meters::Reported, elapsed, 0);
        assert_eq!(micros(&other), (1_000_000, 0, MeterBasis::Refused));
        let unknown = read(Some(&log), None, Meters::Reported, elapsed, 0);
        assert_eq!(micros(&unknown), (500_000, 0, MeterBasis::Reported));
    }

    #[test]
    fn without_a_report_the_own_clock_counts() {
        let elapsed = Micros::from_millis(5);
        for log in [None, Some("!!!"), Some("bm8gcmVwb3J0"), Some("")] {
            let read = read(log, None, Meters::Reported, elapsed, 3);
            assert_eq!(micros(&read), (5_000, 0, MeterBasis::OwnClock), "{log:?}");
            assert_eq!(read.measured.usage.egress_bytes, 3);
        }
        let line = "Duration: 2.49 ms\tBilled Duration: 3 ms\tMemory Size: 128 MB\tMax Memory Used: 70 MB";
        let log = BASE64_STANDARD.encode(format!("REPORT RequestId: {ID}\t{line}\n"));
        let own = read(Some(&log), Some(ID), Meters::OwnClock, elapsed, 0);
        assert_eq!(micros(&own), (5_000, 0, MeterBasis::OwnClock));
        assert!(own.tail.is_some(), "the caller gets it all the same");
    }
}
