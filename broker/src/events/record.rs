//! What a destination is told: the JSON that AWS Lambda's destinations are told, so that what reads that reads this.
//!
//! Version 1.0 (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>, read 2026-11-21).
//! Payloads that are JSON stand as they are; others as a string, bytes that are no text as base64 in one.
//!
//! Known limitation: a response that would make the record larger than an event may be is left out.

use std::borrow::Cow;

use base64::Engine as _;
use merit_store::record::EventRow;
use merit_units::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::outcome::Condition;
use crate::clock;

/// What the function said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) version: Option<Box<str>>,
    pub(super) function_error: Option<String>,
    pub(super) payload: bytes::Bytes,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    version: &'static str,
    timestamp: String,
    request_context: RequestContext<'a>,
    request_payload: Cow<'a, RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_context: Option<ResponseContext<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_payload: Option<Cow<'a, RawValue>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    request_id: String,
    function_arn: String,
    condition: &'static str,
    approximate_invoke_count: u32,
    /// Why it was given up, in Merit's words. Not of AWS's format, whose readers skip what they do not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseContext<'a> {
    status_code: u16,
    executed_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_error: Option<&'a str>,
}

/// How an event ended.
pub(super) struct End<'a> {
    pub(super) row: &'a EventRow,
    pub(super) payload: &'a [u8],
    pub(super) condition: Condition,
    /// Deliveries, the last included.
    pub(super) deliveries: u32,
    pub(super) error: Option<&'a str>,
    pub(super) response: Option<&'a Response>,
    pub(super) at: Timestamp,
}

/// The record of an event that has ended; its response only if both payloads together have at most `limit` bytes.
pub(super) fn record(end: &End<'_>, limit: usize) -> Vec<u8> {
    let End { row, payload, condition, deliveries, error, response, at } = *end;
    let response_context = response.map(|response| ResponseContext {
        status_code: response.status,
        executed_version: response.version.as_deref().unwrap_or("$LATEST"),
        function_error: response.function_error.as_deref(),
    });
    let fits = |response: &&Response| payload.len() + response.payload.len() <= limit;
    let record = Record {
        version: "1.0",
        timestamp: millis(at),
        request_context: RequestContext {
            request_id: row.id.to_string(),
            function_arn: format!("{}:$LATEST", arn(row.function.as_str())),
            condition: condition.word(),
            approximate_invoke_count: deliveries,
            error,
        },
        request_payload: json(payload),
        response_context,
        response_payload: response.filter(fits).map(|response| json(&response.payload)),
    };
    serde_json::to_vec(&record).expect("invariant: a record is serialisable")
}

/// The name of a function in the form that AWS's tools expect.
fn arn(function: &str) -> String {
    format!("arn:aws:lambda:us-east-1:000000000000:function:{function}")
}

/// Such as `2026-11-21T10:44:00.123Z`.
fn millis(at: Timestamp) -> String {
    let whole = at.micros() - at.micros() % 1000;
    let text = clock::rfc3339(Timestamp::from_micros(whole));
    match text.trim_end_matches('Z').split_once('.') {
        Some((second, fraction)) => format!("{second}.{fraction:0<3.3}Z"),
        None => format!("{}.000Z", text.trim_end_matches('Z')),
    }
}

/// A payload as a JSON value.
fn json(payload: &[u8]) -> Cow<'_, RawValue> {
    if let Ok(value) = serde_json::from_slice::<&RawValue>(payload) {
        return Cow::Borrowed(value);
    }
    let text = match std::str::from_utf8(payload) {
        Ok("") => return Cow::Owned(RawValue::NULL.to_owned()),
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(base64::engine::general_purpose::STANDARD.encode(payload)),
    };
    Cow::Owned(serde_json::value::to_raw_value(&text).expect("invariant: text is serialisable"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::row;
    use super::*;
    use merit_units::Micros;

    fn told(payload: &[u8], condition: Condition, response: Option<&Response>, limit: usize) -> String {
        let at = Timestamp::from_micros(1_795_257_840_123_456);
        let error = (condition != Condition::Success).then_some("Boom: no");
        let row = row(at, Micros::from_secs(60), 0, 0);
        let end = End { row: &row, payload, condition, deliveries: 3, error, response, at };
        String::from_utf8(record(&end, limit)).expect("JSON is text")
    }

    #[test]
    fn a_record_is_as_lambda_writes_it() {
        let response = Response {
            status: 200,
            version: None,
            function_error: Some("Unhandled".to_owned()),
            payload: br#"{"errorMessage":"no"}"#.as_slice().into(),
        };
        insta::assert_snapshot!(
            told(br#"{"n": 1.50}"#, Condition::RetriesExhausted, Some(&response), 1000),
            @r#"{"version":"1.0","timestamp":"2026-11-21T10:44:00.123Z","requestContext":{"requestId":"00000000-0000-0000-0000-000000000001","functionArn":"arn:aws:lambda:us-east-1:000000000000:function:work:$LATEST","condition":"RetriesExhausted","approximateInvokeCount":3,"error":"Boom: no"},"requestPayload":{"n": 1.50},"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},"responsePayload":{"errorMessage":"no"}}"#
        );
    }

    #[test]
    fn payloads_that_are_no_json_are_strings() {
        assert_eq!(json(b"plain \"text\"").get(), r#""plain \"text\"""#);
        assert_eq!(json(b"\xff\xfe").get(), r#""//4=""#);
        assert_eq!(json(b"").get(), "null");
        assert_eq!(json(b"[1, 2]").get(), "[1, 2]");
    }

    #[test]
    fn a_response_too_large_for_an_event_is_left_out() {
        let response = Response { status: 200, version: None, function_error: None, payload: "1".repeat(90).into() };
        assert!(told(b"{}", Condition::Success, Some(&response), 92).contains("responsePayload"));
        let without = told(b"{}", Condition::Success, Some(&response), 91);
        assert!(!without.contains("responsePayload") && without.contains("responseContext"), "{without}");
    }

    #[test]
    fn times_have_milliseconds() {
        assert_eq!(millis(Timestamp::from_micros(1_795_257_840_000_000)), "2026-11-21T10:44:00.000Z");
        assert_eq!(millis(Timestamp::from_micros(1_795_257_840_500_000)), "2026-11-21T10:44:00.500Z");
    }
}
