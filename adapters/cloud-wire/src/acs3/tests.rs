//! The scheme against requests of the official SDK, byte by byte, and against what nobody signed.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use merit_units::Timestamp;

use super::{Presented, SKEW_S, Signer};
use crate::{AuthError, time};

/// The example key pair that the SDK's requests below were recorded with.
const RECORDED: (&str, &str) = ("LTAI5tEXAMPLEACCESSKEY01", "ExampleAliSecretKey0123456789ab");
/// 2026-11-21T04:27:36Z.
const NOW: Timestamp = Timestamp::from_micros(1_795_235_256_000_000);
const PATH: &str = "/2023-03-30/functions/my-func/invocations";
const BODY: &[u8] = br#"{"a":1}"#;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"));
    }
    headers
}

/// What all the recorded requests have.
const COMMON: [(&str, &str); 6] = [
    ("host", "127.0.0.1:9950"),
    ("x-acs-version", "2023-03-30"),
    ("x-acs-action", "InvokeFunction"),
    ("user-agent", "AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2"),
    ("accept", "application/json"),
    ("x-acs-credentials-provider", "static_ak"),
];

struct Recorded {
    nonce: &'static str,
    query: Option<&'static str>,
    more: &'static [(&'static str, &'static str)],
    token: Option<&'static str>,
    body: &'static [u8],
    signature: &'static str,
}

/// Requests of alibabacloud-fc20230330 4.8.3 with alibabacloud-tea-openapi, recorded on loopback on 2026-11-21.
const RECORDINGS: [Recorded; 5] = [
    Recorded {
        nonce: "360af0eabf573cc2baa9b3a16f2d239c",
        query: None,
        more: &[("content-type", "application/octet-stream")],
        token: None,
        body: BODY,
        signature: "4edffbd00acfd300cbed68133035984e75aa7d1c1f4fe57e59ce4e3d66b2c30c",
    },
    Recorded {
        nonce: "8009a0602e3f44c196d53f37a241aadb",
        query: None,
        more: &[],
        token: None,
        body: b"",
        signature: "696470db4f2691451a654319adb07e3b4aae7e4ba53bd053454fc72e18c6d2d6",
    },
    Recorded {
        nonce: "5f0e4b2b12d888de8801ba139146b395",
        query: Some("qualifier=LATEST"),
        more: &[
            ("content-type", "application/octet-stream"),
            ("x-fc-async-task-id", "task-1"),
            ("x-fc-invocation-type", "Async"),
            ("x-fc-log-type", "Tail"),
        ],
        token: None,
        body: BODY,
        signature: "327150f1e9f232aeba99ead80875d89b8264a56e2366230f0accb2dc05e7bcf4",
    },
    Recorded {
        nonce: "f99d6ecb09a726567a4d8e3839fa7032",
        query: None,
        more: &[
            ("content-type", "application/octet-stream"),
            ("x-fc-invocation-type", "Sync"),
            ("x-fc-log-type", "Tail"),
        ],
        token: None,
        body: "{\"u\":\"日本語 +&=\"}".as_bytes(),
        signature: "784c18650200e47444a8b5c464fc028847881a21c859580278c79ce1e63482b6",
    },
    Recorded {
        nonce: "f2e4ee3ce0fadd725a596fa419d47021",
        query: None,
        more: &[("content-type", "application/octet-stream")],
        token: Some("CAISexampletoken/+=="),
        body: BODY,
        signature: "a82b7a1d2d17ad5a9e70e2122948e452a5f14065526d38438c36ae437197eaa2",
    },
];

fn signed(recorded: &Recorded) -> HeaderMap {
    let mut headers = headers(&COMMON);
    for (name, value) in recorded.more {
        headers.insert(*name, HeaderValue::from_static(value));
    }
    if recorded.token.is_some() {
        headers.insert("x-acs-credentials-provider", HeaderValue::from_static("static_sts"));
    }
    let signer = Signer::try_new(RECORDED.0, RECORDED.1, recorded.token).expect("a key pair");
    signer.sign(&Method::POST, PATH, recorded.query, &mut headers, recorded.body, NOW, recorded.nonce).expect("signed");
    headers
}

#[test]
fn requests_are_signed_as_the_sdk_signs_them() {
    for recorded in &RECORDINGS {
        let headers = signed(recorded);
        let authorization = headers["authorization"].to_str().expect("text");
        let mut names: Vec<&str> =
            headers.keys().map(HeaderName::as_str).filter(|name| *name != "authorization").collect();
        names.sort_unstable();
        let expected = format!(
            "ACS3-HMAC-SHA256 Credential={},SignedHeaders={},Signature={}",
            RECORDED.0,
            names.join(";"),
            recorded.signature
        );
        assert_eq!(authorization, expected);
        let presented = Presented::of(&Method::POST, PATH, recorded.query, &headers).expect("well-formed");
        assert_eq!((presented.access_key_id(), presented.security_token()), (RECORDED.0, recorded.token));
        assert_eq!(presented.verify(RECORDED.1, recorded.body), Ok(()));
        assert_eq!(presented.verify(RECORDED.1, b"another"), Err(AuthError::Mismatch));
        assert_eq!(presented.verify("another", recorded.body), Err(AuthError::Mismatch));
    }
}

/// The SDK's signing code itself, alibabacloud-tea-openapi 0.4.6, with its example keys and a fixed clock.
#[test]
fn a_request_without_the_clients_own_headers_is_signed_as_the_sdk_signs_it() {
    for (query, token, more, signature) in [
        (
            Some("qualifier=LATEST"),
            None,
            [("x-fc-invocation-type", "Sync"), ("x-fc-log-type", "Tail")],
            "854bb6fd97b4724f09aee651a05c5963134f787d01ce8db1a8fa100e7cd08688",
        ),
        (
            None,
            Some("STSTOKENEXAMPLE"),
            [("x-fc-invocation-type", "Async"), ("x-fc-async-task-id", "task_1")],
            "c3a74f802047548e20b9c7aa44a96fb8260e0cb5399f03d6718896ee91500e8b",
        ),
    ] {
        let mut headers = headers(&[
            ("host", "fcv3.cn-hangzhou.aliyuncs.com"),
            ("x-acs-version", "2023-03-30"),
            ("x-acs-action", "InvokeFunction"),
            ("content-type", "application/octet-stream"),
        ]);
        more.iter().for_each(|(name, value)| drop(headers.insert(*name, HeaderValue::from_static(value))));
        // That code signs the token and not the key's id beside it, so that the id is not given here.
        if let Some(token) = token {
            headers.insert("x-acs-security-token", HeaderValue::from_static(token));
        }
        let signer = Signer::try_new("AccessKeyIdEXAMPLE", "AccessKeySecretEXAMPLE", None).expect("a key pair");
        let at = time::parse_iso8601("2026-01-02T03:04:05Z").expect("a time");
        let path = "/2023-03-30/functions/my-function/invocations";
        signer
            .sign(&Method::POST, path, query, &mut headers, BODY, at, "d410180a5abf7fe235dd9b74aca91fc0")
            .expect("signed");
        let authorization = headers["authorization"].to_str().expect("text");
        assert!(authorization.ends_with(signature), "{authorization}");
    }
}

fn of(headers: &HeaderMap) -> Result<Presented, AuthError> {
    Presented::of(&Method::POST, PATH, None, headers)
}

#[test]
fn a_change_of_anything_that_is_signed_is_noticed() {
    let good = signed(&RECORDINGS[0]);
    let check = |method: &Method, path: &str, query: Option<&str>, headers: &HeaderMap| {
        Presented::of(method, path, query, headers).and_then(|presented| presented.verify(RECORDED.1, BODY))
    };
    assert_eq!(check(&Method::POST, PATH, None, &good), Ok(()));
    assert_eq!(check(&Method::PUT, PATH, None, &good), Err(AuthError::Mismatch));
    assert_eq!(check(&Method::POST, "/2023-03-30/functions/other/invocations", None, &good), Err(AuthError::Mismatch));
    assert_eq!(check(&Method::POST, PATH, Some("qualifier=2"), &good), Err(AuthError::Mismatch));
    for name in ["x-acs-action", "x-acs-signature-nonce", "host", "content-type"] {
        let mut changed = good.clone();
        changed.insert(name, HeaderValue::from_static("other"));
        assert_eq!(check(&Method::POST, PATH, None, &changed), Err(AuthError::Mismatch), "{name}");
        changed.remove(name);
        assert!(matches!(check(&Method::POST, PATH, None, &changed), Err(AuthError::Malformed(_))), "{name}");
    }
    let mut more = good.clone();
    more.insert("x-fc-async-task-id", HeaderValue::from_static("smuggled"));
    assert!(matches!(of(&more), Err(AuthError::Malformed(what)) if what.contains("x-fc-async-task-id")));
    let mut twice = good;
    twice.append("x-acs-date", HeaderValue::from_static("2026-11-21T04:27:37Z"));
    assert!(matches!(of(&twice), Err(AuthError::Malformed(_))));
}

#[test]
fn the_clock_may_be_off_by_fifteen_minutes() {
    let presented = of(&signed(&RECORDINGS[0])).expect("well-formed");
    let at =
        |seconds: i64| Timestamp::from_micros(u64::try_from(1_795_235_256 + seconds).expect("after 1970") * 1_000_000);
    let skew = i64::try_from(SKEW_S).expect("small");
    for seconds in [0, skew, -skew] {
        assert_eq!(presented.check_time(at(seconds)), Ok(()));
    }
    assert_eq!(presented.check_time(at(skew + 1)), Err(AuthError::Stale(SKEW_S + 1)));
    assert_eq!(presented.check_time(at(-skew - 1)), Err(AuthError::Stale(SKEW_S + 1)));
}

#[test]
fn what_can_not_be_read_is_refused_with_what_it_is() {
    let good = signed(&RECORDINGS[0]);
    assert_eq!(of(&HeaderMap::new()).expect_err("unsigned"), AuthError::Missing);
    let text = good["authorization"].to_str().expect("text").to_owned();
    for (from, to, words) in [
        ("ACS3-HMAC-SHA256 ", "ACS3-HMAC-SM3 ", "not the scheme"),
        (",Signature=", ",Sig=", "no part of a signature"),
        ("SignedHeaders=accept;", "SignedHeaders=x;accept;", "not in order"),
        ("SignedHeaders=accept;", "SignedHeaders=aaa;accept;", "not there"),
        ("Credential=LTAI5tEXAMPLEACCESSKEY01,", "", "missing: `Credential`"),
        (",Signature=", ",Signature=1,Signature=", "more than once"),
    ] {
        let mut bad = good.clone();
        bad.insert("authorization", HeaderValue::from_str(&text.replace(from, to)).expect("text"));
        let error = of(&bad).expect_err(to).to_string();
        assert!(error.contains(words), "{error}");
    }
    let mut bad = good;
    bad.insert("authorization", HeaderValue::from_str(&text.replace("Signature=4", "Signature=g")).expect("text"));
    assert_eq!(of(&bad).expect_err("no digits"), AuthError::Mismatch);
}

#[test]
fn a_trigger_signs_no_body() {
    let signer = Signer::try_new("id", "secret", Some("token")).expect("a key pair");
    let mut headers = headers(&[("host", "f-abc.cn-hangzhou.fcapp.run"), ("content-type", "text/plain")]);
    let query = Some("b=2&a=x%20y&a=%C3%A9");
    signer.sign_trigger(&Method::POST, "/p%20q", query, &mut headers, NOW).expect("signed");
    let presented = Presented::of(&Method::POST, "/p%20q", query, &headers).expect("well-formed");
    assert!(!presented.signs_body());
    assert_eq!(presented.security_token(), Some("token"));
    assert_eq!(presented.verify("secret", b"whatever"), Ok(()));
    let reordered =
        Presented::of(&Method::POST, "/p%20q", Some("a=x%20y&a=%c3%a9&b=2"), &headers).expect("well-formed");
    assert_eq!(reordered.verify("secret", b""), Ok(()), "the same query in another order and spelling");
}

#[test]
fn keys_that_no_header_can_hold_are_refused_and_none_is_shown() {
    for (id, secret, token) in
        [("", "s", None), ("a b", "s", None), ("a,b", "s", None), ("id", "", None), ("id", "s", Some("a\nb"))]
    {
        assert!(Signer::try_new(id, secret, token).is_err(), "{id}");
    }
    let signer = Signer::try_new("id", "hunter2", Some("hunter2")).expect("a key pair");
    assert!(!format!("{signer:?}").contains("hunter2"));
    let mut signed = headers(&[("host", "h")]);
    signer.sign(&Method::POST, "/", None, &mut signed, b"", NOW, "n").expect("signed");
    assert!(!format!("{signed:?}").contains("hunter2"), "{signed:?}");
}
