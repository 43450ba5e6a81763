//! `invoke`, `quote`, `book`, `explain`.

use merit_wire::{
    AskView, AttemptView, BookView, CandidateView, ExclusionView, MeterView, QuoteView, ReceiptView, RepricedLine,
    RepricedView, header,
};

use super::Setting;
use super::broker::Broker;
use crate::Exit;

const INVOKE: &str = "POST /v1/functions/thumbnail/invocations";
pub(super) const ID: &str = "0199f0a2-7c1e-7c3a-9d4e-0a1b2c3d4e5f";
const REPLY: [(&str, &str); 7] = [
    ("content-type", "text/plain"),
    (header::INVOCATION_ID, ID),
    (header::VENUE, "aws-us-east-1"),
    (header::DEPLOYMENT, "aws-512"),
    (header::CHARGE, "0.00000229167"),
    (header::ATTEMPTS, "2"),
    (header::OVERHEAD_US, "85"),
];

#[tokio::test]
async fn the_payload_goes_in_and_the_reply_comes_out() {
    let broker = Broker::start().await;
    broker.answer(INVOKE, 200, &REPLY, b"hello\n");
    let setting = Setting { stdin: b"{\"a\": 1}", ..Setting::default() };
    let outcome = broker.run_in(setting, &["invoke", "thumbnail"]).await;
    insta::assert_snapshot!(outcome.shown(), @r#"
    hello
    ---
    --- Ok
    "#);
    insta::assert_snapshot!(broker.last().told(), @r#"
    POST /v1/functions/thumbnail/invocations
    content-type: application/json

    {"a": 1}
    "#);
}

#[tokio::test]
async fn terms_are_headers() {
    let broker = Broker::start().await;
    broker.answer(INVOKE, 200, &REPLY, b"hello");
    let line = [
        "invoke",
        "thumbnail",
        "--data",
        "a b",
        "--key",
        "secret",
        "--max-price",
        "0.00001",
        "--deadline",
        "2s",
        "--venues",
        "aws-us-east-1,!ali",
        "--venues",
        "pool",
        "--regions",
        "us-east-1",
        "--isolation",
        "wasm,gvisor",
        "--architecture",
        "arm64",
        "--max-latency",
        "1.5s",
        "--value-of-time",
        "0.001",
        "--idempotency-key",
        "k1",
        "--tag",
        "team=search",
        "--tag",
        "env=prod",
        "--verbose",
    ];
    let outcome = broker.run(&line).await;
    insta::assert_snapshot!(outcome.shown(), @r#"
    hello---
    invocation  0199f0a2-7c1e-7c3a-9d4e-0a1b2c3d4e5f
    venue       aws-us-east-1
    deployment  aws-512
    charge      $0.00000229167
    attempts    2
    overhead    85 us
    --- Ok
    "#);
    insta::assert_snapshot!(broker.last().told(), @r#"
    POST /v1/functions/thumbnail/invocations
    authorization: Bearer secret
    content-type: application/octet-stream
    idempotency-key: k1
    merit-architecture: arm64
    merit-deadline: 2s
    merit-isolation: wasm,gvisor
    merit-max-latency: 1500ms
    merit-max-price: 0.00001
    merit-regions: us-east-1
    merit-tags: team=search,env=prod
    merit-value-of-time: 0.001
    merit-venues: aws-us-east-1,!ali,pool

    a b
    "#);
}

#[tokio::test]
async fn a_reply_is_text_for_programs_too() {
    let broker = Broker::start().await;
    broker.answer(INVOKE, 200, &REPLY, b"hello");
    let outcome = broker.run(&["invoke", "thumbnail", "--data", "", "--json"]).await;
    insta::assert_snapshot!(outcome.shown(), @r#"
    {
      "invocation": "0199f0a2-7c1e-7c3a-9d4e-0a1b2c3d4e5f",
      "status": 200,
      "venue": "aws-us-east-1",
      "deployment": "aws-512",
      "charge": "0.00000229167",
      "attempts": 2,
      "overhead_us": 85,
      "replayed": false,
      "function_error": null,
      "content_type": "text/plain",
      "payload_bytes": 5,
      "payload": "hello"
    }
    ---
    --- Ok
    "#);
}

#[tokio::test]
async fn a_functions_own_error_is_a_reply_and_an_exit_code() {
    let broker = Broker::start().await;
    let headers = [(header::FUNCTION_ERROR, "Trap"), ("content-type", "application/json")];
    broker.answer(INVOKE, 200, &headers, b"{\"errorType\":\"Trap\"}");
    let outcome = broker.run(&["invoke", "thumbnail", "--data", ""]).await;
    insta::assert_snapshot!(outcome.shown(), @r#"
    {"errorType":"Trap"}---
    error: the function reported an error: Trap
    --- FunctionError
    "#);
    assert_eq!(outcome.exit.code(), 7);
}

#[tokio::test]
async fn files_go_in_and_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, output) = (folder.path().join("in.png"), folder.path().join("out.png"));
    std::fs::write(&input, [0x89, b'P']).expect("written");
    let broker = Broker::start().await;
    broker.answer(INVOKE, 200, &REPLY, &[0xFF, 0xD8]);
    let path = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    let line = ["invoke", "thumbnail", "--file", &path(&input), "-o", &path(&output)];
    let outcome = broker.run(&line).await;
    assert_eq!((outcome.out.as_str(), outcome.err.as_str(), outcome.exit), ("", "", Exit::Ok));
    assert_eq!(std::fs::read(output).expect("written"), [0xFF, 0xD8]);
    assert_eq!(broker.last().header("content-type"), Some("application/octet-stream"));
    let outcome = broker.run(&["invoke", "thumbnail", "--file", "/nowhere"]).await;
    assert_eq!(outcome.err, "error: cannot read /nowhere: No such file or directory (os error 2)\n");
    assert_eq!(outcome.exit, Exit::Usage);
}

#[tokio::test]
async fn a_terminal_gets_text_only_and_is_not_read_from() {
    let broker = Broker::start().await;
    broker.answer(INVOKE, 200, &[("content-type", "image/jpeg")], &[0xFF, 0xD8]);
    let setting = Setting { stdin: b"typed", terminal: true, ..Setting::default() };
    let outcome = broker.run_in(setting, &["invoke", "thumbnail"]).await;
    insta::assert_snapshot!(outcome.shown(), @r#"
    ---
    the reply is 2 bytes of image/jpeg; it is not shown on a terminal: use --output FILE or a pipe
    --- Ok
    "#);
    assert_eq!(broker.last().body, "");
    broker.answer(INVOKE, 200, &[("content-type", "text/plain")], b"no newline");
    let setting = Setting { terminal: true, ..Setting::default() };
    assert_eq!(broker.run_in(setting, &["invoke", "thumbnail"]).await.out, "no newline\n");
}

pub(super) fn ask(venue: &str, cost: &str, basis: &str) -> AskView {
    AskView {
        venue: venue.to_owned(),
        deployment: format!("{venue}-512"),
        cost: cost.to_owned(),
        score: cost.to_owned(),
        latency_ms_p50: 41.25,
        latency_ms_p95: 180.0,
        basis: basis.to_owned(),
        samples: 1280,
        capacity: 1000,
        in_flight: 3,
        health: "healthy".to_owned(),
        sheet: "aws-lambda/us-east-1/x86_64".to_owned(),
        region: "us-east-1".to_owned(),
        isolation: "provider".to_owned(),
        architecture: "x86_64".to_owned(),
        list_cost: None,
        adjustments: Vec::new(),
        rule: None,
    }
}

fn exclusion() -> ExclusionView {
    ExclusionView {
        venue: "ali-cn".to_owned(),
        deployment: "ali-512".to_owned(),
        reason: "no-exchange-rate".to_owned(),
        detail: "its prices are in CNY, which has no exchange rate".to_owned(),
    }
}

#[tokio::test]
async fn quotes_are_shown_in_merit_order() {
    let broker = Broker::start().await;
    let quote = QuoteView {
        function: "thumbnail".to_owned(),
        expires_at: "2026-11-21T12:00:05Z".to_owned(),
        asks: vec![ask("gcp-us", "0.0000022", "measured"), ask("aws-us-east-1", "0.000002291671", "borrowed")],
        excluded: vec![exclusion()],
    };
    broker.json("POST /v1/functions/thumbnail/quotes", &quote);
    let outcome = broker.run(&["quote", "thumbnail", "--max-price", "0.0001", "--max-latency", "200ms"]).await;
    insta::assert_snapshot!(outcome.shown(), @r#"
    thumbnail: 2 of 3 deployments meet the terms
    VENUE          DEPLOYMENT         PER MILLION    SCORE      P50       P95  BASIS     CALLS  RUNNING  HEALTH   SHEET
    gcp-us         gcp-us-512             $2.2000  $2.2000  41.2 ms  180.0 ms  measured   1280   3/1000  healthy  aws-lambda/us-east-1/x86_64
    aws-us-east-1  aws-us-east-1-512      $2.2917  $2.2917  41.2 ms  180.0 ms  borrowed   1280   3/1000  healthy  aws-lambda/us-east-1/x86_64

    not eligible
    VENUE   DEPLOYMENT  REASON            DETAIL
    ali-cn  ali-512     no-exchange-rate  its prices are in CNY, which has no exchange rate
    ---
    costs that are not measured are guesses: `borrowed` from a sibling, or `assumed`
    expected to stand until 2026-11-21T12:00:05Z
    --- Ok
    "#);
    assert_eq!(broker.last().body, r#"{"max_price":"0.0001","max_latency_ms":200}"#);
    let json = broker.run(&["quote", "thumbnail", "--json"]).await;
    assert_eq!(serde_json::from_str::<QuoteView>(&json.out).expect("a quote"), quote);
}

#[tokio::test]
async fn a_book_is_shown_in_color_on_a_terminal() {
    let broker = Broker::start().await;
    let book = BookView {
        function: "thumbnail".to_owned(),
        version: 42,
        asks: vec![ask("aws-us-east-1", "0.000002", "measured")],
        excluded: Vec::new(),
    };
    broker.json("GET /v1/functions/thumbnail/book", &book);
    let terminal = |env: &[(&'static str, &str)]| Setting {
        terminal: true,
        env: env.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
        ..Setting::default()
    };
    let colored = broker.run_in(terminal(&[]), &["book", "thumbnail"]).await.out;
    assert!(colored.starts_with("\u{1b}[1mthumbnail: 1 asks, version 42\u{1b}[0m\n\u{1b}[2mVENUE"), "{colored:?}");
    let plain = broker.run_in(terminal(&[("NO_COLOR", "1")]), &["book", "thumbnail"]).await.out;
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    let never = broker.run_in(terminal(&[]), &["book", "thumbnail", "--color", "never"]).await.out;
    assert_eq!(never, plain);
    let always = broker.run(&["book", "thumbnail", "--color", "always"]).await.out;
    assert_eq!(always, colored);
}

pub(super) fn receipt() -> ReceiptView {
    let attempt = |venue: &str, result: &str, outcome: &str, charge: &str, message: &str| AttemptView {
        venue: venue.to_owned(),
        deployment: format!("{venue}-512"),
        result: result.to_owned(),
        outcome: outcome.to_owned(),
        message: message.to_owned(),
        duration_ms: 12.5,
        charge: charge.to_owned(),
        estimated: false,
    };
    let candidate = |venue: &str, cost: Option<&str>, excluded: Option<&str>| CandidateView {
        venue: venue.to_owned(),
        deployment: format!("{venue}-512"),
        cost: cost.map(str::to_owned),
        excluded: excluded.map(str::to_owned),
    };
    ReceiptView {
        kind: None,
        shadows: None,
        event: None,
        id: ID.to_owned(),
        at: "2026-11-21T12:00:00Z".to_owned(),
        function: "thumbnail".to_owned(),
        account: "search".to_owned(),
        key: "k1".to_owned(),
        status: "ok".to_owned(),
        venue: Some("aws".to_owned()),
        deployment: Some("aws-512".to_owned()),
        estimate: "0.0000023".to_owned(),
        charge: "0.0000022".to_owned(),
        estimated: false,
        list_charge: None,
        adjustments: Vec::new(),
        meters: vec![
            MeterView { meter: "request".to_owned(), quantity: "1".to_owned() },
            MeterView { meter: "gb_second".to_owned(), quantity: "0.1255".to_owned() },
        ],
        duration_ms: 290.61,
        overhead_us: 85,
        least_bad: false,
        explored: false,
        tags: vec!["team=search".to_owned()],
        attempts: vec![
            attempt("pool", "throttled", "not-started", "0", "try again in 1 s"),
            attempt("aws", "ok", "ran", "0.0000022", ""),
        ],
        candidates: vec![
            candidate("ali", None, Some("no-exchange-rate")),
            candidate("gcp", Some("0.0000040"), None),
            candidate("aws", Some("0.0000023"), None),
            candidate("pool", Some("0.0000001"), None),
            candidate("azure", Some("0.0000134"), Some("over-max-price")),
        ],
        error: None,
    }
}

#[tokio::test]
async fn a_correction_is_explained_as_no_call() {
    let broker = Broker::start().await;
    let status = "correction".to_owned();
    let (attempts, candidates, meters) = (Vec::new(), Vec::new(), Vec::new());
    let correction = ReceiptView { status, charge: "-0.003".to_owned(), attempts, candidates, meters, ..receipt() };
    broker.json(&format!("GET /v1/invocations/{ID}"), &correction);
    let outcome = broker.run(&["explain", ID]).await;
    insta::assert_snapshot!(outcome.shown(), @"
    thumbnail 0199f0a2-7c1e-7c3a-9d4e-0a1b2c3d4e5f: correction
    counts at  2026-11-21T12:00:00Z
    paid by    search (imported by key k1)
    ran at     aws, aws-512
    corrected  -$0.003: what the provider billed beyond what calls before had been charged; see `merit venues reconcile`
    ---
    --- Ok
    ");
}

#[tokio::test]
async fn explain_tells_the_story() {
    let broker = Broker::start().await;
    broker.json(&format!("GET /v1/invocations/{ID}"), &receipt());
    let outcome = broker.run(&["explain", ID]).await;
    insta::assert_snapshot!(outcome.shown(), @r#"
    thumbnail 0199f0a2-7c1e-7c3a-9d4e-0a1b2c3d4e5f: ok
    admitted   2026-11-21T12:00:00Z
    paid by    search (key k1)
    took       290.6 ms, 85 us of it Merit's own
    answered   aws, aws-512: chosen for its price
    tags       team=search

    candidates, cheapest first
    VENUE  DEPLOYMENT  PER MILLION  VERDICT
    pool   pool-512        $0.1000  tried
    aws    aws-512         $2.3000  answered
    gcp    gcp-512         $4.0000  eligible
    azure  azure-512      $13.4000  excluded: over-max-price
    ali    ali-512               -  excluded: no-exchange-rate

    attempts
    VENUE  DEPLOYMENT  RESULT     OUTCOME         TOOK      CHARGE  MESSAGE
    pool   pool-512    throttled  not-started  12.5 ms          $0  try again in 1 s
    aws    aws-512     ok         ran          12.5 ms  $0.0000022  -

    billed
    METER      QUANTITY
    request           1
    gb_second    0.1255

    charge
    charged    $0.0000022
    estimate   $0.0000023: the charge is 4.3 % below it
    next best  $0.000004 at gcp, gcp-512: the charge is 45.0 % below it
    ---
    --- Ok
    "#);
}

#[tokio::test]
async fn a_refused_invocation_has_a_story_too() {
    let broker = Broker::start().await;
    let refused = ReceiptView {
        status: "refused".to_owned(),
        venue: None,
        deployment: None,
        charge: "0".to_owned(),
        estimate: "0".to_owned(),
        meters: Vec::new(),
        attempts: Vec::new(),
        error: Some("no deployment meets the terms".to_owned()),
        candidates: receipt().candidates.into_iter().filter(|candidate| candidate.excluded.is_some()).collect(),
        ..receipt()
    };
    broker.json(&format!("GET /v1/invocations/{ID}"), &refused);
    insta::assert_snapshot!(broker.run(&["explain", ID]).await.shown(), @r#"
    thumbnail 0199f0a2-7c1e-7c3a-9d4e-0a1b2c3d4e5f: refused
    admitted   2026-11-21T12:00:00Z
    paid by    search (key k1)
    took       290.6 ms, 85 us of it Merit's own
    tags       team=search
    error      no deployment meets the terms

    candidates, cheapest first
    VENUE  DEPLOYMENT  PER MILLION  VERDICT
    azure  azure-512      $13.4000  excluded: over-max-price
    ali    ali-512               -  excluded: no-exchange-rate

    charge
    charged    $0
    estimate   $0
    ---
    --- Ok
    "#);
}

#[tokio::test]
async fn an_old_charge_is_computed_again_and_a_difference_fails() {
    let broker = Broker::start().await;
    let mut view = RepricedView {
        id: ID.to_owned(),
        charge: "0.000030273254".to_owned(),
        repriced: Some("0.000030273254".to_owned()),
        same: true,
        why: None,
        sheet: Some("alibaba-fc/cn".to_owned()),
        seq: Some(2),
        source: Some("a page, 2026-11-21".to_owned()),
        currency: Some("CNY".to_owned()),
        usd: Some("0.1405".to_owned()),
        lines: vec![RepricedLine {
            meter: "compute_unit".to_owned(),
            quantity: "1.9588".to_owned(),
            free: "0".to_owned(),
            prepaid: None,
            charge: "0.000030273254".to_owned(),
        }],
        adjustments: Vec::new(),
    };
    let line = format!("GET /v1/invocations/{ID}/repriced");
    broker.json(&line, &view);
    insta::assert_snapshot!(broker.run(&["explain", ID, "--reprice"]).await.shown(), @r#"
    sheet      alibaba-fc/cn, number 2
    source     a page, 2026-11-21
    currency   CNY, at 0.1405 dollars
    METER         QUANTITY  OF IT FREE           CHARGE
    compute_unit    1.9588           0  $0.000030273254
    charged    $0.000030273254
    comes to   $0.000030273254, the same
    ---
    --- Ok
    "#);
    (view.same, view.repriced) = (false, Some("0.00004".to_owned()));
    view.why = Some("the sheet that is kept has other prices".to_owned());
    broker.json(&line, &view);
    let outcome = broker.run(&["explain", ID, "--reprice"]).await;
    assert_eq!(outcome.exit, Exit::Failed);
    assert!(outcome.err.contains("they differ: the sheet that is kept has other prices"), "{}", outcome.err);
    (view.repriced, view.lines) = (None, Vec::new());
    broker.json(&line, &view);
    assert!(broker.run(&["explain", ID, "--reprice"]).await.err.contains("it can't be computed again: the sheet"));
}
