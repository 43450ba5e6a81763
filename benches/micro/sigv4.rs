//! What a signature costs the front door: reading what is presented, and verifying it.
//!
//! `cargo bench -p merit-benches --bench sigv4`; the figure to stay below: 50 us for the whole of it, with the
//! key derived anew. Beside it stands what making such a signature costs, by the `aws-sigv4` crate.
//!
//! Known limitation: the body's hash is apart, because it depends on the body: `body_6_mb` is the longest.

use std::hint::black_box;

use divan::Bencher;
use divan::counter::BytesCount;
use http::{HeaderMap, Method, Request};
use merit_lambda_wire::sigv4::{BodyHash, Presented, Signer, SigningKey};
use merit_load::report;
use merit_units::Timestamp;

const NOW: Timestamp = Timestamp::from_micros(1_795_000_000_000_000);
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const BODY: &[u8] = br#"{"a":1}"#;
const PATH: &str =
    "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Amy-func/invocations";

fn main() {
    report::conditions(
        "SigV4 at the door; one thread, a body of 7 bytes; goal: 50 us with the key derived; beside it signing by the aws-sigv4 crate",
    );
    divan::main();
}

fn signer() -> Signer {
    Signer::new("AKIAIOSFODNN7EXAMPLE", SECRET, None, "us-east-1")
}

fn unsigned() -> Request<Vec<u8>> {
    let request = Request::post(format!("http://127.0.0.1:8080{PATH}?Qualifier=%24LATEST"));
    let request = request.header("x-amz-invocation-type", "RequestResponse").header("x-amz-log-type", "Tail");
    request.body(BODY.to_vec()).expect("a request")
}

fn signed() -> HeaderMap {
    let mut request = unsigned();
    signer().sign(&mut request, NOW).expect("signed");
    let mut headers = request.headers().clone();
    // What a client sends beside, and does not sign.
    headers.insert("user-agent", "Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux".parse().expect("text"));
    headers.insert("content-length", "7".parse().expect("text"));
    headers
}

fn presented(headers: &HeaderMap) -> Presented {
    Presented::of(&Method::POST, PATH, Some("Qualifier=%24LATEST"), headers).expect("well-formed")
}

#[divan::bench]
fn read(bencher: Bencher<'_, '_>) {
    let headers = signed();
    bencher.bench(|| presented(black_box(&headers)));
}

#[divan::bench]
fn derive_key() -> SigningKey {
    SigningKey::derive(black_box(SECRET), "20261118", "us-east-1")
}

/// Everything, as for a key that was not used today.
#[divan::bench]
fn read_derive_verify(bencher: Bencher<'_, '_>) {
    let headers = signed();
    bencher.bench(|| {
        let presented = presented(black_box(&headers));
        presented.check_time(NOW).expect("in time");
        let key = SigningKey::derive(SECRET, presented.date(), presented.region());
        presented.verify(&key, &BodyHash::of(BODY)).expect("it holds");
    });
}

/// Everything, with the day's key at hand.
#[divan::bench]
fn read_verify(bencher: Bencher<'_, '_>) {
    let headers = signed();
    let key = SigningKey::derive(SECRET, presented(&headers).date(), "us-east-1");
    bencher.bench(|| {
        let presented = presented(black_box(&headers));
        presented.check_time(NOW).expect("in time");
        presented.verify(&key, &BodyHash::of(BODY)).expect("it holds");
    });
}

#[divan::bench]
fn body_6_mb(bencher: Bencher<'_, '_>) {
    let body = vec![7_u8; 6 * 1024 * 1024];
    bencher.counter(BytesCount::of_slice(&body)).bench(|| BodyHash::of(black_box(&body)));
}

/// The other end.
#[divan::bench]
fn sign(bencher: Bencher<'_, '_>) {
    let signer = signer();
    bencher.with_inputs(unsigned).bench_values(|mut request| {
        signer.sign(&mut request, NOW).expect("signed");
        request
    });
}
