//! The fuzz targets of this protocol, on their seeds and a few thousand mutations (`make fuzz` searches further).

#![expect(unreachable_pub, reason = "the targets are the library of the fuzzers too")]

#[path = "../../../fuzz/src/targets/event_stream.rs"]
mod event_stream;
#[path = "../../../fuzz/src/targets/function_reference.rs"]
mod function_reference;
#[path = "../../../fuzz/src/targets/report_line.rs"]
mod report_line;
#[path = "../../../fuzz/src/targets/sigv4.rs"]
mod sigv4;
#[path = "../../../fuzz/src/smoke.rs"]
mod smoke;

use smoke::smoke;

#[test]
fn signatures() {
    smoke(sigv4::run, &sigv4::seeds());
}

#[test]
fn function_references() {
    smoke(function_reference::run, &function_reference::seeds());
}

#[test]
fn report_lines() {
    smoke(report_line::run, &report_line::seeds());
}

#[test]
fn event_streams() {
    smoke(event_stream::run, &event_stream::seeds());
}
