//! The fuzzer of `targets::provider_bill`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: merit_fuzz::write_seeds("provider_bill"),
    |data: &[u8]| merit_fuzz::targets::provider_bill::run(data)
);
