//! The fuzzer of `targets::google_token`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: merit_fuzz::write_seeds("google_token"),
    |data: &[u8]| merit_fuzz::targets::google_token::run(data)
);
