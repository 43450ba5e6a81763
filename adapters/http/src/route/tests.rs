//! Routes: what is joined, what is refused.

use super::*;

fn routes(config: &HttpConfig) -> Result<Routes, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let routes = Routes::try_new(config, &mut errors);
    routes.filter(|_| errors.is_empty()).ok_or(errors)
}

fn route(config: &HttpConfig, target: &str) -> Result<Route, VenueError> {
    let function = FunctionId::try_new("resize").expect("a name");
    routes(config).expect("a good configuration").of(&Target::try_new(target).expect("a target"), &function)
}

#[test]
fn joins_the_target_to_the_base() {
    for (base, target, expected) in [
        ("http://gw", "resize", "/resize"),
        ("http://gw/", "/resize", "/resize"),
        ("http://gw/function/", "resize.ns?x=1", "/function/resize.ns?x=1"),
        ("http://gw/function", "/", "/function/"),
        ("http://gw", "/", "/"),
        ("http://gw:8080/a", "HTTP://gw:8080/b?c=d", "/b?c=d"),
    ] {
        let route = route(&HttpConfig::new(base), target).expect(target);
        assert_eq!(route.uri.to_string(), expected, "{base} {target}");
        assert_eq!(route.origin.host(), "gw");
    }
}

#[test]
fn sends_the_host_the_configuration_says() {
    let mut config = HttpConfig::new("http://10.0.0.1:8080");
    assert_eq!(route(&config, "/").expect("a route").host, "10.0.0.1:8080");
    config.host = Some("{function}.default.example.com".to_owned());
    assert_eq!(route(&config, "/").expect("a route").host, "resize.default.example.com");
    let v6 = route(&HttpConfig::new("https://[::1]"), "/").expect("a route");
    assert_eq!((v6.origin.host(), v6.origin.port(), v6.host.to_str().expect("text")), ("::1", 443, "[::1]"));
}

#[test]
fn refuses_hosts_the_configuration_does_not_name() {
    let mut config = HttpConfig::new("https://gw.example.com");
    config.target_hosts = vec!["*.a.run.app".to_owned(), "other.example.com".to_owned()];
    for good in ["https://resize-x.a.run.app/", "https://a.b.A.RUN.APP/x", "https://other.example.com"] {
        assert!(route(&config, good).is_ok(), "{good}");
    }
    for bad in [
        "https://a.run.app/",
        "https://eviLa.run.app/",
        "https://.a.run.app/",
        "https://x.a.run.app.evil.com/",
        "https://gw.example.com:8443/",
        "http://other.example.com/",
        "http://gw.example.com/",
        "../admin",
        "x/%2E%2e/y",
    ] {
        let error = route(&config, bad).expect_err(bad);
        assert_eq!((error.kind, error.outcome), (ErrorKind::Misconfigured, merit_venue::Outcome::NotStarted), "{bad}");
    }
    let error = route(&config, "https://evil.example/?code=secret").expect_err("not named");
    assert!(!error.to_string().contains("secret") && error.to_string().contains("target_hosts"), "{error}");
}

#[test]
fn reports_every_mistake_of_a_base_at_once() {
    let mut config = HttpConfig::new("ftp://x");
    config.host = Some("a\nb".to_owned());
    config.target_hosts = vec!["*".to_owned()];
    let fields: Vec<_> = routes(&config).expect_err("three mistakes").into_iter().map(|error| error.field).collect();
    assert_eq!(fields, ["host", "target_hosts", "base_url"]);
    for (bad, hint) in [
        ("gw", "is not a URL"),
        ("https://u:secret@gw", "user name"),
        ("https://gw/?code=secret", "query"),
        ("https://gw/a/../b", "path"),
    ] {
        let errors = routes(&HttpConfig::new(bad)).expect_err(bad);
        assert!(errors[0].message.contains(hint), "{errors:?}");
    }
}
