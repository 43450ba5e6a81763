//! The configuration as a whole: the template, mistakes and their places, overrides, secrets.

mod adjustments;
mod mistakes;
mod template;

use std::path::PathBuf;

use crate::{Config, Env, Origin, Source};

fn parse(text: &str) -> Result<Config, crate::ConfigErrors> {
    parse_with(text, &[])
}

fn parse_with(text: &str, env: &[(&str, &str)]) -> Result<Config, crate::ConfigErrors> {
    let env: Env = env.iter().copied().collect();
    Config::parse(text, &Source::File(PathBuf::from("merit.toml")), &env)
}

/// The mistakes as they are shown.
fn mistakes(text: &str) -> String {
    parse(text).expect_err("the text has mistakes").to_string()
}

const VENUE: &str = "[venues.a]\nkind = \"http\"\nurl = \"http://127.0.0.1:1/\"\nregion = \"r\"\n";

#[test]
fn the_environment_wins_over_the_file() {
    let env = [("MERIT_SERVER_MAX_IN_FLIGHT", "7"), ("MERIT_STORE_DIR", "/data"), ("MERIT_LOG_LEVEL", "")];
    let config = parse_with("[server]\nmax_in_flight = 8\nqueue_typo = 1\n", &env).expect_err("a typo");
    assert_eq!(config.mistakes().len(), 1);
    let config = parse_with("[server]\nmax_in_flight = 8\n", &env).expect("right");
    assert_eq!((config.server.max_in_flight, config.store.dir.to_str()), (7, Some("/data")));
    let setting = config.settings().iter().find(|setting| setting.key == "server.max_in_flight").expect("recorded");
    assert_eq!(setting.origin, Origin::Environment("MERIT_SERVER_MAX_IN_FLIGHT".to_owned()));
}

#[test]
fn variables_that_others_set_are_left_alone() {
    let env = [("MERIT_SERVICE_HOST", "10.0.0.1"), ("MERIT_PORT", "tcp://10.0.0.1:80"), ("MERIT_KEY", "k"), ("X", "y")];
    parse_with("", &env).expect("nothing of it concerns the configuration");
}

#[test]
fn secrets_are_never_shown() {
    let text = format!("{VENUE}[venues.a.headers]\nAuthorization = \"env:TOKEN\"\nX-Key = \"open sesame\"\n");
    let config = parse_with(&text, &[("TOKEN", "Bearer abc")]).expect("right");
    let crate::VenueKind::Http(http) = &config.venues["a"].kind else { panic!("an HTTP venue") };
    assert_eq!(http.headers[0].1, "Bearer abc");
    let shown = format!("{config:?}");
    assert!(!shown.contains("abc") && !shown.contains("sesame"), "{shown}");
    assert!(shown.contains("[redacted]") && shown.contains("x-key"), "{shown}");
}

#[test]
fn keys_of_aws_are_never_shown() {
    let text = "[venues.a]\nkind = \"aws-lambda\"\nregion = \"us-east-1\"\n[venues.a.credentials]\n\
                access_key_id = \"AKIDEXAMPLE\"\nsecret_access_key = \"env:SECRET\"\nsession_token = \"hunter2\"\n";
    let config = parse_with(text, &[("SECRET", "sesame")]).expect("right");
    let crate::VenueKind::AwsLambda(lambda) = &config.venues["a"].kind else { panic!("a venue at Lambda") };
    let keys = lambda.keys.as_ref().expect("keys");
    assert_eq!((keys.access_key_id.expose(), keys.secret_access_key.expose()), ("AKIDEXAMPLE", "sesame"));
    let shown = format!("{config:?}");
    assert!(!["AKIDEXAMPLE", "sesame", "hunter2"].iter().any(|secret| shown.contains(secret)), "{shown}");
}

#[test]
fn secrets_are_not_shown_in_mistakes_either() {
    let text = format!(
        "{VENUE}[venues.a.headers]\nX-Number = 4711\nX-Line = \"se\\u0001same\"\nx-line = \"b\"\nHost = \"h\"\nX-Env = \"env:NOPE\"\n"
    );
    insta::assert_snapshot!(mistakes(&text), @r#"
    merit.toml:6:12: venues.a.headers.X-Number: must be a string
    merit.toml:7:10: venues.a.headers.X-Line: has a character that no header can hold
    merit.toml:9:8: venues.a.headers.Host: cannot be set here; set `host` of the venue
    merit.toml:10:9: venues.a.headers.X-Env: the environment variable `NOPE` is not set
    "#);
}

#[test]
fn files_are_found_beside_the_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("merit.toml");
    std::fs::write(&file, "[store]\ndir = \"data\"\n").expect("written");
    let env: Env = [("MERIT_CONFIG", file.to_str().expect("UTF-8"))].into_iter().collect();
    let config = Config::load(None, &env).expect("right");
    assert_eq!(config.store.dir, folder.path().join("data"));
    assert_eq!(config.source(), &Source::File(file));
}

#[test]
fn a_file_that_cannot_be_read_is_a_mistake() {
    let error = Config::load(Some("/nonexistent/merit.toml".as_ref()), &Env::default()).expect_err("no file");
    assert_eq!(
        error.to_string(),
        "/nonexistent/merit.toml: cannot be read: No such file or directory (os error 2); \
         name another, or set MERIT_CONFIG"
    );
}

#[test]
fn a_rate_is_stale_after_so_many_days() {
    let config =
        parse("[exchange_rates]\nstale_after_days = 2\nCNY = { usd = 0.1405, date = 2026-11-20 }\n").expect("right");
    let rate = config.exchange_rates.rates[&merit_units::Currency::CNY];
    let day = merit_units::Micros::from_secs(86_400);
    assert_eq!(rate.usd.to_string(), "0.1405");
    assert_eq!(config.exchange_rates.stale_at(&rate), rate.date + day + day);
}
