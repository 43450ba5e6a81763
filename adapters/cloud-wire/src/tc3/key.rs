//! The key that a secret gives for one day.

use std::fmt;

use aws_lc_rs::hmac;

use super::{SERVICE, TERMINATOR};
use crate::bytes;

/// Deriving it takes three MACs, so that it is worth keeping for its day.
#[derive(Clone)]
pub(super) struct SigningKey(hmac::Key);

impl SigningKey {
    /// For `day`, such as `2026-11-21`.
    pub(super) fn derive(secret_key: &str, day: &str) -> Self {
        let of = |key: &[u8], data: &str| hmac::sign(&bytes::key(key), data.as_bytes());
        let date = of(["TC3", secret_key].concat().as_bytes(), day);
        let service = of(date.as_ref(), SERVICE);
        Self(bytes::key(of(service.as_ref(), TERMINATOR).as_ref()))
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
