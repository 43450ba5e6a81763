//! The template is the documentation: what it says must be what holds.

use toml::de::DeTable;

use super::{mistakes, parse, parse_with};
use crate::Config;

#[test]
fn the_template_is_the_default() {
    let file = parse(Config::default_template()).expect("the template has no mistake");
    let none = Config::default();
    for (a, b) in [
        (format!("{:?}", file.server), format!("{:?}", none.server)),
        (format!("{:?}", file.store), format!("{:?}", none.store)),
        (format!("{:?}", file.secrets), format!("{:?}", none.secrets)),
        (format!("{:?}", file.log), format!("{:?}", none.log)),
        (format!("{:?}", file.limits), format!("{:?}", none.limits)),
        (format!("{:?}", file.market), format!("{:?}", none.market)),
        (format!("{:?}", file.events), format!("{:?}", none.events)),
        (format!("{:?}", file.providers), format!("{:?}", none.providers)),
        (format!("{:?}", file.equivalence), format!("{:?}", none.equivalence)),
        (format!("{:?}", file.feed), format!("{:?}", none.feed)),
        (format!("{:?}", file.exchange_rates), format!("{:?}", none.exchange_rates)),
    ] {
        assert_eq!(a, b);
    }
    assert!(file.venues.is_empty() && file.adjustments.is_empty());
    assert!(file.functions.is_empty() && file.accounts.is_empty());
}

#[test]
#[expect(clippy::too_many_lines, reason = "a line for each setting")]
fn the_defaults_change_only_on_purpose() {
    let config = Config::default();
    let shown = config.settings().iter().map(|setting| format!("{} = {}", setting.key, setting.value));
    insta::assert_snapshot!(shown.collect::<Vec<_>>().join("\n"), @r#"
    server.listen = 127.0.0.1:8780
    server.max_connections = 10000
    server.max_strangers = 4096
    server.max_in_flight = 4096
    server.max_payload_bytes = 6291456
    server.max_reply_bytes = 6291456
    server.max_streamed_bytes = 209715200
    server.max_url_bytes = 8192
    server.max_header_bytes = 32768
    server.header_timeout_ms = 10000
    server.linger_ms = 2000
    server.drain_timeout_ms = 30000
    server.worker_threads = 0
    server.max_callbacks = 1000
    store.dir = merit-data
    store.group_commit_rows = 1000
    store.group_commit_ms = 5
    store.queue = 100000
    store.receipts_retention_days = 90
    secrets.key_file = 
    log.format = text
    log.level = info
    limits.per_key_per_second = 10000
    limits.per_key_burst = 20000
    limits.per_account_per_second = 50000
    limits.per_account_burst = 100000
    limits.default_timeout_ms = 30000
    limits.max_timeout_ms = 900000
    limits.max_functions = 20000
    limits.max_deployments_per_function = 128
    limits.idempotency_ttl_hours = 24
    limits.max_tags = 16
    market.exploration_ppm = 10000
    market.trial_ppm = 10000
    market.hysteresis_ppm = 20000
    market.ramp_ppm_per_second = 200000
    market.eject_consecutive_failures = 5
    market.eject_failure_ppm = 500000
    market.eject_min_calls = 20
    market.eject_window_ms = 10000
    market.base_ejection_ms = 1000
    market.max_ejection_ms = 60000
    market.ejection_decay_ms = 60000
    market.probation_interval_ms = 200
    market.probation_successes = 3
    market.cap_grow_every_ms = 1000
    market.cap_grow_ppm = 50000
    market.throttle_pause_max_ms = 10000
    market.throttle_venue_window_ms = 1000
    market.burst_pause_ms = 1000
    market.retry_budget_ppm = 200000
    market.retry_burst = 100
    market.max_attempts = 3
    market.quote_ttl_ms = 5000
    market.price_stale_after_hours = 720
    events.max_queued = 100000
    events.max_queued_bytes = 1073741824
    events.max_payload_bytes = 1048576
    events.max_running = 256
    events.max_running_per_function = 64
    events.max_retries = 2
    events.retry_delay_s = 60
    events.backoff_ms = 1000
    events.max_backoff_ms = 300000
    events.max_age_s = 21600
    events.delivered_retention_hours = 24
    events.dead_letter_retention_days = 14
    events.max_dead_letters = 100000
    events.max_dead_letter_bytes = 1073741824
    events.destination_timeout_ms = 10000
    events.private_destinations = false
    feed.updates_per_second = 10
    feed.max_queued = 256
    feed.write_timeout_ms = 10000
    feed.max_connections = 1000
    feed.max_connections_per_key = 250
    feed.max_subscriptions = 100
    feed.max_message_bytes = 65536
    feed.max_candle_functions = 1000
    catalog.refresh_hours = 0
    catalog.max_move_percent = 25
    catalog.warn_after_days = 120
    catalog.max_file_bytes = 67108864
    catalog.max_pages = 200
    catalog.page_pause_ms = 200
    catalog.timeout_ms = 120000
    catalog.aws_lambda_url = https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AWSLambda/current/{region}/index.json
    catalog.aws_products_url = 
    catalog.aws_access_key_id = 
    catalog.aws_secret_access_key = 
    catalog.aws_session_token = 
    catalog.azure_functions_url = https://prices.azure.com/api/retail/prices?$filter=serviceName%20eq%20%27Functions%27
    catalog.google_run_url = https://cloudbilling.googleapis.com/v1/services/152E-C115-5142/skus?pageSize=5000
    catalog.google_api_key = 
    providers.max_offers = 10000
    providers.max_offers_per_function = 32
    providers.max_message_bytes = 8388608
    providers.max_quotes_per_second = 50000
    providers.max_changes_per_minute = 60
    providers.max_ttl_ms = 60000
    providers.heartbeat_ms = 1000
    providers.band_fall_percent = 30
    providers.band_rise_percent = 100
    providers.trial_calls = 100
    equivalence.account = equivalence
    equivalence.max_samples = 32
    equivalence.max_sample_bytes = 65536
    equivalence.shadow_ppm = 0
    equivalence.max_shadows = 16
    equivalence.quarantine_after = 3
    equivalence.max_divergences = 16
    equivalence.compare_command = 
    equivalence.compare_timeout_ms = 10000
    exchange_rates.stale_after_days = 35
    exchange_rates.list_url = 
    "#);
}

/// The template with its examples in force.
fn examples() -> String {
    let example = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => rest.to_owned(),
        _ => line.to_owned(),
    };
    Config::default_template().lines().map(example).collect::<Vec<_>>().join("\n")
}

/// Those that the examples name.
const VARIABLES: [&str; 20] = [
    "FAAS_USER",
    "FAAS_PASSWORD",
    "KUBERNETES_TOKEN",
    "RUN_US_AUTHORIZATION",
    "MERIT_AWS_EU_KEY",
    "MERIT_AWS_EU_SECRET",
    "MERIT_AWS_EU_TOKEN",
    "MERIT_ALIBABA_KEY",
    "MERIT_ALIBABA_SECRET",
    "MERIT_ALIBABA_TOKEN",
    "MERIT_AZURE_KEY",
    "MERIT_AZURE_SECRET",
    "MERIT_AZURE_ORDERS_KEY",
    "MERIT_TENCENT_ID",
    "MERIT_TENCENT_KEY",
    "MERIT_TENCENT_TOKEN",
    "MERIT_WORKERS_TOKEN",
    "MERIT_WORKERS_ACCESS_ID",
    "MERIT_WORKERS_ACCESS_SECRET",
    "MERIT_WORKERS_API_TOKEN",
];

#[test]
fn the_examples_are_right_and_show_the_defaults() {
    let folder = tempfile::tempdir().expect("a folder");
    for file in ["run-us-ca.pem", "workers-cpu.json"] {
        std::fs::write(folder.path().join(file), "").expect("written");
    }
    let source = crate::Source::File(folder.path().join("merit.toml"));
    let env = VARIABLES.into_iter().map(|name| (name, "x")).collect();
    let config = Config::parse(&examples(), &source, &env).expect("the examples have no mistake");

    let bare = "[venues.aws-us-east-1]\nkind = \"aws-lambda\"\nregion = \"us-east-1\"\n\
                [venues.tencent-guangzhou]\nkind = \"tencent-scf\"\nregion = \"ap-guangzhou\"\n\
                [venues.alibaba-singapore]\nkind = \"alibaba-fc\"\nregion = \"ap-southeast-1\"\n\
                [venues.google-us-central1]\nkind = \"google-run\"\nregion = \"us-central1\"\n\
                [venues.azure-eastus]\nkind = \"azure-functions\"\nregion = \"eastus\"\n\
                [venues.run-us]\nkind = \"http\"\nurl = \"https://functions.example.com/\"\nregion = \"us-central1\"\n\
                [functions.thumbnail.deployments.run-us-512]\nvenue = \"run-us\"\ntarget = \"thumbnail\"\nmemory_mb = 512\n";
    let bare = parse(bare).expect("right");
    let (shown, default) = (&config.venues["run-us"], &bare.venues["run-us"]);
    assert_eq!(
        (shown.isolation, shown.architecture, shown.concurrency, shown.meters, shown.max_connections),
        (default.isolation, default.architecture, default.concurrency, default.meters, default.max_connections)
    );
    assert_eq!(
        (shown.connect_timeout_ms, shown.first_byte_timeout_ms, shown.timeout_ms),
        (default.connect_timeout_ms, default.first_byte_timeout_ms, default.timeout_ms)
    );
    let lambda = |config: &Config| match &config.venues["aws-us-east-1"].kind {
        crate::VenueKind::AwsLambda(lambda) => (lambda.streaming, lambda.credentials_retry_ms),
        other => panic!("{other:?}"),
    };
    assert_eq!(lambda(&config), lambda(&bare));
    let fc = |config: &Config| match &config.venues["alibaba-singapore"].kind {
        crate::VenueKind::AlibabaFc(fc) => (fc.sign_triggers, fc.credentials_retry_ms),
        other => panic!("{other:?}"),
    };
    assert_eq!(fc(&config), fc(&bare));
    let google = |config: &Config| match &config.venues["google-us-central1"].kind {
        crate::VenueKind::GoogleRun(own) => (own.round_trip_ms, own.credentials_retry_ms),
        other => panic!("{other:?}"),
    };
    assert_eq!(google(&config), google(&bare));
    let azure = |config: &Config| match &config.venues["azure-eastus"].kind {
        crate::VenueKind::AzureFunctions(own) => (own.durable, own.round_trip_ms, own.credentials_retry_ms),
        other => panic!("{other:?}"),
    };
    assert_eq!(azure(&config), azure(&bare));
    let scf = |config: &Config| match &config.venues["tencent-guangzhou"].kind {
        crate::VenueKind::TencentScf(scf) => (scf.gateway_events, scf.older_action, scf.credentials_retry_ms),
        other => panic!("{other:?}"),
    };
    assert_eq!(scf(&config), scf(&bare));
    let (shown, default) = (&config.functions["thumbnail"], &bare.functions["thumbnail"]);
    assert_eq!((shown.timeout_ms, shown.value_of_time), (default.timeout_ms, default.value_of_time));
    assert_eq!(shown.deployments["run-us-512"].concurrency, default.deployments["run-us-512"].concurrency);
    assert_eq!(shown.deployments["run-us-512"].vcpu_milli, Some(333));
    let agreed = config.adjustments.values().map(|agreed| agreed.adjustment.to_string());
    insta::assert_snapshot!(agreed.collect::<Vec<_>>().join("\n"), @r"
    aws-deal (12.5 % off gb_second)
    aws-savings (500 USD committed a month)
    run-package (1000000 vcpu_second prepaid)
    ");
}

/// Each number of the template: section, key, and the range its comment promises.
fn promised() -> Vec<(String, String, u64, u64)> {
    let mut found = Vec::new();
    let (mut section, mut range) = (String::new(), None);
    for line in Config::default_template().lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if let Some(comment) = line.strip_prefix("# ") {
            range = comment.rsplit_once('(').and_then(|(_, rest)| {
                let (min, max) = rest.split_once(')')?.0.split_once(" to ")?;
                Some((min.parse().ok()?, max.parse().ok()?))
            });
        } else if let Some((key, value)) = line.split_once(" = ")
            && !line.starts_with('#')
            && value.parse::<u64>().is_ok()
        {
            let (min, max) = range.take().unwrap_or_else(|| panic!("{section}.{key} names no range"));
            found.push((section.clone(), key.to_owned(), min, max));
        }
    }
    found
}

#[test]
fn every_range_is_the_promised_one() {
    let promised = promised();
    assert_eq!(promised.len(), 98, "every number of the template");
    for (section, key, min, max) in promised {
        let with = |value: u64| format!("[{section}]\n{key} = {value}\n");
        let refused = format!("merit.toml:2:{}: {section}.{key}: must be {min} to {max}, got ", key.len() + 4);
        if min > 0 {
            assert_eq!(mistakes(&with(min - 1)), format!("{refused}{}", min - 1));
        }
        assert_eq!(mistakes(&with(max + 1)), format!("{refused}{}", max + 1));
        for value in [min, max] {
            if let Err(error) = parse(&with(value)) {
                assert!(error.to_string().contains("must be at most max_"), "{error}");
            }
        }
    }
}

#[test]
fn a_price_lists_address_is_a_url_or_none() {
    let url =
        |text: &str| parse(&format!("[catalog]\naws_lambda_url = \"{text}\"\n")).map(|c| c.catalog.aws_lambda_url);
    assert_eq!(url("").expect("none"), None);
    for good in ["http://127.0.0.1:8080/{region}.json", "https://prices.example/index.json"] {
        assert_eq!(url(good).expect("an address").as_deref(), Some(good));
    }
    for bad in ["prices.example", "ftp://prices.example/x", "https://", "/x", "https://a b/"] {
        let error = url(bad).expect_err("no address").to_string();
        assert!(error.contains("catalog.aws_lambda_url: must be an http or https URL"), "{error}");
    }
    let error = url("https://me:secret@prices.example/").expect_err("a password").to_string();
    assert!(error.contains("must not have a user or password") && !error.contains("secret"), "{error}");
}

#[test]
fn the_key_of_a_price_list_is_shown_nowhere_and_sent_to_nobody_in_clear() {
    let read = |text: &str| parse_with(&format!("[catalog]\n{text}\n"), &[("KEY", "sesame")]);
    for given in ["google_api_key = \"env:KEY\"", "google_api_key = \"sesame\""] {
        let config = read(given).expect("right");
        assert_eq!(config.catalog.google_api_key.as_ref().map(crate::Secret::expose), Some("sesame"));
        let shown = config.settings().iter().map(|setting| format!("{} = {}", setting.key, setting.value));
        let shown = format!("{config:?} {:?}", shown.collect::<Vec<_>>());
        assert!(!shown.contains("sesame") && !shown.contains("env:KEY"), "{shown}");
        let clear = read(&format!("{given}\ngoogle_run_url = \"http://prices.example/skus\"")).expect_err("in clear");
        assert!(clear.to_string().contains("catalog.google_run_url: must be https"), "{clear}");
        read(&format!("{given}\ngoogle_run_url = \"http://127.0.0.1:8080/skus\"")).expect("a mirror on this machine");
    }
    let error = read("google_run_url = \"https://prices.example/skus?pageSize=9&key=hunter2\"").expect_err("a key");
    assert!(
        error.to_string().contains("must not have a key in it") && !error.to_string().contains("hunter2"),
        "{error}"
    );
    let error = read("google_api_key = \"env:NONE\"").expect_err("not set").to_string();
    assert!(error.contains("the environment variable `NONE` is not set"), "{error}");
    let error = read("azure_functions_url = \"https://prices.example/{region}\"").expect_err("regions").to_string();
    assert!(error.contains("leave {region} out"), "{error}");
}

#[test]
fn every_setting_can_be_overridden() {
    let template = DeTable::parse(Config::default_template()).expect("TOML");
    for (section, table) in template.get_ref() {
        for (key, _) in table.get_ref().as_table().expect("a section") {
            let name = format!("MERIT_{}_{}", section.get_ref(), key.get_ref()).to_ascii_uppercase();
            let error = parse_with("", &[(&name, "\u{1}")]).map(|config| format!("{config:?}"));
            let told = match &error {
                Ok(config) => config.contains(&name),
                Err(error) => {
                    error.to_string().starts_with(&format!("{name}: {}.{}: ", section.get_ref(), key.get_ref()))
                }
            };
            assert!(told, "{name}: {error:?}");
        }
    }
}
