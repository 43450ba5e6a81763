//! The fuzzer of `targets::function_reference`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: merit_fuzz::write_seeds("function_reference"),
    |data: &[u8]| merit_fuzz::targets::function_reference::run(data)
);
