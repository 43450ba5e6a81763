//! Signing with a key pair.

use std::fmt;

use aws_lc_rs::hmac;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use merit_units::Timestamp;

use super::{ACCESS_KEY_ID, ALGORITHM, CONTENT_SHA256, DATE, NONCE, SECURITY_TOKEN, canonical, string_to_sign};
use crate::bytes::{self, text};
use crate::{SignError, time};

/// A key pair that signs.
#[derive(Clone)]
pub struct Signer {
    access_key_id: String,
    key: hmac::Key,
    /// The key's id and the token of temporary credentials.
    temporary: Option<(HeaderValue, HeaderValue)>,
}

impl Signer {
    /// A key pair, with the token of temporary credentials.
    ///
    /// # Errors
    /// [`SignError`] when the id or the token can't be in a header, or one of the texts is empty.
    pub fn try_new(access_key_id: &str, secret: &str, security_token: Option<&str>) -> Result<Self, SignError> {
        let refuse = |what: &str| SignError(format!("{what} is empty, or has a character that no header can hold"));
        let id_good = |byte: u8| byte.is_ascii_graphic() && byte != b',';
        if access_key_id.is_empty() || !access_key_id.bytes().all(id_good) {
            return Err(refuse("the access key's id"));
        }
        if secret.is_empty() {
            return Err(refuse("the access key's secret"));
        }
        let temporary = match security_token {
            None => None,
            Some(token) => {
                let mut value = HeaderValue::from_str(token).map_err(|_| refuse("the security token"))?;
                value.set_sensitive(true);
                let id = HeaderValue::from_str(access_key_id).map_err(|_| refuse("the access key's id"))?;
                Some((id, value))
            }
        };
        Ok(Self { access_key_id: access_key_id.to_owned(), key: bytes::key(secret.as_bytes()), temporary })
    }

    /// Signs a request of an API: adds the time, the nonce, the body's hash, the token, and the signature over all the
    /// headers that are there then. What is not to be signed is added afterwards.
    ///
    /// `path` and `query` are as they will be sent; `host` has to be among the headers.
    ///
    /// # Errors
    /// [`SignError`] when the nonce or a header is no text.
    #[expect(clippy::too_many_arguments, reason = "a request in its parts, which the caller has not put together yet")]
    pub fn sign(
        &self,
        method: &Method,
        path: &str,
        query: Option<&str>,
        headers: &mut HeaderMap,
        body: &[u8],
        now: Timestamp,
        nonce: &str,
    ) -> Result<(), SignError> {
        let nonce = HeaderValue::from_str(nonce).map_err(|_| SignError("the nonce is no text".to_owned()))?;
        headers.insert(HeaderName::from_static(NONCE), nonce);
        let hash = bytes::sha256_hex(body);
        headers.insert(HeaderName::from_static(CONTENT_SHA256), ascii(text(&hash)));
        if let Some((id, _)) = &self.temporary {
            headers.insert(HeaderName::from_static(ACCESS_KEY_ID), id.clone());
        }
        self.finish(method, path, query, headers, text(&hash), now)
    }

    /// Signs a request of an HTTP trigger, whose body is not signed: adds the time, the token and the signature.
    ///
    /// # Errors
    /// As [`Self::sign`].
    pub fn sign_trigger(
        &self,
        method: &Method,
        path: &str,
        query: Option<&str>,
        headers: &mut HeaderMap,
        now: Timestamp,
    ) -> Result<(), SignError> {
        self.finish(method, path, query, headers, "", now)
    }

    fn finish(
        &self,
        method: &Method,
        path: &str,
        query: Option<&str>,
        headers: &mut HeaderMap,
        body_sha256: &str,
        now: Timestamp,
    ) -> Result<(), SignError> {
        headers.insert(HeaderName::from_static(DATE), ascii(&time::iso8601(now)));
        if let Some((_, token)) = &self.temporary {
            headers.insert(HeaderName::from_static(SECURITY_TOKEN), token.clone());
        }
        let authorization = {
            let mut signed: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
            signed.sort_unstable();
            let canonical = canonical::request(method, path, query, &signed, headers, body_sha256)
                .ok_or_else(|| SignError("a header is no text".to_owned()))?;
            let signature = bytes::mac_hex(&self.key, string_to_sign(&bytes::sha256_hex(&canonical)).as_bytes());
            let parts = [
                ALGORITHM,
                " Credential=",
                &self.access_key_id,
                ",SignedHeaders=",
                &signed.join(";"),
                ",Signature=",
                text(&signature),
            ];
            ascii(&parts.concat())
        };
        headers.insert(AUTHORIZATION, authorization);
        Ok(())
    }
}

fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("invariant: hexadecimal, dates, names of headers and checked ids")
}

/// Everything but the secret.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}
