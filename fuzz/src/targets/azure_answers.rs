//! What starters of Durable Functions and Resource Manager answer: places to ask and functions, or reasons.

use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::{arm, poll};

/// Reads the bytes as each of the answers.
///
/// # Panics
/// When a place to ask has no host, or a function no address.
pub fn run(data: &[u8]) {
    let mut headers = HeaderMap::new();
    if let Ok(place) = HeaderValue::from_bytes(data) {
        headers.insert(header::LOCATION, place);
    }
    for status in [StatusCode::OK, StatusCode::ACCEPTED] {
        if let Some(url) = poll::status_url(status, &headers, data) {
            assert!(status == StatusCode::ACCEPTED && url.host().is_some(), "{url}");
        }
        if let Err(why) = poll::read(status, data) {
            assert!(status == StatusCode::OK || why.contains("not known"), "{why}");
        }
    }
    let app = arm::app(data).unwrap_or_default();
    if let Ok(page) = arm::functions(data) {
        for found in page.found(&app) {
            assert!(!found.name.is_empty() && found.target.starts_with("http"), "{found:?}");
        }
        let _next = page.next();
    }
}

/// One of each.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    [
        r#"{"id":"abc","statusQueryGetUri":"https://orders.azurewebsites.net/runtime/webhooks/durabletask/instances/abc?code=k"}"#,
        "https://orders.azurewebsites.net/runtime/webhooks/durabletask/instances/abc",
        r#"{"name":"resize","runtimeStatus":"Completed","output":{"n":1}}"#,
        r#"{"runtimeStatus":"Failed","output":"no such order"}"#,
        r#"{"tags":{"merit-function":"a"},"properties":{"state":"Running","functionAppConfig":{"scaleAndConcurrency":{"instanceMemoryMB":2048,"alwaysReady":[{"instanceCount":2}]}}}}"#,
        r#"{"value":[{"properties":{"name":"resize","invoke_url_template":"https://orders.azurewebsites.net/api/resize"}}],"nextLink":"https://management.azure.com/next"}"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
