//! The fuzzer of `targets::google_skus`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: merit_fuzz::write_seeds("google_skus"),
    |data: &[u8]| merit_fuzz::targets::google_skus::run(data)
);
