//! The canonical request: what both ends hash.

use std::borrow::Cow;

use http::{HeaderMap, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use crate::bytes::value_text;

/// A part of a query as it is meant.
type Decoded<'q> = Cow<'q, [u8]>;

/// All but the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The canonical request; `None` when a signed header is no text.
pub(super) fn request(
    method: &Method,
    path: &str,
    query: Option<&str>,
    signed: &[&str],
    headers: &HeaderMap,
    body_sha256: &str,
) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(512);
    for part in [method.as_str(), if path.is_empty() { "/" } else { path }] {
        out.extend_from_slice(part.as_bytes());
        out.push(b'\n');
    }
    write_query(&mut out, query.unwrap_or_default());
    out.push(b'\n');
    for name in signed {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        write_values(&mut out, headers, name)?;
        out.push(b'\n');
    }
    out.push(b'\n');
    for (at, name) in signed.iter().enumerate() {
        if at > 0 {
            out.push(b';');
        }
        out.extend_from_slice(name.as_bytes());
    }
    out.push(b'\n');
    out.extend_from_slice(body_sha256.as_bytes());
    Some(out)
}

/// A header's values without the spaces around them; several in order, with commas between.
fn write_values(out: &mut Vec<u8>, headers: &HeaderMap, name: &str) -> Option<()> {
    let mut values = headers.get_all(name).iter();
    let first = value_text(values.next()?)?;
    let Some(second) = values.next() else {
        out.extend_from_slice(first.as_bytes());
        return Some(());
    };
    let mut all = vec![first, value_text(second)?];
    for value in values {
        all.push(value_text(value)?);
    }
    all.sort_unstable();
    out.extend_from_slice(all.join(",").as_bytes());
    Some(())
}

/// The pairs by name, decoded and encoded anew. A name that is there twice keeps the order of its values.
fn write_query(out: &mut Vec<u8>, query: &str) {
    if query.is_empty() {
        return;
    }
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(Decoded<'_>, Decoded<'_>)> = pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode_str(name).into(), percent_decode_str(value).into())
        })
        .collect();
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    for (at, (name, value)) in pairs.iter().enumerate() {
        if at > 0 {
            out.push(b'&');
        }
        out.extend(percent_encode(name, ENCODED).flat_map(str::bytes));
        out.push(b'=');
        out.extend(percent_encode(value, ENCODED).flat_map(str::bytes));
    }
}
