//! Offers in AWS's formats, whole and broken, against the built-in catalogue.

use merit_pricing::{Catalogue, Change, Date, Meter, MoveLimit, PriceSheet};
use merit_units::Timestamp;

use super::sample::{OfferSample, ProductSample};
use super::{NO_PRICE, Offers};
use crate::{Reading, SheetOffer};

const LIMIT: MoveLimit = MoveLimit { percent: 25 };

fn day(text: &str) -> Date {
    text.parse().expect("a date")
}

fn now() -> Timestamp {
    day("2026-11-21").start()
}

fn read(sample: &OfferSample) -> Offers {
    Offers::read_file(sample.to_file().as_bytes(), day("2026-11-21")).expect("an offer file")
}

fn sheets(offers: &Offers) -> Vec<SheetOffer> {
    offers.sheets(&Reading { url: "https://prices.example/index.json", day: day("2026-11-21") })
}

fn sheet(sample: &OfferSample, name: &str) -> Result<PriceSheet, Vec<String>> {
    let found = sheets(&read(sample)).into_iter().find(|offer| offer.name.as_str() == name);
    found.unwrap_or_else(|| panic!("no sheet {name}")).sheet
}

fn builtin(name: &str) -> &'static PriceSheet {
    Catalogue::builtin().get(name).expect("in the catalogue")
}

const X86: &str = "aws-lambda/us-east-1/x86_64";
const ARM: &str = "aws-lambda/us-east-1/arm64";
const ARM_KEPT: &str = "aws-lambda/us-east-1/arm64/provisioned";

#[test]
fn an_offer_with_the_catalogues_figures_makes_the_catalogues_sheets() {
    let offers = read(&OfferSample::of_all_regions());
    let made = sheets(&offers);
    assert_eq!(
        made.len(),
        Catalogue::builtin().names().filter(|name| name.as_str().starts_with("aws-lambda/")).count()
    );
    for SheetOffer { name, sheet } in made {
        let sheet = sheet.unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
        let change = Change::between(builtin(name.as_str()), &sheet, LIMIT, now());
        assert_eq!(change, Change::default(), "{name}");
        assert_eq!(
            sheet.source().title,
            "AWS Price List, AWSLambda offer version 20260521184754, published 2026-05-21"
        );
        assert!(sheet.same_shape(builtin(name.as_str())), "{name}");
        assert!(sheet.notes().iter().any(|note| note.contains("egress is no part")), "{name}");
        assert_eq!(PriceSheet::parse_toml(&sheet.to_toml()).expect("a sheet").to_toml(), sheet.to_toml());
    }
}

#[test]
fn pages_make_the_same_sheets_as_the_file_and_keep_the_free_grant() {
    let mut sample = OfferSample::of_regions(&["us-east-1", "eu-west-1"]);
    sample.products.retain(|product| !product.region.is_empty());
    let mut offers = Offers::default();
    let pages = sample.to_pages(7);
    for (number, page) in pages.iter().enumerate() {
        let next = offers.read_page(page.as_bytes(), day("2026-11-21")).expect("a page");
        assert_eq!(next.is_some(), number + 1 < pages.len());
    }
    let made = sheets(&offers);
    assert_eq!(made.len(), 8);
    for SheetOffer { name, sheet } in made {
        let sheet = sheet.expect("a sheet");
        assert_eq!(Change::between(builtin(name.as_str()), &sheet, LIMIT, now()), Change::default(), "{name}");
    }
}

#[test]
fn other_prices_are_taken_over_with_their_tiers_and_grants() {
    let mut sample = OfferSample::of_regions(&["us-east-1"]);
    for product in sample.group("AWS-Lambda-Duration-ARM") {
        product.ranges = vec![
            ["2000000000".into(), "Inf".into(), "0.0000100000".into()],
            ["0".into(), "2000000000".into(), "0.0000130000".into()],
        ];
    }
    for product in sample.products.iter_mut().filter(|product| product.usage_type == "Global-Lambda-GB-Second") {
        product.ranges[0][1] = "300000".into();
    }
    let sheet = sheet(&sample, ARM).expect("a sheet");
    let tiers: Vec<String> = sheet
        .prices()
        .filter(|price| price.meter == Meter::GbSecond)
        .map(|price| format!("{:?} {}", price.up_to.map(|end| end.to_string()), price.rate))
        .collect();
    assert_eq!(tiers, ["Some(\"2000000000\") 0.000013", "None 0.00001"]);
    let grants: Vec<String> = sheet.grants().map(|(meter, grant)| format!("{meter} {grant}")).collect();
    assert_eq!(grants, ["request 1000000", "gb_second 300000", "egress_gb 100"]);
    assert_eq!(sheet.valid_from(), Some(day("2026-05-01")));
}

#[test]
fn a_product_that_is_not_understood_spoils_its_own_sheets_only() {
    type Break = fn(&mut ProductSample);
    let cases: [(&str, Break, &str); 8] = [
        ("AWS-Lambda-Duration", |p| p.unit = "Lambda-MB-Second".into(), "the unit is `Lambda-MB-Second`"),
        (
            "AWS-Lambda-Duration",
            |p| p.ranges[1][0] = "7000000000".into(),
            "begins at 7000000000 after one that ends at 6000000000",
        ),
        ("AWS-Lambda-Duration", |p| drop(p.ranges.pop()), "no price for large volumes"),
        ("AWS-Lambda-Duration", |p| p.ranges[0][0] = "1".into(), "begins at 1 after one that ends at 0"),
        ("AWS-Lambda-Duration", |p| p.ranges[0][2] = "cheap".into(), "the price `cheap`"),
        ("AWS-Lambda-Duration", |p| p.ranges[0][2] = "-1".into(), "the price `-1`"),
        ("AWS-Lambda-Duration", |p| p.ranges.clear(), "has 0 price ranges"),
        ("AWS-Lambda-Duration", |p| p.currency = "CNY".into(), "its prices are in CNY"),
    ];
    for (group, spoil, wanted) in cases {
        let mut sample = OfferSample::of_regions(&["us-east-1"]);
        sample.group(group).for_each(spoil);
        let problems = sheet(&sample, X86).expect_err(wanted);
        assert!(problems.iter().any(|problem| problem.contains(wanted)), "{wanted}: {problems:?}");
        sheet(&sample, ARM).unwrap_or_else(|problems| panic!("{wanted}: {problems:?}"));
    }
}

#[test]
fn what_an_offer_leaves_out_is_left_out_and_a_concern() {
    let concerns = |group: &str, name: &str| -> Vec<String> {
        let mut sample = OfferSample::of_regions(&["us-east-1"]);
        sample.products.retain(|product| product.group != group);
        let sheet = sheet(&sample, name).expect("a sheet");
        let change = Change::between(builtin(name), &sheet, LIMIT, now());
        change.concerns.iter().map(ToString::to_string).collect()
    };
    assert_eq!(concerns("AWS-Lambda-Requests", X86), ["request is missing"]);
    assert_eq!(concerns("AWS-Lambda-Storage-Duration", X86), ["ephemeral_gb_second is missing"]);
    assert_eq!(concerns("AWS-Lambda-Provisioned-Concurrency-ARM", ARM_KEPT), ["gb_second kept warm is missing"]);
    // One price for both architectures is usual.
    assert!(concerns("AWS-Lambda-Storage-Duration-ARM", ARM).is_empty());
    let mut sample = OfferSample::of_regions(&["us-east-1"]);
    sample.products.retain(|product| !product.region.is_empty());
    let change = Change::between(builtin(X86), &sheet(&sample, X86).expect("a sheet"), LIMIT, now());
    let found: Vec<String> = change.concerns.iter().map(ToString::to_string).collect();
    assert_eq!(found, ["free request is missing", "free gb_second is missing"]);
}

#[test]
fn variants_of_a_group_are_not_its_price_and_contradictions_are_refused() {
    let mut sample = OfferSample::of_regions(&["us-east-1"]);
    let duration = sample.group("AWS-Lambda-Duration").next().expect("there").clone();
    let dear = vec![["0".to_owned(), "Inf".to_owned(), "9".to_owned()]];
    let variant = ProductSample { usage_type: "Lambda-GB-Second-Durable".into(), ranges: dear, ..duration.clone() };
    sample.products.insert(0, variant.clone());
    sample.products.push(variant.clone());
    let change = Change::between(builtin(X86), &sheet(&sample, X86).expect("a sheet"), LIMIT, now());
    assert_eq!(change, Change::default());
    sample.products.push(ProductSample { usage_type: duration.usage_type, ..variant });
    let problems = sheet(&sample, X86).expect_err("a contradiction");
    assert_eq!(problems, ["two SKUs of one group have different prices"]);
}

#[test]
fn a_region_the_catalogue_does_not_have_is_billed_by_the_same_rule() {
    let mut sample = OfferSample::of_regions(&["us-east-1"]);
    for product in sample.products.iter_mut().filter(|product| !product.region.is_empty()) {
        product.region = "mx-central-1".into();
    }
    let sheet = sheet(&sample, "aws-lambda/mx-central-1/arm64").expect("a sheet");
    assert_eq!(sheet.region().map(ToString::to_string).as_deref(), Some("mx-central-1"));
    assert!(sheet.same_shape(builtin(ARM)));
    assert_eq!(sheet.pool_of(Meter::GbSecond).expect("billed").tier, "tier:aws-lambda/mx-central-1/arm64/gb_second");
    assert_eq!(
        sheet.pool_of(Meter::GbSecond).expect("billed").grant,
        builtin(ARM).pool_of(Meter::GbSecond).expect("billed").grant
    );
}

#[test]
fn of_two_terms_the_one_in_force_counts() {
    let sample = OfferSample::of_regions(&["us-east-1"]);
    let mut file: serde_json::Value = serde_json::from_str(&sample.to_file()).expect("JSON");
    for (sku, terms) in file["terms"]["OnDemand"].as_object_mut().expect("terms") {
        if ["SKU0000000000000", "SKU0000000000001"].contains(&sku.as_str()) {
            continue; // The free tier stays free.
        }
        let (key, term) =
            terms.as_object().expect("terms").iter().next().map(|(k, t)| (k.clone(), t.clone())).expect("one");
        let mut later = term;
        later["effectiveDate"] = "2026-12-01T00:00:00Z".into();
        for dimension in later["priceDimensions"].as_object_mut().expect("dimensions").values_mut() {
            dimension["pricePerUnit"]["USD"] = "7".into();
        }
        terms[format!("{key}2")] = later;
    }
    let text = file.to_string();
    let on = |today: &str| {
        let offers = Offers::read_file(text.as_bytes(), day(today)).expect("an offer file");
        let made = sheets(&offers).into_iter().find(|offer| offer.name.as_str() == X86).expect("there");
        made.sheet.expect("a sheet").prices().next().expect("a price").rate.to_string()
    };
    assert_eq!(on("2026-11-30"), "0.0000002");
    assert_eq!(on("2026-12-01"), "7");
}

#[test]
fn terms_before_the_products_are_read_too() {
    let text = OfferSample::of_regions(&["us-east-1"]).to_file();
    let file: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let text = format!(
        r#"{{"terms":{},"products":{},"offerCode":"AWSLambda","formatVersion":"v1.0","version":"1","unknown":[1,{{}}]}}"#,
        file["terms"], file["products"]
    );
    let offers = Offers::read_file(text.as_bytes(), day("2026-11-21")).expect("an offer file");
    let made = sheets(&offers);
    assert_eq!(made.len(), 4);
    assert!(made.iter().all(|offer| offer.sheet.is_ok()));
}

#[test]
fn what_is_no_offer_file_is_refused_with_the_reason() {
    let read = |text: &str| Offers::read_file(text.as_bytes(), day("2026-11-21")).expect_err("refused").to_string();
    let whole = OfferSample::of_regions(&["us-east-1"]).to_file();
    assert!(read(&whole[..whole.len() / 2]).contains("EOF while parsing"));
    assert!(read(&format!("{whole} x")).contains("trailing characters"));
    let html = read("<!DOCTYPE html>\n<html><body>503</body></html>");
    assert_eq!(
        html,
        "it is not an AWS offer file (JSON): expected value at line 1 column 1; it begins with `<!DOCTYPE html> <html><body>503</body></`"
    );
    assert!(read("").ends_with("; it is empty"));
    assert!(read("[]").contains("invalid type: sequence, expected an offer file"));
    assert_eq!(read("{}"), "it is the offer ``, not AWSLambda; check the address");
    assert!(
        read(&whole.replace("\"AWSLambda\",\n  \"products\"", "\"AmazonEC2\",\n  \"products\"")).contains("AmazonEC2")
    );
    assert!(read(&whole.replace("\"v1.0\"", "\"v2.0\"")).contains("v2.0"));
    let none = OfferSample { products: Vec::new(), ..OfferSample::of_regions(&[]) };
    assert_eq!(Offers::read_file(none.to_file().as_bytes(), day("2026-11-21")).err(), Some(NO_PRICE));
    let mut page = Offers::default();
    for bad in [
        "{}",
        "{\"PriceList\":[1]}",
        "{\"PriceList\":[\"{}\"]}",
        "{\"PriceList\":[],\"FormatVersion\":\"aws_v2\"}",
        "<html>",
    ] {
        assert!(page.read_page(bad.as_bytes(), day("2026-11-21")).is_err(), "{bad}");
    }
    assert_eq!(page.check(), Err(NO_PRICE));
}
