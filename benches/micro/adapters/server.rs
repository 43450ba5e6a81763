//! The clouds' end: every call is answered at once, in the form of the cloud it is meant for.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use merit_load::server;

use crate::PAYLOAD_BYTES;

/// The argument that makes this program the server.
pub(crate) const SERVE: &str = "--serve";

/// What clouds send beside a reply, all of them at once: each adapter reads its own. The meters are short enough to be
/// true of a call over loopback.
const HEADERS: [(HeaderName, HeaderValue); 8] = [
    (HeaderName::from_static("content-type"), HeaderValue::from_static("application/json")),
    (HeaderName::from_static("x-amzn-requestid"), HeaderValue::from_static("8f10f676-9f28-4dd8-ae05-83fe17ac5f8e")),
    (HeaderName::from_static("x-amz-executed-version"), HeaderValue::from_static("$LATEST")),
    (
        HeaderName::from_static("x-amz-log-result"),
        HeaderValue::from_static(
            "UkVQT1JUIFJlcXVlc3RJZDogOGYxMGY2NzYtOWYyOC00ZGQ4LWFlMDUtODNmZTE3YWM1ZjhlCUR1cmF0aW9uOiAwLjAxIG\
             1zCUJpbGxlZCBEdXJhdGlvbjogMSBtcwlNZW1vcnkgU2l6ZTogMTI4IE1CCU1heCBNZW1vcnkgVXNlZDogNzAgTUIJCg==",
        ),
    ),
    (HeaderName::from_static("x-fc-request-id"), HeaderValue::from_static("1-673f5c1e-15a5e1f5")),
    (HeaderName::from_static("x-fc-invocation-duration"), HeaderValue::from_static("0.01")),
    (HeaderName::from_static("x-fc-max-memory-usage"), HeaderValue::from_static("30.99")),
    (HeaderName::from_static("x-duration-seconds"), HeaderValue::from_static("0.00001")),
];

/// An ID token that ends in 2100; nobody here checks its signature.
const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.\
                     eyJpc3MiOiJodHRwczovL2FjY291bnRzLmdvb2dsZS5jb20iLCJleHAiOjQxMDI0NDQ4MDB9.c2ln";

/// Serves until the process is ended.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let plain = Bytes::from("y".repeat(PAYLOAD_BYTES));
    let scf = serde_json::json!({ "Response": { "RequestId": "1", "Result": {
        "RetMsg": "y".repeat(PAYLOAD_BYTES), "ErrMsg": "", "Log": "", "InvokeResult": 0, "FunctionRequestId": "1",
        "Duration": 0.01, "BillDuration": 0, "MemUsage": 3_207_168
    }}});
    let scf = Bytes::from(scf.to_string());
    server::serve(0, move |request: Request<Incoming>| {
        let reply = match () {
            () if request.headers().contains_key("x-tc-action") => scf.clone(),
            () if request.uri().path().starts_with("/computeMetadata/") => Bytes::from_static(TOKEN.as_bytes()),
            () => plain.clone(),
        };
        async move {
            // A payload that breaks off needs no answer, but hyper wants one.
            let _payload = request.into_body().collect().await;
            let mut response = Response::new(Full::new(reply));
            response.headers_mut().extend(HEADERS);
            response
        }
    })
    .await
}
