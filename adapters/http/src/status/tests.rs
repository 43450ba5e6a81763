//! The table of statuses, and what functions' errors say.

use http::{HeaderName, HeaderValue};

use super::*;

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

fn meaning(status: u16, pairs: &[(&'static str, &'static str)]) -> Meaning {
    Meaning::of(StatusCode::from_u16(status).expect("a status"), &headers(pairs), Meters::Reported)
}

#[test]
fn each_status_has_its_meaning_for_money() {
    use {ErrorKind as Kind, Outcome::NotStarted, Outcome::Unknown};
    for (status, expected) in [
        (200, Meaning::Success),
        (204, Meaning::Success),
        (301, Meaning::Refusal(Unknown, Kind::Misconfigured)),
        (400, Meaning::FunctionError),
        (401, Meaning::Refusal(NotStarted, Kind::BadCredentials)),
        (403, Meaning::Refusal(NotStarted, Kind::BadCredentials)),
        (404, Meaning::Refusal(NotStarted, Kind::NotFound)),
        (408, Meaning::Refusal(Unknown, Kind::Timeout)),
        (413, Meaning::Refusal(NotStarted, Kind::PayloadTooLarge)),
        (422, Meaning::FunctionError),
        (429, Meaning::Refusal(NotStarted, Kind::Throttled)),
        (500, Meaning::FunctionError),
        (502, Meaning::Refusal(Unknown, Kind::Unavailable)),
        (503, Meaning::Refusal(Unknown, Kind::Unavailable)),
        (504, Meaning::Refusal(Unknown, Kind::Timeout)),
        (507, Meaning::Refusal(Unknown, Kind::Unavailable)),
        (999, Meaning::Refusal(Unknown, Kind::MalformedReply)),
    ] {
        assert_eq!(meaning(status, &[]), expected, "{status}");
    }
    assert_eq!(meaning(503, &[("retry-after", "1")]), Meaning::Refusal(NotStarted, Kind::Unavailable));
}

#[test]
fn a_sign_that_the_function_ran_outweighs_the_status() {
    for status in [200, 404, 429, 502] {
        assert_eq!(meaning(status, &[("merit-function-error", "Trap")]), Meaning::FunctionError, "{status}");
    }
    assert_eq!(meaning(429, &[("merit-meter-duration-us", "5")]), Meaning::FunctionError);
    let told = headers(&[("merit-meter-duration-us", "5")]);
    let not_believed = Meaning::of(StatusCode::TOO_MANY_REQUESTS, &told, Meters::OwnClock);
    assert_eq!(not_believed, Meaning::Refusal(Outcome::NotStarted, ErrorKind::Throttled));
}

#[test]
fn names_the_functions_error() {
    let error = |pairs, body: &[u8]| {
        let found = function_error(StatusCode::INTERNAL_SERVER_ERROR, &headers(pairs), body);
        (found.kind, found.message)
    };
    let json = br#"{"errorType":"ValueError","errorMessage":"no image","stackTrace":[]}"#;
    assert_eq!(error(&[], json), ("ValueError".to_owned(), "no image".to_owned()));
    assert_eq!(error(&[("merit-function-error", "Trap")], json), ("Trap".to_owned(), "no image".to_owned()));
    assert_eq!(error(&[], b"boom"), ("Http500".to_owned(), "boom".to_owned()));
    assert_eq!(error(&[], b"\xff\xfe").0, "Http500");
    let long = "é".repeat(2000);
    assert!(
        error(&[], long.as_bytes()).1.len() <= FunctionError::MESSAGE_BYTES + 3,
        "a lossy end may add one replacement"
    );
}

#[test]
fn to_a_request_of_plain_http_most_statuses_are_the_functions_own() {
    use {ErrorKind as Kind, Outcome::NotStarted, Outcome::Unknown};
    let meaning = |status, pairs: &[(&'static str, &'static str)]| {
        Meaning::of_http(None, StatusCode::from_u16(status).expect("a status"), &headers(pairs), Meters::Reported)
    };
    for status in [200, 206, 301, 304, 400, 401, 403, 404, 405, 413, 418, 422, 451] {
        assert_eq!(meaning(status, &[]), Meaning::Success, "{status}");
        assert_eq!(meaning(status, &[("merit-function-error", "Trap")]), Meaning::FunctionError, "{status}");
    }
    for status in [500, 501, 505, 507, 599] {
        assert_eq!(meaning(status, &[]), Meaning::FunctionError, "{status}");
    }
    let told = [("merit-meter-duration-us", "5")];
    for (status, expected) in [
        (407, Meaning::Refusal(NotStarted, Kind::BadCredentials)),
        (408, Meaning::Refusal(Unknown, Kind::Timeout)),
        (421, Meaning::Refusal(NotStarted, Kind::NotFound)),
        (429, Meaning::Refusal(NotStarted, Kind::Throttled)),
        (502, Meaning::Refusal(Unknown, Kind::Unavailable)),
        (503, Meaning::Refusal(Unknown, Kind::Unavailable)),
        (504, Meaning::Refusal(Unknown, Kind::Timeout)),
    ] {
        assert_eq!(meaning(status, &[]), expected, "{status}");
        let own = if status < 500 { Meaning::Success } else { Meaning::FunctionError };
        assert_eq!(meaning(status, &told), own, "{status}: it ran, for its meters are told");
    }
    // A pool has no such function, and says that it is the pool who says so.
    let refused = [("merit-refused", "FunctionNotFound")];
    assert_eq!(meaning(404, &refused), Meaning::Refusal(NotStarted, Kind::NotFound));
    assert_eq!(meaning(405, &refused), Meaning::Refusal(NotStarted, Kind::PayloadRefused));
    assert_eq!(meaning(503, &refused), Meaning::Refusal(NotStarted, Kind::Unavailable));
    assert_eq!(meaning(404, &[refused[0], told[0]]), Meaning::Success, "what ran was not refused");
}
