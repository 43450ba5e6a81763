//! Lines from public repositories and posts, 2017 to 2026, and what is made of them.

use proptest::prelude::*;

use super::*;

fn us(micros: u64) -> Micros {
    Micros::new(micros)
}

fn mb(size: u64) -> MemoryMb {
    MemoryMb::try_new(size).expect("a size")
}

/// Duration, init, billed in microseconds, memory, most used, and the line.
type Real = (u64, Option<u64>, u64, u64, u64, &'static str);

const REAL: [Real; 5] = [
    (
        31_414_740,
        Some(548_720),
        31_964_000,
        2048,
        273,
        "REPORT RequestId: 8f10f676-9f28-4dd8-ae05-83fe17ac5f8e\tDuration: 31414.74 ms\tBilled Duration: 31964 ms\tMemory Size: 2048 MB\tMax Memory Used: 273 MB\tInit Duration: 548.72 ms\t",
    ),
    (
        138_999_200,
        Some(711_040),
        139_711_000,
        512,
        102,
        "REPORT RequestId: aa23d450-9ed6-49ee-b3b7-e2fdc8a21b04\tDuration: 138999.20 ms\tBilled Duration: 139711 ms\tMemory Size: 512 MB\tMax Memory Used: 102 MB\tInit Duration: 711.04 ms",
    ),
    (
        76_358_000,
        Some(640_460),
        76_999_000,
        512,
        100,
        "REPORT RequestId: a39e9484-676f-4a2a-8c9c-091570d9bb01\tDuration: 76358.00 ms\tBilled Duration: 76999 ms\tMemory Size: 512 MB\tMax Memory Used: 100 MB\tInit Duration: 640.46 ms\t\nXRAY TraceId: 1-68fbddd0-440b05f340f2669f58bf2c2f\tSegmentId: 27ecf61157c37eff\tSampled: true\t",
    ),
    (
        270_750,
        None,
        300_000,
        3008,
        115,
        "REPORT RequestId: 1811b891-d871-4260-9ea3-1277c24a2d59\tDuration: 270.75 ms  Billed Duration: 300 ms   Memory Size: 3008 MB  Max Memory Used: 115 MB",
    ),
    (
        2_490,
        None,
        100_000,
        1024,
        20,
        "REPORT RequestId: 041138f9-bc81-11e7-aa63-0dbab83f773d\tDuration: 2.49 ms\tBilled Duration: 100 ms \tMemory Size: 1024 MB\tMax Memory Used: 20 MB",
    ),
];

#[test]
fn real_lines_are_understood() {
    for (duration, init, billed, memory, used, line) in REAL {
        let report = ReportLine::parse(line).expect(line);
        assert_eq!(report.request_id.len(), 36, "{line}");
        assert_eq!((report.duration, report.init, report.billed), (us(duration), init.map(us), us(billed)), "{line}");
        assert_eq!((report.memory, report.max_memory_used), (mb(memory), Some(mb(used))), "{line}");
        let log = format!("START RequestId: x\nhello\nEND RequestId: x\n{line}\n");
        assert_eq!(ReportLine::find_in(&log), Some(report), "{line}");
    }
    let trace = ReportLine::parse(REAL[2].5).expect("a report").xray_trace_id;
    assert_eq!(trace.as_deref(), Some("1-68fbddd0-440b05f340f2669f58bf2c2f"));
}

#[test]
fn since_august_2025_initialisation_is_billed() {
    for (duration, init, billed, ..) in REAL.into_iter().filter(|line| line.1.is_some()) {
        assert_eq!(us(duration + init.unwrap_or_default()).millis_ceil() * 1000, billed);
    }
}

#[test]
fn failures_and_snapshots_are_reported_too() {
    let line = "REPORT RequestId: r\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\tMemory Size: 128 MB\tMax Memory Used: 30 MB\tRestore Duration: 500.10 ms\tBilled Restore Duration: 97 ms\tStatus: timeout\tError Type: Sandbox.Timedout\t\n";
    let report = ReportLine::parse(line).expect("a report");
    assert_eq!((report.restore, report.billed_restore), (Some(us(500_100)), Some(us(97_000))));
    assert_eq!((report.status.as_deref(), report.error_type.as_deref()), (Some("timeout"), Some("Sandbox.Timedout")));
    assert_eq!(report.to_string(), line);
}

#[test]
fn the_last_report_counts_also_when_the_log_is_json() {
    let log =
        format!("{}\nREPORT RequestId: me\tDuration: 1.00 ms\tBilled Duration: 1 ms\tMemory Size: 128 MB\t", REAL[0].5);
    assert_eq!(ReportLine::find_in(&log).expect("a report").request_id, "me");

    let json = r#"{"time":"2026-11-21T10:00:00.000Z","type":"platform.start","record":{"requestId":"me"}}
{"time":"2026-11-21T10:00:01.000Z","type":"platform.report","record":{"requestId":"me","metrics":{"durationMs":12.345678,"billedDurationMs":194,"memorySizeMB":256,"maxMemoryUsedMB":70,"initDurationMs":180.2},"status":"success"}}
"#;
    let report = ReportLine::find_in(json).expect("a report");
    assert_eq!((report.duration, report.billed, report.init), (us(12_346), us(194_000), Some(us(180_200))));
    assert_eq!((report.memory, report.status), (mb(256), None));
}

#[test]
fn what_is_wrong_is_said() {
    let refused = |line: &str| ReportLine::parse(line).expect_err(line).to_string();
    assert_eq!(refused("END RequestId: x"), "not a REPORT line: it does not begin with `REPORT RequestId:`");
    assert_eq!(refused("REPORT RequestId:"), "a REPORT line without `RequestId`");
    assert_eq!(refused("REPORT RequestId: x"), "a REPORT line without `Duration`");
    assert_eq!(
        refused("REPORT RequestId: x\tDuration: 1.5 s\tBilled Duration: 2 ms\tMemory Size: 128 MB"),
        "a REPORT line with the Duration `1.5 s`, which is not a number of ms"
    );
    for bad in [
        "-1 ms",
        "1e3 ms",
        "1. ms",
        ".5 ms",
        "NaN ms",
        "99999999999999999999 ms",
        "٣ ms",
        "1.2.3 ms",
        "31622400000.001 ms",
    ] {
        let line = format!("REPORT RequestId: x\tDuration: {bad}\tBilled Duration: 2 ms\tMemory Size: 128 MB");
        assert!(refused(&line).contains("not a number of ms"), "{bad}");
    }
    for bad in ["0 MB", "128 KB", "+1 MB", "2000000 MB", ""] {
        let line = format!("REPORT RequestId: x\tDuration: 1 ms\tBilled Duration: 2 ms\tMemory Size: {bad}");
        assert!(refused(&line).contains("not a number of MB"), "{bad}");
    }
    assert_eq!(ReportLine::find_in("no report here"), None);
    assert_eq!(ReportLine::find_in(r#"{"type":"platform.report","record":{}}"#), None);
}

prop_compose! {
    fn any_time()(hundredths in 0..90_000_000_u64) -> Micros { us(hundredths * 10) }
}

prop_compose! {
    fn any_report()(
        request_id in "[0-9a-f-]{1,36}",
        duration in any_time(),
        billed_ms in 0..10_000_000_u64,
        memory in 128..10_240_u64,
        max_memory_used in proptest::option::of(1..10_240_u64),
        init in proptest::option::of(any_time()),
        restore in proptest::option::of(any_time()),
        status in proptest::option::of("[a-z]{1,10}"),
        error_type in proptest::option::of("[A-Z][a-zA-Z.]{1,20}"),
        xray_trace_id in proptest::option::of("1-[0-9a-f]{8}-[0-9a-f]{24}"),
    ) -> ReportLine {
        ReportLine {
            request_id, duration, billed: Micros::from_millis(billed_ms), memory: mb(memory),
            max_memory_used: max_memory_used.map(mb), init, restore, billed_restore: restore.map(|_| us(1000)),
            status, error_type, xray_trace_id,
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(report in any_report()) {
        prop_assert_eq!(ReportLine::parse(&report.to_string()), Ok(report.clone()));
        let log = format!("START\n{report}");
        prop_assert_eq!(ReportLine::find_in(&log), Some(report));
    }

    #[test]
    fn anything_is_read_or_refused(tail in ".{0,200}") {
        drop(ReportLine::parse(&format!("REPORT RequestId: {tail}")));
        drop(ReportLine::find_in(&tail));
    }
}
