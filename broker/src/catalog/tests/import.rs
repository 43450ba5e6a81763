//! Prices from files, in every form that is known.

use merit_price_lists::azure::sample::RetailSample;
use merit_price_lists::google::sample::CatalogSample;
use merit_pricing::Catalogue;

use super::*;

const ALIBABA: &str = "alibaba-fc/intl";

async fn import(stage: &Stage, name: &str, text: &str) -> Result<Refreshed, String> {
    let imported = Box::pin(stage.broker.import_prices(name, text.as_bytes().to_vec(), "mk_1")).await;
    imported.map_err(|refusal| refusal.to_string())
}

fn built_in(name: &str) -> &'static PriceSheet {
    Catalogue::builtin().get(name).expect("in the catalogue")
}

#[tokio::test]
async fn a_maintained_sheet_is_judged_and_its_history_says_who_put_it() {
    let stage = Stage::new("").await;
    let dearer = built_in(ALIBABA).scaled(110).to_toml();
    let imported = import(&stage, "alibaba.toml", &dearer).await.expect("a sheet");
    assert_eq!((imported.put.len(), imported.held.len()), (1, 0), "{imported:?}");
    let again = import(&stage, "alibaba.toml", &dearer).await.expect("a sheet");
    assert_eq!((again.put.len(), again.confirmed), (0, 1));
    let history = stage.broker.store.catalog_history(&ALIBABA.parse().unwrap(), 9).unwrap();
    let entries: Vec<_> = history.iter().map(|row| (row.seq, row.feed.as_str(), row.accepted_by.as_str())).collect();
    assert_eq!(entries, [(2, "import alibaba.toml", "mk_1"), (1, BUILT_IN, "")]);
    // Too much of a change is held, and put in force by a second word.
    let halved = import(&stage, "alibaba.toml", &built_in(ALIBABA).scaled(50).to_toml()).await.expect("a sheet");
    assert_eq!((halved.put.len(), halved.held.len()), (0, 1));
    assert!(stage.broker.catalog.warning(ALIBABA).expect("a warning").contains("more than 25 %"));
    assert_eq!(stage.broker.accept_held(&[ALIBABA.to_owned()], "mk_2").await.expect("accepted").put.len(), 1);
    // What is not in a file stays in force.
    let other = import(&stage, "alibaba.toml", &built_in("own/default").scaled(105).to_toml()).await.expect("a sheet");
    assert_eq!((other.put.len(), other.held.len()), (1, 0));
}

#[tokio::test]
async fn providers_lists_are_known_by_what_they_are() {
    let stage = Stage::new("").await;
    let sample = at_percent(110);
    let azure = RetailSample::of_regions(&["eastus", "westeurope"]);
    let google = CatalogSample::of_cloud_run();
    for (text, sheet, count) in [
        (sample.to_file(), X86, 4),
        (azure.to_page(), "azure-flex/westeurope", 8),
        (google.to_page(), "google-run/us-central1", 5),
    ] {
        let imported = import(&stage, "prices.json", &text).await.expect(sheet);
        assert_eq!((imported.put.len(), imported.held.len()), (count, 0), "{sheet}: {imported:?}");
        assert!(stage.broker.catalog.find(sheet).is_some());
    }
    assert!(same(&stage.rates(), ("0.00000022", "0.00001833337")), "venues are billed by it: {:?}", stage.rates());
    let mut regional = sample;
    regional.products.retain(|product| !product.region.is_empty());
    let page = regional.to_pages(100).remove(0);
    let imported = import(&stage, "products.json", &page).await.expect("a page of GetProducts");
    assert_eq!((imported.confirmed, imported.held.len()), (4, 0), "{imported:?}");
}

#[tokio::test]
async fn what_is_no_price_list_changes_nothing_and_says_why() {
    let stage = Stage::new("").await;
    let paged = RetailSample::of_regions(&["eastus"]).to_pages(3, |_| "https://prices.example/2".to_owned()).remove(0);
    let whole = sample().to_file();
    let mut sheet = built_in(ALIBABA).to_toml();
    sheet = sheet.replace("currency = \"USD\"", "currency = \"EUR\"");
    for (text, wanted) in [
        ("", "prices: "),
        ("{}", "it is no price sheet and no catalogue file (TOML), no offer file of AWS"),
        ("<html></html>", "prices: "),
        (&whole[..whole.len() / 2], "EOF while parsing"),
        (&paged, "it is one page of several"),
        ("name = \"x\"", "prices: "),
    ] {
        let refused = import(&stage, "prices", text).await.expect_err(wanted);
        assert!(refused.contains(wanted), "{wanted}: {refused}");
    }
    let imported = import(&stage, "euros.toml", &sheet).await.expect("a sheet");
    assert_eq!((imported.put.len(), imported.held.len()), (0, 1));
    let warning = stage.broker.catalog.warning(ALIBABA).expect("a warning");
    assert!(warning.contains("its prices are in EUR, and no exchange rate is known for it: write EUR ="), "{warning}");
    let refused = stage.broker.accept_held(&[ALIBABA.to_owned()], "mk_1").await.expect_err("of no use");
    assert!(refused.to_string().contains("no usable prices"), "{refused}");
}
