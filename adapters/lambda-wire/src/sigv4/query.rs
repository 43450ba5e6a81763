//! A signature in the query: a presigned request.

use std::borrow::Cow;

use http::HeaderMap;
use merit_units::Micros;

use super::stamp::Stamp;
use super::{ALGORITHM, AuthError, MOST_EXPIRES_S, Parts, shortened};

/// The one parameter that is not part of what is signed.
pub(super) const SIGNATURE: &str = "X-Amz-Signature";

pub(super) type Pair<'q> = (Cow<'q, str>, Cow<'q, str>);

/// A query's parameters, decoded.
pub(super) fn pairs(query: &str) -> Vec<Pair<'_>> {
    form_urlencoded::parse(query.as_bytes()).collect()
}

pub(super) fn is_presigned(pairs: &[Pair<'_>]) -> bool {
    pairs.iter().any(|(name, _)| name == SIGNATURE || name == "X-Amz-Algorithm")
}

pub(super) fn parts<'r>(pairs: &'r [Pair<'_>], headers: &HeaderMap) -> Result<Parts<'r>, AuthError> {
    let optional = |name: &str| {
        let mut values = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_ref());
        match (values.next(), values.next()) {
            (first, None) => Ok(first),
            (_, Some(_)) => Err(AuthError::incomplete(format!("The parameter '{name}' is there more than once"))),
        }
    };
    let needed = |name: &str| {
        let missing = || AuthError::incomplete(format!("AWS query-string parameters must include '{name}'."));
        optional(name)?.ok_or_else(missing)
    };
    let algorithm = needed("X-Amz-Algorithm")?;
    if algorithm != ALGORITHM {
        let shown = shortened(algorithm);
        return Err(AuthError::incomplete(format!("X-Amz-Algorithm only supports '{ALGORITHM}', not '{shown}'")));
    }
    let header = super::header::single(headers, "x-amz-content-sha256")?;
    let content_sha256 = optional("X-Amz-Content-Sha256")?.or(header).map(str::to_owned);
    Ok(Parts {
        credential: needed("X-Amz-Credential")?,
        signed_headers: needed("X-Amz-SignedHeaders")?,
        signature: needed(SIGNATURE)?,
        stamp: Stamp::parse(needed("X-Amz-Date")?)?,
        expires: Some(expires(needed("X-Amz-Expires")?)?),
        session_token: optional("X-Amz-Security-Token")?.map(str::to_owned),
        content_sha256,
    })
}

fn expires(text: &str) -> Result<Micros, AuthError> {
    let seconds = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    match seconds {
        Some(seconds @ 1..=MOST_EXPIRES_S) => Ok(Micros::from_secs(seconds)),
        _ => Err(AuthError::incomplete(format!(
            "X-Amz-Expires must be a number of seconds from 1 to {MOST_EXPIRES_S}, a week, not '{}'",
            shortened(text)
        ))),
    }
}
