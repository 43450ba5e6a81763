//! What of a request goes on, and what of its answer comes back.

use http::HeaderMap;
use merit_venue::HttpHead;

use super::*;

const LIMITS: head::Limits = head::Limits::most(100, 200);

fn read(request: http::request::Builder) -> Result<Arc<HttpHead>, Refusal> {
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    let (function, below) = parts_of(parts.uri.path()).expect("a path of this door");
    head::read(&parts, function, below, LIMITS)
}

fn lines(headers: &HeaderMap) -> Vec<String> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().expect("ASCII"));
    let mut lines: Vec<String> = headers.iter().map(line).collect();
    lines.sort();
    lines
}

#[test]
fn a_path_of_this_door_names_a_function_and_what_is_below() {
    for (path, parts) in [
        ("/fn/app", Some(("app", ""))),
        ("/fn/app/", Some(("app", "/"))),
        ("/fn/app//a/b%2Fc", Some(("app", "//a/b%2Fc"))),
        ("/fn/", None),
        ("/fn", None),
        ("/fn//a", None),
        ("/fnord/app", None),
        ("/v1/functions/app/invocations", None),
    ] {
        assert_eq!(parts_of(path), parts, "{path}");
    }
}

#[test]
fn a_request_is_passed_on_but_for_the_connections_and_merits_own() {
    let asked = Request::builder()
        .method("PROPFIND")
        .uri("/fn/app/a%20b/?x=1&y=%2F")
        .header("host", "merit.example.com")
        .header("connection", "keep-alive, X-Hop")
        .header("x-hop", "1")
        .header("keep-alive", "timeout=5")
        .header("te", "trailers")
        .header("expect", "100-continue")
        .header("content-length", "3")
        .header("merit-max-price", "1")
        .header("accept", "a/b")
        .header("accept", "c/d")
        .header("cookie", "a=b");
    let head = read(asked).expect("a head");
    assert_eq!((head.method.as_str(), &*head.below, head.query.as_deref()), ("PROPFIND", "/a%20b/", Some("x=1&y=%2F")));
    assert_eq!(
        lines(&head.headers),
        [
            "accept: a/b",
            "accept: c/d",
            "cookie: a=b",
            "x-forwarded-host: merit.example.com",
            "x-forwarded-prefix: /fn/app"
        ]
    );
    let asked = Request::builder().uri("/fn/app").header("host", "here").header("x-forwarded-host", "outside");
    assert_eq!(
        lines(&read(asked).expect("a head").headers),
        ["x-forwarded-host: outside", "x-forwarded-prefix: /fn/app"]
    );
}

#[test]
fn what_is_too_long_or_leads_elsewhere_is_refused() {
    let long = format!("/fn/app/{}?{}", "a".repeat(50), "b".repeat(50));
    assert_eq!(read(Request::builder().uri(long)).unwrap_err(), Refusal::UrlTooLong { limit: 100 });
    let large = Request::builder().uri("/fn/app").header("cookie", "c".repeat(195));
    assert_eq!(read(large).unwrap_err(), Refusal::HeadersTooLarge { limit: 200 });
    for path in ["/fn/app/../other", "/fn/app/%2e%2E", "/fn/app/a/./b"] {
        let refusal = read(Request::builder().uri(path)).unwrap_err();
        assert!(matches!(&refusal, Refusal::BadRequest(message) if message.contains("`..`")), "{refusal}");
    }
}

#[test]
fn an_answer_keeps_its_own_headers_and_its_length_only_for_head() {
    let answered = |head| {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("content-length", "9"),
            ("transfer-encoding", "chunked"),
            ("merit-meter-duration-us", "5"),
            ("location", "/elsewhere"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        lines(&head::answered(headers, head))
    };
    assert_eq!(answered(false), ["location: /elsewhere", "set-cookie: a=1", "set-cookie: b=2"]);
    assert_eq!(answered(true), ["content-length: 9", "location: /elsewhere", "set-cookie: a=1", "set-cookie: b=2"]);
}
