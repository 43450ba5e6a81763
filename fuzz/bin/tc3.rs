//! The fuzzer of `targets::tc3`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: merit_fuzz::write_seeds("tc3"),
    |data: &[u8]| merit_fuzz::targets::tc3::run(data)
);
