//! The other end: requests are signed by the `aws-sigv4` crate itself.
//!
//! For calls of Lambda, for the few other services of AWS that Merit asks, and for tests and tools that speak to a
//! Lambda door.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningParams, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use merit_units::Timestamp;

use super::SERVICE;

/// A key pair for a region.
#[derive(Clone, Debug)]
pub struct Signer {
    identity: Identity,
    region: String,
    service: &'static str,
}

/// A request that can't be signed, such as one with a URI that is none.
#[derive(Debug, thiserror::Error)]
#[error("failed to sign a request: {0}")]
pub struct SignError(String);

impl Signer {
    /// A key pair, with the token of temporary credentials.
    #[must_use]
    pub fn new(access_key: &str, secret: &str, session_token: Option<&str>, region: &str) -> Self {
        let credentials = Credentials::new(access_key, secret, session_token.map(str::to_owned), None, "merit");
        Self { identity: credentials.into(), region: region.to_owned(), service: SERVICE }
    }

    /// For another service than Lambda, by the name it is signed for, such as `pricing`.
    #[must_use]
    pub fn for_service(self, service: &'static str) -> Self {
        Self { service, ..self }
    }

    /// Adds the headers of a signature made at `now`. Signs every header there is, and `host` by the URI when it
    /// is not among them.
    ///
    /// # Errors
    /// [`SignError`] for headers that are no text.
    pub fn sign(&self, request: &mut Request<impl AsRef<[u8]>>, now: Timestamp) -> Result<(), SignError> {
        self.apply(request, now, SigningSettings::default())
    }

    /// Adds a signature to the query of the URI, good for `expires_s` seconds from `now`.
    ///
    /// # Errors
    /// [`SignError`] for headers that are no text.
    pub fn presign(
        &self,
        request: &mut Request<impl AsRef<[u8]>>,
        now: Timestamp,
        expires_s: u64,
    ) -> Result<(), SignError> {
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(expires_s));
        self.apply(request, now, settings)
    }

    /// Adds the headers of a signature made at `now` to `headers`, of which every one is signed; `host` must be
    /// among them. `target` is the path and query as they stand on the request line.
    ///
    /// # Errors
    /// [`SignError`] for headers, or a session token, that are no text.
    pub fn sign_headers(
        &self,
        method: &Method,
        target: &str,
        headers: &mut HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), SignError> {
        let params = self.params(now, SigningSettings::default())?;
        let signed = {
            let signable =
                SignableRequest::new(method.as_str(), target, text_of(headers)?.into_iter(), SignableBody::Bytes(body));
            sign(signable.map_err(failed)?, &params).map_err(failed)?.into_parts().0
        };
        for header in signed.into_parts().0 {
            let mut value = HeaderValue::from_str(header.value()).map_err(failed)?;
            value.set_sensitive(header.sensitive());
            headers.insert(HeaderName::from_static(header.name()), value);
        }
        Ok(())
    }

    fn params(&self, now: Timestamp, settings: SigningSettings) -> Result<SigningParams<'_>, SignError> {
        let params = v4::SigningParams::builder()
            .identity(&self.identity)
            .region(&self.region)
            .name(self.service)
            .time(UNIX_EPOCH + Duration::from_micros(now.micros()))
            .settings(settings);
        Ok(params.build().map_err(failed)?.into())
    }

    fn apply(
        &self,
        request: &mut Request<impl AsRef<[u8]>>,
        now: Timestamp,
        settings: SigningSettings,
    ) -> Result<(), SignError> {
        let params = self.params(now, settings)?;
        let headers = text_of(request.headers())?;
        let instructions = {
            let uri = request.uri().to_string();
            let body = SignableBody::Bytes(request.body().as_ref());
            let signable = SignableRequest::new(request.method().as_str(), uri, headers.into_iter(), body);
            sign(signable.map_err(failed)?, &params).map_err(failed)?.into_parts().0
        };
        instructions.apply_to_request_http1x(request);
        if !request.headers().contains_key(http::header::HOST)
            && let Some(authority) = request.uri().authority().map(|authority| authority.as_str().to_owned())
        {
            let host = HeaderValue::from_str(&authority).map_err(failed)?;
            request.headers_mut().insert(http::header::HOST, host);
        }
        Ok(())
    }
}

fn failed(error: impl std::error::Error) -> SignError {
    SignError(error.to_string())
}

fn text_of(headers: &HeaderMap) -> Result<Vec<(&str, &str)>, SignError> {
    headers
        .iter()
        .map(|(name, value)| match value.to_str() {
            Ok(value) => Ok((name.as_str(), value)),
            Err(error) => Err(SignError(format!("the header {name}: {error}"))),
        })
        .collect()
}
