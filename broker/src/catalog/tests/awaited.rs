//! Venues in regions that are not built in: ineligible with what to do, then billed by what an import or a feed brings.

use merit_market::Ineligible;
use merit_price_lists::azure::sample::RetailSample;

use super::*;
use crate::refusal::Refusal;

const WEST: &str = "azure-flex/westeurope";
const CONSUMPTION: &str = "azure-consumption/westeurope";

/// A venue under `WEST`, with a deployment that is billed by the Consumption plan there.
async fn broker(folder: &Path, clock: &Clock, catalog: &str) -> Arc<Broker> {
    let text = format!(
        "[store]\ndir = \"{}\"\n[catalog]\naws_lambda_url = \"\"\n{catalog}\n\
         [venues.azure]\nkind = \"http\"\nurl = \"http://127.0.0.1:9/\"\nregion = \"westeurope\"\nsheet = \"{WEST}\"\n\
         private_addresses = true\n\
         [functions.work.deployments.flex]\nvenue = \"azure\"\ntarget = \"flex\"\nmemory_mb = 512\n\
         [functions.work.deployments.plain]\nvenue = \"azure\"\ntarget = \"plain\"\nmemory_mb = 512\n\
         sheet = \"{CONSUMPTION}\"\n",
        folder.display(),
    );
    let config = Config::parse(&text, &Source::Defaults, &Env::default()).unwrap_or_else(|errors| panic!("{errors}"));
    Box::pin(crate::serve::start(&config, &Env::default(), clock.clone())).await.expect("a broker").broker
}

/// Each ask of the function: its deployment, and why it is not matched, or the cost.
fn asks(broker: &Broker) -> Vec<(String, Result<i64, Ineligible>)> {
    let function = broker.functions.get("work").expect("there");
    let view = function.view();
    let of = |row: usize| {
        let ask = &view.book.asks()[row];
        (view.deployment(row).id.to_string(), ask.ineligible.map_or(Ok(ask.cost_pico), Err))
    };
    let mut asks: Vec<_> = (0..view.book.asks().len()).map(of).collect();
    asks.sort_by(|a, b| a.0.cmp(&b.0));
    asks
}

fn why(broker: &Broker) -> Option<String> {
    broker.why_unpriced(&broker.directory.load().venue("azure").expect("there").prices.in_force())
}

async fn import(broker: &Broker, text: String) -> Refreshed {
    Box::pin(broker.import_prices("prices", text.into_bytes(), "mk_1")).await.expect("prices")
}

fn unpriced() -> [(String, Result<i64, Ineligible>); 2] {
    ["flex", "plain"].map(|name| (name.to_owned(), Err(Ineligible::NoPrice)))
}

#[tokio::test]
async fn a_region_that_is_not_built_in_waits_for_an_import_and_is_billed_by_it_at_once() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::manual(START));
    let waiting = broker(folder.path(), &clock, "azure_functions_url = \"\"").await;
    assert_eq!(asks(&waiting), unpriced());
    let told = why(&waiting).expect("it has no price");
    assert!(told.contains(&format!("the prices of {WEST} are not built in and not known yet")), "{told}");
    assert!(told.contains("no price feed is configured") && told.contains("`merit catalog import FILE`"), "{told}");

    // The list as it is imported has four sheets of the region; one sheet by itself does as well.
    let mut sample = RetailSample::of_regions(&["westeurope"]);
    sample.meter("On Demand Execution Time").last().expect("paid").price = "0.00003".to_owned();
    let imported = import(&waiting, sample.to_page()).await;
    assert_eq!((imported.put.len(), imported.held.len()), (4, 0), "{imported:?}");
    assert_eq!(why(&waiting), None);
    let priced = asks(&waiting);
    // Nothing was learned yet, so each is assumed to run a second: 512 MB of Flex at 0.00003, of Consumption at
    // 0.000016, within their grants.
    assert!(priced.iter().all(|(_, ask)| ask.is_ok()), "{priced:?}");
    let sheet = |broker: &Broker| broker.directory.load().venue("azure").unwrap().prices.sheet().expect("a sheet");
    let rate = |sheet: &PriceSheet| {
        sheet.prices().find(|price| price.meter == Meter::GbSecond).map(|price| price.rate.to_string())
    };
    assert_eq!(rate(&sheet(&waiting)).as_deref(), Some("0.00003"));
    let function = waiting.functions.get("work").unwrap();
    let plain = function.deployments.iter().find(|deployment| deployment.id.as_str() == "plain").expect("there");
    assert_eq!(plain.prices.sheet().expect("a sheet").name().as_str(), CONSUMPTION);

    // A later import moves it, and it is known after a restart.
    let dearer = sheet(&waiting).scaled(110).to_toml();
    assert_eq!(import(&waiting, dearer).await.put.len(), 1);
    assert_eq!(rate(&sheet(&waiting)).as_deref(), Some("0.000033"));
    waiting.store.clone().close().unwrap();
    drop(function);
    drop(waiting);
    let again = broker(folder.path(), &clock, "azure_functions_url = \"\"").await;
    assert_eq!(rate(&sheet(&again)).as_deref(), Some("0.000033"));
    assert_eq!(why(&again), None);
}

#[tokio::test]
async fn a_region_is_waited_for_by_the_feed_that_has_it_and_told_what_came_of_that() {
    let (folder, clock, server) = (tempfile::tempdir().unwrap(), Clock::manual(START), Server::start().await);
    let url = format!("azure_functions_url = \"{}/prices\"\nrefresh_hours = 24\npage_pause_ms = 0", server.url);
    let broker = broker(folder.path(), &clock, &url).await;
    assert!(why(&broker).expect("no price").contains("run `merit catalog refresh azure-functions`"));
    let feeds = broker.feeds();
    assert_eq!(feeds.iter().map(|feed| feed.name.as_str()).collect::<Vec<_>>(), ["azure-functions"]);

    let look = async |answer| {
        server.then([answer]);
        clock.advance(Micros::from_secs(60));
        Box::pin(broker.refresh_feeds(&feeds)).await
    };
    look(Answer::status(403)).await;
    let told = why(&broker).expect("no price");
    assert!(told.contains("its price feed azure-functions fails: ") && told.contains("403"), "{told}");
    look(Answer::ok(RetailSample::of_regions(&["eastus"]).to_page().into_bytes())).await;
    let told = why(&broker).expect("no price");
    assert!(told.contains("azure-functions has none for it: see that its region is written"), "{told}");
    // What can't be believed is held as any first sheet.
    let mut odd = RetailSample::of_regions(&["westeurope"]);
    odd.meter("On Demand Execution Time").for_each(|row| row.unit = "1 MB Second".to_owned());
    look(Answer::ok(odd.to_page().into_bytes())).await;
    let told = why(&broker).expect("no price");
    assert!(told.contains("are held: ") && told.contains("the unit is `1 MB Second`"), "{told}");
    assert_eq!(asks(&broker)[0], unpriced()[0]);
    // A price that is missing would be a price of nothing, were nobody to see it.
    let mut lacking = RetailSample::of_regions(&["westeurope"]);
    lacking.rows.retain(|row| row.meter != "On Demand Total Executions");
    look(Answer::ok(lacking.to_page().into_bytes())).await;
    let told = why(&broker).expect("no price");
    assert!(told.contains("request is missing; accept them with `merit catalog refresh --accept"), "{told}");
    assert_eq!(asks(&broker)[0], unpriced()[0]);
    let came = look(Answer::ok(RetailSample::of_regions(&["westeurope"]).to_page().into_bytes())).await;
    assert!(came.put.iter().any(|name| name.as_str() == WEST), "{came:?}");
    assert!(asks(&broker).iter().all(|(_, ask)| ask.is_ok()), "{:?}", asks(&broker));
}

#[tokio::test]
async fn a_deployment_by_the_api_may_wait_too_and_a_slip_of_the_family_is_refused() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::manual(START));
    let broker = broker(folder.path(), &clock, "").await;
    let venue = Arc::clone(broker.directory.load().venue("azure").unwrap());
    let prices = broker.prices_of(&venue, Some("google-run/europe-west1")).expect("it is waited for");
    assert_eq!(prices.awaits().expect("waited for").as_str(), "google-run/europe-west1");
    let refused = broker.prices_of(&venue, Some("azure-flux/westeurope")).err().expect("no such family");
    assert!(matches!(refused, Refusal::Unknown { kind: "price sheet", .. }), "{refused:?}");
}
