//! The fuzzer of `targets::azure_answers`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: merit_fuzz::write_seeds("azure_answers"),
    |data: &[u8]| merit_fuzz::targets::azure_answers::run(data)
);
