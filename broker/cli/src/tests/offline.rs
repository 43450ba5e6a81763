//! `catalog`, `config`, `completions`: what works without a broker.

use super::{Setting, refused, run};
use crate::Exit;

async fn price(line: &[&str]) -> serde_json::Value {
    let mut whole = vec!["catalog", "price", "--json"];
    whole.extend(line);
    let outcome = run(&whole).await;
    assert_eq!(outcome.exit, Exit::Ok, "{outcome:?}");
    serde_json::from_str(&outcome.out).expect("JSON")
}

async fn charge(line: &[&str]) -> String {
    price(line).await["charge"].as_str().expect("a string").to_owned()
}

/// A command line of `catalog price` and the charge it must come to, from the providers' published rules.
const CHARGES: [(&str, &str); 14] = [
    ("aws-lambda/us-east-1/x86_64 --memory-mb 128 --duration-ms 12.34", "0.000000227083"),
    ("aws-lambda/us-east-1/x86_64 --memory-mb 128 --duration-ms 12.34 --init-ms 180.2", "0.000000602084"),
    ("aws-lambda/us-east-1/x86_64 --memory-mb 512 --duration-ms 250.5", "0.000002291671"),
    ("azure-flex/eastus --memory-mb 512 --duration-ms 12.34", "0.0000134"),
    ("azure-flex/eastus --memory-mb 2048 --duration-ms 300", "0.0000524"),
    ("azure-consumption/eastus --memory-mb 128 --duration-ms 12.34", "0.0000004"),
    ("google-run/tier2 --memory-mb 128 --vcpu 0.083 --duration-ms 100", "0.00000072263"),
    ("google-run/tier1 --memory-mb 2048 --vcpu 1 --duration-ms 1500.01", "0.0000468"),
    ("alibaba-fc/intl --memory-mb 512 --vcpu 0.35 --duration-ms 250.5", "0.0000022835"),
    ("alibaba-fc/cn --memory-mb 2048 --vcpu 1 --duration-ms 1500.01", "0.000215468"),
    ("tencent-scf/cn --memory-mb 2048 --duration-ms 1500.01", "0.00033479216"),
    ("cloudflare-workers --cpu-ms 100", "0.0000023"),
    ("aws-lambda/us-east-1/x86_64 --memory-mb 128 --duration-ms 12.34 --requests 1000000", "0.2270833875"),
    ("aws-lambda/us-east-1/x86_64 --memory-mb 128 --duration-ms 12.34 --requests 3", "0.00000068125"),
];

#[tokio::test]
async fn calls_are_priced_to_the_picodollar() {
    for (line, expected) in CHARGES {
        let line: Vec<&str> = line.split(' ').collect();
        assert_eq!(charge(&line).await, expected, "{line:?}");
    }
}

#[tokio::test]
async fn the_answer_for_programs_has_five_fields() {
    let line = ["aws-lambda/us-east-1/x86_64", "--memory-mb", "128", "--duration-ms", "12.34"];
    let answer = price(&line).await;
    insta::assert_snapshot!(serde_json::to_string_pretty(&answer).expect("JSON"), @r#"
    {
      "billed": {
        "egress_gb": "0",
        "ephemeral_gb_second": "0",
        "gb_second": "0.001625",
        "request": "1"
      },
      "charge": "0.000000227083",
      "currency": "USD",
      "rule": "time rounded up to 1 ms; initialisation billed; memory as configured, 128 to 10240 MB in steps of 1 MB",
      "sheet": "aws-lambda/us-east-1/x86_64"
    }
    "#);
    let keys: Vec<&str> = answer.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(keys, ["billed", "charge", "currency", "rule", "sheet"]);
    let mut line = line.to_vec();
    line.splice(0..0, ["catalog", "price"]);
    insta::assert_snapshot!(run(&line).await.shown(), @r#"
    0.000000227083 USD for 1 call under aws-lambda/us-east-1/x86_64
    METER        BILLED
    request           1
    gb_second  0.001625
    time rounded up to 1 ms; initialisation billed; memory as configured, 128 to 10240 MB in steps of 1 MB
    ---
    --- Ok
    "#);
}

#[tokio::test]
async fn the_month_to_date_moves_the_price() {
    let call = ["aws-lambda/us-east-1/x86_64", "--memory-mb", "1024", "--duration-ms", "1000", "--month-to-date"];
    let after = async |used: &[&str]| {
        let mut line = call.to_vec();
        line.extend(used);
        charge(&line).await
    };
    assert_eq!(after(&["request=0", "gb_second=0"]).await, "0");
    assert_eq!(after(&["GB-s=0"]).await, "0.0000002", "the request is past its grant");
    assert_eq!(after(&["gb_second=399999.5", "requests=1000000"]).await, "0.00000853335");
    assert_eq!(after(&["gb_second=7000000000"]).await, "0.0000152");
    assert_eq!(after(&["gb_second=20000000000"]).await, "0.0000135334");
}

#[tokio::test]
async fn what_is_billed_must_be_given() {
    for (line, expected) in [
        (vec!["aws-lambda/us-east-1/x86_64", "--memory-mb", "128"], "bills the duration; give --duration-ms"),
        (vec!["aws-lambda/us-east-1/x86_64", "--duration-ms", "1"], "bills memory; give --memory-mb"),
        (vec!["cloudflare-workers"], "bills CPU time; give --cpu-ms"),
        (
            vec!["alibaba-fc/cn", "--memory-mb", "128", "--duration-ms", "1"],
            "bills the configured vCPU and none is given",
        ),
        (vec!["aws-lambda/us-east-1/x86_64", "--memory-mb", "64", "--duration-ms", "1"], "choose 128 to 10240 MB"),
        (vec!["aws-lambda/us-east-1/x86", "--memory-mb", "64"], "did you mean aws-lambda/us-east-1/x86_64?"),
        (
            vec!["own/default", "--memory-mb", "64", "--duration-ms", "1", "--month-to-date", "cu=1"],
            "does not bill compute_unit",
        ),
        (
            vec!["aws-lambda/us-east-1/x86_64", "--memory-mb", "128", "--duration-ms", "1", "--architecture", "arm64"],
            "choose the sheet of its architecture",
        ),
    ] {
        let mut whole = vec!["catalog", "price"];
        whole.extend(line);
        let outcome = run(&whole).await;
        assert_eq!((outcome.exit, outcome.out.as_str()), (Exit::Usage, ""), "{outcome:?}");
        assert!(outcome.err.contains(expected), "{}", outcome.err);
    }
    let line = ["catalog", "price", "aws-lambda/us-east-1/x86_64", "--duration-ms", "12.3456"];
    assert!(refused(&line).contains("12.3456 has digits below a microsecond; write at most three decimals"));
    assert!(refused(&["catalog", "price", "x", "--month-to-date", "furlong=1"]).contains("`furlong` is not a meter"));
    assert!(refused(&["catalog", "price", "x", "--requests", "0"]).contains("0 is not in"));
}

#[tokio::test]
async fn every_sheet_has_a_rule_and_can_be_shown() {
    let list = run(&["catalog", "list", "--json"]).await;
    let list: serde_json::Value = serde_json::from_str(&list.out).expect("JSON");
    let sheets = list["sheets"].as_array().expect("sheets");
    assert!(sheets.len() > 50, "{}", sheets.len());
    for sheet in sheets {
        let name = sheet["sheet"].as_str().expect("a name");
        let outcome = run(&["catalog", "show", name]).await;
        assert_eq!(outcome.exit, Exit::Ok, "{outcome:?}");
        let rule = outcome.out.lines().nth(1).expect("a rule");
        assert!(rule.contains("rounded"), "{name}: {rule}");
    }
    let mut rules = String::new();
    for name in [
        "aws-lambda/us-east-1/x86_64",
        "azure-consumption/eastus",
        "azure-flex/eastus",
        "google-run/tier1",
        "alibaba-fc/cn",
        "tencent-scf/cn",
        "cloudflare-workers",
        "own/default",
    ] {
        let outcome = run(&["catalog", "show", name]).await;
        rules.push_str(&format!("{name}: {}\n", outcome.out.lines().nth(1).expect("a rule")));
    }
    insta::assert_snapshot!(rules, @r#"
    aws-lambda/us-east-1/x86_64: time rounded up to 1 ms; initialisation billed; memory as configured, 128 to 10240 MB in steps of 1 MB
    azure-consumption/eastus: time rounded up to 1 ms, at least 100 ms; initialisation free; memory as observed, at most 1536 MB
    azure-flex/eastus: time rounded up to 100 ms, at least 1000 ms; initialisation free; memory as configured, one of 512, 2048, 4096 MB; concurrent requests share an instance
    google-run/tier1: time rounded up to 100 ms; initialisation billed; memory as configured, 128 to 32768 MB in steps of 1 MB; vCPU as configured or by memory, 0.08 to 8 vCPU in steps of 0.001; concurrent requests share an instance
    alibaba-fc/cn: time rounded up to 1 ms; initialisation billed; memory as configured, 128 to 32768 MB in steps of 64 MB; vCPU as configured, 0.05 to 16 vCPU in steps of 0.05; concurrent requests share an instance; compute_unit = 1 x vcpu_seconds + 0.15 x memory_seconds + 0.0075 x requests + 0.05 x ephemeral_seconds; the invoice rounds each function's hour up to whole units
    tencent-scf/cn: time rounded up to 1 ms; initialisation free; memory as configured, one of 64, 128, 256, 384, 512, 640, 768, 896, 1024, 1152, 1280, 1408, 1536, 1664, 1792, 1920, 2048, 2176, 2304, 2432, 2560, 2688, 2816, 2944, 3072 MB
    cloudflare-workers: time rounded up to 1 ms; initialisation free; memory as configured, at most 128 MB
    own/default: time rounded up to 0.001 ms; initialisation billed; memory as configured, 1 to 1048576 MB in steps of 1 MB; vCPU as configured or by memory, 0.001 to 1024 vCPU in steps of 0.001
    "#);
}

/// What only a broker knows is refused with where to get it; a slip of the pen as before.
#[tokio::test]
async fn regions_that_are_not_built_in_are_said_to_be_elsewhere() {
    for (line, wanted) in [
        ("catalog price azure-flex/westeurope --memory-mb 512 --duration-ms 10", "`merit catalog show SHEET --live`"),
        ("catalog show aws-lambda/mx-central-1/arm64", "of aws-lambda/mx-central-1/arm64 are not built in"),
        ("catalog show azure-flux/westeurope", "azure-flux/westeurope is not in the catalogue"),
    ] {
        let outcome = run(&line.split(' ').collect::<Vec<_>>()).await;
        assert_eq!(outcome.exit, Exit::Usage, "{outcome:?}");
        assert!(outcome.err.contains(wanted), "{wanted}: {}", outcome.err);
    }
    let listed = run(&["catalog", "list", "westeurope"]).await;
    assert!(listed.out.is_empty() && listed.err.contains("`merit catalog refresh`"), "{listed:?}");
    let line = "catalog compare --memory-mb 512 --duration-ms 10 --calls 1e6 --region westeurope --region eastus";
    let compared = run(&line.split(' ').collect::<Vec<_>>()).await;
    assert!(compared.out.contains("region westeurope: no sheet of it is built in"), "{}", compared.out);
    assert!(!compared.out.contains("region eastus:"), "{}", compared.out);
}

#[tokio::test]
async fn the_catalogue_is_listed_and_shown() {
    insta::assert_snapshot!(run(&["catalog", "list", "google"]).await.shown(), @r#"
    SHEET                       CURRENCY  METERS                                       RETRIEVED   SOURCE
    google-run/tier1            USD       request, vcpu_second, gib_second, egress_gb  2026-11-21  partly second-hand
    google-run/tier1/always-on  USD       vcpu_second, gib_second, egress_gb           2026-11-21  partly second-hand
    google-run/tier2            USD       request, vcpu_second, gib_second, egress_gb  2026-11-21  partly second-hand
    ---
    --- Ok
    "#);
    insta::assert_snapshot!(run(&["catalog", "show", "cloudflare-workers"]).await.shown(), @r#"
    cloudflare-workers, in USD
    time rounded up to 1 ms; initialisation free; memory as configured, at most 128 MB

    prices
    METER          RATE  UP TO, A MONTH  SOURCE
    request   0.0000003               -  2026-11-21, Cloudflare Workers docs, platform/pricing.mdx at 07acbb6
    cpu_ms   0.00000002               -  2026-11-21, Cloudflare Workers docs, platform/pricing.mdx at 07acbb6

    free each month
    METER    QUANTITY
    request  10000000
    cpu_ms   30000000
    note: a Worker has 128 MB, and its CPU time is cut at 5 minutes
    source: Cloudflare Workers docs, platform/pricing.mdx at 07acbb6 (https://developers.cloudflare.com/workers/platform/pricing/, retrieved 2026-11-21)
    ---
    --- Ok
    "#);
}

#[tokio::test]
async fn the_default_configuration_checks_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("merit.toml");
    let template = run(&["config", "default"]).await;
    assert_eq!(template.out, merit_config::Config::default_template());
    std::fs::write(&file, template.out).expect("written");
    let path = file.to_str().expect("UTF-8");
    let outcome = run(&["config", "check", path]).await;
    assert_eq!(outcome.out, format!("{path}: no mistakes; 0 venues, 0 functions\n"));
    let env = vec![("MERIT_CONFIG", path.to_owned()), ("MERIT_LOG_LEVEL", "debug".to_owned())];
    let shown = Setting { env, ..Setting::default() }.run(&["config", "show"]).await.out;
    assert!(shown.starts_with(&format!("from {path}\nSETTING")), "{shown}");
    let line = shown.lines().find(|line| line.starts_with("log.level")).expect("the level");
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["log.level", "debug", "MERIT_LOG_LEVEL"]);
}

#[tokio::test]
async fn mistakes_are_reported_at_once_with_exit_code_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("merit.toml");
    std::fs::write(&file, "[server]\nmax_in_flight = 0\nport = 1\n").expect("written");
    let path = file.to_str().expect("UTF-8");
    let outcome = run(&["config", "check", path]).await;
    assert_eq!((outcome.exit.code(), outcome.err.lines().count()), (2, 2), "{outcome:?}");
    assert!(outcome.err.starts_with(&format!("{path}:2:17: server.max_in_flight: must be 1 to 1000000, got 0\n")));
    let outcome = run(&["config", "check", path, "--json"]).await;
    assert_eq!((outcome.exit, outcome.err.as_str()), (Exit::Usage, ""));
    let json: serde_json::Value = serde_json::from_str(&outcome.out).expect("JSON");
    assert_eq!(
        (json["mistakes"][1]["line"].as_u64(), json["mistakes"][1]["key"].as_str()),
        (Some(3), Some("server.port"))
    );
}

#[tokio::test]
async fn shells_get_their_completions() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let outcome = run(&["completions", shell]).await;
        assert!(outcome.out.contains("merit") && outcome.out.contains("idempotency-key"), "{shell}");
    }
}
