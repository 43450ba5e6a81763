//! Configurations good and bad, and the demo's.

use merit_units::Micros;

use super::{Protocol, Provider, SimConfig, TimeScale};

#[test]
fn the_demo_can_be_played() {
    let demo = SimConfig::demo();
    assert_eq!(demo.models().map(|models| models.len()), Ok(11));
    let providers: std::collections::HashSet<_> = demo.clouds.iter().map(|cloud| cloud.provider).collect();
    assert_eq!(providers.len(), Provider::ALL.len(), "every provider takes part");
    assert!(demo.clouds.iter().any(|cloud| cloud.sheet.currency().as_str() == "CNY"));
}

#[test]
fn reads_a_file() {
    let config = SimConfig::parse(
        r#"
seed = 7
time_scale = 0.25

[[cloud]]
name = "aws-us-east-1"
price_sheet = "aws-lambda/us-east-1/x86_64"

[[cloud]]
name = "fc"
price_sheet = "alibaba-fc/intl"
runtime = "python3.13"
round_trip_ms = 200
concurrency = 10
past_grant = false
memory_mb = 1_024
vcpu_milli = 500
timeout_ms = 3000

[[cloud.function]]
name = "thumbnail-large"
runs = "thumbnail"
memory_mb = 2048
vcpu_milli = 1000
"#,
    )
    .expect("a configuration");
    assert_eq!((config.seed, config.time_scale, config.clouds.len()), (7, TimeScale { ppm: 250_000 }, 2));
    let [aws, fc] = config.clouds.as_slice() else { panic!("two clouds") };
    assert_eq!((aws.provider, aws.concurrency, aws.runtime.as_str()), (Provider::AwsLambda, 1000, "rust"));
    assert_eq!((aws.round_trip, aws.past_grant), (None, true));
    assert_eq!((fc.round_trip, fc.past_grant), (Some(Micros::from_millis(200)), false));
    let large = &fc.functions[0];
    assert_eq!((large.name.as_str(), large.runs.as_str()), ("thumbnail-large", "thumbnail"));
    assert_eq!((large.size.memory.megabytes(), large.size.timeout), (2048, Micros::from_secs(3)));
    config.models().expect("it can be played");
}

#[test]
fn reports_every_mistake_with_its_line() {
    let errors = SimConfig::parse(
        r#"seeds = 7
time_scale = 2.0
[[cloud]]
name = "aws us"
price_sheet = "aws-lambda/mars-1/x86_64"
memory_mb = 0
concurrency = -1
[[cloud]]
name = "fc"
price_sheet = "alibaba-fc/intl"
vcpu_milli = 12345
runtime = "cobol"
past_grant = "yes"
[[cloud.function]]
run = "thumbnail"
timeout_ms = 0
[[cloud]]
name = "fc"
price_sheet = "tencent-scf/cn"
provider = "tencent"
"#,
    )
    .expect_err("refused");
    let found: Vec<(usize, &str)> = errors.mistakes.iter().map(|mistake| (mistake.line, mistake.at.as_str())).collect();
    for expected in [
        (1, "the file, seeds"),
        (2, "the file, time_scale"),
        (4, "cloud aws us, name"),
        (5, "cloud aws us, price_sheet"),
        (6, "cloud aws us, memory_mb"),
        (7, "cloud aws us, concurrency"),
        (13, "cloud fc, past_grant"),
        (15, "function 1, run"),
        (14, "function 1"),
        (16, "function 1, timeout_ms"),
        (8, "cloud fc"),
        (20, "cloud fc, provider"),
    ] {
        assert!(found.contains(&expected), "{expected:?} is not in {found:#?}");
    }
    let text = errors.to_string();
    assert!(text.contains("line 1: the file, seeds: is not a key here; there are seed, time_scale, cloud"), "{text}");
    assert!(text.contains("runtime `cobol` was not measured; use one of dotnet10"), "{text}");
    assert!(text.contains("12.345 vCPU is not sold"), "{text}");
}

#[test]
fn says_when_there_is_nothing_to_play() {
    assert!(SimConfig::parse("").expect_err("refused").to_string().contains("add at least one [[cloud]]"));
    assert!(SimConfig::parse("seed =").expect_err("refused").to_string().contains("line 1"));
    let twice = "[[cloud]]\nname = \"a\"\nprice_sheet = \"tencent-scf/cn\"\n".repeat(2);
    assert!(SimConfig::parse(&twice).expect_err("refused").to_string().contains("line 4: cloud a: is there twice"));
}

#[test]
fn clouds_made_in_code_are_checked_too() {
    let mut config = SimConfig::demo();
    config.clouds[0].runtime = "cobol".to_owned();
    let again = config.clouds[1].clone();
    config.clouds.push(again);
    let problems = config.models().expect_err("refused").problems;
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("aws-us-east-1: runtime `cobol`") && problems[1].ends_with("is there twice"));
}

#[test]
fn time_scales_are_shares() {
    assert_eq!("0.1".parse(), Ok(TimeScale { ppm: 100_000 }));
    assert_eq!("1".parse(), Ok(TimeScale::REAL));
    assert_eq!("0".parse(), Ok(TimeScale::INSTANT));
    for bad in ["", "-1", "1.1", "0.0000001", "1e-1", "nan", "."] {
        assert!(bad.parse::<TimeScale>().is_err(), "{bad}");
    }
    let tenth = TimeScale { ppm: 100_000 };
    assert_eq!((tenth.real(Micros::new(50)), tenth.modelled(Micros::new(5))), (Micros::new(5), Micros::new(50)));
    assert_eq!(tenth.to_string(), "0.1");
    assert_eq!((TimeScale::REAL.to_string(), TimeScale::INSTANT.to_string()), ("1".to_owned(), "0".to_owned()));
}

#[test]
fn reads_a_cloud_that_speaks_lambda() {
    let config = SimConfig::parse(
        r#"
[[cloud]]
name = "aws"
price_sheet = "aws-lambda/eu-west-1/arm64"
protocol = "lambda"
account = "210987654321"
json_payloads = false

[[cloud.key]]
access_key_id = "AKID"
secret_access_key = "do not show"

[[cloud.function]]
name = "f"
versions = 2
aliases = { prod = "2" }
tags = { "merit:function" = "f" }
reserved_concurrency = 3
provisioned_concurrency = { prod = 1 }
"#,
    )
    .expect("a configuration");
    let Protocol::Lambda(account) = &config.clouds[0].protocol else { panic!("it speaks Lambda's protocol") };
    assert_eq!((account.region.as_str(), account.account.as_str()), ("eu-west-1", "210987654321"));
    assert!(!account.json_payloads);
    assert!(!format!("{config:?}").contains("do not show"), "secrets are not shown");
    let function = &config.clouds[0].functions[0].lambda;
    assert_eq!((function.version(Some("prod")), function.version(None)), (Some("2"), Some("$LATEST")));
    assert_eq!((function.version(Some("3")), function.version(Some("02"))), (None, None));
    assert_eq!((function.reserved_concurrency, function.provisioned_concurrency["prod"]), (Some(3), 1));
}

#[test]
fn mistakes_about_lambda_are_found() {
    let errors = SimConfig::parse(
        r#"
[[cloud]]
name = "aws"
price_sheet = "aws-lambda/us-east-1/x86_64"
protocol = "lambda"
region = "mars"
account = "12"

[[cloud.function]]
name = "f"
aliases = { "a b" = "1", c = 2 }
provisioned_concurrency = { prod = 1 }

[[cloud]]
name = "google"
price_sheet = "google-run/tier1"
region = "us-east-1"

[[cloud]]
name = "other"
price_sheet = "google-run/tier1"
protocol = "grpc"

[[cloud]]
name = "unplaced"
price_sheet = "google-run/tier1"
protocol = "lambda"

[[cloud.key]]
access_key_id = "AKID"
"#,
    )
    .expect_err("mistakes")
    .to_string();
    for words in [
        "line 6: cloud aws, region: `mars` is not a region",
        "line 7: cloud aws, account: `12` is not a number of twelve digits",
        "cloud aws: `key` is missing; add at least one [[cloud.key]]",
        "`a b` is no alias",
        "`c` must be a version in quotes",
        "alias `a b` stands for version `1`, and there are 0 versions",
        "provisioned_concurrency names `prod`, which is no version and no alias",
        "cloud google, region: is only for protocol = \"lambda\" or \"google\"",
        "cloud other, protocol: `grpc` is none; use native, lambda, fc, scf, google, azure, workers, openfaas or knative",
        "cloud unplaced: `region` is missing",
        "key 1: `secret_access_key` is missing",
    ] {
        assert!(errors.contains(words), "{words}: {errors}");
    }
}

#[test]
fn clouds_of_tencent_and_cloudflare_are_read_and_their_secrets_not_shown() {
    let config = SimConfig::parse(
        r#"
[[cloud]]
name = "scf"
price_sheet = "tencent-scf/cn"
protocol = "scf"
gateway_events = true

[[cloud.key]]
access_key_id = "AKID"
secret_access_key = "do not show"

[[cloud]]
name = "workers"
price_sheet = "cloudflare-workers"
protocol = "workers"
bearer_token = "do not show"
access_client_id = "id.access"
access_client_secret = "do not show"
"#,
    )
    .expect("a configuration");
    assert!(!format!("{config:?}").contains("do not show"), "secrets are not shown");
    let Protocol::Scf(scf) = &config.clouds[0].protocol else { panic!("it speaks SCF's protocol") };
    assert!(scf.gateway_events && scf.keys.len() == 1);
    let Protocol::Workers(gate) = &config.clouds[1].protocol else { panic!("it is Workers") };
    assert!(gate.bearer_token.is_some() && gate.access.is_some());
    let errors = SimConfig::parse(
        "[[cloud]]\nname = \"w\"\nprice_sheet = \"cloudflare-workers\"\nprotocol = \"workers\"\naccess_client_id = \"i\"\n\
         gateway_events = true\n",
    );
    let errors = errors.expect_err("mistakes").to_string();
    assert!(errors.contains("`access_client_secret` is missing"), "{errors}");
    assert!(errors.contains("gateway_events: is only for protocol = \"scf\""), "{errors}");
}

const OWN: &str = r#"
[[cloud]]
name = "faas"
price_sheet = "own/default"
protocol = "openfaas"
gateway_password = "do not show"

[[cloud]]
name = "knative"
price_sheet = "own/default"
protocol = "knative"
domain = "apps.example.com"
namespace = "images"
queue_depth = 7
api_token = "do not show"
cloudevents = true
"#;

#[test]
fn platforms_on_ones_own_machines_are_read_and_their_secrets_not_shown() {
    let config = SimConfig::parse(OWN).expect("a configuration");
    assert!(!format!("{config:?}").contains("do not show"), "secrets are not shown");
    config.models().expect("they can be played");
    assert!(config.clouds.iter().all(|cloud| cloud.provider == Provider::Own));
    let Protocol::OpenFaas(gateway) = &config.clouds[0].protocol else { panic!("it is a gateway") };
    let known = gateway.credentials.as_ref().map(|(user, password)| (user.as_str(), password.as_str()));
    assert_eq!((gateway.namespace.as_str(), known), ("openfaas-fn", Some(("admin", "do not show"))));
    let Protocol::Knative(ingress) = &config.clouds[1].protocol else { panic!("it is an ingress") };
    assert_eq!((ingress.queue_depth, ingress.cloudevents, ingress.api_token.is_some()), (Some(7), true, true));
    let service = |host| ingress.service(host);
    assert_eq!(service("resize.images.apps.example.com:80"), Some("resize"));
    for other in ["resize.images.example.com", "resizeimages.apps.example.com", "resize.web.apps.example.com", ""] {
        assert_eq!(service(other), None, "{other}");
    }
}

#[test]
fn mistakes_about_platforms_are_found() {
    for (from, to, problem) in [
        ("gateway_password = \"do not show\"", "gateway_user = \"me\"", "cloud faas: `gateway_password` is missing"),
        ("gateway_password", "gateway_user = \"a:b\"\ngateway_password", "gateway_user: has a `:`"),
        ("gateway_password", "namespace = \"Images\"\ngateway_password", "namespace: `Images` is no namespace"),
        ("gateway_password", "queue_depth = 7\ngateway_password", "queue_depth: is only for protocol = \"knative\""),
        ("apps.example.com", "https://example.com/", "domain: `https://example.com/` is no domain; write one such as"),
        ("\"images\"", "\"-\"", "namespace: `-` is no namespace; use small letters, digits and `-`"),
        ("queue_depth = 7", "queue_depth = -7", "queue_depth: must be a whole number from 0 up"),
        ("cloudevents = true", "cloudevents = 1", "cloudevents: must be true or false"),
        ("api_token", "gateway_password = \"x\"\napi_token", "gateway_password: is only for protocol = \"openfaas\""),
    ] {
        let errors = SimConfig::parse(&OWN.replace(from, to)).expect_err(problem);
        assert!(errors.mistakes.len() == 1 && errors.to_string().contains(problem), "{problem}: {errors}");
    }
}
