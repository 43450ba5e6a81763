//! The fuzzer of `targets::sigv4`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: merit_fuzz::write_seeds("sigv4"),
    |data: &[u8]| merit_fuzz::targets::sigv4::run(data)
);
