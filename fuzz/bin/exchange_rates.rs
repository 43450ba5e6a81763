//! The fuzzer of `targets::exchange_rates`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: merit_fuzz::write_seeds("exchange_rates"),
    |data: &[u8]| merit_fuzz::targets::exchange_rates::run(data)
);
