//! A payload as the event that SCF takes, and what comes back.

use bytes::Bytes;
use http::HeaderValue;
use merit_cloud_wire::scf::{GatewayEvent, GatewayReply};
use merit_venue::{Call, ErrorKind, FunctionError, VenueError};
use serde::de::IgnoredAny;

use crate::config::{Events, MAX_BODY_BYTES};

/// The event of a call, JSON as a text.
///
/// # Errors
/// A payload that SCF does not take; nothing was sent.
pub(crate) fn of(call: &Call, events: Events) -> Result<String, VenueError> {
    let event = match events {
        Events::Json => json(&call.payload)?,
        Events::Gateway => {
            let content_type = call.content_type.as_ref().and_then(|value| value.to_str().ok());
            let event = GatewayEvent::of(&call.payload, content_type);
            serde_json::to_string(&event).expect("invariant: texts are JSON")
        }
    };
    if event.len() <= MAX_BODY_BYTES {
        return Ok(event);
    }
    let message = format!("the event has {} bytes, more than the {MAX_BODY_BYTES} that SCF takes", event.len());
    Err(VenueError::not_started(ErrorKind::PayloadTooLarge, message))
}

fn json(payload: &[u8]) -> Result<String, VenueError> {
    if payload.is_empty() {
        return Ok("{}".to_owned());
    }
    let text = std::str::from_utf8(payload).ok().filter(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    text.map(str::to_owned).ok_or_else(|| {
        let message = "the payload is not JSON, and SCF takes nothing else: send JSON, or set `events = \"gateway\"` at the \
                       venue, for functions that take a gateway's events";
        VenueError::not_started(ErrorKind::PayloadRefused, message)
    })
}

/// What a function returned, as a reply.
#[derive(Debug, PartialEq)]
pub(crate) struct Returned {
    pub(crate) payload: Bytes,
    pub(crate) content_type: Option<HeaderValue>,
    pub(crate) status: u16,
    pub(crate) function_error: Option<FunctionError>,
}

/// Reads what a function returned; `None` when it is no integrated response and should be one.
pub(crate) fn returned(text: String, events: Events) -> Option<Returned> {
    if events == Events::Json {
        let json = HeaderValue::from_static("application/json");
        return Some(Returned { payload: text.into(), content_type: Some(json), status: 200, function_error: None });
    }
    let reply: GatewayReply = serde_json::from_str(&text).ok()?;
    let payload = Bytes::from(reply.body()?);
    let status = reply.status_code;
    let function_error =
        (status >= 400).then(|| FunctionError::new(format!("Http{status}"), FunctionError::excerpt(&payload)));
    let content_type = reply.content_type().and_then(|text| HeaderValue::from_str(text).ok());
    Some(Returned { payload, content_type, status, function_error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_passed_on_as_it_is_and_nothing_else_is() {
        assert_eq!(json(b" {\"a\": 1}").expect("JSON"), " {\"a\": 1}");
        assert_eq!(json(b"").expect("no payload is an empty event"), "{}");
        for bad in [&b"hello"[..], b"{", b"\xff", b"{} {}"] {
            assert_eq!(json(bad).expect_err("no JSON").kind, ErrorKind::PayloadRefused);
        }
    }

    #[test]
    fn an_integrated_response_is_unpacked() {
        let of = |text: &str| returned(text.to_owned(), Events::Gateway);
        let reply =
            of(r#"{"statusCode":200,"headers":{"Content-Type":"image/png"},"body":"AP8=","isBase64Encoded":true}"#);
        let reply = reply.expect("a response");
        assert_eq!((reply.payload.as_ref(), reply.status, reply.function_error), (&b"\x00\xff"[..], 200, None));
        assert_eq!(reply.content_type, Some(HeaderValue::from_static("image/png")));
        let failed = of(r#"{"statusCode":422,"body":"no"}"#).expect("a response").function_error.expect("an error");
        assert_eq!((failed.kind.as_str(), failed.message.as_str()), ("Http422", "no"));
        for bad in ["", "\"hello\"", "{}", r#"{"statusCode":200,"body":"!","isBase64Encoded":true}"#] {
            assert_eq!(of(bad), None, "{bad}");
        }
        assert_eq!(returned("hello".to_owned(), Events::Json).expect("any text").payload, "hello");
    }
}
