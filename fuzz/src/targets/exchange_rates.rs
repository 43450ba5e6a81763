//! Lists of exchange rates: positive rates or a reason, never a panic.

use crate::rates::RateList;

/// Reads the bytes as a list.
///
/// # Panics
/// When a rate is zero, or a list without rates is taken.
pub fn run(data: &[u8]) {
    if let Ok(list) = RateList::read(data) {
        assert!(!list.usd.is_empty());
        assert!(list.usd.iter().all(|(currency, rate)| rate.nano() > 0 && currency.as_str() != "USD"));
    }
}

/// With dollars as the base and without.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let seeds = [
        r#"{"base":"USD","date":"2026-11-20","rates":{"CNY":7.1175,"EUR":0.8,"JPY":151.2,"USD":1}}"#,
        r#"{"amount":1.0,"base":"EUR","date":"2026-11-20","rates":{"CNY":"7.7","USD":1.155E0,"XAU":2.1e-4}}"#,
    ];
    seeds.map(|seed| seed.as_bytes().to_vec()).into()
}
