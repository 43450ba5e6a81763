//! What bad input gets: every mistake at once, each with its line, its column and what to do.

use super::{VENUE, mistakes, parse_with};

#[test]
fn ten_mistakes_are_ten_reports() {
    let text = r#"[server]
listen = "localhost"
max_in_flight = 0
max_inflight = 5

[store]
group_commit_ms = "5"

[log]
format = "xml"

[limits]
default_timeout_ms = 900000
max_timeout_ms = 1000
exploration_ppm = 1

[venues.one]
kind = "azure"
url = "ftp://example.com/"

[functions.f.deployments.d]
venue = "oen"
target = "x"
memory_mb = 0

[accounts."a b"]
budget_hard = "1e3"
"#;
    insta::assert_snapshot!(mistakes(text), @r#"
    merit.toml:2:10: server.listen: must be an IP address and a port such as 127.0.0.1:8780, got `localhost`
    merit.toml:3:17: server.max_in_flight: must be 1 to 1000000, got 0
    merit.toml:4:1: server.max_inflight: unknown key; did you mean `max_in_flight`?
    merit.toml:7:19: store.group_commit_ms: must be a whole number, got a string `5`
    merit.toml:10:10: log.format: must be text or json, got `xml`
    merit.toml:13:22: limits.default_timeout_ms: must be at most max_timeout_ms (1000), got 900000
    merit.toml:15:1: limits.exploration_ppm: unknown key; it belongs in [market]
    merit.toml:17:9: venues.one.region: is missing; it is required
    merit.toml:18:8: venues.one.kind: `azure` is not a venue kind of this version; `http` reaches any function behind HTTP; `aws-lambda`, `alibaba-fc`, `tencent-scf`, `google-run`, `azure-functions` and `cloudflare-workers` reach functions of these clouds; a `provider` says itself what it runs
    merit.toml:19:7: venues.one.url: must be a URL such as https://functions.example.com/, got `ftp://example.com/`: begin it with http:// or https://
    merit.toml:22:9: functions.f.deployments.d.venue: there is no venue `oen`; did you mean `one`?; add [venues.oen]
    merit.toml:24:13: functions.f.deployments.d.memory_mb: 0 MB of memory is outside 1 to 1048576
    merit.toml:26:11: accounts.a b: `a b` is not a valid account name: use letters, digits, `-`, `_` and `.`
    merit.toml:27:15: accounts.a b.budget_hard: `1e3` is not a plain decimal; write digits and at most one point, no exponent
    "#);
}

#[test]
fn unknown_keys_are_refused_with_a_hint() {
    let text = format!(
        "listen = \"x\"\n[servre]\n[server]\nport = 1\n{VENUE}sheets = \"x\"\ncolour = 1\n[exchange_rates]\nstale_after_day = 1\n[functions.f]\nname = \"f\"\n"
    );
    insta::assert_snapshot!(mistakes(&text), @r#"
    merit.toml:1:1: listen: unknown key; it belongs in [server]
    merit.toml:2:2: servre: unknown section; did you mean `server`?
    merit.toml:4:1: server.port: unknown key; known here: listen, max_connections, max_strangers, max_in_flight, max_payload_bytes, max_reply_bytes, max_streamed_bytes, max_url_bytes, max_header_bytes, header_timeout_ms, linger_ms, drain_timeout_ms, worker_threads, callback_url, max_callbacks
    merit.toml:9:1: venues.a.sheets: unknown key; did you mean `sheet`?
    merit.toml:10:1: venues.a.colour: unknown key; known here: kind, url, headers, allow_addresses, private_addresses, target_hosts, ca_file, host, http2, http2_calls, http2_window_bytes, http2_ping_ms, http2_ping_timeout_ms, credentials_checked_by, credentials_retry_ms, preset, region, isolation, architecture, meters, sheet, sheet_file, billing_account, month_to_date, concurrency, connect_timeout_ms, first_byte_timeout_ms, timeout_ms, max_connections
    merit.toml:12:1: exchange_rates.stale_after_day: unknown key; did you mean `stale_after_days`?
    merit.toml:14:1: functions.f.name: unknown key; known here: idempotent, timeout_ms, value_of_time, class, equivalence, digest, compare, shadow_ppm, async, deployments
    "#);
}

#[test]
fn callers_that_wait_leave_connections_for_their_callbacks() {
    let of = |callbacks: u32| {
        let door = "callback_url = \"https://merit.example.com/\"";
        format!("[server]\nmax_connections = 100\nmax_callbacks = {callbacks}\n{door}\n")
    };
    insta::assert_snapshot!(mistakes(&of(51)), @"merit.toml:3:17: server.max_callbacks: is 51, more than half of max_connections, 100: callers that wait would keep callbacks out");
    super::parse(&of(50)).expect("there is room");
    super::parse("[server]\nmax_connections = 100\n").expect("nobody is called back");
}

#[test]
fn lines_that_are_no_toml_hide_nothing_else() {
    let text = format!(
        "[server]\nlisten = \nmax_in_flight = 0\nmax_in_flight = 1\n{VENUE}timeout_ms = 0\n[log\nlevel = \"loud\"\n"
    );
    insta::assert_snapshot!(mistakes(&text), @r#"
    merit.toml:2:10: string values must be quoted, expected literal string
    merit.toml:3:17: server.max_in_flight: must be 1 to 1000000, got 0
    merit.toml:4:1: duplicate key
    merit.toml:9:14: venues.a.timeout_ms: must be 1 to 900000, got 0
    merit.toml:10:5: unclosed table, expected `]`
    "#);
}

#[test]
fn what_is_missing_is_said_at_the_section() {
    insta::assert_snapshot!(mistakes("[venues.a]\n[functions.f.deployments.d]\n"), @r#"
    merit.toml:1:9: venues.a.kind: is missing; it is required
    merit.toml:1:9: venues.a.region: is missing; it is required
    merit.toml:1:9: venues.a.url: is missing; it is required
    merit.toml:2:26: functions.f.deployments.d.memory_mb: is missing; it is required
    merit.toml:2:26: functions.f.deployments.d.target: is missing; it is required
    merit.toml:2:26: functions.f.deployments.d.venue: is missing; it is required
    "#);
}

#[test]
fn venues_are_checked_closely() {
    let text = r#"[venues.a]
kind = "http"
url = "https://user:pass@example.com/?q"
region = "us east"
isolation = "gvisr"
architecture = "arm"
sheet = "google-run/tier3"
sheet_file = "nowhere.toml"
concurrency = 1000001
connect_timeout_ms = 60001
first_byte_timeout_ms = 0
timeout_ms = 900001
max_connections = 0
meters = "guessed"
allow_addresses = ["10.0.0.0/33", 7]
ca_file = "nowhere.pem"
host = "a b"
headers = "x"
month_to_date = { gb_second = "400000", gb-s = "1", furlongs = "1", vcpu_second = "-1" }
[venues]
b = "http"
"#;
    insta::assert_snapshot!(mistakes(text), @r#"
    merit.toml:3:7: venues.a.url: must not hold a user or password; send them in [venues.NAME.headers]
    merit.toml:4:10: venues.a.region: `us east` is not a valid region name: use letters, digits, `-`, `_` and `.`
    merit.toml:5:13: venues.a.isolation: must be wasm, namespace, gvisor, microvm or provider, got `gvisr`; did you mean `gvisor`?
    merit.toml:6:16: venues.a.architecture: `arm` is not an architecture; use x86_64 or arm64
    merit.toml:7:9: venues.a.sheet: `google-run/tier3` is not in the catalogue; did you mean `google-run/tier1`?
    merit.toml:8:14: venues.a.sheet_file: cannot read nowhere.toml: No such file or directory (os error 2)
    merit.toml:9:15: venues.a.concurrency: must be 1 to 1000000, got 1000001
    merit.toml:10:22: venues.a.connect_timeout_ms: must be 1 to 60000, got 60001
    merit.toml:11:25: venues.a.first_byte_timeout_ms: must be 1 to 900000, got 0
    merit.toml:12:14: venues.a.timeout_ms: must be 1 to 900000, got 900001
    merit.toml:13:19: venues.a.max_connections: must be 1 to 100000, got 0
    merit.toml:14:10: venues.a.meters: must be reported or own-clock, got `guessed`
    merit.toml:15:20: venues.a.allow_addresses: must be a network such as 169.254.10.0/24, got `10.0.0.0/33`
    merit.toml:15:35: venues.a.allow_addresses: must be a string, got a whole number `7`
    merit.toml:16:11: venues.a.ca_file: there is no file nowhere.pem
    merit.toml:17:8: venues.a.host: must be a host such as functions.internal:8080, got `a b`
    merit.toml:18:1: venues.a.headers: must be a table; write [venues.a.headers] above its keys
    merit.toml:19:31: venues.a.month_to_date.gb_second: names the meter gb_second a second time
    merit.toml:19:64: venues.a.month_to_date.furlongs: `furlongs` is not a meter; use request, gb_second, vcpu_second, gib_second, compute_unit, cpu_ms, egress_gb or ephemeral_gb_second
    merit.toml:19:83: venues.a.month_to_date.vcpu_second: `-1` is not a plain decimal; write digits and at most one point, no exponent
    merit.toml:21:1: venues.b: must be a table; write [venues.NAME] above its keys
    "#);
}

#[test]
fn venues_at_lambda_are_checked_closely() {
    let text = r#"[venues.a]
kind = "aws-lambda"
url = "https://lambda.us-east-1.amazonaws.com/"
account = "12345"
profile = "merit"
role_arn = "arn:aws:iam::123456789012:user/merit"
external_id = "x"
endpoint_url = "localhost:9001"
streaming = "no"
credentials_retry_ms = 99
[venues.a.credentials]
access_key_id = "env:NOPE"
secret_access_key = "open sesame"
secret_key = "hunter2"
"#;
    insta::assert_snapshot!(mistakes(text), @r#"
    merit.toml:1:9: venues.a.region: is missing; it is required
    merit.toml:3:1: venues.a.url: unknown key; known here: kind, credentials, profile, role_arn, external_id, sts_endpoint_url, account, endpoint_url, streaming, credentials_retry_ms, region, isolation, architecture, meters, sheet, sheet_file, billing_account, month_to_date, concurrency, connect_timeout_ms, first_byte_timeout_ms, timeout_ms, max_connections
    merit.toml:4:11: venues.a.account: must be the 12 digits of an account, got `12345`
    merit.toml:5:11: venues.a.profile: names credentials a second time: leave out it or [venues.NAME.credentials]
    merit.toml:6:12: venues.a.role_arn: must be a role such as arn:aws:iam::123456789012:role/merit, got `arn:aws:iam::123456789012:user/merit`
    merit.toml:7:15: venues.a.external_id: is only for a role: give role_arn too, or leave it out
    merit.toml:8:16: venues.a.endpoint_url: must be a URL such as https://functions.example.com/, got `localhost:9001`: begin it with http:// or https://
    merit.toml:9:13: venues.a.streaming: must be true or false, got a string `no`
    merit.toml:10:24: venues.a.credentials_retry_ms: must be 100 to 3600000, got 99
    merit.toml:12:17: venues.a.credentials.access_key_id: the environment variable `NOPE` is not set
    merit.toml:13:21: venues.a.credentials.secret_access_key: must have visible characters only, and at least one
    merit.toml:14:1: venues.a.credentials.secret_key: unknown key; known here: access_key_id, secret_access_key, session_token
    "#);
}

#[test]
fn functions_and_budgets_are_checked_closely() {
    let text = format!(
        r#"{VENUE}
[functions.f]
idempotent = "yes"
timeout_ms = 900001
value_of_time = "-1"
[functions.f.deployments]
one = {{ venue = "a", target = "x", memory_mb = 128, vcpu = "0.0001" }}
two = {{ venue = "a", target = "y", memory_mb = 128, concurrency = 0, sheet = "aws" }}
three = {{ venue = "a", target = "has blank", memory_mb = 128 }}
four = {{ venue = "a", target = "z", memory_mb = 128 }}
five = {{ venue = "a", target = "z", memory_mb = 128 }}
[accounts.x]
budget_hard = 10
budget_soft = 10.5
"#
    );
    insta::assert_snapshot!(mistakes(&text), @r#"
    merit.toml:7:14: functions.f.idempotent: must be true or false, got a string `yes`
    merit.toml:8:14: functions.f.timeout_ms: must be 1 to 900000, got 900001
    merit.toml:9:17: functions.f.value_of_time: must not be negative, got -1
    merit.toml:11:60: functions.f.deployments.one.vcpu: must be 0.001 to 1024 with at most three decimals, got `0.0001`
    merit.toml:12:67: functions.f.deployments.two.concurrency: must be 1 to 1000000, got 0
    merit.toml:12:78: functions.f.deployments.two.sheet: `aws` is not in the catalogue; `merit catalog list` lists it
    merit.toml:13:33: functions.f.deployments.three.target: must be a path, a URL or the provider's name of the function, without blanks
    merit.toml:14:1: functions.f.deployments.four: is the same as `five`, so its capacity would count twice; leave one of them out
    merit.toml:18:15: accounts.x.budget_soft: must be at most budget_hard (10), got 10.5
    "#);
}

#[test]
fn exchange_rates_are_dated() {
    let text = "[exchange_rates]\nCNY = { usd = 0 }\nEUR = 1.1\nUSD = { usd = 1, date = 2026-01-01 }\ncny = { usd = 1 }\nJPY = { usd = \"0.0066\", date = \"20 November\" }\n";
    insta::assert_snapshot!(mistakes(text), @r#"
    merit.toml:2:1: exchange_rates.CNY.date: is missing; it is required
    merit.toml:2:15: exchange_rates.CNY.usd: must be above 0 with at most nine decimals, such as "0.1405"; got `0`
    merit.toml:3:7: exchange_rates.EUR: must be like EUR = { usd = "0.1405", date = "2026-11-20" }
    merit.toml:4:7: exchange_rates.USD: needs no rate: it is the currency of every account
    merit.toml:5:7: exchange_rates.cny: `cny` is not a currency; write a three-letter ISO 4217 code such as USD
    merit.toml:6:32: exchange_rates.JPY.date: must be a day such as 2026-11-20, got `20 November`
    "#);
}

#[test]
fn overrides_are_checked_like_the_file() {
    let env = [("MERIT_SERVER_MAX_IN_FLIGHT", "none"), ("MERIT_SERVER_MAX_INFLIGHT", "5"), ("MERIT_LOG_FORMAT", "xml")];
    insta::assert_snapshot!(parse_with("", &env).expect_err("mistakes"), @r#"
    MERIT_LOG_FORMAT: log.format: must be text or json, got `xml`
    MERIT_SERVER_MAX_INFLIGHT: overrides no setting; did you mean `MERIT_SERVER_MAX_IN_FLIGHT`?
    MERIT_SERVER_MAX_IN_FLIGHT: server.max_in_flight: must be 1 to 1000000, got none
    "#);
}

#[test]
fn too_many_are_refused() {
    let deployments: String = (0..3)
        .map(|n| format!("[functions.f.deployments.d{n}]\nvenue = \"a\"\ntarget = \"t{n}\"\nmemory_mb = 128\n"))
        .collect();
    let text =
        format!("{VENUE}{deployments}[functions.g]\n[limits]\nmax_deployments_per_function = 2\nmax_functions = 1\n");
    insta::assert_snapshot!(mistakes(&text), @r#"
    merit.toml:5:2: functions: has 2 functions; limits.max_functions is 1
    merit.toml:5:12: functions.f: has 3 deployments; limits.max_deployments_per_function is 2
    "#);
}

#[test]
fn sizes_and_meters_must_be_the_sheets() {
    let text = format!(
        r#"{VENUE}sheet = "aws-lambda/us-east-1/x86_64"
month_to_date = {{ vcpu_second = 1 }}
[functions.f.deployments]
arm = {{ venue = "a", target = "x", memory_mb = 128, architecture = "arm64" }}
big = {{ venue = "a", target = "x", memory_mb = 20480 }}
elsewhere = {{ venue = "a", target = "x", memory_mb = 128, sheet = "alibaba-fc/intl" }}
right = {{ venue = "a", target = "x", memory_mb = 128 }}
"#
    );
    insta::assert_snapshot!(mistakes(&text), @r#"
    merit.toml:6:1: venues.a.month_to_date: aws-lambda/us-east-1/x86_64 does not bill vcpu_second; it bills request, gb_second, ephemeral_gb_second, egress_gb
    merit.toml:8:1: functions.f.deployments.arm: aws-lambda/us-east-1/x86_64 prices x86_64 and the deployment is built for arm64; choose the sheet of its architecture
    merit.toml:9:1: functions.f.deployments.big: 20480 MB of memory is not sold under aws-lambda/us-east-1/x86_64; choose 128 to 10240 MB in steps of 1 MB
    merit.toml:10:1: functions.f.deployments.elsewhere: alibaba-fc/intl bills the configured vCPU and none is given; give 0.05 to 16 vCPU in steps of 0.05
    "#);
}

#[test]
fn a_sheet_of_ones_own_is_checked_too() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("own.toml"), "name = \"x\"\nprice = 1\n").expect("written");
    let source = crate::Source::File(folder.path().join("merit.toml"));
    let text = format!("{VENUE}sheet_file = \"own.toml\"\n");
    let error = crate::Config::parse(&text, &source, &crate::Env::default()).expect_err("a mistaken sheet");
    let place = format!("{}:5:14: venues.a.sheet_file: {}: ", source, folder.path().join("own.toml").display());
    assert!(error.to_string().starts_with(&place), "{error}");
    assert_eq!(error.mistakes().len(), 1);
}

#[test]
fn venues_at_tencent_and_cloudflare_are_checked_closely() {
    let text = "[venues.scf]\nkind = \"tencent-scf\"\nregion = \"ap-guangzhou\"\nevents = \"xml\"\naction = \"Call\"\n\
                [venues.scf.credentials]\nsecret_id = \"a b\"\n\
                [venues.w]\nkind = \"cloudflare-workers\"\nregion = \"global\"\naccount_id = \"12\"\ncpu_us = 0\n\
                cpu_file = \"none.json\"\nsubdomain = \"a.b\"\n\
                [venues.w.credentials]\naccess_client_id = \"id\"\n";
    let found = mistakes(text);
    for words in [
        "venues.scf.events: must be json or gateway",
        "venues.scf.action: must be InvokeFunction or Invoke",
        "venues.scf.credentials.secret_id: must have visible characters only",
        "venues.scf.credentials.secret_key: is missing",
        "venues.w.account_id: must be the 32 digits",
        "venues.w.cpu_us: must be 1 to 300000000",
        "venues.w.cpu_file: there is no file",
        "venues.w.subdomain: must be the name before .workers.dev",
        "venues.w.credentials.access_client_id: is half of a service token",
        "venues.w.kind: needs to know where the Workers are",
    ] {
        assert!(found.contains(words), "{words}: {found}");
    }
}

#[test]
fn awss_api_wants_a_key_and_no_clear_text() {
    insta::assert_snapshot!(mistakes("[catalog]\naws_products_url = \"http://prices.example/\"\naws_access_key_id = \"A\"\n"), @r"
    merit.toml:2:20: catalog.aws_products_url: must be https: it is asked with a key
    merit.toml:2:20: catalog.aws_products_url: wants aws_access_key_id and aws_secret_access_key, of a key that may pricing:GetProducts
    ");
}

/// A region that is not built in has no prices yet, but sizes, and nothing to count usage by.
#[test]
fn a_sheet_that_is_waited_for_sells_the_sizes_of_its_family() {
    let text = r#"
[venues.azure]
kind = "http"
url = "http://a/"
region = "westeurope"
sheet = "azure-flex/westeurope"
month_to_date = { request = "5" }
[functions.f.deployments.one]
venue = "azure"
target = "t"
memory_mb = 8192
"#;
    insta::assert_snapshot!(mistakes(text), @r"
    merit.toml:7:1: venues.azure.month_to_date: the prices of azure-flex/westeurope are not built in, so what was used cannot be counted before they are brought; leave it out
    merit.toml:8:26: functions.f.deployments.one: 8192 MB of memory is not sold under azure-flex/eastus; choose one of 512, 2048, 4096 MB
    ");
}
