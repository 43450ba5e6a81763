//! The fuzzer of `targets::retail_prices`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: merit_fuzz::write_seeds("retail_prices"),
    |data: &[u8]| merit_fuzz::targets::retail_prices::run(data)
);
