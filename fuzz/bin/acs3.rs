//! The fuzzer of `targets::acs3`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: merit_fuzz::write_seeds("acs3"),
    |data: &[u8]| merit_fuzz::targets::acs3::run(data)
);
