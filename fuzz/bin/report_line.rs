//! The fuzzer of `targets::report_line`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: merit_fuzz::write_seeds("report_line"),
    |data: &[u8]| merit_fuzz::targets::report_line::run(data)
);
