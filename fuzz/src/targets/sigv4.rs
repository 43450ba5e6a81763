//! Signatures: nothing holds that was not signed with the key, and everything the `aws-sigv4` crate signs does.
//!
//! The bytes are a request as text: `METHOD TARGET`, a header a line, an empty line, the body. After a first byte
//! that is odd, the request is signed by that crate before it is checked.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use merit_lambda_wire::sigv4::{AuthError, BodyHash, Presented, Signer, SigningKey};
use merit_units::Timestamp;
use serde_json::Value;

const NOW: Timestamp = Timestamp::from_micros(1_795_000_000_000_000);
/// AWS's published example.
const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
/// The secret that goes with it in the recorded requests; here nobody has it.
const SECRET: &str = "a secret that signed none of the seeds";

/// A request in parts.
struct Parts<'d> {
    method: Method,
    target: &'d str,
    headers: HeaderMap,
    body: &'d [u8],
}

/// Checks the request as it is, or signs it first.
///
/// # Panics
/// When a signature holds that nobody made, or one that was made does not.
pub fn run(data: &[u8]) {
    let Some((&how, rest)) = data.split_first() else { return };
    let Some(request) = Parts::read(rest) else { return };
    if how & 1 == 0 {
        let presented = of(&request.method, request.target, &request.headers);
        let checked = presented.and_then(|presented| {
            let in_time = presented.check_time(NOW);
            assert!(in_time.is_ok() || in_time.is_err_and(|error| error.status() == 403));
            verify(&presented, SECRET, request.body)
        });
        let error = checked.expect_err("nobody has signed with this secret");
        assert!(!error.message().is_empty() && error.message().len() < 2000);
        return;
    }
    signed(&request, how & 2 == 2);
}

fn of(method: &Method, target: &str, headers: &HeaderMap) -> Result<Presented, AuthError> {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    Presented::of(method, path, query, headers)
}

fn verify(presented: &Presented, secret: &str, body: &[u8]) -> Result<(), AuthError> {
    let key = SigningKey::derive(secret, presented.date(), presented.region());
    presented.verify(&key, &BodyHash::of(body))
}

fn signed(parts: &Parts<'_>, presign: bool) {
    // What a client's own library would refuse to send, or adds itself.
    let own = ["authorization", "host", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256", "date"];
    let unsigned = ["user-agent", "x-amzn-trace-id", "transfer-encoding"];
    let theirs = |name: &HeaderName| own.contains(&name.as_str()) || unsigned.contains(&name.as_str());
    let presigned = parts.target.contains("X-Amz-");
    if !parts.target.starts_with('/') || parts.target.starts_with("//") || presigned {
        return;
    }
    let mut request = Request::builder().method(&parts.method).uri(format!("http://example.test{}", parts.target));
    for (name, value) in parts.headers.iter().filter(|(name, _)| !theirs(name)) {
        request = request.header(name, value);
    }
    let Ok(mut request) = request.body(parts.body.to_vec()) else { return };
    let signer = Signer::new(ACCESS_KEY, SECRET, None, "us-east-1");
    let made = if presign { signer.presign(&mut request, NOW, 60) } else { signer.sign(&mut request, NOW) };
    if made.is_err() {
        return;
    }
    let target = request.uri().path_and_query().expect("a target").as_str();
    let presented = of(request.method(), target, request.headers());
    let presented = presented.unwrap_or_else(|error| panic!("{error}: {target} {:?}", request.headers()));
    assert_eq!(presented.access_key(), ACCESS_KEY);
    assert_eq!(presented.check_time(NOW), Ok(()));
    assert_eq!(verify(&presented, SECRET, parts.body), Ok(()), "{target} {:?}", request.headers());
    assert!(verify(&presented, "another", parts.body).is_err());
    assert!(verify(&presented, SECRET, &[parts.body, b"."].concat()).is_err());
}

impl<'d> Parts<'d> {
    /// `None` where no HTTP server would have got as far.
    fn read(data: &'d [u8]) -> Option<Self> {
        let end = data.windows(2).position(|pair| pair == b"\n\n");
        let (head, body) = end.map_or((data, &[][..]), |end| (&data[..end], &data[end + 2..]));
        let head = std::str::from_utf8(head).ok()?;
        let mut lines = head.split('\n');
        let (method, target) = lines.next()?.split_once(' ')?;
        let mut headers = HeaderMap::new();
        for line in lines.take(40) {
            let (name, value) = line.split_once(':')?;
            headers.append(name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?);
        }
        Some(Self { method: method.parse().ok()?, target, headers, body })
    }
}

/// The requests recorded from boto3, presigned ones, and requests to be signed.
///
/// # Panics
/// When the recorded requests are not where they belong.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let recorded = include_str!("../../../adapters/lambda-wire/src/sigv4/requests.json");
    let recorded: Vec<Value> = serde_json::from_str(recorded).expect("the recorded requests");
    let mut seeds = Vec::new();
    for request in &recorded {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let mut seed = format!("{} {}", text(&request["method"]), text(&request["target"]));
        for header in request["headers"].as_array().expect("headers") {
            seed = format!("{seed}\n{}:{}", text(&header[0]), text(&header[1]));
        }
        seed = format!("{seed}\n\n{}", text(&request["body"]));
        seeds.extend([0, 1, 3].map(|how| [&[how][..], seed.as_bytes()].concat()));
    }
    let mut presigned =
        Request::post("http://h/2015-03-31/functions/f/invocations?Qualifier=1").body(Vec::new()).expect("a request");
    Signer::new(ACCESS_KEY, "x", Some("TOKEN/+="), "us-east-1").presign(&mut presigned, NOW, 60).expect("signed");
    let target = presigned.uri().path_and_query().expect("a target").as_str();
    seeds.push([&[0][..], format!("POST {target}\nhost:h\n\n").as_bytes()].concat());
    seeds.push(b"\x01GET /a/./b//c/../~x?b=2&a=1&a\nx-amz-a:  two  spaces \nvia: a\nvia: b\n\nbody".to_vec());
    seeds
}
