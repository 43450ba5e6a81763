//! A signature in the headers: `Authorization` and `X-Amz-Date`.

use http::HeaderMap;
use http::header::{AUTHORIZATION, DATE};

use super::stamp::Stamp;
use super::{ALGORITHM, AuthError, Parts, shortened};

/// The one value of a header; `None` when it is not there.
///
/// # Errors
/// [`AuthError`] when it is there twice or is no text.
pub(super) fn single<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, AuthError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match value.to_str() {
            Ok(text) => Ok(Some(text.trim())),
            Err(_) => Err(AuthError::incomplete(format!("The header '{name}' is not ASCII text"))),
        },
        (Some(_), Some(_)) => Err(AuthError::incomplete(format!("The header '{name}' is there more than once"))),
    }
}

pub(super) fn parts(headers: &HeaderMap) -> Result<Parts<'_>, AuthError> {
    let authorization = single(headers, AUTHORIZATION.as_str())?.unwrap_or_default();
    let (scheme, rest) = authorization.split_once([' ', '\t']).unwrap_or((authorization, ""));
    if scheme != ALGORITHM {
        let shown = shortened(scheme);
        return Err(AuthError::incomplete(format!("Authorization header requires '{ALGORITHM}', not '{shown}'")));
    }
    let [mut credential, mut signed_headers, mut signature] = [None; 3];
    for pair in rest.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            let shown = shortened(pair);
            let message = format!("'{shown}' not a valid key=value pair (missing equal-sign) in Authorization header");
            return Err(AuthError::incomplete(message));
        };
        let slot = match name.trim_end() {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed_headers,
            "Signature" => &mut signature,
            _ => continue,
        };
        if slot.replace(value.trim_start()).is_some() {
            return Err(AuthError::incomplete(format!("Authorization header has '{name}' more than once")));
        }
    }
    let date = match single(headers, "x-amz-date")? {
        Some(date) => Some(date),
        None => single(headers, DATE.as_str())?,
    };
    let missing: Vec<&str> = [
        (credential.is_none(), "Authorization header requires 'Credential' parameter."),
        (signature.is_none(), "Authorization header requires 'Signature' parameter."),
        (signed_headers.is_none(), "Authorization header requires 'SignedHeaders' parameter."),
        (date.is_none(), "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."),
    ]
    .into_iter()
    .filter_map(|(missing, words)| missing.then_some(words))
    .collect();
    let (Some(credential), Some(signed_headers), Some(signature), Some(date)) =
        (credential, signed_headers, signature, date)
    else {
        return Err(AuthError::incomplete(missing.join(" ")));
    };
    Ok(Parts {
        credential,
        signed_headers,
        signature,
        stamp: Stamp::parse(date)?,
        expires: None,
        session_token: single(headers, "x-amz-security-token")?.map(str::to_owned),
        content_sha256: single(headers, "x-amz-content-sha256")?.map(str::to_owned),
    })
}
