//! Hashes, MACs and hexadecimal, over `aws-lc-rs`.

use aws_lc_rs::{digest, hmac};
use http::{HeaderMap, HeaderValue};

use crate::AuthError;

/// The SHA-256 of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, bytes).as_ref().try_into().expect("invariant: SHA-256 has 32 bytes")
}

/// The SHA-256 of some bytes, as 64 digits.
pub(crate) fn sha256_hex(bytes: &[u8]) -> [u8; 64] {
    to_hex(&sha256(bytes))
}

pub(crate) fn key(secret: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret)
}

/// The MAC of some bytes, as 64 digits.
pub(crate) fn mac_hex(key: &hmac::Key, bytes: &[u8]) -> [u8; 64] {
    let tag = hmac::sign(key, bytes);
    to_hex(tag.as_ref().try_into().expect("invariant: HMAC-SHA256 has 32 bytes"))
}

pub(crate) fn to_hex(bytes: &[u8; 32]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    std::array::from_fn(|at| {
        let byte = bytes[at / 2];
        DIGITS[usize::from(if at % 2 == 0 { byte >> 4 } else { byte & 15 })]
    })
}

/// 64 digits of lower-case hexadecimal.
pub(crate) fn hex_32(text: &str) -> Option<[u8; 32]> {
    let digits: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// Hexadecimal is ASCII.
pub(crate) fn text(hex: &[u8; 64]) -> &str {
    std::str::from_utf8(hex).expect("invariant: hexadecimal digits are ASCII")
}

/// The one value of a header; `None` when it is not there.
///
/// # Errors
/// [`AuthError::Malformed`] when it is there twice or is no text.
pub(crate) fn single<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, AuthError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value_text(value).map(Some).ok_or_else(|| AuthError::malformed("no text in", name)),
        (Some(_), Some(_)) => Err(AuthError::malformed("there more than once:", name)),
    }
}

/// A value as text in UTF-8, which both schemes sign; `None` when it is none.
pub(crate) fn value_text(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok().map(str::trim)
}

/// The parts `Credential`, `SignedHeaders` and `Signature` of an `Authorization` header, whose scheme is `algorithm`.
pub(crate) struct Authorization<'h> {
    pub(crate) credential: &'h str,
    pub(crate) signed_headers: &'h str,
    pub(crate) signature: [u8; 32],
}

impl<'h> Authorization<'h> {
    /// # Errors
    /// [`AuthError::Missing`] without the header, and [`AuthError::Malformed`] for another scheme, or a part that is
    /// missing, there twice, or no signature.
    pub(crate) fn of(headers: &'h HeaderMap, algorithm: &str) -> Result<Self, AuthError> {
        let header = single(headers, "authorization")?.ok_or(AuthError::Missing)?;
        let (scheme, rest) = header.split_once([' ', '\t']).unwrap_or((header, ""));
        if scheme != algorithm {
            return Err(AuthError::malformed("not the scheme that is spoken here:", scheme));
        }
        let [mut credential, mut signed_headers, mut signature] = [None; 3];
        for pair in rest.split(',').map(str::trim) {
            let (name, value) = pair.split_once('=').ok_or_else(|| AuthError::malformed("no `=` in", pair))?;
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err(AuthError::malformed("no part of a signature:", name)),
            };
            if slot.replace(value).is_some() {
                return Err(AuthError::malformed("there more than once:", name));
            }
        }
        let missing = |name| AuthError::malformed("missing:", name);
        let signature = signature.ok_or_else(|| missing("Signature"))?;
        Ok(Self {
            credential: credential.ok_or_else(|| missing("Credential"))?,
            signed_headers: signed_headers.ok_or_else(|| missing("SignedHeaders"))?,
            signature: hex_32(signature).ok_or(AuthError::Mismatch)?,
        })
    }

    /// The names of the signed headers.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] unless they are in order, none twice, and all are there.
    pub(crate) fn signed(&self, headers: &HeaderMap) -> Result<Vec<&'h str>, AuthError> {
        let names: Vec<&str> = self.signed_headers.split(';').collect();
        if !names.is_sorted_by(|a, b| a < b) {
            return Err(AuthError::malformed("the signed headers are not in order:", self.signed_headers));
        }
        match names.iter().find(|name| name.bytes().any(|b| b.is_ascii_uppercase()) || !headers.contains_key(**name)) {
            Some(name) => Err(AuthError::malformed("signed and not there:", name)),
            None => Ok(names),
        }
    }
}

/// Whether the MAC of `bytes` is this one, in constant time.
pub(crate) fn verify(key: &hmac::Key, bytes: &[u8], signature: &[u8; 32]) -> Result<(), AuthError> {
    hmac::verify(key, bytes, signature).map_err(|_| AuthError::Mismatch)
}
