//! Pages of Google's Cloud Billing Catalog: sheets or reasons, never a panic.

use merit_pricing::Date;

use crate::Reading;
use crate::google::CloudSkus;
use crate::google::sample::CatalogSample;

/// Reads the bytes as a page and makes every sheet.
///
/// # Panics
/// When a sheet that was made is no sheet.
pub fn run(data: &[u8]) {
    let day: Date = "2026-11-21".parse().expect("a day");
    let mut skus = CloudSkus::default();
    if skus.read_page(data, day).is_ok() {
        for offer in skus.sheets(&Reading { url: "https://prices.example/skus", day }) {
            match offer.sheet {
                Ok(sheet) => assert_eq!(sheet.name(), &offer.name),
                Err(reasons) => assert!(!reasons.is_empty(), "{}: neither a sheet nor a reason", offer.name),
            }
        }
    }
}

/// Two tiers on one page, and on several.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let sample = CatalogSample::of_cloud_run();
    let mut seeds = vec![sample.to_page().into_bytes()];
    seeds.extend(sample.to_pages(4).into_iter().map(String::into_bytes));
    seeds
}
