//! Whole requests beside those of boto3 (botocore 1.44.5, recorded on 2026-11-21 with keys of nobody): the same line, the
//! same headers with the same values, the same bytes. That their signatures are AWS's is for `tests/peers.rs`.

use std::sync::Arc;

use merit_venue::conformance::calls::call_of;
use merit_venue::conformance::captured::Captured;
use merit_venue::{Call, LambdaContext, Meters, Venue};
use merit_venue_aws_lambda::{CredentialsFrom, LambdaConfig, LambdaVenue};

use crate::server::{Answer, TestServer, ok};

/// What a client says of itself, and what nothing at Lambda reads.
const ASIDE: &[&str] = &[
    "accept-encoding",
    "accept",
    "user-agent",
    "x-amz-user-agent",
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "content-type",
    "x-amz-content-sha256",
];
/// When the first was recorded: 2026-11-21T04:26:53Z.
const RECORDED_S: u64 = 1_795_235_213;

const CHANGING: &[&str] = &["x-amz-date", "authorization"];

const BASIC: &str = r#"POST /2015-03-31/functions/my-func/invocations HTTP/1.1
Host: 127.0.0.1:9950
Accept-Encoding: identity
User-Agent: Boto3/1.44.5
X-Amz-Date: 20261121T042653Z
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=8b5e08f03c9d6e6ae326758b0add896222a2e7a6954ed6ecf56732cc4e052533
amz-sdk-invocation-id: 73bd9565-b71c-4ea7-869c-cea59694c455
amz-sdk-request: attempt=1; max=1
Content-Length: 7

{"a":1}"#;

const QUALIFIED: &str = r#"POST /2015-03-31/functions/my-func/invocations?Qualifier=prod HTTP/1.1
Host: 127.0.0.1:9950
Accept-Encoding: identity
X-Amz-Log-Type: Tail
X-Amz-Client-Context: eyJjdXN0b20iOnsiayI6InYifX0=
User-Agent: Boto3/1.44.5
X-Amz-Date: 20261121T042653Z
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-client-context;x-amz-date;x-amz-log-type, Signature=ec16752a25335265449333f9b74209e06267b3cfd9c76a77392f7f4f5cfdb07c
amz-sdk-invocation-id: bfa26c8d-9971-41b4-98f3-b6cb6140fe53
amz-sdk-request: attempt=1; max=1
Content-Length: 7

{"a":1}"#;

const TEMPORARY: &str = r#"POST /2015-03-31/functions/my-func/invocations HTTP/1.1
Host: 127.0.0.1:9950
Accept-Encoding: identity
User-Agent: Boto3/1.44.5
X-Amz-Date: 20261121T042654Z
X-Amz-Security-Token: FwoGZXIvYXdzEXAMPLETOKEN/+==
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=268caba0303f9ae1be7bf0b4c43b8d194358c238b66f59650df2a76a4530dd7a
amz-sdk-invocation-id: 7c95bb25-077d-4b2f-9f79-8bcb97f66c82
amz-sdk-request: attempt=1; max=1
Content-Length: 2

{}"#;

async fn compared(request: &str, target: &str, payload: &'static str, token: Option<&str>, context: LambdaContext) {
    let server = TestServer::start(|request| Answer::Send(ok(&[], &request.body))).await;
    let config = LambdaConfig {
        endpoint_url: Some(server.url()),
        credentials: CredentialsFrom::Keys {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            session_token: token.map(str::to_owned),
        },
        meters: Meters::OwnClock,
        ..LambdaConfig::new("us-east-1", || RECORDED_S)
    };
    let venue = LambdaVenue::try_new(config).await.expect("a good configuration");
    venue.invoke(Call { lambda: Some(Arc::new(context)), ..call_of(target, payload) }).await.expect("an echo");
    Captured { request, aside: ASIDE, changing: CHANGING }.is(&server.received(0));
}

#[tokio::test]
async fn a_call_is_the_captured_one() {
    compared(BASIC, "my-func", "{\"a\":1}", None, LambdaContext::default()).await;
}

#[tokio::test]
async fn a_call_of_an_alias_with_a_context_is_the_captured_one() {
    let context = LambdaContext {
        client_context: Some("eyJjdXN0b20iOnsiayI6InYifX0=".into()),
        log_tail: true,
        ..LambdaContext::default()
    };
    compared(QUALIFIED, "my-func:prod", "{\"a\":1}", None, context).await;
}

#[tokio::test]
async fn a_call_with_a_temporary_key_is_the_captured_one() {
    compared(TEMPORARY, "my-func", "{}", Some("FwoGZXIvYXdzEXAMPLETOKEN/+=="), LambdaContext::default()).await;
}
