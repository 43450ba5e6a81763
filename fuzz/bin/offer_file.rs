//! The fuzzer of `targets::offer_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: merit_fuzz::write_seeds("offer_file"),
    |data: &[u8]| merit_fuzz::targets::offer_file::run(data)
);
