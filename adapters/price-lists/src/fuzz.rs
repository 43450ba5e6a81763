//! The fuzz targets of price lists, on their seeds and a few thousand mutations (`make fuzz` searches further).

#[path = "../../../fuzz/src/targets/exchange_rates.rs"]
mod exchange_rates;
#[path = "../../../fuzz/src/targets/google_skus.rs"]
mod google_skus;
#[path = "../../../fuzz/src/targets/offer_file.rs"]
mod offer_file;
#[path = "../../../fuzz/src/targets/price_sheet.rs"]
mod price_sheet;
#[path = "../../../fuzz/src/targets/retail_prices.rs"]
mod retail_prices;
#[path = "../../../fuzz/src/smoke.rs"]
mod smoke;

#[test]
fn awss_offers() {
    smoke::smoke(offer_file::run, &offer_file::seeds());
}

#[test]
fn azures_retail_prices() {
    smoke::smoke(retail_prices::run, &retail_prices::seeds());
}

#[test]
fn googles_skus() {
    smoke::smoke(google_skus::run, &google_skus::seeds());
}

/// What `merit catalog import` takes besides lists.
#[test]
fn price_sheets() {
    smoke::smoke(price_sheet::run, &price_sheet::seeds());
}

#[test]
fn lists_of_exchange_rates() {
    smoke::smoke(exchange_rates::run, &exchange_rates::seeds());
}
