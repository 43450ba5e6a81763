//! Whole requests beside those of Alibaba Cloud's own client for Python (alibabacloud-fc20230330 4.8.3, recorded on
//! 2026-11-21 with keys of nobody): the same line, the same headers with the same values, the same bytes.

use std::sync::Arc;

use merit_venue::conformance::calls::call_of;
use merit_venue::conformance::captured::Captured;
use merit_venue::{Call, LambdaContext, Venue};
use merit_venue_alibaba_fc::{AsyncReplies, Keys};

use crate::server::{Answer, Received, TestServer, ok, reply, venue_at};

const KEY_ID: &str = "LTAI5tEXAMPLEACCESSKEY01";

/// What the client says of itself and of where its keys are from, which media types it takes, and its nonce: ours is made
/// of the invocation and the attempt.
const ASIDE: &[&str] =
    &["accept-encoding", "user-agent", "accept", "x-acs-credentials-provider", "x-acs-signature-nonce"];
const CHANGING: &[&str] = &["authorization"];

const UNICODE: &str = r#"POST /2023-03-30/functions/my-func/invocations HTTP/1.1
Accept-Encoding: identity
host: 127.0.0.1:9950
x-acs-version: 2023-03-30
x-acs-action: InvokeFunction
user-agent: AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2
x-acs-date: 2026-11-21T04:27:36Z
x-acs-signature-nonce: f99d6ecb09a726567a4d8e3839fa7032
accept: application/json
x-fc-invocation-type: Sync
x-fc-log-type: Tail
content-type: application/octet-stream
x-acs-content-sha256: 94b3d830854a010393494cf41682e0d8178fcb7c2368c277ca1eb00adf86d627
x-acs-credentials-provider: static_ak
Authorization: ACS3-HMAC-SHA256 Credential=LTAI5tEXAMPLEACCESSKEY01,SignedHeaders=accept;content-type;host;user-agent;x-acs-action;x-acs-content-sha256;x-acs-credentials-provider;x-acs-date;x-acs-signature-nonce;x-acs-version;x-fc-invocation-type;x-fc-log-type,Signature=784c18650200e47444a8b5c464fc028847881a21c859580278c79ce1e63482b6
Content-Length: 21

{"u":"日本語 +&="}"#;

const TASK: &str = r#"POST /2023-03-30/functions/my-func/invocations?qualifier=LATEST HTTP/1.1
Accept-Encoding: identity
host: 127.0.0.1:9950
x-acs-version: 2023-03-30
x-acs-action: InvokeFunction
user-agent: AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2
x-acs-date: 2026-11-21T04:27:36Z
x-acs-signature-nonce: 5f0e4b2b12d888de8801ba139146b395
accept: application/json
x-fc-async-task-id: task-1
x-fc-invocation-type: Async
x-fc-log-type: Tail
content-type: application/octet-stream
x-acs-content-sha256: 015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862
x-acs-credentials-provider: static_ak
Authorization: ACS3-HMAC-SHA256 Credential=LTAI5tEXAMPLEACCESSKEY01,SignedHeaders=accept;content-type;host;user-agent;x-acs-action;x-acs-content-sha256;x-acs-credentials-provider;x-acs-date;x-acs-signature-nonce;x-acs-version;x-fc-async-task-id;x-fc-invocation-type;x-fc-log-type,Signature=327150f1e9f232aeba99ead80875d89b8264a56e2366230f0accb2dc05e7bcf4
Content-Length: 7

{"a":1}"#;

const TEMPORARY: &str = r#"POST /2023-03-30/functions/my-func/invocations HTTP/1.1
Accept-Encoding: identity
host: 127.0.0.1:9950
x-acs-version: 2023-03-30
x-acs-action: InvokeFunction
user-agent: AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2
x-acs-date: 2026-11-21T04:27:36Z
x-acs-signature-nonce: f2e4ee3ce0fadd725a596fa419d47021
accept: application/json
content-type: application/octet-stream
x-acs-content-sha256: 015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862
x-acs-credentials-provider: static_sts
x-acs-accesskey-id: LTAI5tEXAMPLEACCESSKEY01
x-acs-security-token: CAISexampletoken/+==
Authorization: ACS3-HMAC-SHA256 Credential=LTAI5tEXAMPLEACCESSKEY01,SignedHeaders=accept;content-type;host;user-agent;x-acs-accesskey-id;x-acs-action;x-acs-content-sha256;x-acs-credentials-provider;x-acs-date;x-acs-security-token;x-acs-signature-nonce;x-acs-version,Signature=a82b7a1d2d17ad5a9e70e2122948e452a5f14065526d38438c36ae437197eaa2
Content-Length: 7

{"a":1}"#;

async fn sent(target: &str, payload: &'static str, token: Option<&str>, tail: bool) -> Received {
    let server = TestServer::start(|request| {
        // A task is taken and then asked about; a call is answered.
        Answer::Send(if request.header("x-fc-invocation-type") == Some("Async") {
            reply(202, &[], "")
        } else {
            ok(&[], "done")
        })
    })
    .await;
    let venue = venue_at(&server.url(), |config| {
        config.async_replies = Some(AsyncReplies::Payload);
        config.keys = Some(Keys {
            access_key_id: KEY_ID.to_owned(),
            access_key_secret: "ExampleAliSecretKey0123456789ab".to_owned(),
            security_token: token.map(str::to_owned),
        });
    });
    let lambda = LambdaContext { log_tail: tail, ..LambdaContext::default() };
    let call = Call { lambda: Some(Arc::new(lambda)), ..call_of(target, payload) };
    let invoked = tokio::spawn(async move { venue.invoke(call).await });
    server.until_calls(1).await;
    invoked.abort();
    server.received(0)
}

#[tokio::test]
async fn a_call_is_the_captured_one() {
    let captured = Captured { request: UNICODE, aside: ASIDE, changing: CHANGING };
    captured.is(&sent("my-func", "{\"u\":\"日本語 +&=\"}", None, true).await);
}

#[tokio::test]
async fn a_call_with_a_temporary_key_is_the_captured_one() {
    // Ours says that it is answered at once and wants no log, which theirs leaves out as it is the default.
    let aside = [ASIDE, &["x-fc-invocation-type", "x-fc-log-type"]].concat();
    let captured = Captured { request: TEMPORARY, aside: &aside, changing: CHANGING };
    captured.is(&sent("my-func", "{\"a\":1}", Some("CAISexampletoken/+=="), false).await);
}

#[tokio::test]
async fn a_task_is_the_captured_one() {
    // The log of a task can't be had, and its id is the invocation's.
    let aside = [ASIDE, &["x-fc-log-type", "x-fc-async-task-id"]].concat();
    let captured = Captured { request: TASK, aside: &aside, changing: CHANGING };
    let sent = sent("async/my-func:LATEST", "{\"a\":1}", None, false).await;
    captured.is(&sent);
    assert!(sent.header("x-fc-async-task-id").is_some_and(|id| !id.is_empty()));
}
