//! Whole requests beside those of Tencent Cloud's own client for Python (tencentcloud-sdk-python-scf 3.1.100, recorded on
//! 2026-11-21 with keys of nobody): the same line, the same headers with the same values, the same JSON.

use std::sync::Arc;

use merit_venue::conformance::calls::call_of;
use merit_venue::conformance::captured::Captured;
use merit_venue::{Call, LambdaContext, Venue};
use merit_venue_tencent_scf::{Action, Keys};
use serde_json::Value;

use crate::server::{Answer, TestServer, returned, venue_at};

/// What the client says of itself, and the language that it wants messages in.
const ASIDE: &[&str] =
    &["user-agent", "accept-encoding", "accept", "connection", "x-tc-traceid", "x-tc-requestclient", "x-tc-language"];

const INVOKE_FUNCTION: &str = r#"POST / HTTP/1.1
User-Agent: python-requests/2.34.2
Accept-Encoding: gzip, deflate
Accept: */*
Connection: keep-alive
X-TC-TraceId: 8e9b4ab6-ed66-4ba4-81d1-4a96d6cee7e7
Content-Type: application/json
Host: 127.0.0.1:9950
X-TC-Action: InvokeFunction
X-TC-RequestClient: SDK_PYTHON_3.1.100
X-TC-Timestamp: 1795235257
X-TC-Version: 2018-04-16
X-TC-Region: ap-guangzhou
X-TC-Language: zh-CN
Authorization: TC3-HMAC-SHA256 Credential=AKIDEXAMPLEz8krbsJ5yKBZQpn74WFkmLPx3/2026-11-21/scf/tc3_request, SignedHeaders=content-type;host, Signature=05531a41e365de4922dcbaee533c1c0a5a237174421f1919270ce7213aa7425f
Content-Length: 68

{"FunctionName": "my-func", "Event": "{\"a\":1}", "LogType": "Tail"}"#;

const INVOKE: &str = r#"POST / HTTP/1.1
User-Agent: python-requests/2.34.2
Accept-Encoding: gzip, deflate
Accept: */*
Connection: keep-alive
X-TC-TraceId: ad12ee5d-da11-4c00-95b0-f905ca282c73
Content-Type: application/json
Host: 127.0.0.1:9950
X-TC-Action: Invoke
X-TC-RequestClient: SDK_PYTHON_3.1.100
X-TC-Timestamp: 1795235257
X-TC-Version: 2018-04-16
X-TC-Region: ap-guangzhou
X-TC-Language: zh-CN
Authorization: TC3-HMAC-SHA256 Credential=AKIDEXAMPLEz8krbsJ5yKBZQpn74WFkmLPx3/2026-11-21/scf/tc3_request, SignedHeaders=content-type;host, Signature=8de8298911292d63cb2f59c9fbf603b4b746d2fe823bb78603a085d59b78e1ff
Content-Length: 205

{"FunctionName": "my-func", "InvocationType": "RequestResponse", "Qualifier": "$LATEST", "ClientContext": "{\"u\":\"\u65e5\u672c\u8a9e +&=\"}", "LogType": "Tail", "Namespace": "default"}"#;

async fn compared(request: &str, action: Action, target: &str, payload: &'static str) {
    let server = TestServer::start(|_| Answer::Send(returned("1"))).await;
    let venue = venue_at(&server.url(), |config| {
        config.action = action;
        config.keys = Some(Keys {
            secret_id: "AKIDEXAMPLEz8krbsJ5yKBZQpn74WFkmLPx3".to_owned(),
            secret_key: "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE".to_owned(),
            token: None,
        });
    });
    let lambda = LambdaContext { log_tail: true, ..LambdaContext::default() };
    venue.invoke(Call { lambda: Some(Arc::new(lambda)), ..call_of(target, payload) }).await.expect("a reply");
    let received = server.received(0);
    let captured = Captured { request, aside: ASIDE, changing: &["authorization"] };
    let json = |body: &[u8]| serde_json::from_slice::<Value>(body).expect("JSON");
    assert_eq!(json(&received.body), json(captured.head_is(&received).as_bytes()));
}

#[tokio::test]
async fn a_call_is_the_captured_one() {
    compared(INVOKE_FUNCTION, Action::InvokeFunction, "my-func", "{\"a\":1}").await;
}

/// The key of its routing, which Merit has no use for, is left out of the capture.
#[tokio::test]
async fn a_call_by_the_older_action_is_the_captured_one() {
    compared(INVOKE, Action::Invoke, "default/my-func:$LATEST", "{\"u\":\"日本語 +&=\"}").await;
}
