//! What of a request is passed on, and what of its answer.
//!
//! Not passed on either way: what belongs to one connection (RFC 9110, 7.6.1), `content-length`, which is counted anew, and
//! all of Merit's own, `merit-*`. Nor is a request's `host`, which is the venue's, `expect`, which was met here, and the
//! `authorization` that held Merit's key: one beside `merit-authorization` is the function's, and is passed on.
//! A function is told in `x-forwarded-host` and `x-forwarded-prefix` under what name it was asked for, unless somebody
//! before Merit has said so.

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use merit_transport::hosts::has_dot_segment;
use merit_venue::HttpHead;

use super::PREFIX;
use crate::refusal::Refusal;
use crate::settings::Settings;

/// What belongs to one connection.
const OF_ONE_CONNECTION: [HeaderName; 9] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];
const OF_THE_REQUEST: [HeaderName; 3] = [header::HOST, header::EXPECT, header::CONTENT_LENGTH];
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// How much of a head is passed on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes of path and query.
    url: usize,
    /// Bytes of the names and values of the headers.
    headers: usize,
}

impl Limits {
    #[cfg(test)]
    pub(super) const fn most(url: usize, headers: usize) -> Self {
        Self { url, headers }
    }

    pub(super) const fn of(settings: &Settings) -> Self {
        Self { url: settings.max_url_bytes, headers: settings.max_header_bytes }
    }
}

/// The request as it is passed on.
///
/// # Errors
/// [`Refusal::UrlTooLong`], [`Refusal::HeadersTooLarge`], or [`Refusal::BadRequest`] for a path that leads out of the
/// function's own.
pub(super) fn read(parts: &Parts, function: &str, below: &str, limits: Limits) -> Result<Arc<HttpHead>, Refusal> {
    let query = parts.uri.query();
    if parts.uri.path().len() + query.map_or(0, str::len) > limits.url {
        return Err(Refusal::UrlTooLong { limit: limits.url });
    }
    if has_dot_segment(below) {
        let message = format!("the path `{}` has `.` or `..` in it; write it out", shown(below));
        return Err(Refusal::BadRequest(message));
    }
    let mut headers = parts.headers.clone();
    let host = headers.remove(header::HOST);
    let size = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
    if size > limits.headers {
        return Err(Refusal::HeadersTooLarge { limit: limits.headers });
    }
    strip(&mut headers);
    for name in OF_THE_REQUEST {
        headers.remove(name);
    }
    let prefix = HeaderValue::try_from(format!("{PREFIX}{function}")).ok();
    for (name, value) in [(FORWARDED_HOST, host), (FORWARDED_PREFIX, prefix)] {
        if let Some(value) = value {
            headers.entry(name).or_insert(value);
        }
    }
    let (below, query) = (below.into(), query.map(Into::into));
    Ok(Arc::new(HttpHead { method: parts.method.clone(), below, query, headers }))
}

/// The headers of an answer as they are passed on. `head`: it answers HEAD.
pub(super) fn answered(mut headers: HeaderMap, head: bool) -> HeaderMap {
    strip(&mut headers);
    if !head {
        headers.remove(header::CONTENT_LENGTH);
    }
    headers
}

/// Takes out what belongs to one connection or is Merit's.
fn strip(headers: &mut HeaderMap) {
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named = named.flat_map(|value| value.split(',')).filter_map(|name| HeaderName::try_from(name.trim()).ok());
    let own = headers.keys().filter(|name| name.as_str().starts_with("merit-")).cloned();
    let not_passed_on: Vec<HeaderName> = named.chain(own).chain(OF_ONE_CONNECTION).collect();
    for name in not_passed_on {
        headers.remove(name);
    }
}

fn shown(path: &str) -> String {
    path.chars().take(80).collect()
}
