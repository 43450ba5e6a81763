//! Answers that stand in place of the right one, the same in every protocol.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};

/// What a proxy that lost its upstream might say.
const PROXY_PAGE: &str = "<html><head><title>Service</title></head><body><h1>It works!</h1></body></html>\n";
/// Neither text nor JSON nor any reply of a sample function.
const GARBAGE: &[u8] = b"\x00\xff\xfe\x01garbage\x80\x81\x82";

/// 200 with bytes that are no reply.
pub(super) fn garbage() -> Response<Bytes> {
    Response::new(Bytes::from_static(GARBAGE))
}

/// 200 with a page of HTML.
pub(super) fn page() -> Response<Bytes> {
    let mut page = Response::new(Bytes::from_static(PROXY_PAGE.as_bytes()));
    page.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    page
}
