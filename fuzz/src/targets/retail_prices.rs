//! Pages of Azure's Retail Prices: sheets or reasons, never a panic.

use merit_pricing::Date;

use crate::Reading;
use crate::azure::RetailPrices;
use crate::azure::sample::RetailSample;

/// Reads the bytes as a page and makes every sheet.
///
/// # Panics
/// When a sheet that was made is no sheet.
pub fn run(data: &[u8]) {
    let day: Date = "2026-11-21".parse().expect("a day");
    let mut prices = RetailPrices::default();
    if prices.read_page(data, day).is_ok() {
        for offer in prices.sheets(&Reading { url: "https://prices.example/retail", day }) {
            match offer.sheet {
                Ok(sheet) => assert_eq!(sheet.name(), &offer.name),
                Err(reasons) => assert!(!reasons.is_empty(), "{}: neither a sheet nor a reason", offer.name),
            }
        }
    }
}

/// One region on a page, and two on several.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![RetailSample::of_regions(&["eastus"]).to_page().into_bytes()];
    let two = RetailSample::of_regions(&["eastus", "westeurope"]);
    let link = |number: usize| format!("https://prices.example:443/retail?$skip={number}");
    seeds.extend(two.to_pages(9, link).into_iter().map(String::into_bytes));
    seeds
}
