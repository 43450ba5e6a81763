//! Our signatures beside those that botocore, AWS's own Python SDK, makes of the same requests: for random keys, tokens,
//! paths, Unicode, qualifiers and times, as they are sent to Lambda, and to AWS's list of prices (`GetProducts`).
//! `make setup` installs botocore in `tests/peers`; `tests/peers/aws/signatures.py` calls it.

#[path = "../../../tests/peers/judge.rs"]
mod judge;

use std::fmt::Write as _;

use http::Request;
use merit_lambda_wire::sigv4::{BodyHash, Presented, Signer, SigningKey};
use merit_units::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use judge::judged;

const REQUESTS: usize = 400;
const SEED: u64 = 20_261_122;

/// What botocore answers, a line a request.
fn theirs(asked: &[Value]) -> Vec<String> {
    judged("aws/signatures.py", &["check"], asked).expect("botocore answers")
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

/// As clients of AWS encode: what is unreserved in a URL stays.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A call of a function, or a page of prices.
fn request(rng: &mut fastrand::Rng, service: &str) -> Request<Vec<u8>> {
    let host = format!("{}.example.test:{}", rng.lowercase(), rng.u16(1024..));
    if service == "pricing" {
        let body = json!({ "ServiceCode": "AWSLambda", "FormatVersion": "aws_v1", "NextToken": text(rng, 60),
            "Filters": [{ "Type": "TERM_MATCH", "Field": "regionCode", "Value": text(rng, 20) }] });
        let request = Request::post(format!("http://{host}/")).header("content-type", "application/x-amz-json-1.1");
        let request = request.header("x-amz-target", "AWSPriceListService.GetProducts");
        return request.body(body.to_string().into_bytes()).expect("a request");
    }
    let qualifier = if rng.bool() { format!("?Qualifier={}", encoded(&text(rng, 20))) } else { String::new() };
    let path = format!("/2015-03-31/functions/{}/invocations{qualifier}", encoded(&text(rng, 40)));
    let mut request = Request::post(format!("http://{host}{path}"));
    if rng.bool() {
        request = request.header("x-amz-log-type", "Tail").header("x-amz-client-context", encoded(&text(rng, 80)));
    }
    if rng.bool() {
        request = request.header("content-type", "application/json").header("x-amz-invocation-type", "  a   b ");
    }
    request.body((0..rng.usize(..300)).map(|_| rng.u8(..)).collect()).expect("a request")
}

#[test]
fn botocore_signs_random_requests_as_we_do() {
    let mut rng = fastrand::Rng::with_seed(SEED);
    let (mut asked, mut ours) = (Vec::new(), Vec::new());
    for number in 0..REQUESTS {
        let service = if number % 4 == 0 { "pricing" } else { "lambda" };
        let id: String = (0..rng.usize(16..40)).map(|_| rng.alphanumeric()).collect();
        let (secret, token) = (text(&mut rng, 50), rng.bool().then(|| encoded(&text(&mut rng, 200))));
        let region = ["us-east-1", "eu-south-2", "us-gov-west-1", "cn-north-1"][rng.usize(..4)];
        // A time from 1970 to 2099.
        let now = Timestamp::from_micros(rng.u64(..4_102_444_800) * 1_000_000);
        let mut request = request(&mut rng, service);
        let signer = Signer::new(&id, &secret, token.as_deref(), region);
        let signer = if service == "pricing" { signer.for_service("pricing") } else { signer };
        signer.sign(&mut request, now).expect("signed");
        let host = request.uri().authority().expect("a host").to_string();
        request.headers_mut().entry("host").or_insert_with(|| host.parse().expect("a value"));
        let target = request.uri().path_and_query().expect("a path").as_str().to_owned();
        let headers =
            request.headers().iter().map(|(name, value)| json!([name.as_str(), value.to_str().expect("text")]));
        let body = request.body().iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("memory");
            hex
        });
        asked.push(json!({
            "method": "POST", "target": target, "headers": headers.collect::<Vec<_>>(), "body": body, "id": id,
            "secret": secret, "token": token, "region": region, "service": service,
        }));
        ours.push(request.headers()["authorization"].to_str().expect("ASCII").to_owned());
        if service == "lambda" {
            let (path, query) = target.split_once('?').map_or((&*target, None), |(path, query)| (path, Some(query)));
            let presented = Presented::of(request.method(), path, query, request.headers()).expect("well-formed");
            let key = SigningKey::derive(&secret, presented.date(), presented.region());
            assert_eq!(presented.verify(&key, &BodyHash::of(request.body())), Ok(()), "{}", asked[number]);
        }
    }
    let theirs = theirs(&asked);
    assert_eq!(theirs.len(), ours.len());
    for ((asked, ours), theirs) in asked.iter().zip(&ours).zip(&theirs) {
        assert_eq!(ours, theirs, "seed {SEED}: {asked}");
    }
    // Another body is another signature, so that the comparison could have failed.
    asked[0]["body"] = json!("00");
    assert_ne!(self::theirs(&asked[..1])[0], ours[0]);
}
