//! The fuzzer of `targets::event_stream`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: merit_fuzz::write_seeds("event_stream"),
    |data: &[u8]| merit_fuzz::targets::event_stream::run(data)
);
