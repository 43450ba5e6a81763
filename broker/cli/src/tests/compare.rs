//! `catalog compare`: the table, what is left out of it and why, where exchange rates come from, the picture.

use super::broker::Broker;
use super::{Setting, refused, run};
use crate::Exit;
use merit_pricing::Catalogue;
use merit_wire::{VenueList, VenueView};

const SMALL: [&str; 8] = ["catalog", "compare", "--memory-mb", "512", "--duration-ms", "250", "--calls", "1e6"];

async fn json(line: &[&str]) -> serde_json::Value {
    let outcome = run(&[&SMALL, line, &["--json"]].concat()).await;
    assert_eq!(outcome.exit, Exit::Ok, "{outcome:?}");
    serde_json::from_str(&outcome.out).expect("JSON")
}

fn sheet<'a>(view: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    let sheets = view["sheets"].as_array().expect("a list");
    sheets.iter().find(|sheet| sheet["name"] == name).unwrap_or_else(|| panic!("no {name} in {view}"))
}

#[tokio::test]
async fn months_are_listed_cheapest_first() {
    let line = ["us-east-1/x86_64", "google-run", "alibaba", "cloudflare", "--rate", "CNY=0.14"];
    insta::assert_snapshot!(run(&[&SMALL[..], &line].concat()).await.shown(), @"
    1000000 calls a month, 512 MB and 250 ms each: the cheapest month first
    SHEET                          MONTH  A MILLION  PAST GRANTS  NOTES
    aws-lambda/us-east-1/x86_64  $0.0000    $0.0000      $2.2833  partly second-hand
    google-run/tier1             $0.0000    $0.0000      $3.1726  partly second-hand
    google-run/tier2             $0.0000    $0.0000      $4.2816  partly second-hand
    alibaba-fc/cn                $1.5626    $1.5626      $1.5593  0.3 vCPU assumed
    alibaba-fc/intl              $2.0294    $2.0294      $2.0250  0.3 vCPU assumed; partly second-hand
    past grants: a million more calls when the free grants are used up, in the first paid tier
    1 CNY is 0.14 USD, from --rate

    not comparable
    aws-lambda/us-east-1/x86_64/provisioned and 1 more: it prices instances that are kept warm; say how many with --warm-instances
    cloudflare-workers: 512 MB of memory is not sold under it; choose at most 128 MB
    ---
    --- Ok
    ");
}

/// By hand: 4 million calls of 512 MB and 250 ms are 500,000 GB-seconds; 100,000 and 3 million calls are paid.
#[tokio::test]
async fn grants_are_taken_off_the_month_and_not_off_each_call() {
    let line = [&SMALL[..6], &["--calls", "4000000", "us-east-1/x86_64", "--json"]].concat();
    let view: serde_json::Value = serde_json::from_str(&run(&line).await.out).expect("JSON");
    let lambda = sheet(&view, "aws-lambda/us-east-1/x86_64");
    assert_eq!(lambda["month_usd"], "2.26667");
    assert_eq!(lambda["per_million_usd"], "0.5666675");
    assert_eq!(lambda["billed"]["gb_second"], "500000");
    let ranks: Vec<u64> =
        view["sheets"].as_array().expect("a list").iter().filter_map(|s| s["rank"].as_u64()).collect();
    assert_eq!(ranks, (1..=ranks.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn every_sheet_is_either_priced_or_told_why_not() {
    let view = json(&[]).await;
    let names = |key: &str| -> Vec<String> {
        let list = view[key].as_array().expect("a list");
        list.iter().map(|entry| entry["name"].as_str().expect("a name").to_owned()).collect()
    };
    let mut all = [names("sheets"), names("not_comparable")].concat();
    all.sort();
    let known: Vec<String> = Catalogue::builtin().names().map(ToString::to_string).collect();
    assert_eq!(all, known);
    let why = |name: &str| {
        let list = view["not_comparable"].as_array().expect("a list");
        let entry = list.iter().find(|entry| entry["name"] == name).expect("left out");
        entry["reason"].as_str().expect("a reason").to_owned()
    };
    assert!(why("tencent-scf/cn").contains("give one, such as --rate CNY="), "{}", why("tencent-scf/cn"));
    assert!(why("cloudflare-workers").ends_with("choose at most 128 MB"));
    for kept in ["azure-flex/eastus/always-ready", "azure-premium/eastus"] {
        assert!(why(kept).contains("--warm-instances"), "{}", why(kept));
    }
}

#[tokio::test]
async fn options_choose_among_the_sheets() {
    let names = async |line: &[&str]| -> Vec<String> {
        let view = json(line).await;
        let sheets = view["sheets"].as_array().expect("a list");
        sheets.iter().map(|sheet| sheet["name"].as_str().expect("a name").to_owned()).collect()
    };
    let arm = names(&["aws-lambda/us", "--architecture", "arm64"]).await;
    assert!(!arm.is_empty() && arm.iter().all(|name| name.ends_with("/arm64")), "{arm:?}");
    let here = names(&["--region", "us-east-1", "--region", "eastus"]).await;
    assert!(
        here.contains(&"azure-flex/eastus".to_owned()) && here.contains(&"google-run/tier1".to_owned()),
        "{here:?}"
    );
    assert!(!here.iter().any(|name| name.contains("eu-west-1")), "{here:?}");
    let kept = names(&["aws-lambda/us-east-1/x86_64", "--warm-instances", "1"]).await;
    assert_eq!(kept, ["aws-lambda/us-east-1/x86_64", "aws-lambda/us-east-1/x86_64/provisioned"]);
    let cold = json(&["aws-lambda/us-east-1/x86_64", "--cold-percent", "10", "--init-ms", "4000"]).await;
    // 900,000 calls of 250 ms and 100,000 of 4,250 ms: 325,000 GB-seconds.
    assert_eq!(sheet(&cold, "aws-lambda/us-east-1/x86_64")["billed"]["gb_second"], "325000");
    let shared = json(&["google-run/tier1", "--vcpu", "1", "--concurrency", "10"]).await;
    assert_eq!(sheet(&shared, "google-run/tier1")["billed"]["vcpu_second"], "30000", "ten share 300 ms");
}

#[tokio::test]
async fn exchange_rates_come_from_the_line_or_the_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("merit.toml");
    std::fs::write(&file, "[exchange_rates]\nCNY = { usd = \"0.5\", date = \"2026-11-20\" }\n").expect("written");
    let file = file.to_str().expect("UTF-8");
    let configured = json(&["tencent", "--config", file]).await;
    let given = json(&["tencent", "--config", file, "--rate", "CNY=0.25"]).await;
    let usd = |view: &serde_json::Value| {
        let text = sheet(view, "tencent-scf/cn")["month_usd"].as_str().expect("money").to_owned();
        text.parse::<merit_units::Money>().expect("money")
    };
    assert_eq!(usd(&configured), usd(&given) + usd(&given));
    let from = |view: &serde_json::Value| view["exchange_rates"][0]["from"].as_str().expect("a source").to_owned();
    assert_eq!((from(&configured), from(&given)), (format!("of 2026-11-20, from {file}"), "from --rate".to_owned()));
}

#[tokio::test]
async fn the_picture_has_a_labelled_line_for_each_provider() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("months.svg");
    let path = file.to_str().expect("UTF-8");
    let outcome = run(&[&SMALL[..], &["--rate", "CNY=0.14", "--plot", path]].concat()).await;
    assert_eq!((outcome.exit, outcome.err), (Exit::Ok, format!("drawn into {path}\n")));
    let svg = std::fs::read_to_string(&file).expect("drawn");
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{svg}");
    for provider in
        ["aws-lambda/", "azure-consumption/", "azure-flex/", "google-run/", "alibaba-fc/", "tencent-scf/", "own/"]
    {
        let labels = svg.lines().filter(|line| line.starts_with(provider)).count();
        assert!(labels >= 1, "no label for {provider}: {svg}");
    }
    assert_eq!(svg.matches("stroke-width=\"3\"").count(), 7, "a line for each");
    let nowhere = folder.path().join("no/such/folder.svg");
    let outcome = run(&[&SMALL[..], &["--plot", nowhere.to_str().expect("UTF-8")]].concat()).await;
    assert_eq!((outcome.exit, outcome.out.as_str()), (Exit::Usage, ""));
    assert!(outcome.err.contains("name another file with --plot"), "{}", outcome.err);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    assert!(refused(&["catalog", "compare", "--memory-mb", "512"]).contains("--duration-ms"));
    assert!(refused(&[&SMALL[..], &["--cold-percent", "5"]].concat()).contains("--init-ms"));
    assert!(refused(&[&SMALL[..], &["--rate", "CNY"]].concat()).contains("write CURRENCY=X"));
    assert!(refused(&[&SMALL[..6], &["--calls", "many"]].concat()).contains("such as 250000 or 1e6"));
    let outcome = run(&[&SMALL[..], &["no-such-provider"]].concat()).await;
    assert_eq!(outcome.exit, Exit::Usage);
    assert!(outcome.err.contains("`merit catalog list` shows what there is"), "{}", outcome.err);
}

fn venue(name: &str, sheet: Option<&str>) -> VenueView {
    VenueView { name: name.to_owned(), sheet: sheet.map(str::to_owned), ..super::manage::venue(None) }
}

#[tokio::test]
async fn venues_of_a_broker_are_compared_by_their_sheets_in_force() {
    let broker = Broker::start().await;
    let lambda = "aws-lambda/us-east-1/x86_64";
    let dear = Catalogue::builtin().get(lambda).expect("built in").scaled(200);
    let venues = vec![venue("a", Some(lambda)), venue("b", Some(lambda)), venue("c", None)];
    broker.json("GET /v1/venues", &VenueList { venues });
    let text = Catalogue::builtin().get(lambda).expect("built in").to_toml();
    broker.answer("GET /v1/venues/a/price-sheet", 200, &[], dear.to_toml().as_bytes());
    broker.answer("GET /v1/venues/b/price-sheet", 200, &[], text.as_bytes());
    let outcome = broker.run_in(Setting::default(), &[&SMALL[..6], &["--calls", "4e6", "--live"]].concat()).await;
    insta::assert_snapshot!(outcome.shown(), @"
    4000000 calls a month, 512 MB and 250 ms each: the cheapest month first
    VENUE    MONTH  A MILLION  PAST GRANTS  NOTES
    b      $2.2667    $0.5667      $2.2833  partly second-hand
    a      $4.5333    $1.1333      $4.5667  partly second-hand
    past grants: a million more calls when the free grants are used up, in the first paid tier

    not comparable
    c: it has no price sheet; set one with `merit venues price set`
    ---
    --- Ok
    ");
}
