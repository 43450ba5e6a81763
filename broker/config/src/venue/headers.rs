//! The sections `[venues.NAME.headers]`: headers sent with each call, often secret.

use http::{HeaderName, HeaderValue};

use crate::reader::{Kind, Section};

/// Headers that belong to the connection or to Merit.
const RESERVED: [&str; 9] =
    ["host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "expect"];

pub(super) fn read(section: Section<'_, '_>) -> Vec<(HeaderName, HeaderValue)> {
    let mut section = section.secret();
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for key in section.other_keys() {
        let env = section.reader.env;
        let value = section.given(key, &[Kind::String], |text| value(text, |name| env.get(name)));
        match name(key) {
            Err(message) => section.mistake(key, message),
            Ok(name) if headers.iter().any(|(seen, _)| *seen == name) => {
                section.mistake(key, "names the same header a second time: case makes no difference");
            }
            Ok(name) => headers.extend(value.map(|value| (name, value))),
        }
    }
    headers
}

fn name(key: &str) -> Result<HeaderName, String> {
    let name: HeaderName = key.parse().map_err(|_| format!("`{key}` is not a header name"))?;
    if name == http::header::HOST {
        return Err("cannot be set here; set `host` of the venue".to_owned());
    }
    if RESERVED.contains(&name.as_str()) || name.as_str().starts_with("merit-") {
        return Err("cannot be set: it belongs to the connection or to Merit".to_owned());
    }
    Ok(name)
}

/// The value itself or, for `env:NAME`, the variable's.
fn value<'e>(text: &str, env: impl Fn(&str) -> Option<&'e str>) -> Result<HeaderValue, String> {
    let text = match text.strip_prefix("env:") {
        Some(name) => env(name).ok_or_else(|| format!("the environment variable `{name}` is not set"))?,
        None => text,
    };
    let refuse = |_| "has a character that no header can hold".to_owned();
    let mut value: HeaderValue = text.parse().map_err(refuse)?;
    value.set_sensitive(true);
    Ok(value)
}
