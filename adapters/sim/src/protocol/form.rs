//! Values of a query or a form.

/// The first value of a key, decoded.
pub(super) fn value(encoded: &str, key: &str) -> Option<String> {
    form_urlencoded::parse(encoded.as_bytes()).find(|(name, _)| name == key).map(|(_, value)| value.into_owned())
}
