//! Requests of real clients, requests signed by the `aws-sigv4` crate, and what is done to them on the way.
//!
//! `requests.json` holds requests recorded on loopback from boto3 (botocore 1.44.5, 2026-11-21) with AWS's
//! published example credentials, with the canonical requests botocore logged, and two more signed by the
//! same botocore with a fixed clock. Their `User-Agent`, which is not signed, is left out.

use http::{HeaderName, HeaderValue, Request};
use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Recorded {
    name: String,
    secret: String,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
    canonical: Option<String>,
}

fn recorded() -> Vec<Recorded> {
    serde_json::from_str(include_str!("requests.json")).expect("the recorded requests")
}

fn split(target: &str) -> (&str, Option<&str>) {
    target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)))
}

impl Recorded {
    fn headers(&self) -> HeaderMap {
        let pair = |(name, value): &(String, String)| {
            let name: HeaderName = name.parse().expect("a name");
            (name, HeaderValue::from_str(value).expect("a value"))
        };
        self.headers.iter().map(pair).collect()
    }

    fn presented_with(&self, headers: &HeaderMap) -> Result<Presented, AuthError> {
        let (path, query) = split(&self.target);
        Presented::of(&self.method.parse().expect("a method"), path, query, headers)
    }

    fn presented(&self) -> Presented {
        self.presented_with(&self.headers()).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    fn one(name: &str) -> Self {
        recorded().into_iter().find(|request| request.name == name).expect("a recorded request")
    }
}

fn verify(presented: &Presented, secret: &str, body: &[u8]) -> Result<(), AuthError> {
    let key = SigningKey::derive(secret, presented.date(), presented.region());
    presented.verify(&key, &BodyHash::of(body))
}

fn at(text: &str) -> Timestamp {
    Stamp::parse(text).expect("a time").at()
}

#[test]
fn requests_of_boto3_hold() {
    for request in recorded() {
        let presented = request.presented();
        if let Some(expected) = &request.canonical {
            let mut canonical = presented.canonical.clone();
            canonical.extend_from_slice(&key::to_hex(&BodyHash::of(request.body.as_bytes())));
            assert_eq!(String::from_utf8_lossy(&canonical), *expected, "{}", request.name);
        }
        assert_eq!(verify(&presented, &request.secret, request.body.as_bytes()), Ok(()), "{}", request.name);
        assert_eq!(presented.payload(), Payload::Undeclared, "botocore declares nothing for Lambda");
    }
}

#[test]
fn what_is_presented_can_be_read() {
    let presented = Recorded::one("aws-invoke-sessiontoken").presented();
    assert_eq!(presented.access_key(), "AKIAIOSFODNN7EXAMPLE");
    assert_eq!((presented.date(), presented.region()), ("20261121", "us-east-1"));
    assert_eq!(presented.session_token(), Some("FwoGZXIvYXdzEXAMPLETOKEN/+=="));
    assert_eq!(Recorded::one("aws-invoke-cn").presented().region(), "cn-north-1");
    assert!(!presented.is_presigned());
}

#[test]
fn a_change_anywhere_is_noticed() {
    let mismatch = Err(AuthError::mismatch());
    for request in recorded() {
        let (body, secret) = (request.body.as_bytes(), request.secret.as_str());
        let presented = request.presented();
        assert_eq!(verify(&presented, &format!("{secret}x"), body), mismatch);
        assert_eq!(verify(&presented, secret, &[body, b" "].concat()), mismatch);
        let other = SigningKey::derive(secret, "20261122", presented.region());
        assert_eq!(presented.verify(&other, &BodyHash::of(body)), mismatch, "yesterday's key");

        let target = |target: String| Recorded { target, ..Recorded::one(&request.name) }.presented();
        assert_eq!(verify(&target(request.target.replacen("function", "functiom", 1) + "x"), secret, body), mismatch);
        let more = if request.target.contains('?') { "&a=b" } else { "?a=b" };
        assert_eq!(verify(&target(format!("{}{more}", request.target)), secret, body), mismatch);

        let mut headers = request.headers();
        headers.insert("host", HeaderValue::from_static("lambda.example"));
        let moved = request.presented_with(&headers).expect("still well-formed");
        assert_eq!(verify(&moved, secret, body), mismatch, "another host");
        let mut headers = request.headers();
        headers.insert("x-amz-invocation-type", HeaderValue::from_static("DryRun"));
        assert!(
            request.presented_with(&headers).is_err_and(|error| error.message.contains("must be a 'SignedHeader'"))
                || request.presented_with(&headers).is_ok_and(|changed| verify(&changed, secret, body) == mismatch)
        );
    }
}

#[test]
fn headers_that_are_not_signed_may_change() {
    let request = Recorded::one("aws-invoke-basic");
    let mut headers = request.headers();
    headers.insert("user-agent", HeaderValue::from_static("a proxy"));
    headers.insert("x-amz-user-agent", HeaderValue::from_static("a browser"));
    headers.remove("amz-sdk-request");
    let presented = request.presented_with(&headers).expect("well-formed");
    assert_eq!(verify(&presented, &request.secret, request.body.as_bytes()), Ok(()));
}

#[test]
fn a_clock_may_be_five_minutes_off() {
    let presented = Recorded::one("aws-invoke-basic").presented();
    for good in ["20261121T042653Z", "20261121T042153Z", "20261121T043153Z"] {
        assert_eq!(presented.check_time(at(good)), Ok(()), "{good}");
    }
    let late = presented.check_time(at("20261121T043154Z")).expect_err("too old");
    let words = "Signature expired: 20261121T042653Z is now earlier than 20261121T042654Z (20261121T043154Z - 5 min.)";
    assert_eq!((late.message(), late.code()), (words, &ErrorCode::InvalidSignature));
    let early = presented.check_time(at("20261121T042152Z")).expect_err("from the future");
    let words =
        "Signature not yet current: 20261121T042653Z is still later than 20261121T042652Z (20261121T042152Z + 5 min.)";
    assert_eq!(early.message(), words);
}

fn signer() -> Signer {
    Signer::new("AKIDEXAMPLE", "secret", None, "eu-west-1")
}

const NOW: Timestamp = Timestamp::from_micros(1_795_000_000_000_000);

fn presented(request: &Request<Vec<u8>>) -> Result<Presented, AuthError> {
    Presented::of(request.method(), request.uri().path(), request.uri().query(), request.headers())
}

fn request(uri: &str) -> Request<Vec<u8>> {
    Request::post(uri).body(b"{}".to_vec()).expect("a request")
}

#[test]
fn presigned_requests_hold_until_they_expire() {
    let mut request = request("http://127.0.0.1:1/2015-03-31/functions/f/invocations?Qualifier=%24LATEST");
    signer().presign(&mut request, NOW, 3600).expect("signed");
    assert!(!request.headers().contains_key("authorization"));
    let presented = presented(&request).expect("well-formed");
    assert!(presented.is_presigned());
    assert_eq!(verify(&presented, "secret", b"{}"), Ok(()));
    assert_eq!(verify(&presented, "secret", b""), Err(AuthError::mismatch()));
    let after = |seconds| stamp::plus(NOW, Micros::from_secs(seconds));
    assert_eq!(presented.check_time(after(3599)), Ok(()));
    let over = presented.check_time(after(3602)).expect_err("over").to_string();
    assert!(over.contains("- 60 min.)"), "{over}");
    assert!(presented.check_time(stamp::minus(NOW, Micros::from_secs(302))).is_err());
}

#[test]
fn a_declared_hash_is_checked_and_an_unsigned_payload_is_told() {
    let declared = |hash: String| {
        let mut request = request("http://127.0.0.1:1/f");
        request.headers_mut().insert("x-amz-content-sha256", hash.parse().expect("text"));
        signer().sign(&mut request, NOW).expect("signed");
        presented(&request)
    };
    let hash = BodyHash::of(b"{}");
    let hex = String::from_utf8(key::to_hex(&hash).to_vec()).expect("hex");
    let good = declared(hex.clone()).expect("well-formed");
    assert_eq!(good.payload(), Payload::Declared(hash));
    assert_eq!(verify(&good, "secret", b"{}"), Ok(()));
    let wrong = verify(&good, "secret", b"{ }").expect_err("another body");
    assert!(wrong.message().contains("x-amz-content-sha256"), "{wrong}");
    for other in ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned(), hex.to_uppercase()] {
        assert!(declared(other).expect_err("not taken").message().contains("UNSIGNED-PAYLOAD or a SHA-256"));
    }
    assert_eq!(declared("UNSIGNED-PAYLOAD".to_owned()).expect("well-formed").payload(), Payload::Unsigned);
}

#[test]
fn it_tells_which_headers_are_signed() {
    let mut signed = request("http://127.0.0.1:1/f");
    signed.headers_mut().insert("x-merit-tags", HeaderValue::from_static("team=a"));
    signer().sign(&mut signed, NOW).expect("signed");
    signed.headers_mut().insert("x-merit-venues", HeaderValue::from_static("theirs"));
    let presented = presented(&signed).expect("well-formed");
    let told = ["host", "x-amz-date", "x-merit-tags", "x-merit-venues", "x-merit", "", "host;x-amz-date"];
    assert_eq!(told.map(|name| presented.signs(name)), [true, true, true, false, false, false, false]);
    assert_eq!(verify(&presented, "secret", b"{}"), Ok(()), "the signature itself holds");
}

#[test]
fn an_http_date_will_do() {
    let request = Recorded::one("aws-invoke-basic");
    let mut headers = request.headers();
    headers.remove("x-amz-date");
    headers.insert("date", HeaderValue::from_static("Sat, 21 Nov 2026 04:26:53 GMT"));
    let presented = request.presented_with(&headers).expect("well-formed");
    assert_eq!(presented.stamp.as_str(), "20261121T042653Z");
}

/// What is wrong with a request whose headers were changed.
fn refusal(change: impl FnOnce(&mut HeaderMap)) -> String {
    let request = Recorded::one("aws-invoke-basic");
    let mut headers = request.headers();
    change(&mut headers);
    request.presented_with(&headers).expect_err("refused").to_string()
}

/// The same with one text in `Authorization` in place of another.
fn authorization(from: &str, to: &str) -> String {
    refusal(|headers| {
        let changed = headers["authorization"].to_str().expect("text").replacen(from, to, 1);
        headers.insert("authorization", changed.parse().expect("text"));
    })
}

#[test]
fn what_is_malformed_is_named_as_aws_names_it() {
    let missing = refusal(|headers| drop(headers.remove("authorization")));
    assert_eq!(missing, "MissingAuthenticationTokenException: Missing Authentication Token");
    let none = refusal(|headers| {
        headers.insert("authorization", HeaderValue::from_static("AWS4-HMAC-SHA256 "));
        headers.remove("x-amz-date");
    });
    let words = "IncompleteSignatureException: Authorization header requires 'Credential' parameter. Authorization header \
                 requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization \
                 header requires existence of either a 'X-Amz-Date' or a 'Date' header.";
    assert_eq!(none, words);
    for (from, to, words) in [
        (
            "AWS4-HMAC-SHA256 ",
            "Bearer ",
            "IncompleteSignatureException: Authorization header requires 'AWS4-HMAC-SHA256'",
        ),
        ("Signature=", "Signature", "not a valid key=value pair (missing equal-sign)"),
        ("Signature=", "Signature=00,Signature=", "'Signature' more than once"),
        ("AKIAIOSFODNN7EXAMPLE/", "AKIAIOSFODNN7EXAMPLE", "Credential must have exactly 5 slash-delimited elements"),
        ("AKIAIOSFODNN7EXAMPLE/", "/", "UnrecognizedClientException: The security token included"),
        ("20261121/", "20261120/", "'20261120' != '20261121', from '20261121T042653Z'"),
        ("us-east-1", "", "valid region, not ''"),
        ("/lambda/", "/s3/", "InvalidSignatureException: Credential should be scoped to correct service: 'lambda'"),
        ("aws4_request", "aws5_request", "valid terminator: 'aws4_request', not 'aws5_request'"),
        ("host;x-amz-date", "x-amz-date", "'Host' or ':authority' must be a 'SignedHeader'"),
        ("host;x-amz-date", "host", "'x-amz-date' must be a 'SignedHeader'"),
        ("host;x-amz-date", "host;host;x-amz-date", "sorted, and each there once"),
        ("host;x-amz-date", "x-amz-date;host", "sorted, and each there once"),
        ("host;x-amz-date", "Host;x-amz-date", "in lower case"),
        ("host;x-amz-date", "", "in lower case"),
        (
            "Signature=8b",
            "Signature=8B",
            "InvalidSignatureException: The request signature we calculated does not match",
        ),
        ("Signature=8b", "Signature=8", "does not match"),
    ] {
        let error = authorization(from, to);
        assert!(error.contains(words), "{from} -> {to}: {error}");
    }
    for date in ["2026-11-21", "20261121T042653", "20261121T246000Z", "20261332T000000Z", "", "00000101T000000Z"] {
        let error = refusal(|headers| drop(headers.insert("x-amz-date", date.parse().expect("text"))));
        assert!(error.contains("Date must be in ISO-8601 'basic format'"), "{date}: {error}");
    }
    let twice = refusal(|headers| assert!(headers.append("authorization", HeaderValue::from_static("x"))));
    assert!(twice.contains("'authorization' is there more than once"), "{twice}");
}

#[test]
fn malformed_presigned_requests_are_named_too() {
    let mut request = request("http://127.0.0.1:1/f");
    signer().presign(&mut request, NOW, 60).expect("signed");
    let good = request.uri().query().expect("signed").to_owned();
    let of = |query: &str, headers: &HeaderMap| {
        Presented::of(&Method::POST, "/f", Some(query), headers).expect_err(query).to_string()
    };
    for (from, to, words) in [
        ("X-Amz-Expires=60", "X-Amz-Expires=604801", "from 1 to 604800, a week, not '604801'"),
        ("X-Amz-Expires=60", "X-Amz-Expires=0", "not '0'"),
        ("X-Amz-Expires=60", "X-Amz-Expires=%2B60", "not '+60'"),
        ("X-Amz-Expires=60", "X=60", "must include 'X-Amz-Expires'"),
        ("X-Amz-Expires=60", "X-Amz-Expires=60&X-Amz-Expires=60", "'X-Amz-Expires' is there more than once"),
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", "only supports 'AWS4-HMAC-SHA256'"),
        ("X-Amz-Signature=", "X-Signature=", "must include 'X-Amz-Signature'"),
        ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=via", "'Host' or ':authority' must be"),
    ] {
        let error = of(&good.replacen(from, to, 1), request.headers());
        assert!(error.contains(words), "{from} -> {to}: {error}");
    }
    let mut headers = request.headers().clone();
    headers.insert("authorization", HeaderValue::from_static("AWS4-HMAC-SHA256 Credential=x"));
    assert!(of(&good, &headers).contains("Only one auth mechanism allowed"));
}

fn any_target() -> impl Strategy<Value = String> {
    let segment = "([a-zA-Z0-9_.~!$&'()*,;=:@-]|%[0-9A-F]{2}|\\.\\.?){0,12}";
    let pair = "([a-zA-Z0-9_.~$+:@/?-]|%[0-7][0-9A-F]){0,8}(=([a-zA-Z0-9_.~$+:@/?=-]|%[0-7][0-9A-F]){0,8})?";
    (proptest::collection::vec(segment, 1..6), proptest::collection::vec(pair, 0..4)).prop_map(|(path, query)| {
        let query = query.join("&");
        format!("/{}{}{query}", path.join("/"), if query.is_empty() { "" } else { "?" })
    })
}

fn any_headers() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = "(x-amz-[a-f]{1,3}|[b-g][a-z-]{0,5})";
    proptest::collection::vec((name, "[ -~]{0,20}"), 0..5)
}

proptest! {
    /// Whatever the `aws-sigv4` crate signs holds here, and only as it was signed.
    #[test]
    fn what_the_crate_signs_holds(
        target in any_target(),
        headers in any_headers(),
        body in proptest::collection::vec(any::<u8>(), 0..40),
        token in proptest::option::of("[a-zA-Z0-9/+=]{1,40}"),
        presign in any::<bool>(),
    ) {
        let signer = Signer::new("AKIDEXAMPLE", "secret", token.as_deref(), "eu-west-1");
        let mut request = Request::post(format!("http://example.test:8080{target}"));
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let Ok(mut request) = request.body(body.clone()) else { return Ok(()) };
        let signed = if presign { signer.presign(&mut request, NOW, 60) } else { signer.sign(&mut request, NOW) };
        prop_assume!(signed.is_ok());
        let presented = presented(&request).expect("well-formed");
        prop_assert_eq!(presented.session_token(), token.as_deref());
        prop_assert_eq!(presented.check_time(NOW), Ok(()));
        prop_assert_eq!(verify(&presented, "secret", &body), Ok(()));
        prop_assert_eq!(verify(&presented, "Secret", &body), Err(AuthError::mismatch()));
    }

    /// A request of which there is only a head and a target is signed as a whole one.
    #[test]
    fn headers_are_signed_as_a_request_is(
        target in any_target(),
        headers in any_headers(),
        body in proptest::collection::vec(any::<u8>(), 0..40),
        token in proptest::option::of("[a-zA-Z0-9/+=]{1,40}"),
    ) {
        let signer = Signer::new("AKIDEXAMPLE", "secret", token.as_deref(), "eu-west-1");
        let mut request = Request::post(format!("http://example.test:8080{target}")).header("host", "example.test:8080");
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let Ok(mut request) = request.body(body) else { return Ok(()) };
        let (mut alone, target) = (request.headers().clone(), request.uri().path_and_query().expect("one").clone());
        let signed = signer.sign_headers(&Method::POST, target.as_str(), &mut alone, request.body(), NOW);
        prop_assert_eq!(signed.is_ok(), signer.sign(&mut request, NOW).is_ok());
        prop_assert_eq!(&alone, request.headers());
    }

    #[test]
    fn anything_is_read_or_refused(authorization in "[ -~]{0,200}", date in "[0-9TZ]{0,18}", query in "[ -~]{0,120}") {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("h"));
        headers.insert("x-amz-date", HeaderValue::from_str(&date).expect("text"));
        drop(Presented::of(&Method::POST, "/f", Some(&query), &headers));
        let authorization = format!("AWS4-HMAC-SHA256 {authorization}");
        headers.insert("authorization", HeaderValue::from_str(&authorization).expect("text"));
        drop(Presented::of(&Method::POST, "/f", None, &headers));
    }
}
