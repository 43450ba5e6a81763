//! botocore, AWS's own Python SDK, over what the adapter puts on the wire: for random keys, tokens, regions, names,
//! qualifiers and payloads of any letters, the signature that it makes of the request as it arrived is the one it came with.
//!
//! The calls are made up by `tests/peers/aws/signatures.py`, and it signs what was received. Each is made at another time.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use merit_venue::conformance::server::{Answer, Received, TestServer, reply};
use merit_venue::{Call, LambdaContext, Target, Venue as _};
use merit_venue_aws_lambda::{CredentialsFrom, LambdaConfig, LambdaVenue};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::judge::judged;

const SEED: &str = "20261122";
const CALLS: &str = "60";

/// What the venue takes the time for, in seconds since 1970.
static CLOCK: AtomicU64 = AtomicU64::new(951_782_400);

/// Between two calls: about 197 days, and an odd time of the day each.
const APART_S: u64 = 17_052_347;

/// What `tests/peers/aws/signatures.py` says.
fn signatures(arguments: &[&str], lines: &[Value]) -> Vec<String> {
    judged("aws/signatures.py", arguments, lines).expect("botocore answers")
}

fn text<'a>(call: &'a Value, name: &str) -> &'a str {
    call[name].as_str().unwrap_or_else(|| panic!("{name} of {call}"))
}

/// What was received of a call.
async fn sent(made: &Value) -> Received {
    let server = TestServer::start(|_| Answer::Last(reply(200, &[], "{}"))).await;
    let config = LambdaConfig {
        endpoint_url: Some(server.url()),
        credentials: CredentialsFrom::Keys {
            access_key_id: text(made, "id").to_owned(),
            secret_access_key: text(made, "secret").to_owned(),
            session_token: made["token"].as_str().map(str::to_owned),
        },
        ..LambdaConfig::new(text(made, "region"), || CLOCK.load(Relaxed))
    };
    let venue = LambdaVenue::try_new(config).await.expect("a good configuration");
    let lambda = LambdaContext { log_tail: made["log_tail"] == true, ..LambdaContext::default() };
    let call = Call {
        invocation: "0199f0a2-7c1e-7fff-bfff-ffffffffffff".parse().expect("an id"),
        attempt: 1,
        function: "peer".parse().expect("a name"),
        target: Arc::new(Target::try_new(text(made, "target")).expect("a target")),
        payload: text(made, "payload").to_owned().into(),
        content_type: None,
        traceparent: None,
        tracestate: None,
        deadline: Instant::now() + Duration::from_secs(30),
        lambda: Some(Arc::new(lambda)),
        http: None,
    };
    venue.invoke(call).await.unwrap_or_else(|error| panic!("{made}: {error}"));
    server.received(0)
}

/// A request as the script reads it.
fn asked(made: &Value, received: &Received) -> Value {
    let headers = received.head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let body = received.body.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("memory");
        hex
    });
    let mut line = received.request_line().split(' ');
    let (method, target) = (line.next(), line.next());
    json!({
        "method": method, "target": target, "headers": headers.collect::<Vec<_>>(), "body": body, "service": "lambda",
        "id": made["id"], "secret": made["secret"], "token": made["token"], "region": made["region"],
    })
}

#[tokio::test]
async fn botocore_signs_what_arrived_as_it_was_signed() {
    let made = signatures(&["make", SEED, CALLS], &[]);
    let made: Vec<Value> = made.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let (mut lines, mut ours) = (Vec::new(), Vec::new());
    for made in &made {
        CLOCK.fetch_add(APART_S, Relaxed);
        let received = sent(made).await;
        assert_eq!(received.body, text(made, "payload").as_bytes(), "{made}");
        assert_eq!(received.header("x-amz-security-token"), made["token"].as_str(), "{made}");
        lines.push(asked(made, &received));
        ours.push(received.header("authorization").expect("signed").to_owned());
    }
    let theirs = signatures(&["check"], &lines);
    assert_eq!(theirs.len(), made.len());
    for ((line, ours), theirs) in lines.iter().zip(&ours).zip(&theirs) {
        assert_eq!(ours, theirs, "seed {SEED}: {line}");
    }
    // Another body is another signature, so that the comparison could have failed.
    lines[0]["body"] = json!("00");
    assert_ne!(signatures(&["check"], &lines[..1])[0], ours[0]);
}
