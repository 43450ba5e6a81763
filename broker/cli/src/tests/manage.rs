//! `functions`, `venues`, `spend`, `budgets`, `keys`.

use std::collections::BTreeMap;

use merit_wire::{
    AlternativeRow, AlternativesReport, BeyondCallsRow, BudgetView, DeploymentSpec, DeploymentView, EqualView,
    FunctionList, FunctionView, KeyCreated, KeyList, KeyView, PriceChangeView, SpendReport, SpendRow, VenueList,
    VenueView,
};

use super::broker::Broker;
use super::{Setting, refused};
use crate::Exit;

fn function() -> FunctionView {
    let spec = DeploymentSpec {
        venue: "aws".to_owned(),
        target: "thumbnail".to_owned(),
        memory_mb: 512,
        vcpu: None,
        architecture: None,
        concurrency: None,
        instance_concurrency: None,
        kept_instances: None,
        sheet: None,
        digest: None,
    };
    let equal = EqualView {
        by: "word".to_owned(),
        who: Some("k1".to_owned()),
        at: Some("2026-11-21T10:44:00Z".to_owned()),
        samples: None,
    };
    let deployment =
        DeploymentView { spec, health: "healthy".to_owned(), samples: 1280, in_flight: 3, equal, quarantined: None };
    FunctionView {
        name: "thumbnail".to_owned(),
        idempotent: true,
        timeout_ms: 30_000,
        value_of_time: "0.001".to_owned(),
        class: None,
        equivalence: "proven".to_owned(),
        digest: None,
        compare: "json".to_owned(),
        shadow_ppm: 0,
        events: merit_wire::EventSpec::default(),
        deployments: BTreeMap::from([("aws-512".to_owned(), deployment)]),
    }
}

#[tokio::test]
async fn functions_are_listed_and_shown() {
    let broker = Broker::start().await;
    broker.json("GET /v1/functions", &FunctionList { functions: vec![function()] });
    broker.json("GET /v1/functions/thumbnail", &function());
    insta::assert_snapshot!(broker.run(&["functions", "list"]).await.shown(), @r#"
    FUNCTION   DEPLOYMENTS  IDEMPOTENT   TIMEOUT  VALUE OF TIME  CALLS
    thumbnail            1  yes         30000 ms       $0.001/s   1280
    ---
    --- Ok
    "#);
    insta::assert_snapshot!(broker.run(&["functions", "show", "thumbnail"]).await.shown(), @r#"
    thumbnail
    idempotent     yes
    timeout        30000 ms
    value of time  $0.001/s
    DEPLOYMENT  VENUE  MEMORY  VCPU  ARCHITECTURE  RUNNING  HEALTH   EQUAL BY               CALLS  SHEET  TARGET
    aws-512     aws    512 MB     -  x86_64         3/1000  healthy  word (k1, 2026-11-21)   1280      -  thumbnail
    ---
    --- Ok
    "#);
}

#[tokio::test]
async fn functions_are_put_from_options_or_a_file() {
    let broker = Broker::start().await;
    broker.json("PUT /v1/functions/thumbnail", &function());
    let outcome = broker.run(&["functions", "put", "thumbnail", "--idempotent", "--timeout-ms", "5000"]).await;
    assert_eq!(outcome.exit, Exit::Ok);
    assert_eq!(broker.last().body, r#"{"idempotent":true,"timeout_ms":5000}"#);

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("thumbnail.toml");
    std::fs::write(&file, "idempotent = true\n[deployments.a]\nvenue = \"aws\"\ntarget = \"t\"\nmemory_mb = 512\n")
        .expect("written");
    let path = file.to_str().expect("UTF-8");
    broker.run(&["functions", "put", "thumbnail", "--file", path]).await;
    insta::assert_snapshot!(broker.last().body, @r#"
    {"idempotent":true,"deployments":{"a":{"venue":"aws","target":"t","memory_mb":512}}}
    "#);
    std::fs::write(&file, "idempotant = true\n").expect("written");
    let outcome = broker.run(&["functions", "put", "thumbnail", "--file", path]).await;
    assert_eq!(outcome.exit, Exit::Usage);
    assert!(outcome.err.contains("unknown field `idempotant`"), "{}", outcome.err);
}

#[tokio::test]
async fn a_deployment_is_put_and_deleted_alone() {
    let broker = Broker::start().await;
    let path = "/v1/functions/thumbnail/deployments/aws-512";
    broker.json(&format!("PUT {path}"), &function());
    let line = [
        "functions",
        "put",
        "thumbnail",
        "--deployment",
        "aws-512",
        "--venue",
        "aws",
        "--target",
        "t",
        "--memory-mb",
        "512",
        "--vcpu",
        "0.333",
        "--architecture",
        "arm64",
        "--concurrency",
        "10",
        "--instance-concurrency",
        "8",
        "--sheet",
        "aws-lambda/us-east-1/arm64",
    ];
    assert_eq!(broker.run(&line).await.exit, Exit::Ok);
    assert_eq!(broker.lines(), [format!("PUT {path}")]);
    insta::assert_snapshot!(broker.last().body, @r#"
    {"venue":"aws","target":"t","memory_mb":512,"vcpu":"0.333","architecture":"arm64","concurrency":10,"instance_concurrency":8,"sheet":"aws-lambda/us-east-1/arm64"}
    "#);
    broker.answer(&format!("DELETE {path}"), 204, &[], b"");
    let outcome = broker.run(&["functions", "delete", "thumbnail", "--deployment", "aws-512"]).await;
    assert_eq!((outcome.err.as_str(), outcome.exit), ("deleted deployment aws-512 of thumbnail\n", Exit::Ok));
}

#[test]
fn a_deployment_needs_its_options() {
    let text = refused(&["functions", "put", "f", "--deployment", "d", "--venue", "v"]);
    assert!(text.contains("--target <TARGET>") && text.contains("--memory-mb <MB>"), "{text}");
    assert!(refused(&["functions", "put", "f", "--memory-mb", "5"]).contains("--deployment"));
}

pub(super) fn venue(ineligible: Option<&str>) -> VenueView {
    VenueView {
        name: "ali-cn".to_owned(),
        kind: "http".to_owned(),
        region: "cn-hangzhou".to_owned(),
        isolation: "provider".to_owned(),
        sheet: Some("alibaba-fc/cn".to_owned()),
        sheet_seq: 2,
        sheet_source: Some("help.aliyun.com".to_owned()),
        sheet_retrieved: Some("2026-11-01".to_owned()),
        trial: None,
        honesty_percent: None,
        adjustments: Vec::new(),
        committed: Vec::new(),
        price_warning: ineligible.map(|_| "its price feed ali fails: the server answered 503".to_owned()),
        ineligible: ineligible.map(str::to_owned),
        deployments: 4,
        in_flight: 0,
    }
}

#[tokio::test]
async fn venues_are_listed_and_shown() {
    let broker = Broker::start().await;
    broker.json("GET /v1/venues", &VenueList { venues: vec![venue(Some("no exchange rate for CNY"))] });
    broker.json("GET /v1/venues/ali-cn", &venue(None));
    insta::assert_snapshot!(broker.run(&["venues", "list"]).await.shown(), @r#"
    VENUE   KIND  REGION       ISOLATION  SHEET          SEQ  DEPLOYMENTS  RUNNING  INELIGIBLE
    ali-cn  http  cn-hangzhou  provider   alibaba-fc/cn    2            4        0  no exchange rate for CNY
    ---
    warning: ali-cn: its price feed ali fails: the server answered 503
    --- Ok
    "#);
    insta::assert_snapshot!(broker.run(&["venues", "show", "ali-cn"]).await.shown(), @r#"
    ali-cn
    kind         http
    region       cn-hangzhou
    isolation    provider
    deployments  4
    running      0
    sheet        alibaba-fc/cn (seq 2)
    source       help.aliyun.com
    retrieved    2026-11-01
    ineligible   -
    ---
    --- Ok
    "#);
}

#[tokio::test]
async fn a_price_is_checked_and_set() {
    let broker = Broker::start().await;
    let line = "PUT /v1/venues/pool/price-sheet";
    let change = PriceChangeView { venue: "pool".to_owned(), sheet: "own/default".to_owned(), seq: 3, functions: 12 };
    broker.json(line, &change);
    let sheet = merit_pricing::Catalogue::builtin().get("own/default").expect("in the catalogue").to_toml();
    let setting = Setting { stdin: sheet.as_bytes(), ..Setting::default() };
    let outcome = broker.run_in(setting, &["venues", "price", "set", "pool", "-"]).await;
    assert_eq!(outcome.out, "pool: own/default (seq 3) is in force; 12 books were rebuilt\n", "{outcome:?}");
    assert_eq!(broker.last().body, sheet);
    assert_eq!(broker.last().header("content-type"), Some("application/toml"));

    let setting = Setting { stdin: b"name = 1", ..Setting::default() };
    let outcome = broker.run_in(setting, &["venues", "price", "set", "pool", "-"]).await;
    assert_eq!(outcome.exit, Exit::Usage);
    assert_eq!(broker.lines().len(), 1, "a mistaken sheet is not sent");
}

#[tokio::test]
async fn spend_is_grouped() {
    let broker = Broker::start().await;
    let row = |at: &str, function: &str, charge: &str, estimate: &str| SpendRow {
        at: Some(at.to_owned()),
        group: BTreeMap::from([("function".to_owned(), function.to_owned()), ("venue".to_owned(), "aws".to_owned())]),
        calls: 1200,
        failed: 2,
        charge: charge.to_owned(),
        corrected: None,
        estimated: None,
        estimate: estimate.to_owned(),
        explored: "0.0001".to_owned(),
    };
    let report = SpendReport {
        from: "2026-11-01T00:00:00Z".to_owned(),
        to: "2026-11-21T00:00:00Z".to_owned(),
        total: "0.0145".to_owned(),
        rows: vec![
            row("2026-11-20T00:00:00Z", "thumbnail", "0.0025", "0.0024"),
            row("2026-11-20T01:00:00Z", "render", "0.012", "0.0125"),
        ],
        beyond_calls: Vec::new(),
    };
    broker.json("GET /v1/spend?from=2026-11-01T00%3A00%3A00Z&step=hour&group_by=venue%2Cfunction", &report);
    let line = ["spend", "--from", "2026-11-01T00:00:00Z", "--step", "hour", "--group-by", "venue,function"];
    insta::assert_snapshot!(broker.run(&line).await.shown(), @r#"
    FROM                  VENUE  FUNCTION   CALLS  FAILED   CHARGE  ESTIMATE  DIFFERENCE  EXPLORED
    2026-11-20T00:00:00Z  aws    thumbnail   1200       2  $0.0025   $0.0024      +4.1 %   $0.0001
    2026-11-20T01:00:00Z  aws    render      1200       2   $0.012   $0.0125      -4.0 %   $0.0001
    $0.0145 from 2026-11-01T00:00:00Z to 2026-11-21T00:00:00Z
    ---
    --- Ok
    "#);
    let mut report = SpendReport { rows: Vec::new(), total: "0".to_owned(), ..report };
    broker.json("GET /v1/spend", &report);
    assert_eq!(broker.run(&["spend"]).await.out, "$0 from 2026-11-01T00:00:00Z to 2026-11-21T00:00:00Z\n");
    let beyond = |sheet: &str, fee: Option<&str>, hours: Option<&str>| BeyondCallsRow {
        month: "2026-11".to_owned(),
        venues: vec!["one".to_owned(), "two".to_owned()],
        billing_account: String::new(),
        sheet: sheet.to_owned(),
        fee: fee.map(str::to_owned),
        hours: hours.map(str::to_owned),
        function_hours: hours.map_or(0, |_| 12),
    };
    report.beyond_calls =
        vec![beyond("cloudflare-workers", Some("5"), None), beyond("alibaba-fc/cn", None, Some("0.0168"))];
    broker.json("GET /v1/spend", &report);
    insta::assert_snapshot!(broker.run(&["spend"]).await.shown(), @r#"
    $0 from 2026-11-01T00:00:00Z to 2026-11-21T00:00:00Z
    providers' invoices beyond calls, in no row and not in the sum:
    MONTH    SHEET               VENUES    FEE  HOURS ROUNDED UP
    2026-11  cloudflare-workers  one, two   $5                 -
    2026-11  alibaba-fc/cn       one, two    -    $0.0168 for 12
    ---
    --- Ok
    "#);
}

#[tokio::test]
async fn the_alternatives_are_one_venue_for_all_calls() {
    let broker = Broker::start().await;
    let venue =
        |name: &str, calls: u64, cost: &str| AlternativeRow { venue: name.to_owned(), calls, cost: cost.to_owned() };
    let report = AlternativesReport {
        from: "2026-11-01T00:00:00Z".to_owned(),
        to: "2026-11-21T00:00:00Z".to_owned(),
        calls: 1000,
        charged: "0.0060".to_owned(),
        estimate: "0.0061".to_owned(),
        venues: vec![venue("gcp", 1000, "0.0080"), venue("aws", 1000, "0.0100"), venue("pool", 200, "0.0001")],
    };
    broker.json("GET /v1/spend/alternatives?account=search", &report);
    insta::assert_snapshot!(broker.run(&["spend", "--alternatives", "--account", "search"]).await.shown(), @r#"
    VENUE  CALLS IT HAD A PRICE FOR     COST  CHARGED INSTEAD
    gcp                        1000   $0.008     25.0 % below
    aws                        1000    $0.01     40.0 % below
    pool                        200  $0.0001                -
    $0.006 for 1000 calls from 2026-11-01T00:00:00Z to 2026-11-21T00:00:00Z
    ---
    --- Ok
    "#);
    assert!(refused(&["spend", "--alternatives", "--step", "day"]).contains("cannot be used with"));
}

fn budget() -> BudgetView {
    BudgetView {
        account: "search".to_owned(),
        month: "2026-11".to_owned(),
        hard: Some("100".to_owned()),
        soft: Some("80".to_owned()),
        spent: "12.5".to_owned(),
        held: "0.01".to_owned(),
        available: Some("87.49".to_owned()),
    }
}

#[tokio::test]
async fn a_limit_that_is_not_named_stays() {
    let broker = Broker::start().await;
    let path = "/v1/accounts/search/budget";
    broker.json(&format!("GET {path}"), &budget()).json(&format!("PUT {path}"), &budget());
    insta::assert_snapshot!(broker.run(&["budgets", "show", "search"]).await.shown(), @r#"
    search in 2026-11
    hard       $100
    soft       $80
    spent      $12.5
    held       $0.01
    available  $87.49
    ---
    --- Ok
    "#);
    broker.run(&["budgets", "set", "search", "--hard", "250.50"]).await;
    assert_eq!(broker.last().body, r#"{"hard":"250.5","soft":"80"}"#);
    broker.run(&["budgets", "set", "search", "--soft", "none"]).await;
    assert_eq!(broker.last().body, r#"{"hard":"100"}"#);
    let before = broker.lines().len();
    broker.run(&["budgets", "set", "search", "--hard", "1", "--soft", "none"]).await;
    assert_eq!((broker.last().body.as_str(), broker.lines().len()), (r#"{"hard":"1"}"#, before + 1));
    assert!(refused(&["budgets", "set", "search"]).contains("--hard"));
    assert!(refused(&["budgets", "set", "search", "--hard", "-1"]).contains("-1"));
}

#[tokio::test]
async fn a_secret_is_shown_once_and_alone_on_stdout() {
    let broker = Broker::start().await;
    let created = KeyCreated {
        id: "k7".to_owned(),
        secret: "mk_k7_abcdef".to_owned(),
        account: "search".to_owned(),
        roles: vec!["invoke".to_owned(), "finance".to_owned()],
        venues: Vec::new(),
        aws: false,
    };
    broker.json("POST /v1/keys", &created);
    let outcome = broker.run(&["keys", "create", "--account", "search", "--role", "invoke,finance"]).await;
    insta::assert_snapshot!(outcome.shown(), @r#"
    mk_k7_abcdef
    ---
    key k7 for account search: invoke, finance
    keep the secret now, it is not stored and not shown again:
    --- Ok
    "#);
    assert_eq!(broker.last().body, r#"{"account":"search","roles":["invoke","finance"]}"#);
    assert!(
        refused(&["keys", "create", "--account", "a", "--role", "root"])
            .contains("[possible values: invoke, finance, provider, admin]")
    );

    let key = KeyView {
        id: "k7".to_owned(),
        account: "search".to_owned(),
        roles: vec!["invoke".to_owned()],
        venues: Vec::new(),
        note: "ci".to_owned(),
        created_at: "2026-11-21T12:00:00Z".to_owned(),
        revoked_at: None,
        aws: false,
    };
    broker.json("GET /v1/keys", &KeyList { keys: vec![key] }).answer("DELETE /v1/keys/k7", 204, &[], b"");
    insta::assert_snapshot!(broker.run(&["keys", "list"]).await.shown(), @r#"
    KEY  ACCOUNT  ROLES   VENUES  CREATED               REVOKED  NOTE
    k7   search   invoke       -  2026-11-21T12:00:00Z        -  ci
    ---
    --- Ok
    "#);
    assert_eq!(broker.run(&["keys", "revoke", "k7"]).await.err, "revoked k7\n");
}

#[tokio::test]
async fn an_aws_key_is_shown_as_its_clients_take_it() {
    let broker = Broker::start().await;
    let created = KeyCreated {
        id: "MRTAABCDEFGHIJKLMNOP".to_owned(),
        secret: "abc+/".to_owned(),
        account: "search".to_owned(),
        roles: vec!["invoke".to_owned()],
        venues: Vec::new(),
        aws: true,
    };
    broker.json("POST /v1/keys", &created);
    let outcome = broker.run(&["keys", "create", "--aws", "--account", "search", "--role", "invoke"]).await;
    insta::assert_snapshot!(outcome.shown(), @r#"
    AWS_ACCESS_KEY_ID=MRTAABCDEFGHIJKLMNOP
    AWS_SECRET_ACCESS_KEY=abc+/
    ---
    key MRTAABCDEFGHIJKLMNOP for account search: invoke
    keep the secret now, it is not shown again; an AWS SDK or CLI takes both from its environment,
    and calls this broker with AWS_ENDPOINT_URL_LAMBDA set to its address:
    --- Ok
    "#);
    assert_eq!(broker.last().body, r#"{"account":"search","roles":["invoke"],"aws":true}"#);
}
