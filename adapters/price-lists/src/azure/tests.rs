//! Pages of Azure's Retail Prices, whole and broken, against the built-in catalogue.

use merit_pricing::{Catalogue, Change, Date, Meter, MoveLimit, PriceSheet};
use proptest::prelude::*;

use super::RetailPrices;
use super::sample::{RetailSample, RowSample};
use crate::{ListError, Reading, SheetOffer};

const LIMIT: MoveLimit = MoveLimit { percent: 25 };
const CONSUMPTION: &str = "azure-consumption/eastus";
const FLEX: &str = "azure-flex/eastus";
const READY: &str = "azure-flex/eastus/always-ready";
const PREMIUM: &str = "azure-premium/eastus";

fn today() -> Date {
    "2026-11-21".parse().expect("a date")
}

fn read(pages: &[String]) -> RetailPrices {
    let mut prices = RetailPrices::default();
    for (number, page) in pages.iter().enumerate() {
        let next = prices.read_page(page.as_bytes(), today()).expect("a page");
        assert_eq!(next.is_some(), number + 1 < pages.len());
    }
    prices.check().expect("prices");
    prices
}

fn sheets(prices: &RetailPrices) -> Vec<SheetOffer> {
    prices.sheets(&Reading { url: "https://prices.example/retail", day: today() })
}

fn sheet(sample: &RetailSample, name: &str) -> Result<PriceSheet, Vec<String>> {
    let made = sheets(&read(&[sample.to_page()]));
    made.into_iter().find(|offer| offer.name.as_str() == name).unwrap_or_else(|| panic!("no sheet {name}")).sheet
}

fn builtin(name: &str) -> &'static PriceSheet {
    Catalogue::builtin().get(name).expect("in the catalogue")
}

fn change(sheet: &PriceSheet, name: &str) -> Change {
    Change::between(builtin(name), sheet, LIMIT, today().start())
}

#[test]
fn the_catalogues_figures_make_the_catalogues_sheets_however_they_are_paged() {
    let sample = RetailSample::of_regions(&["eastus", "westeurope"]);
    for each in [1, 7, 100] {
        let pages = sample.to_pages(each, |number| format!("https://prices.example/retail?$skip={number}"));
        let made = sheets(&read(&pages));
        for name in [CONSUMPTION, FLEX, READY, PREMIUM] {
            let offer = made.iter().find(|offer| offer.name.as_str() == name).expect("there");
            let sheet = offer.sheet.as_ref().expect("a sheet");
            assert_eq!(change(sheet, name), Change::default(), "{name}");
            assert!(sheet.same_shape(builtin(name)));
            assert!(sheet.source().title.starts_with("Azure Retail Prices API"));
            assert_eq!(PriceSheet::parse_toml(&sheet.to_toml()).expect("a sheet").to_toml(), sheet.to_toml());
        }
        let west = made.iter().find(|offer| offer.name.as_str() == "azure-flex/westeurope").expect("there");
        let west = west.sheet.as_ref().expect("a sheet");
        assert_eq!(west.region().map(ToString::to_string).as_deref(), Some("westeurope"));
        assert!(west.notes().iter().any(|note| note.contains("those of eastus")), "{:?}", west.notes());
        assert_eq!(
            west.pool_of(Meter::Request).expect("billed").grant,
            builtin(FLEX).pool_of(Meter::Request).expect("billed").grant,
            "the free grant is one for all regions"
        );
    }
}

#[test]
fn executions_are_counted_in_tens_and_rows_by_volume_are_a_grant() {
    let mut sample = RetailSample::of_regions(&["eastus"]);
    let calls: Vec<_> =
        sample.meter("Standard Total Executions").map(|row| (row.start.clone(), row.price.clone())).collect();
    assert_eq!(calls, [("0.0".into(), "0.0".into()), ("100000".to_owned(), "0.000002".to_owned())]);
    // As .NET may write it.
    sample.meter("Standard Total Executions").last().expect("there").price = "2.2E-06".to_owned();
    let sheet = sheet(&sample, CONSUMPTION).expect("a sheet");
    let rate = sheet.prices().find(|price| price.meter == Meter::Request).expect("billed").rate;
    assert_eq!(rate.to_string(), "0.00000022");
    let grants: Vec<String> = sheet.grants().map(|(meter, free)| format!("{meter} {free}")).collect();
    assert_eq!(grants, ["request 1000000", "gb_second 400000", "egress_gb 100"]);
}

#[test]
fn what_is_not_understood_spoils_its_own_sheet_only() {
    type Break = fn(&mut RowSample);
    let cases: [(&str, Break, &str); 9] = [
        ("Standard Execution Time", |row| row.unit = "1 MB Second".into(), "the unit is `1 MB Second`"),
        ("Standard Total Executions", |row| row.unit = "1 GB Second".into(), "the unit is `1 GB Second`"),
        ("Standard Execution Time", |row| row.price = "-1".into(), "`-1` is no number"),
        ("Standard Execution Time", |row| row.price = "null".into(), "`null` is no number"),
        ("Standard Execution Time", |row| row.price = "\"cheap\"".into(), "`cheap` is no number"),
        ("Standard Execution Time", |row| row.start = "1e40".into(), "is too large"),
        ("Standard Execution Time", |row| row.start = row.start.replace("0.0", "7.5"), "has no price below 7.5"),
        ("Standard Execution Time", |row| row.currency = "EUR".into(), "its prices are in EUR"),
        ("Standard Execution Time", |row| row.currency = "euro".into(), "the currency `euro` is not known"),
    ];
    for (meter, spoil, wanted) in cases {
        let mut sample = RetailSample::of_regions(&["eastus"]);
        sample.meter(meter).for_each(spoil);
        let problems = sheet(&sample, CONSUMPTION).expect_err(wanted);
        assert!(problems.iter().any(|problem| problem.contains(wanted)), "{wanted}: {problems:?}");
        sheet(&sample, FLEX).unwrap_or_else(|problems| panic!("{wanted}: {problems:?}"));
    }
}

#[test]
fn contradictions_are_refused_and_repetitions_are_not() {
    let mut sample = RetailSample::of_regions(&["eastus"]);
    let paid = sample.meter("Standard Execution Time").last().expect("there").clone();
    sample.rows.push(paid.clone());
    assert_eq!(change(&sheet(&sample, CONSUMPTION).expect("a sheet"), CONSUMPTION), Change::default());
    sample.rows.push(RowSample { price: "0.00002".into(), ..paid.clone() });
    let problems = sheet(&sample, CONSUMPTION).expect_err("a contradiction");
    assert!(problems[0].contains("two prices from 400000 on, 0.000016 and 0.00002"), "{problems:?}");
    // A later price is the one that holds, wherever it stands; one that has not begun does not yet.
    for from in ["2025-01-01T00:00:00Z", "2027-01-01T00:00:00Z"] {
        let mut sample = RetailSample::of_regions(&["eastus"]);
        sample.rows.insert(0, RowSample { price: "0.00002".into(), from: from.into(), ..paid.clone() });
        let sheet = sheet(&sample, CONSUMPTION).expect("a sheet");
        let rate = sheet.prices().find(|price| price.meter == Meter::GbSecond).expect("billed").rate;
        assert_eq!(rate.to_string(), if from < "2026" { "0.00002" } else { "0.000016" });
    }
    let mut sample = RetailSample::of_regions(&["eastus"]);
    sample.rows.push(RowSample { price: "9".into(), kind: "DevTestConsumption".into(), ..paid });
    assert_eq!(change(&sheet(&sample, CONSUMPTION).expect("a sheet"), CONSUMPTION), Change::default());
}

#[test]
fn the_premium_plan_needs_both_of_its_prices() {
    for (meter, missing) in [
        ("Premium vCPU Duration", "`vcpu_second` has no line"),
        ("Premium Memory Duration", "`gib_second` has no line"),
    ] {
        let mut sample = RetailSample::of_regions(&["eastus"]);
        sample.rows.retain(|row| row.meter != meter);
        let problems = sheet(&sample, PREMIUM).expect_err("half a price");
        assert!(problems.iter().any(|problem| problem.contains(missing)), "{problems:?}");
        sheet(&sample, FLEX).expect("another plan");
    }
}

#[test]
fn what_a_list_leaves_out_is_a_concern() {
    let concerns = |meter: &str, name: &str| -> Vec<String> {
        let mut sample = RetailSample::of_regions(&["eastus"]);
        sample.rows.retain(|row| row.meter != meter);
        let change = change(&sheet(&sample, name).expect("a sheet"), name);
        change.concerns.iter().map(ToString::to_string).collect()
    };
    assert_eq!(concerns("Standard Total Executions", CONSUMPTION), ["request is missing"]);
    assert_eq!(concerns("Always Ready Baseline", READY), ["gb_second kept warm is missing"]);
    let mut sample = RetailSample::of_regions(&["eastus"]);
    sample.rows.retain(|row| row.price != "0.0");
    sample.rows.iter_mut().for_each(|row| row.start = "0.0".into());
    let change = change(&sheet(&sample, CONSUMPTION).expect("a sheet"), CONSUMPTION);
    let found: Vec<String> = change.concerns.iter().map(ToString::to_string).collect();
    assert_eq!(found, ["free request is missing", "free gb_second is missing"]);
}

#[test]
fn what_is_no_page_is_refused_with_the_reason() {
    let refuse =
        |text: &str| RetailPrices::default().read_page(text.as_bytes(), today()).expect_err("refused").to_string();
    let whole = RetailSample::of_regions(&["eastus"]).to_page();
    assert!(refuse(&whole[..whole.len() / 2]).contains("EOF while parsing"));
    assert!(refuse("<html><body>503</body></html>").ends_with("it begins with `<html><body>503</body></html>`"));
    assert!(refuse("").ends_with("; it is empty"));
    assert!(refuse("{}").contains("missing field `Items`"));
    let mut none = RetailPrices::default();
    assert_eq!(none.read_page(br#"{"Items":[],"NextPageLink":""}"#, today()), Ok(None));
    assert!(matches!(none.check(), Err(ListError::Empty(_))));
}

proptest! {
    /// Whatever is done to a page, a sheet that is made of it has the catalogue's figures or other ones that are
    /// judged; it is never one that has lost a price in silence.
    #[test]
    fn a_mutated_page_makes_sheets_or_reasons(at in any::<prop::sample::Index>(), cut in 0_usize..40, put in "[0-9a-zA-Z\",.:{}-]{0,8}") {
        let whole = RetailSample::of_regions(&["eastus"]).to_page();
        let at = at.index(whole.len());
        let text = format!("{}{put}{}", &whole[..at], &whole[(at + cut).min(whole.len())..]);
        let mut prices = RetailPrices::default();
        if prices.read_page(text.as_bytes(), today()).is_ok() {
            for offer in sheets(&prices) {
                match offer.sheet {
                    Err(reasons) => prop_assert!(!reasons.is_empty()),
                    Ok(sheet) => {
                        let Some(known) = Catalogue::builtin().get(offer.name.as_str()) else { continue };
                        let change = Change::between(known, &sheet, LIMIT, today().start());
                        let billed: Vec<Meter> = sheet.billed_meters().collect();
                        for meter in known.billed_meters().filter(|meter| !billed.contains(meter)) {
                            let missing = format!("{meter} is missing");
                            prop_assert!(change.concerns.iter().any(|concern| concern.to_string() == missing));
                        }
                    }
                }
            }
        }
    }
}
