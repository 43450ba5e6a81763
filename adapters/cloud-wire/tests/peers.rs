//! Our signatures beside those that the vendors' own Python SDKs make of the same requests, for random keys, paths,
//! Unicode, qualifiers and times. `make setup` installs the SDKs in `tests/peers`.
//!
//! The SDKs' code is called by `tests/peers/clouds/sign.py`; it computes the body's hash and the day itself.

#[path = "../../../tests/peers/judge.rs"]
mod judge;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use merit_cloud_wire::{acs3, fc, tc3};
use merit_units::Timestamp;
use serde_json::{Value, json};

use judge::judged;

/// Requests of each scheme.
const REQUESTS: usize = 300;
const SEED: u64 = 20_261_121;

/// What the SDKs' code answers, a line a request.
fn theirs(asked: &[Value]) -> Vec<String> {
    judged("clouds/sign.py", &[], asked).expect("the SDKs' code answers")
}

/// Letters of several scripts, and what has a meaning in URLs.
fn text(rng: &mut fastrand::Rng, most: usize) -> String {
    const MARKS: [char; 24] = [
        ' ', '%', '+', '&', '=', '/', '?', '~', '-', '_', '.', '$', ':', ';', ',', '*', '\'', '(', '!', '#', 'é', '日',
        '😀', '\u{301}',
    ];
    let letter =
        |rng: &mut fastrand::Rng| if rng.u8(..3) == 0 { MARKS[rng.usize(..MARKS.len())] } else { rng.alphanumeric() };
    (0..rng.usize(1..=most)).map(|_| letter(rng)).collect()
}

fn key(rng: &mut fastrand::Rng) -> (String, String) {
    // Whatever a header can hold between the marks that separate its parts.
    let visible: Vec<char> = ('!'..='~').filter(|char| !matches!(char, ',' | '/')).collect();
    let id = (0..rng.usize(1..40)).map(|_| visible[rng.usize(..visible.len())]).collect();
    // The SDK takes no key with a space at its ends.
    (id, format!("k{}k", text(rng, 50)))
}

/// A time from 1970 to 2099.
fn seconds(rng: &mut fastrand::Rng) -> u64 {
    rng.u64(..4_102_444_800)
}

fn header(headers: &mut HeaderMap, name: &'static str, value: &str) {
    headers.insert(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
}

fn authorization(headers: &HeaderMap) -> String {
    headers["authorization"].to_str().expect("ASCII").to_owned()
}

/// A request of Function Compute or of a trigger, as it is asked of the SDK, and our signature of it.
fn acs3_request(rng: &mut fastrand::Rng) -> (Value, String) {
    let (id, secret) = key(rng);
    let (qualifier, signs_body) = (rng.bool().then(|| text(rng, 20)), rng.u8(..4) > 0);
    let path = fc::invocations_path(&text(rng, 30));
    let query = qualifier.as_ref().map(|qualifier| format!("qualifier={}", fc::query_value(qualifier)));
    let body: Vec<u8> = (0..rng.usize(..200)).map(|_| rng.u8(..)).collect();
    let mut headers = HeaderMap::new();
    header(&mut headers, "host", &format!("fcv3.{}.aliyuncs.com", rng.lowercase()));
    header(&mut headers, "x-acs-action", "InvokeFunction");
    header(&mut headers, "x-fc-async-task-id", &text(rng, 30));
    if rng.bool() {
        header(&mut headers, "content-type", "application/octet-stream");
    }
    for name in ["accept", "user-agent", "x-acs-security-token", "x-fc-invocation-type", "x-fc-log-type", "x-fc-trace"]
    {
        if rng.bool() {
            header(&mut headers, name, &text(rng, 40));
        }
    }
    let signer = acs3::Signer::try_new(&id, &secret, None).expect("a key pair");
    let now = Timestamp::from_micros(seconds(rng) * 1_000_000);
    let query_text = query.as_deref();
    if signs_body {
        let nonce = format!("{:032x}", rng.u128(..));
        signer.sign(&Method::POST, &path, query_text, &mut headers, &body, now, &nonce).expect("signed");
    } else {
        signer.sign_trigger(&Method::POST, &path, query_text, &mut headers, now).expect("signed");
    }
    let ours = authorization(&headers);
    let values = headers.iter().filter(|(name, _)| *name != "authorization");
    let values: serde_json::Map<String, Value> =
        values.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into())).collect();
    let query: Value = qualifier.map_or(json!({}), |qualifier| json!({ "qualifier": qualifier }));
    let asked = json!({
        "scheme": "acs3", "method": "POST", "path": path, "query": query, "headers": values, "signs_body": signs_body,
        "body": BASE64_STANDARD.encode(&body), "id": id, "secret": secret,
    });
    let presented = acs3::Presented::of(&Method::POST, &path, query_text, &headers).expect("well-formed");
    assert_eq!(presented.verify(&secret, &body), Ok(()));
    (asked, ours)
}

/// The same for SCF.
fn tc3_request(rng: &mut fastrand::Rng) -> (Value, String) {
    let (id, secret) = key(rng);
    let (host, seconds, unsigned) = (format!("scf.{}.tencentcloudapi.com", rng.lowercase()), seconds(rng), rng.bool());
    let body = json!({ "FunctionName": text(rng, 20), "Event": text(rng, 60) }).to_string();
    let mut headers = HeaderMap::new();
    header(&mut headers, "host", &host);
    header(&mut headers, "content-type", "application/json");
    if unsigned {
        header(&mut headers, "x-tc-content-sha256", "UNSIGNED-PAYLOAD");
    }
    let signer = tc3::Signer::try_new(&id, &secret, None).expect("a key pair");
    let now = Timestamp::from_micros(seconds * 1_000_000);
    signer.sign(&Method::POST, "/", None, &mut headers, body.as_bytes(), now).expect("signed");
    let asked = json!({
        "scheme": "tc3", "path": "/", "host": host, "content_type": "application/json", "seconds": seconds,
        "unsigned": unsigned, "body": BASE64_STANDARD.encode(&body), "id": id, "secret": secret,
    });
    let presented = tc3::Presented::of(&Method::POST, "/", None, &headers).expect("well-formed");
    assert_eq!(presented.verify(&secret, body.as_bytes()), Ok(()));
    (asked, authorization(&headers))
}

/// No header holds them, and no provider gives them out: a key that was pasted with them is refused when it is set.
#[test]
fn key_ids_that_no_header_holds_are_refused() {
    for id in ["", "LTAIé", "AKID日本", "AKID EXAMPLE", "LTAI\u{a0}5t", "AKID\n", "one,two", "\u{202e}AKID"] {
        let refused = acs3::Signer::try_new(id, "secret", None).expect_err(id).to_string();
        assert!(refused.contains("the access key's id"), "{refused}");
        let refused = tc3::Signer::try_new(id, "secret", None).expect_err(id).to_string();
        assert!(refused.contains("the SecretId"), "{refused}");
    }
}

#[test]
fn the_sdks_sign_random_requests_as_we_do() {
    let mut rng = fastrand::Rng::with_seed(SEED);
    let mut requests: Vec<(Value, String)> = (0..REQUESTS).map(|_| acs3_request(&mut rng)).collect();
    requests.extend((0..REQUESTS).map(|_| tc3_request(&mut rng)));
    let (asked, ours): (Vec<Value>, Vec<String>) = requests.into_iter().unzip();
    let theirs = theirs(&asked);
    assert_eq!(theirs.len(), ours.len());
    for ((asked, ours), theirs) in asked.iter().zip(&ours).zip(&theirs) {
        assert_eq!(ours, theirs, "{asked}");
    }
}
