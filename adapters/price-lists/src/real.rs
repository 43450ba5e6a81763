//! The parsers on payloads as providers send them (`testdata/`), whole and with anything gone wrong.
//!
//! Whole they make the catalogue's figures. Mutated they never panic, and what is made of them is never wrong in silence:
//! a figure that differs is among the differences that are told, and where no figure was changed but the rest of the
//! document, no sheet with other figures takes the place of one by itself. The first sheet of a region lacks no price.
//!
//! Known limitation: Google's list does not say where a ladder of tiers ends, so a region's first sheet may lose its last
//! tier, and is dearer then.

use merit_pricing::{Catalogue, Change, Date, Meter, MoveLimit, PriceSheet};
use merit_units::{Currency, ExchangeRate};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::aws::{Offers, region_files};
use crate::azure::RetailPrices;
use crate::google::CloudSkus;
use crate::mutate::{Mutation, any_mutation, mutated};
use crate::rates::RateList;
use crate::{ListError, Reading, SheetOffer};

const AZURE: &str = include_str!("../testdata/azure-functions-eastus.json");
const OFFERS: &str = include_str!("../testdata/aws-lambda-us-east-1.json");
const PRODUCTS: &str = include_str!("../testdata/aws-products-ap-northeast-1.json");
const SKUS: &str = include_str!("../testdata/google-cloud-run-skus.json");
const RATES: &str = include_str!("../testdata/exchange-rates.json");

/// What the broker lets a price move by itself.
const LIMIT: MoveLimit = MoveLimit { percent: 25 };

fn today() -> Date {
    "2026-11-22".parse().expect("a day")
}

fn reading() -> Reading<'static> {
    Reading { url: "https://prices.example/list", day: today() }
}

fn azure(text: &str) -> Result<Vec<SheetOffer>, ListError> {
    let mut prices = RetailPrices::default();
    prices.read_page(text.as_bytes(), today())?;
    prices.check()?;
    Ok(prices.sheets(&reading()))
}

fn offers(text: &str) -> Result<Vec<SheetOffer>, ListError> {
    Ok(Offers::read_file(text.as_bytes(), today())?.sheets(&reading()))
}

fn products(text: &str) -> Result<Vec<SheetOffer>, ListError> {
    let mut offers = Offers::default();
    offers.read_page(text.as_bytes(), today())?;
    offers.check()?;
    Ok(offers.sheets(&reading()))
}

fn skus(text: &str) -> Result<Vec<SheetOffer>, ListError> {
    let mut skus = CloudSkus::default();
    skus.read_page(text.as_bytes(), today())?;
    skus.check()?;
    Ok(skus.sheets(&reading()))
}

/// The offer file as pages of `GetProducts` have it: each product a text by itself, with its terms, and with the
/// fields that only this API has.
fn as_products(offers: &Value) -> Vec<Value> {
    let each = offers["products"].as_object().expect("products").iter().map(|(sku, product)| {
        let mut terms = offers["terms"]["OnDemand"][sku].clone();
        for term in terms.as_object_mut().expect("terms").values_mut() {
            term["effectiveDate"] = json!("2026-05-01T00:00:00Z");
            for price in term["priceDimensions"].as_object_mut().expect("prices").values_mut() {
                price["appliesTo"] = json!([]);
            }
        }
        json!({ "product": product, "serviceCode": "AWSLambda", "terms": { "OnDemand": terms },
            "version": offers["version"], "publicationDate": offers["publicationDate"] })
    });
    each.collect()
}

fn page(products: &[String]) -> String {
    json!({ "PriceList": products, "FormatVersion": "aws_v1" }).to_string()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// What a sheet of the list replaces, or what one of another region is compared with.
fn last(sheet: &PriceSheet) -> Option<&'static PriceSheet> {
    Catalogue::builtin().like(sheet.name().as_str()).map(|last| &**last)
}

fn change(sheet: &PriceSheet) -> Option<Change> {
    let last = last(sheet)?;
    let change = Change::between(last, sheet, LIMIT, today().start());
    if last.name() == sheet.name() { Some(change) } else { Some(Change::beside(last, sheet, today().start())) }
}

/// Every figure of a sheet, listed without what compares sheets.
fn figures(sheet: &PriceSheet) -> Vec<String> {
    let prices = sheet.prices().map(|price| format!("{} {} {:?}", price.meter, price.rate, price.up_to));
    let grants = sheet.grants().map(|(meter, free)| format!("free {meter} {free}"));
    let kept = sheet.standing().map(|price| format!("kept {} {}", price.meter, price.rate));
    let whole = format!("{} {} {:?}", sheet.currency(), sheet.rule_in_words(), sheet.base_fee());
    let mut figures: Vec<String> = prices.chain(grants).chain(kept).chain([whole]).collect();
    // In which order lines stand is no figure.
    figures.sort_unstable();
    figures
}

/// Checks what was made of a document after one mutation.
fn judged(offers: &[SheetOffer], mutation: &Mutation) -> Result<(), TestCaseError> {
    for offer in offers {
        let sheet = match &offer.sheet {
            Ok(sheet) => sheet,
            Err(reasons) => {
                prop_assert!(!reasons.is_empty(), "{}: neither a sheet nor a reason", offer.name);
                continue;
            }
        };
        prop_assert_eq!(sheet.name(), &offer.name);
        let (Some(change), Some(last)) = (change(sheet), last(sheet)) else { continue };
        if last.name() != sheet.name() {
            // The first one of a region has its own figures, but none is missing, and none of another order.
            if change.concerns.is_empty() {
                for price in last.prices() {
                    let own = sheet.prices().find(|own| own.meter == price.meter);
                    let (own, other) = (own.map_or(0, |own| own.rate.atto()), price.rate.atto());
                    prop_assert!(own <= other * 3 && other <= own * 3, "{}: {} is {own}", offer.name, price.meter);
                }
            }
            continue;
        }
        if change.differences.is_empty() {
            prop_assert_eq!(figures(sheet), figures(last), "{} differs in silence", offer.name);
        }
        if change.concerns.is_empty() && !mutation.is_of_figures() {
            prop_assert_eq!(figures(sheet), figures(last), "{} would come into force", offer.name);
        }
    }
    Ok(())
}

/// That a payload makes these sheets with the catalogue's figures, and how many others.
fn makes(offers: &[SheetOffer], names: &[&str]) {
    for name in names {
        let offer = offers.iter().find(|offer| offer.name.as_str() == *name).unwrap_or_else(|| panic!("no {name}"));
        let sheet = offer.sheet.as_ref().unwrap_or_else(|reasons| panic!("{name}: {reasons:?}"));
        assert_eq!(change(sheet).expect("in the catalogue"), Change::default(), "{name}");
    }
    let made: Vec<&str> = offers.iter().map(|offer| offer.name.as_str()).collect();
    assert_eq!(made.len(), names.len(), "{made:?}");
}

#[test]
fn azures_reply_makes_the_catalogues_sheets() {
    let names =
        ["azure-consumption/eastus", "azure-flex/eastus", "azure-flex/eastus/always-ready", "azure-premium/eastus"];
    makes(&azure(AZURE).expect("a page"), &names);
}

#[test]
fn awss_offer_file_and_its_pages_make_the_catalogues_sheets() {
    let names = ["arm64", "arm64/provisioned", "x86_64", "x86_64/provisioned"]
        .map(|kind| format!("aws-lambda/us-east-1/{kind}"));
    let names = names.each_ref().map(String::as_str);
    makes(&offers(OFFERS).expect("an offer file"), &names);
    let each: Vec<String> = as_products(&parsed(OFFERS)).iter().map(Value::to_string).collect();
    makes(&products(&page(&each)).expect("a page"), &names);
}

/// The reply has requests only, of which no sheet is made; beside the other products of a region it has its price.
#[test]
fn one_product_of_awss_api_is_a_price_of_a_sheet_and_no_sheet() {
    assert_eq!(products(PRODUCTS).map(|made| made.len()), Ok(0));
    let real = parsed(PRODUCTS)["PriceList"][0].as_str().expect("a text").to_owned();
    let region = |product: &Value| product.to_string().replace("us-east-1", "ap-northeast-1");
    let others = as_products(&parsed(OFFERS))
        .into_iter()
        .filter(|product| product["product"]["attributes"]["usagetype"] != "Request");
    let mut each: Vec<String> = others.map(|product| region(&product)).collect();
    each.push(real);
    let made = products(&page(&each)).expect("a page");
    let x86 = made.iter().find(|offer| offer.name.as_str() == "aws-lambda/ap-northeast-1/x86_64").expect("there");
    let sheet = x86.sheet.as_ref().expect("a sheet");
    let rate = |sheet: &PriceSheet| sheet.prices().find(|price| price.meter == Meter::Request).map(|price| price.rate);
    assert_eq!(rate(sheet), rate(last(sheet).expect("in the catalogue")));
    assert_eq!(rate(sheet), Some("0.0000002".parse().expect("a rate")));
}

#[test]
fn googles_page_makes_the_catalogues_sheets() {
    let made = skus(SKUS).expect("a page");
    let names: Vec<&str> = made.iter().map(|offer| offer.name.as_str()).collect();
    assert_eq!(
        names,
        ["google-run/tier1", "google-run/tier2", "google-run/southamerica-east1", "google-run/us-central1"]
    );
    for (name, like) in [
        ("google-run/tier1", "google-run/tier1"),
        ("google-run/us-central1", "google-run/tier1"),
        ("google-run/tier2", "google-run/tier2"),
        ("google-run/southamerica-east1", "google-run/tier2"),
    ] {
        let offer = made.iter().find(|offer| offer.name.as_str() == name).expect("there");
        let sheet = offer.sheet.as_ref().unwrap_or_else(|reasons| panic!("{name}: {reasons:?}"));
        let like = Catalogue::builtin().get(like).expect("in the catalogue");
        assert_eq!(Change::between(like, sheet, LIMIT, today().start()), Change::default(), "{name}");
    }
}

#[test]
fn a_list_of_rates_is_turned_into_dollars() {
    let list = RateList::read(RATES.as_bytes()).expect("a list");
    assert_eq!(list.date.to_string(), "2026-11-20");
    // 1.1563 dollars for 8.2193 yuan, and for 1 euro.
    let rate = |code: &str| list.usd[&code.parse::<Currency>().expect("a currency")];
    let read = |text: &str| text.parse::<ExchangeRate>().expect("a rate");
    assert_eq!((rate("CNY"), rate("EUR")), (read("0.140681080"), read("1.1563")));
    assert_eq!(list.usd.len(), 8, "{:?}", list.usd);
}

/// An index as AWS has it.
fn index() -> Value {
    let region = |region: &str| {
        let file = format!("/offers/v1.0/aws/AWSLambda/20260521184754/{region}/index.json");
        (region.to_owned(), json!({ "regionCode": region, "currentVersionUrl": file }))
    };
    let regions: serde_json::Map<String, Value> =
        ["us-east-1", "eu-west-1", "af-south-1"].map(region).into_iter().collect();
    json!({ "formatVersion": "v1.0", "disclaimer": "This pricing list is for informational purposes only.",
        "publicationDate": "2026-05-21T18:47:54Z", "regions": regions })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn azures_reply_with_anything_wrong(place in any::<prop::sample::Index>(), mutation in any_mutation()) {
        if let Ok(made) = azure(&mutated(&parsed(AZURE), place, &mutation)) {
            judged(&made, &mutation)?;
        }
    }

    #[test]
    fn awss_offer_file_with_anything_wrong(place in any::<prop::sample::Index>(), mutation in any_mutation()) {
        if let Ok(made) = offers(&mutated(&parsed(OFFERS), place, &mutation)) {
            judged(&made, &mutation)?;
        }
    }

    #[test]
    fn awss_pages_with_anything_wrong(
        which in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        mutation in any_mutation(),
        around in any::<bool>(),
    ) {
        let mut all = as_products(&parsed(OFFERS));
        let text = if around {
            // The page itself, with products that have only one product's price.
            let each: Vec<String> = all.iter().map(Value::to_string).collect();
            mutated(&parsed(&page(&each)), place, &mutation)
        } else {
            let one = all.remove(which.index(all.len()));
            let mut each: Vec<String> = all.iter().map(Value::to_string).collect();
            each.push(mutated(&one, place, &mutation));
            page(&each)
        };
        if let Ok(made) = products(&text) {
            judged(&made, &mutation)?;
        }
    }

    #[test]
    fn googles_page_with_anything_wrong(place in any::<prop::sample::Index>(), mutation in any_mutation()) {
        if let Ok(made) = skus(&mutated(&parsed(SKUS), place, &mutation)) {
            judged(&made, &mutation)?;
        }
    }

    /// A list with one thing wrong is refused, or has its rates: those it had, fewer, or the one that was changed.
    #[test]
    fn a_list_of_rates_with_anything_wrong(place in any::<prop::sample::Index>(), mutation in any_mutation()) {
        let whole = RateList::read(RATES.as_bytes()).expect("a list");
        let eur = |list: &RateList| list.usd.get(&"EUR".parse::<Currency>().expect("a currency")).copied();
        if let Ok(list) = RateList::read(mutated(&parsed(RATES), place, &mutation).as_bytes()) {
            prop_assert!(!list.usd.is_empty() && list.usd.values().all(|rate| rate.nano() > 0));
            let others = list.usd.iter().filter(|(currency, rate)| whole.usd.get(currency) != Some(rate)).count();
            let changed = match mutation {
                // Another number of dollars for the base moves all of them, and of another currency its own; of another
                // base, the same numbers are something else.
                Mutation::Number(_) | Mutation::Text(_) => others <= 1 || eur(&list) != eur(&whole),
                _ => others == 0,
            };
            prop_assert!(changed, "{mutation:?}: {list:?}");
        }
    }

    #[test]
    fn an_index_of_regions_with_anything_wrong(place in any::<prop::sample::Index>(), mutation in any_mutation()) {
        let whole = region_files(index().to_string().as_bytes()).expect("an index");
        if let Ok(files) = region_files(mutated(&index(), place, &mutation).as_bytes()) {
            prop_assert!(!files.is_empty());
            let strange = files.iter().filter(|file| !whole.contains(file)).count();
            prop_assert!(strange == 0 || (strange == 1 && matches!(mutation, Mutation::Text(_) | Mutation::Number(_))));
        }
    }
}
