//! The shape in which SCF's gateway hands an HTTP body to a function and takes its reply: any bytes, within JSON.
//!
//! Source: cloud.tencent.com/document/product/583/12513, "API Gateway trigger", integrated request and response,
//! read 2026-11-21.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

/// A request as an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewayEvent {
    /// `POST`.
    pub http_method: String,
    /// `/`.
    pub path: String,
    /// With the body's media type, if it has one.
    pub headers: BTreeMap<String, String>,
    /// The body in base64.
    pub body: String,
    /// True.
    pub is_base64_encoded: bool,
}

/// A reply as a function returns it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayReply {
    /// The status of HTTP.
    pub status_code: u16,
    /// With the body's media type, if it has one.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body.
    #[serde(default)]
    pub body: String,
    /// Whether the body is in base64.
    #[serde(default)]
    pub is_base64_encoded: bool,
}

const CONTENT_TYPE: &str = "content-type";

fn with_type(content_type: Option<&str>) -> BTreeMap<String, String> {
    content_type.map(|text| (CONTENT_TYPE.to_owned(), text.to_owned())).into_iter().collect()
}

fn decode(body: &str, is_base64_encoded: bool) -> Option<Vec<u8>> {
    if is_base64_encoded { BASE64_STANDARD.decode(body).ok() } else { Some(body.as_bytes().to_vec()) }
}

fn media_type(headers: &BTreeMap<String, String>) -> Option<&str> {
    headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE)).map(|(_, value)| value.as_str())
}

impl GatewayEvent {
    /// A body as an event.
    #[must_use]
    pub fn of(body: &[u8], content_type: Option<&str>) -> Self {
        Self {
            http_method: "POST".to_owned(),
            path: "/".to_owned(),
            headers: with_type(content_type),
            body: BASE64_STANDARD.encode(body),
            is_base64_encoded: true,
        }
    }

    /// The body; `None` when it is no base64.
    #[must_use]
    pub fn body(&self) -> Option<Vec<u8>> {
        decode(&self.body, self.is_base64_encoded)
    }

    /// The body's media type.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        media_type(&self.headers)
    }
}

impl GatewayReply {
    /// A body as a reply.
    #[must_use]
    pub fn of(status_code: u16, body: &[u8], content_type: Option<&str>) -> Self {
        Self {
            status_code,
            headers: with_type(content_type),
            body: BASE64_STANDARD.encode(body),
            is_base64_encoded: true,
        }
    }

    /// The body; `None` when it is no base64.
    #[must_use]
    pub fn body(&self) -> Option<Vec<u8>> {
        decode(&self.body, self.is_base64_encoded)
    }

    /// The body's media type.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        media_type(&self.headers)
    }
}
