//! Merit's terms at this door: `X-Merit-*` headers, or the same names in the client context's `custom`.
//!
//! They mean what `Merit-*` mean at the native door, and one that can't be read is refused as there. In `custom` the
//! `x-` may be left out; members that don't begin so are the function's own affair.

use http::{HeaderMap, HeaderName, HeaderValue};
use merit_units::Timestamp;
use serde_json::{Map, Value};

use crate::refusal::Refusal;
use crate::terms::Stated;

/// How the headers begin.
pub(super) const PREFIX: &str = "x-merit-";

/// Reads them.
///
/// # Errors
/// [`Refusal::MalformedTerms`]; the refusal names the header without its `x-`.
pub(super) fn stated(
    headers: &HeaderMap,
    custom: Option<&Map<String, Value>>,
    now: Timestamp,
    max_tags: usize,
) -> Result<Stated, Refusal> {
    let stated_here = headers.keys().any(|name| name.as_str().starts_with(PREFIX));
    if !stated_here && custom.is_none() {
        return Ok(Stated::default());
    }
    let mut terms = HeaderMap::new();
    for (name, value) in headers {
        if let Some(name) = name.as_str().strip_prefix("x-").filter(|name| name.starts_with("merit-")) {
            terms.append(term(name)?, value.clone());
        }
    }
    for (name, value) in custom.into_iter().flatten() {
        let name = name.to_ascii_lowercase();
        let name = name.strip_prefix("x-").unwrap_or(&name);
        if name.starts_with("merit-") {
            terms.append(term(name)?, of_json(name, value)?);
        }
    }
    Stated::from_headers(&terms, now, max_tags)
}

fn term(name: &str) -> Result<HeaderName, Refusal> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
        let name: String = name.chars().take(80).collect();
        Refusal::BadRequest(format!("`{name}` in the client context is no term"))
    })
}

fn of_json(name: &str, value: &Value) -> Result<HeaderValue, Refusal> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    let refuse = || Refusal::BadRequest(format!("`{name}` in the client context must be a string of ASCII characters"));
    if text.is_empty() { Err(refuse()) } else { HeaderValue::from_str(&text).map_err(|_| refuse()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use merit_units::Money;
    use serde_json::json;

    fn read(headers: &[(&'static str, &'static str)], custom: &Value) -> Result<Stated, Refusal> {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let headers: HeaderMap = headers.iter().map(pair).collect();
        stated(&headers, custom.as_object(), Timestamp::from_micros(1_795_257_840_000_000), 8)
    }

    #[test]
    fn terms_come_by_header_or_in_the_context() {
        let expected = Some("0.001".parse::<Money>().expect("money"));
        let by_header = read(&[("x-merit-max-price", "0.001"), ("merit-venues", "ignored")], &Value::Null);
        let by_header = by_header.expect("terms");
        assert_eq!((by_header.max_price, by_header.venues.is_empty()), (expected, true));
        for name in ["merit-max-price", "Merit-Max-Price", "X-Merit-Max-Price"] {
            let in_context = read(&[], &json!({ name: "0.001", "other": [1] })).expect("terms");
            assert_eq!(in_context.max_price, expected, "{name}");
        }
        assert_eq!(read(&[], &json!({ "merit-max-price": 0.001 })).expect("terms").max_price, expected);
        assert_eq!(read(&[("x-other", "1")], &json!({ "k": "v" })), Ok(Stated::default()));
    }

    #[test]
    fn terms_that_cannot_be_read_are_not_ignored() {
        for (headers, custom) in [
            (&[("x-merit-max-prize", "1")][..], Value::Null),
            (&[("x-merit-max-price", "much")], Value::Null),
            (&[("x-merit-max-price", "1")], json!({ "merit-max-price": "1" })),
            (&[], json!({ "merit-max-prize": "1" })),
        ] {
            assert!(matches!(read(headers, &custom), Err(Refusal::MalformedTerms { .. })), "{headers:?} {custom}");
        }
        for custom in
            [json!({ "merit-max-price": [1] }), json!({ "merit-max price": "1" }), json!({ "merit-tags": "é=1\n" })]
        {
            assert!(matches!(read(&[], &custom), Err(Refusal::BadRequest(_))), "{custom}");
        }
    }
}
