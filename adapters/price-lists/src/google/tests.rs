//! Pages of Google's Cloud Billing Catalog, whole and broken, against the built-in catalogue.

use merit_pricing::{Catalogue, Change, Date, Meter, MoveLimit, PriceSheet};
use proptest::prelude::*;

use super::CloudSkus;
use super::sample::{CatalogSample, SkuSample};
use crate::{ListError, Reading, SheetOffer};

const LIMIT: MoveLimit = MoveLimit { percent: 25 };
const ONE: &str = "google-run/tier1";
const TWO: &str = "google-run/tier2";
const CPU: &str = "Services CPU (Request-based billing)";
const CPU_2: &str = "Services CPU Tier 2  (Request-based billing)";

fn today() -> Date {
    "2026-11-21".parse().expect("a date")
}

fn read(pages: &[String]) -> CloudSkus {
    let mut skus = CloudSkus::default();
    for (number, page) in pages.iter().enumerate() {
        let next = skus.read_page(page.as_bytes(), today()).expect("a page");
        assert_eq!(next, (number + 1 < pages.len()).then(|| format!("page-{}", number + 1)));
    }
    skus.check().expect("prices");
    skus
}

fn sheets(skus: &CloudSkus) -> Vec<SheetOffer> {
    skus.sheets(&Reading { url: "https://prices.example/skus", day: today() })
}

fn sheet(sample: &CatalogSample, name: &str) -> Result<PriceSheet, Vec<String>> {
    let made = sheets(&read(&[sample.to_page()]));
    made.into_iter().find(|offer| offer.name.as_str() == name).unwrap_or_else(|| panic!("no sheet {name}")).sheet
}

fn builtin(name: &str) -> &'static PriceSheet {
    Catalogue::builtin().get(name).expect("in the catalogue")
}

fn differences(sheet: &PriceSheet, name: &str) -> Vec<String> {
    let change = Change::between(builtin(name), sheet, LIMIT, today().start());
    change.differences.iter().map(ToString::to_string).collect()
}

#[test]
fn the_catalogues_figures_make_the_catalogues_sheets_however_they_are_paged() {
    let sample = CatalogSample::of_cloud_run();
    for each in [1, 5, 100] {
        let made = sheets(&read(&sample.to_pages(each)));
        let names: Vec<&str> = made.iter().map(|offer| offer.name.as_str()).collect();
        let regions = ["google-run/europe-west1", "google-run/southamerica-east1", "google-run/us-central1"];
        assert_eq!(names, [[ONE, TWO].as_slice(), &regions].concat());
        for (offer, like) in made.iter().zip([ONE, TWO, ONE, TWO, ONE]) {
            let sheet = offer.sheet.as_ref().unwrap_or_else(|problems| panic!("{}: {problems:?}", offer.name));
            assert!(sheet.same_shape(builtin(like)), "{}", offer.name);
            let expected: &[&str] = if offer.name.as_str().ends_with("europe-west1") {
                &[
                    "egress_gb above 10239: 0.08 -> 0.105",
                    "egress_gb above 153599: 0.06 -> 0.08",
                    "free egress_gb: 1 -> none",
                ]
            } else {
                &[]
            };
            assert_eq!(differences(sheet, like), expected, "{}", offer.name);
            assert!(sheet.notes().iter().any(|note| note.contains("free vCPU- and GiB-seconds")));
            assert_eq!(PriceSheet::parse_toml(&sheet.to_toml()).expect("a sheet").to_toml(), sheet.to_toml());
        }
    }
}

#[test]
fn free_seconds_weigh_as_much_as_a_second_costs_against_tier_1() {
    let mut sample = CatalogSample::of_cloud_run();
    sample.sku(CPU_2).rates[0].2 = 36_000;
    let sheet = sheet(&sample, TWO).expect("a sheet");
    assert_eq!(
        differences(&sheet, TWO),
        [
            "vcpu_second: 0.0000336 -> 0.000036",
            "free vcpu_second: shared by google-run, 1400 thousandths a unit -> shared by google-run, 1500 thousandths a unit"
        ]
    );
}

#[test]
fn a_sku_that_is_not_understood_spoils_its_own_sheets_only() {
    type Break = fn(&mut SkuSample);
    let cases: [(Break, &str); 10] = [
        (|sku| sku.unit = "h".into(), "the unit is `h`, and `s` is known for it"),
        (|sku| sku.unit = "GiBy.s".into(), "the unit is `GiBy.s`"),
        (|sku| sku.rates.clear(), "it has no price"),
        (|sku| sku.rates[0].0 = "3".into(), "it has no price below 3"),
        (|sku| sku.rates[0].1 = "-1".into(), "`-1` is no number"),
        (|sku| sku.rates[0].2 = -1, "the price has -1 nanos"),
        (|sku| sku.rates[0].2 = 1_000_000_000, "the price has 1000000000 nanos"),
        (|sku| sku.currency = "EUR".into(), "are priced in EUR"),
        (|sku| sku.currency.clear(), "the currency `` is not known"),
        (|sku| sku.rates.insert(0, ("0".into(), "0".into(), 7)), "it has two prices from 0 on"),
    ];
    for (spoil, wanted) in cases {
        let mut sample = CatalogSample::of_cloud_run();
        spoil(sample.sku(CPU));
        for name in [ONE, "google-run/us-central1"] {
            let problems = sheet(&sample, name).expect_err(wanted);
            assert!(problems.iter().any(|problem| problem.contains(wanted)), "{wanted}: {problems:?}");
        }
        sheet(&sample, TWO).unwrap_or_else(|problems| panic!("{wanted}: {problems:?}"));
    }
}

#[test]
fn a_region_of_both_tiers_has_no_price_and_a_later_price_has_not_begun() {
    let mut sample = CatalogSample::of_cloud_run();
    sample.sku(CPU_2).regions.push("us-central1".into());
    let problems = sheet(&sample, "google-run/us-central1").expect_err("a contradiction");
    assert_eq!(problems, ["the price of vCPU-seconds is that of both tiers, which differ"]);
    for name in [ONE, TWO, "google-run/europe-west1"] {
        sheet(&sample, name).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
    }
    // A SKU of its own for one region, at another price: then the tier has no one price.
    let mut sample = CatalogSample::of_cloud_run();
    let mut own = sample.sku(CPU).clone();
    (own.description, own.regions) = (format!("{CPU} in us-west8"), vec!["us-west8".into()]);
    own.rates[0].2 = 25_000;
    let mut memory = sample.sku("Services Memory (Request-based billing)").clone();
    memory.regions = vec!["us-west8".into()];
    sample.skus.extend([own, memory]);
    let problems = sheet(&sample, ONE).expect_err("two prices");
    assert_eq!(problems, ["the price of vCPU-seconds differs between the regions of the tier"]);
    let own = sheet(&sample, "google-run/us-west8").expect("a sheet");
    assert!(own.prices().any(|price| price.rate.to_string() == "0.000025"));
    // Not begun yet.
    let mut sample = CatalogSample::of_cloud_run();
    sample.sku(CPU).from = "2027-01-01T00:00:00Z".into();
    let made = sheets(&read(&[sample.to_page()]));
    assert!(made.iter().all(|offer| offer.name.as_str() != ONE));
}

#[test]
fn what_a_list_leaves_out_is_a_concern() {
    let concerns = |description: &str| -> Vec<String> {
        let mut sample = CatalogSample::of_cloud_run();
        sample.skus.retain(|sku| sku.description != description);
        let sheet = sheet(&sample, ONE).expect("a sheet");
        let change = Change::between(builtin(ONE), &sheet, LIMIT, today().start());
        change.concerns.iter().map(ToString::to_string).collect()
    };
    assert_eq!(concerns("Requests"), ["request is missing"]);
    assert_eq!(concerns("Services Memory (Request-based billing)"), ["gib_second is missing"]);
    assert_eq!(
        concerns("Cloud Run Network Internet Data Transfer Out North America to North America"),
        Vec::<String>::new()
    );
    let mut sample = CatalogSample::of_cloud_run();
    sample.sku("Requests").rates.remove(0);
    sample.sku("Requests").rates[0].0 = "0".into();
    let sheet = sheet(&sample, ONE).expect("a sheet");
    assert_eq!(differences(&sheet, ONE), ["free request: 2000000 -> none"]);
}

#[test]
fn what_is_no_page_is_refused_with_the_reason() {
    let refuse =
        |text: &str| CloudSkus::default().read_page(text.as_bytes(), today()).expect_err("refused").to_string();
    let whole = CatalogSample::of_cloud_run().to_page();
    assert!(refuse(&whole[..whole.len() / 2]).contains("EOF while parsing"));
    assert!(refuse("<!doctype html>").ends_with("it begins with `<!doctype html>`"));
    assert!(refuse(r#"{"skus":{}}"#).contains("invalid type: map"));
    let mut none = CloudSkus::default();
    assert_eq!(none.read_page(b"{}", today()), Ok(None));
    assert_eq!(none.check(), Err(ListError::Empty("no price of Cloud Run in any region")));
}

proptest! {
    #[test]
    fn a_mutated_page_makes_sheets_or_reasons(at in any::<prop::sample::Index>(), cut in 0_usize..40, put in "[0-9a-zA-Z\",.:{}-]{0,8}") {
        let whole = CatalogSample::of_cloud_run().to_page();
        let at = at.index(whole.len());
        let text = format!("{}{put}{}", &whole[..at], &whole[(at + cut).min(whole.len())..]);
        let mut skus = CloudSkus::default();
        if skus.read_page(text.as_bytes(), today()).is_ok() {
            for offer in sheets(&skus) {
                let Ok(sheet) = offer.sheet else { continue };
                let name = if sheet.name().as_str() == TWO { TWO } else { ONE };
                let change = Change::between(builtin(name), &sheet, LIMIT, today().start());
                let billed: Vec<Meter> = sheet.billed_meters().collect();
                for meter in builtin(name).billed_meters().filter(|meter| !billed.contains(meter)) {
                    let missing = format!("{meter} is missing");
                    prop_assert!(change.concerns.iter().any(|concern| concern.to_string() == missing));
                }
            }
        }
    }
}
