//! The fuzzer of `targets::price_sheet`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: merit_fuzz::write_seeds("price_sheet"),
    |data: &[u8]| merit_fuzz::targets::price_sheet::run(data)
);
