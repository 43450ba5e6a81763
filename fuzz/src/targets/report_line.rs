//! REPORT lines: what was read once is written and read the same from then on.

use merit_lambda_wire::report::ReportLine;

/// Looks for a report in the bytes as a log, and takes them for a report.
///
/// # Panics
/// When a report that was written is not read as it was.
pub fn run(data: &[u8]) {
    let log = String::from_utf8_lossy(data);
    let found = ReportLine::find_in(&log);
    let parsed = ReportLine::parse(&log).ok();
    let prefixed = ReportLine::parse(&format!("REPORT RequestId: {log}")).ok();
    for report in [found, parsed, prefixed].into_iter().flatten() {
        // Written times have two decimals; rounding happens once.
        let once = again(&report);
        assert_eq!(again(&once), once, "{report:?}");
        assert!(once.duration >= report.duration && once.billed >= report.billed, "{report:?}");
        assert_eq!((&once.memory, &once.status), (&report.memory, &report.status));
    }
}

fn again(report: &ReportLine) -> ReportLine {
    let text = report.to_string();
    ReportLine::parse(&text).unwrap_or_else(|error| panic!("{error}: {text:?} of {report:?}"))
}

/// Lines of every kind and age.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "START RequestId: x Version: $LATEST\nEND RequestId: x\nREPORT RequestId: x\tDuration: 31414.74 ms\tBilled Duration: 31964 ms\tMemory Size: 2048 MB\tMax Memory Used: 273 MB\tInit Duration: 548.72 ms\t\n",
        "REPORT RequestId: x\tDuration: 76358.00 ms\tBilled Duration: 76999 ms\tMemory Size: 512 MB\tMax Memory Used: 100 MB\t\nXRAY TraceId: 1-68fbddd0-440b05f340f2669f58bf2c2f\tSegmentId: 27ecf61157c37eff\tSampled: true\t",
        "REPORT RequestId: x\tDuration: 270.75 ms  Billed Duration: 300 ms   Memory Size: 3008 MB  Max Memory Used: 115 MB",
        "REPORT RequestId: x\tDuration: 2.49 ms\tBilled Duration: 100 ms \tMemory Size: 1024 MB\tMax Memory Used: 20 MB",
        "REPORT RequestId: x\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\tMemory Size: 128 MB\tRestore Duration: 500.10 ms\tBilled Restore Duration: 97 ms\tStatus: timeout\tError Type: Sandbox.Timedout\t",
        r#"{"time":"t","type":"platform.report","record":{"requestId":"me","metrics":{"durationMs":12.345678,"billedDurationMs":194,"memorySizeMB":256,"maxMemoryUsedMB":70,"initDurationMs":180.2},"status":"success"}}"#,
        "x\tDuration: 1 ms\tBilled Duration: 1 ms\tMemory Size: 1 MB",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
