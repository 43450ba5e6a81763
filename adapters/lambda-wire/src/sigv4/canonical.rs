//! The canonical request: one text for every way of writing the same request.

use std::borrow::Cow;

use http::{HeaderMap, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::AuthError;

/// What is encoded in a query: everything that RFC 3986 does not call unreserved.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// And in a path, whose slashes part its segments.
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// Headers of the family that is signed which clients leave out or proxies add, and Lambda does not read.
const NEED_NOT_BE_SIGNED: [&str; 3] = ["x-amz-user-agent", "x-amz-checksum-mode", "x-amz-cf-id"];

/// Checks the list: sorted, without repetition, with `host` and everything Lambda may read.
///
/// A list with repetitions would let a small request grow into a large canonical one.
pub(super) fn check_signed_headers(signed: &[&str], headers: &HeaderMap) -> Result<(), AuthError> {
    let lower = |name: &str| !name.is_empty() && !name.bytes().any(|byte| byte.is_ascii_uppercase() || byte == b' ');
    if !signed.is_sorted_by(|a, b| a < b) || !signed.iter().all(|name| lower(name)) {
        return Err(AuthError::invalid("SignedHeaders must be in lower case, sorted, and each there once"));
    }
    let is_signed = |name: &str| signed.binary_search(&name).is_ok();
    if !is_signed("host") {
        return Err(AuthError::invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."));
    }
    let must_be = |name: &&str| name.starts_with("x-amz-") && !NEED_NOT_BE_SIGNED.contains(name);
    match headers.keys().map(http::HeaderName::as_str).filter(must_be).find(|name| !is_signed(name)) {
        Some(name) => Err(AuthError::unsigned_header(name)),
        None => Ok(()),
    }
}

/// The canonical request up to the payload's hash.
pub(super) fn request(
    method: &Method,
    path: &str,
    query: &[(Cow<'_, str>, Cow<'_, str>)],
    signed: &[&str],
    signed_headers: &str,
    headers: &HeaderMap,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b'\n');
    encode(&mut out, &normalized(path), PATH);
    out.push(b'\n');
    write_query(&mut out, query);
    out.push(b'\n');
    for name in signed {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        for (at, value) in headers.get_all(*name).iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_trimmed(&mut out, value.as_bytes());
        }
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend_from_slice(signed_headers.as_bytes());
    out.push(b'\n');
    out
}

fn encode(out: &mut Vec<u8>, text: &str, set: &'static AsciiSet) {
    for piece in percent_encode(text.as_bytes(), set) {
        out.extend_from_slice(piece.as_bytes());
    }
}

/// Encoded, sorted as encoded; the signature itself is not part of what it signs.
fn write_query(out: &mut Vec<u8>, query: &[(Cow<'_, str>, Cow<'_, str>)]) {
    let encoded = |text: &str| -> String { percent_encode(text.as_bytes(), QUERY).collect() };
    let signed = query.iter().filter(|(name, _)| name != super::query::SIGNATURE);
    let mut pairs: Vec<(String, String)> = signed.map(|(name, value)| (encoded(name), encoded(value))).collect();
    pairs.sort();
    for (at, (name, value)) in pairs.iter().enumerate() {
        if at > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        out.extend_from_slice(value.as_bytes());
    }
}

/// Without spaces around it, and with one where there were several.
fn write_trimmed(out: &mut Vec<u8>, value: &[u8]) {
    let words = value.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    for (at, word) in words.enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

/// Without dot segments and empty ones, as RFC 3986, 5.2.4, with the slash at the end kept.
fn normalized(path: &str) -> Cow<'_, str> {
    if path.is_empty() {
        return Cow::Borrowed("/");
    }
    if path.starts_with('/') && !path.contains('.') && !path.contains("//") {
        return Cow::Borrowed(path);
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let slash = ["/", "/.", "/.."].iter().any(|end| path.ends_with(end)) && !segments.is_empty();
    Cow::Owned(format!("/{}{}", segments.join("/"), if slash { "/" } else { "" }))
}
