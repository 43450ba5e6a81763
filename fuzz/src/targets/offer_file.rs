//! AWS's price lists, as offer files and as pages of `GetProducts`: sheets or reasons, never a panic. And the index of
//! regions.

use merit_pricing::Date;

use crate::Reading;
use crate::aws::sample::OfferSample;
use crate::aws::{Offers, region_files};

/// Reads the bytes both ways and makes every sheet.
///
/// # Panics
/// When a sheet that was made is no sheet.
pub fn run(data: &[u8]) {
    let day: Date = "2026-11-21".parse().expect("a day");
    let reading = Reading { url: "https://pricing.example/index.json", day };
    let mut page = Offers::default();
    if let Ok(files) = region_files(data) {
        assert!(!files.is_empty(), "an index without a region is none");
    }
    let paged = page.read_page(data, day).map(|_| page);
    for offers in [Offers::read_file(data, day), paged].into_iter().flatten() {
        for offer in offers.sheets(&reading) {
            match offer.sheet {
                Ok(sheet) => assert_eq!(sheet.name(), &offer.name),
                Err(reasons) => assert!(!reasons.is_empty(), "{}: neither a sheet nor a reason", offer.name),
            }
        }
    }
}

/// One region and two, in both forms.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let one = OfferSample::of_regions(&["us-east-1"]);
    let two = OfferSample::of_regions(&["eu-west-1", "us-east-1"]);
    let mut seeds = vec![one.to_file().into_bytes(), two.to_file().into_bytes()];
    let index = r#"{"formatVersion":"v1.0","regions":{"us-east-1":{"currentVersionUrl":"/us-east-1/index.json"}}}"#;
    seeds.push(index.as_bytes().to_vec());
    seeds.extend(two.to_pages(2).into_iter().map(String::into_bytes));
    seeds
}
