//! The configuration of one HTTP venue, and its checks.
//!
//! Invariant: all mistakes are reported at once, each with the field's name and what to write
//! instead. Header values are secrets: they appear in no message.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::header::{self, HeaderName, HeaderValue};
use ipnet::IpNet;
use merit_transport::{Http2, Reach, headers};
use merit_venue::{ConfigError, Meters, no_call, no_time};

use crate::callbacks::CallbackDoor;
use crate::preset::Preset;
use crate::signature::Signing;

/// How to reach one HTTP venue. Start from [`HttpConfig::new`] and set what differs.
#[derive(Clone)]
pub struct HttpConfig {
    /// The venue's URL, such as `https://gateway.example.com/function`; a target is a path below it.
    pub base_url: String,
    /// Sent with every call, such as `authorization`. Never logged.
    pub headers: Vec<(String, String)>,
    /// Replaces the `host` header, for ingresses that route by it (Knative). `{function}` stands
    /// for the function's name. TLS still checks the name in the URL.
    pub host: Option<String>,
    /// Hosts besides the base URL's that a target may name by a whole URL, as on Cloud Run, where
    /// each service has its own: `resize-abc.a.run.app`, or `*.a.run.app` for all below. They
    /// receive `headers` too.
    pub target_hosts: Vec<String>,
    /// For name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// From the request to the reply's head.
    pub first_byte_timeout: Duration,
    /// For the whole call; the call's own deadline cuts it shorter.
    pub whole_timeout: Duration,
    /// The largest payload, in bytes.
    pub max_request_bytes: usize,
    /// The largest reply, in bytes.
    pub max_reply_bytes: usize,
    /// The largest reply that is passed on while it arrives, in bytes.
    pub max_streamed_bytes: usize,
    /// The most connections open at once, in use or idle, over all hosts. Calls beyond it wait.
    pub max_connections: u32,
    /// The most connections kept open for reuse.
    pub max_idle: u32,
    /// How long a connection is kept open for reuse. Keep it below the server's own limit:
    /// a server that closes just then leaves a call's outcome unknown.
    pub idle_timeout: Duration,
    /// After how long a server is tried again that refused the credentials, whose name did not resolve or whose
    /// certificate was not trusted.
    pub credentials_retry: Duration,
    /// Whether 401 and 403 are always the gateway's word on `headers`, and never a function's own answer. Without it they
    /// are taken for the gateway's only where its headers show it.
    pub gateway_checks_credentials: bool,
    /// Networks that lift the ban on link-local, metadata and other addresses no venue has.
    pub allow_addresses: Vec<IpNet>,
    /// Whether loopback and private networks may be called, for machines of one's own.
    pub private_addresses: bool,
    /// A PEM file of certificate authorities to trust besides the system's.
    pub ca_pem: Option<PathBuf>,
    /// HTTP/2 where a server with TLS offers it.
    pub http2: Option<Http2>,
    /// Whose meters to believe: the venue's are in `merit-meter-*` headers.
    pub meters: Meters,
    /// Signs calls, and believes only replies that are signed.
    pub signing: Option<Signing>,
    /// Where below the base URL the venue publishes its price sheet, if it does.
    pub price_sheet_path: Option<String>,
    /// The platform it is, if it is one that is known by name.
    pub preset: Option<Preset>,
    /// Where a platform's queue brings replies to; without, nothing is called by a queue.
    pub callbacks: Option<CallbackDoor>,
}

/// The least common sync limit of the big clouds is AWS Lambda's 6 MB; with the same bound
/// everywhere a call that fits one venue fits all.
const DEFAULT_BODY_BYTES: usize = 6 * 1024 * 1024;

/// AWS Lambda's for streamed responses.
const DEFAULT_STREAMED_BYTES: usize = 200 * 1024 * 1024;

/// Headers that the client or the call itself sets.
const RESERVED_HEADERS: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "traceparent",
    "tracestate",
    merit_venue::meter_header::INVOCATION_ID,
    merit_venue::meter_header::ATTEMPT,
    merit_venue::meter_header::DEADLINE_MS,
];

impl HttpConfig {
    /// The defaults for a base URL.
    ///
    /// Three seconds to connect; five minutes for a call, the default of Cloud Run and Knative;
    /// idle connections are kept four seconds, because Node's servers close theirs after five.
    #[must_use]
    pub fn new(base_url: impl Into<String>) -> Self {
        let Reach {
            connect_timeout,
            first_byte_timeout,
            max_connections,
            max_idle,
            idle_timeout,
            unreachable_retry,
            allow_addresses,
            private_addresses,
            ca_pem,
            http2,
        } = Reach::default();
        Self {
            base_url: base_url.into(),
            headers: Vec::new(),
            host: None,
            target_hosts: Vec::new(),
            connect_timeout,
            first_byte_timeout,
            whole_timeout: Duration::from_mins(5),
            max_request_bytes: DEFAULT_BODY_BYTES,
            max_reply_bytes: DEFAULT_BODY_BYTES,
            max_streamed_bytes: DEFAULT_STREAMED_BYTES,
            max_connections,
            max_idle,
            idle_timeout,
            credentials_retry: unreachable_retry,
            gateway_checks_credentials: false,
            allow_addresses,
            private_addresses,
            ca_pem,
            http2,
            meters: Meters::OwnClock,
            signing: None,
            price_sheet_path: None,
            preset: None,
            callbacks: None,
        }
    }

    /// The base URL without a user name and a query, which may be secret.
    pub(crate) fn shown_base(&self) -> String {
        let plain = self.base_url.split('?').next().unwrap_or_default();
        let (scheme, rest) = plain.split_once("://").unwrap_or(("", plain));
        let rest = rest.rsplit('@').next().unwrap_or_default();
        if scheme.is_empty() { rest.to_owned() } else { format!("{scheme}://{rest}") }
    }

    /// Why the host of `base_url` may not be called, when it is an address and no name. What a name resolves to is
    /// judged at each connection.
    #[must_use]
    pub fn forbidden(&self) -> Option<String> {
        let uri: http::Uri = self.base_url.parse().ok()?;
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
        let what = self.reach().refusal(host.parse().ok()?)?;
        Some(format!("{host} is {what}, and must not be called"))
    }

    /// How its servers are reached.
    pub(crate) fn reach(&self) -> Reach {
        Reach {
            connect_timeout: self.connect_timeout,
            first_byte_timeout: self.first_byte_timeout,
            max_connections: self.max_connections,
            max_idle: self.max_idle,
            idle_timeout: self.idle_timeout,
            unreachable_retry: self.credentials_retry,
            allow_addresses: self.allow_addresses.clone(),
            private_addresses: self.private_addresses,
            ca_pem: self.ca_pem.clone(),
            http2: self.http2,
        }
    }

    /// Checks the numbers that are not in [`Self::reach`]; URLs and headers are checked where they are parsed.
    pub(crate) fn check_bounds(&self, errors: &mut Vec<ConfigError>) {
        errors.extend(no_time([("whole_timeout", self.whole_timeout), ("credentials_retry", self.credentials_retry)]));
        errors.extend(no_call([
            ("max_request_bytes", self.max_request_bytes == 0),
            ("max_reply_bytes", self.max_reply_bytes == 0),
            ("max_streamed_bytes", self.max_streamed_bytes == 0),
        ]));
    }

    /// The configured headers, parsed and marked as secret.
    pub(crate) fn parse_headers(&self, errors: &mut Vec<ConfigError>) -> Vec<(HeaderName, HeaderValue)> {
        let mut parsed = Vec::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            match parse_header(name, value) {
                Ok(header) => parsed.push(header),
                Err(message) => errors.push(ConfigError { field: "headers", message }),
            }
        }
        if !parsed.iter().any(|(name, _)| *name == header::USER_AGENT) {
            parsed.push((header::USER_AGENT, headers::USER_AGENT));
        }
        parsed
    }
}

fn parse_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let parsed: HeaderName = name.parse().map_err(|_| format!("`{name}` is not a header name"))?;
    if RESERVED_HEADERS.contains(&parsed.as_str()) {
        return Err(format!("`{name}` is set by the call itself: leave it out{}", host_hint(&parsed)));
    }
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| format!("the value of `{name}` has a line break or control character: take it out"))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

fn host_hint(name: &HeaderName) -> &'static str {
    if name == header::HOST { ", and use `host`" } else { "" }
}

impl fmt::Debug for HttpConfig {
    /// Everything but the values of the headers and what may be secret in the base URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("HttpConfig")
            .field("base_url", &self.shown_base())
            .field("headers", &names)
            .field("host", &self.host)
            .field("target_hosts", &self.target_hosts)
            .field("connect_timeout", &self.connect_timeout)
            .field("first_byte_timeout", &self.first_byte_timeout)
            .field("whole_timeout", &self.whole_timeout)
            .field("max_request_bytes", &self.max_request_bytes)
            .field("max_reply_bytes", &self.max_reply_bytes)
            .field("max_streamed_bytes", &self.max_streamed_bytes)
            .field("max_connections", &self.max_connections)
            .field("max_idle", &self.max_idle)
            .field("idle_timeout", &self.idle_timeout)
            .field("credentials_retry", &self.credentials_retry)
            .field("gateway_checks_credentials", &self.gateway_checks_credentials)
            .field("allow_addresses", &self.allow_addresses)
            .field("private_addresses", &self.private_addresses)
            .field("ca_pem", &self.ca_pem)
            .field("http2", &self.http2)
            .field("meters", &self.meters)
            .field("signing", &self.signing)
            .field("price_sheet_path", &self.price_sheet_path)
            .field("preset", &self.preset)
            .field("callbacks", &self.callbacks)
            .finish()
    }
}
