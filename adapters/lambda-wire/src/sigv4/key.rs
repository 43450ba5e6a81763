//! Keys and hashes.

use std::fmt;

use aws_lc_rs::{digest, hmac};

use super::{SERVICE, TERMINATOR};

/// The key that a secret gives for one day and region.
///
/// Deriving it takes four hashes, so it is worth keeping: it is good for a day, and where it is kept the
/// secret need not be.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// Derives the key for `date` (`YYYYMMDD`) and `region`.
    #[must_use]
    pub fn derive(secret: &str, date: &str, region: &str) -> Self {
        let of = |key: &[u8], data: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data.as_bytes());
        let day = of(format!("AWS4{secret}").as_bytes(), date);
        let region = of(day.as_ref(), region);
        let service = of(region.as_ref(), SERVICE);
        Self(hmac::Key::new(hmac::HMAC_SHA256, of(service.as_ref(), TERMINATOR).as_ref()))
    }

    pub(super) const fn hmac(&self) -> &hmac::Key {
        &self.0
    }
}

/// Says nothing of the key.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// The SHA-256 of a body that comes in pieces.
#[derive(Clone)]
pub struct BodyHash(digest::Context);

impl BodyHash {
    /// Of nothing so far.
    #[must_use]
    pub fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    /// Of a body that is there.
    #[must_use]
    pub fn of(body: &[u8]) -> [u8; 32] {
        array(digest::digest(&digest::SHA256, body))
    }

    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The hash of all of it.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        array(self.0.finish())
    }
}

impl Default for BodyHash {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for BodyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyHash(..)")
    }
}

pub(super) fn array(digest: digest::Digest) -> [u8; 32] {
    digest.as_ref().try_into().expect("invariant: SHA-256 has 32 bytes")
}

pub(super) fn to_hex(bytes: &[u8; 32]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    std::array::from_fn(|at| {
        let byte = bytes[at / 2];
        DIGITS[usize::from(if at % 2 == 0 { byte >> 4 } else { byte & 15 })]
    })
}

/// 64 digits of lower-case hexadecimal.
pub(super) fn hex_32(text: &str) -> Option<[u8; 32]> {
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
