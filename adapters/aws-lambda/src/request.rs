//! A call's request, signed.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderName, InvalidHeaderValue, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::Full;
use merit_lambda_wire::invoke::{CLIENT_CONTEXT, INVOCATION_TYPE, InvocationType, LOG_TYPE, TENANT_ID};
use merit_lambda_wire::sigv4::Signer;
use merit_transport::{Route, headers};
use merit_units::Timestamp;
use merit_venue::{Call, ErrorKind, LambdaContext, VenueError};

use crate::trace;

/// X-Ray's header, which Lambda hands to the function. It is not signed, for proxies may add to it.
const TRACE: HeaderName = HeaderName::from_static("x-amzn-trace-id");

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// What of a call is sent.
pub(crate) struct Prepared<'c> {
    payload: &'c Bytes,
    client_context: Option<HeaderValue>,
    tenant: Option<HeaderValue>,
    trace: Option<HeaderValue>,
    log_tail: bool,
    invocation_type: Option<InvocationType>,
}

impl<'c> Prepared<'c> {
    /// A call, with the end of the log in its answer or not.
    ///
    /// # Errors
    /// What its caller added can't be a header: `PayloadRefused`, not started.
    pub(crate) fn of(call: &'c Call, log_tail: bool) -> Result<Self, VenueError> {
        let context = call.lambda.as_deref();
        let header = |of: fn(&LambdaContext) -> Option<&str>, what: &str| {
            let text = context.and_then(of).map(HeaderValue::from_str).transpose();
            text.map_err(|error: InvalidHeaderValue| {
                VenueError::not_started(
                    ErrorKind::PayloadRefused,
                    format!("the {what} of the call is no header: {error}"),
                )
            })
        };
        Ok(Self {
            payload: &call.payload,
            client_context: header(|context| context.client_context.as_deref(), "client context")?,
            tenant: header(|context| context.tenant.as_deref(), "tenant")?,
            trace: call.traceparent.as_ref().and_then(trace::x_ray),
            log_tail,
            invocation_type: None,
        })
    }

    /// Instead of the call, whether it would be let in.
    pub(crate) fn dry(self) -> Self {
        Self { log_tail: false, invocation_type: Some(InvocationType::DryRun), ..self }
    }

    /// The request at `now`.
    pub(crate) fn signed(&self, signer: &Signer, route: &Route, now: Timestamp) -> Request<Full<Bytes>> {
        let mut sent = HeaderMap::with_capacity(16);
        sent.insert(HOST, route.host.clone());
        sent.insert(CONTENT_TYPE, OCTETS);
        if self.log_tail {
            sent.insert(LOG_TYPE, HeaderValue::from_static("Tail"));
        }
        if let Some(kind) = self.invocation_type {
            sent.insert(INVOCATION_TYPE, HeaderValue::from_static(kind.as_str()));
        }
        for (name, value) in [(CLIENT_CONTEXT, &self.client_context), (TENANT_ID, &self.tenant)] {
            if let Some(value) = value {
                sent.insert(name, value.clone());
            }
        }
        let target = route.uri.path_and_query().expect("invariant: a route has a path");
        let signed = signer.sign_headers(&Method::POST, target.as_str(), &mut sent, self.payload, now);
        signed.expect("invariant: the headers above, and the keyring's tokens, are text");
        if let Some(trace) = &self.trace {
            sent.insert(TRACE, trace.clone());
        }
        sent.insert(USER_AGENT, headers::USER_AGENT);
        route.request(Method::POST, sent, self.payload.clone())
    }
}
