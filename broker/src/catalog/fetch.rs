//! Fetching a price list: only when it has changed, only so much of it, in several tries, in limited time.
//!
//! The server compares `If-None-Match` or `If-Modified-Since`. A transfer that breaks off goes on where it stopped
//! when the server told a strong `ETag` (`Range` with `If-Range`), and from the start otherwise. What arrives packed
//! is unpacked here and not by the client library, so that both lengths are bounded and a range means what it says.

use std::error::Error;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use reqwest::{Client, RequestBuilder, Response, redirect};
use serde::{Deserialize, Serialize};

use super::products::Products;

/// Tries of one fetch.
const TRIES: u32 = 4;
/// The first pause between two tries; it doubles.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest a server may say nothing.
const SILENCE: Duration = Duration::from_secs(30);

/// What is asked for.
pub(super) enum Ask {
    /// A file or a page, by its address.
    Get(String),
    /// A page of AWS's `GetProducts` at this address, behind this token.
    Products(Arc<Products>, String, Option<String>),
}

impl Ask {
    fn url(&self) -> &str {
        match self {
            Self::Get(url) | Self::Products(_, url, _) => url,
        }
    }

    fn request(&self, client: &Client) -> Result<RequestBuilder, FetchError> {
        match self {
            Self::Get(url) => Ok(client.get(url)),
            Self::Products(products, url, token) => {
                products.request(client, url, token.as_deref()).map_err(FetchError::Unsigned)
            }
        }
    }
}

/// What a server gave to recognise a version by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Validators {
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
}

/// How much may be fetched, in which time.
#[derive(Clone, Copy, Debug)]
pub(super) struct FetchLimits {
    pub(super) max_bytes: usize,
    /// How many of them earlier pages have.
    pub(super) used: usize,
    pub(super) timeout: Duration,
}

impl FetchLimits {
    fn left(self) -> usize {
        self.max_bytes.saturating_sub(self.used)
    }
}

#[derive(Debug)]
pub(super) enum Fetched {
    NotModified,
    File(Packed),
}

/// A file as it came.
#[derive(Debug, Default)]
pub(super) struct Packed {
    bytes: Vec<u8>,
    gzip: bool,
    pub(super) validators: Validators,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("the server answered {0}{hint}", hint = hint(*.0))]
    Status(StatusCode),
    #[error("the server answered {0}: {1}{hint}", hint = hint(*.0))]
    Named(StatusCode, String),
    #[error("the request can't be signed: {0}")]
    Unsigned(String),
    #[error("the server answered {0} and wants to be left alone for {1} s")]
    Throttled(StatusCode, u64),
    #[error("{0}")]
    Transfer(String),
    #[error("{0}")]
    Redirect(String),
    #[error("it has more than catalog.max_file_bytes = {0} bytes")]
    TooLong(usize),
    #[error("unpacked it has more than catalog.max_file_bytes = {0} bytes")]
    Bomb(usize),
    #[error("it is packed as `{0}`, which was not asked for")]
    Packing(String),
    #[error("it can't be unpacked: {0}")]
    Damaged(std::io::Error),
    #[error("it was not there within catalog.timeout_ms = {0}")]
    TooSlow(u128),
}

fn hint(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 | 401 | 403 => {
            "; it wants credentials or does not know the file: check the address and the key in [catalog]"
        }
        404 | 410 => "; check the address in [catalog]",
        _ => "",
    }
}

impl FetchError {
    /// Whether another try may help.
    fn passes(&self) -> bool {
        match self {
            Self::Status(status) => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            Self::Transfer(_) | Self::Throttled(..) => true,
            Self::Named(_, said) => said.contains("Throttl"),
            _ => false,
        }
    }
}

/// The header that Google's interfaces take an API key in.
const API_KEY: &str = "x-goog-api-key";

/// A client for a price list. Redirects are followed, but never from https to http, and a key is never sent to
/// another place than the one it is for; nor is a request that is `signed`.
pub(super) fn client(url: &str, key: Option<&str>, signed: bool) -> Result<Client, String> {
    let has_key = key.is_some() || signed;
    let policy = redirect::Policy::custom(move |attempt| {
        let was_secure = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
        let elsewhere = attempt.previous().last().is_some_and(|url| url.origin() != attempt.url().origin());
        if attempt.previous().len() > 5 {
            attempt.error("more than 5 redirects")
        } else if has_key && elsewhere {
            attempt.error("a redirect to another host, which the key is not for")
        } else if was_secure && attempt.url().scheme() != "https" {
            attempt.error("a redirect from https to http")
        } else {
            attempt.follow()
        }
    });
    let mut builder = Client::builder()
        .user_agent(concat!("merit/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(SILENCE)
        .redirect(policy);
    if let Some(key) = key {
        let mut value = HeaderValue::from_str(key).map_err(|_| "the key can't be sent in a header".to_owned())?;
        value.set_sensitive(true);
        builder = builder.default_headers([(HeaderName::from_static(API_KEY), value)].into_iter().collect());
    }
    // A proxy of the environment can't reach this machine's own loopback.
    let host = url.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    if host == "localhost" || address.is_ok_and(|address| address.is_loopback()) {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| innermost(&error))
}

/// Fetches a file, unless it is the one that `known` tells.
pub(super) async fn fetch(
    client: &Client,
    ask: &Ask,
    known: &Validators,
    limits: FetchLimits,
) -> Result<Fetched, FetchError> {
    let tries = async {
        let mut packed = Packed::default();
        let mut pause = PAUSE;
        for last in (0..TRIES).map(|number| number + 1 == TRIES) {
            match attempt(client, ask, known, limits, &mut packed).await {
                Ok(true) => return Ok(Fetched::File(packed)),
                Ok(false) => return Ok(Fetched::NotModified),
                Err(error) if last || !error.passes() => return Err(error),
                // It would only be known later that there is no time for it.
                Err(FetchError::Throttled(status, seconds)) if Duration::from_secs(seconds) >= limits.timeout => {
                    return Err(FetchError::Throttled(status, seconds));
                }
                Err(error) => {
                    tracing::debug!(url = ask.url(), %error, "fetching a price list is tried again");
                    if let FetchError::Throttled(_, seconds) = error {
                        pause = pause.max(Duration::from_secs(seconds));
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        unreachable!("the last try returns")
    };
    let too_slow = FetchError::TooSlow(limits.timeout.as_millis());
    tokio::time::timeout(limits.timeout, tries).await.unwrap_or(Err(too_slow))
}

/// One try, which goes on with what is there. Whether there is a file now; `false`: nothing has changed.
async fn attempt(
    client: &Client,
    ask: &Ask,
    known: &Validators,
    limits: FetchLimits,
    packed: &mut Packed,
) -> Result<bool, FetchError> {
    let mut request = ask.request(client)?.header(header::ACCEPT_ENCODING, "gzip");
    let resumable = packed.validators.etag.clone().filter(|etag| !etag.starts_with("W/") && !packed.bytes.is_empty());
    if let Some(etag) = &resumable {
        request =
            request.header(header::RANGE, format!("bytes={}-", packed.bytes.len())).header(header::IF_RANGE, etag);
    } else if let Some(etag) = &known.etag {
        request = request.header(header::IF_NONE_MATCH, etag);
    } else if let Some(date) = &known.last_modified {
        request = request.header(header::IF_MODIFIED_SINCE, date);
    }
    let response = request.send().await.map_err(|error| match error.is_redirect() {
        true => FetchError::Redirect(innermost(&error)),
        false => FetchError::Transfer(innermost(&error)),
    })?;
    match response.status() {
        StatusCode::NOT_MODIFIED => return Ok(false),
        StatusCode::OK => *packed = begin(response.headers())?,
        StatusCode::PARTIAL_CONTENT if resumable.is_some() && continues(response.headers(), packed.bytes.len()) => {}
        // What is there stays for the next try.
        status if FetchError::Status(status).passes() => {
            let seconds =
                response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            return Err(seconds.map_or(FetchError::Status(status), |seconds| FetchError::Throttled(status, seconds)));
        }
        status if resumable.is_some() => {
            // The rest is not to be had: the next try begins again.
            *packed = Packed::default();
            return Err(FetchError::Transfer(format!("the server answered {status} to a request for the rest")));
        }
        StatusCode::BAD_REQUEST if matches!(ask, Ask::Products(..)) => return Err(named(response).await),
        status => return Err(FetchError::Status(status)),
    }
    receive(response, limits, &mut packed.bytes).await?;
    Ok(true)
}

/// AWS's refusal by its name, such as `UnrecognizedClientException`; throttles are among them.
async fn named(mut response: Response) -> FetchError {
    #[derive(Deserialize)]
    struct Body {
        #[serde(rename = "__type")]
        kind: String,
        #[serde(alias = "Message", default)]
        message: String,
    }
    let status = response.status();
    let first = response.chunk().await.ok().flatten().unwrap_or_default();
    match serde_json::from_slice::<Body>(&first) {
        Ok(Body { kind, message }) => {
            let kind = kind.rsplit('#').next().unwrap_or_default();
            let said: String =
                format!("{kind} {message}").chars().filter(|char| !char.is_control()).take(200).collect();
            FetchError::Named(status, said.trim().to_owned())
        }
        Err(_) => FetchError::Status(status),
    }
}

fn begin(headers: &HeaderMap) -> Result<Packed, FetchError> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let gzip = match text(header::CONTENT_ENCODING).as_deref() {
        None | Some("identity" | "") => false,
        Some("gzip" | "x-gzip") => true,
        Some(other) => return Err(FetchError::Packing(other.chars().take(40).collect())),
    };
    let validators = Validators { etag: text(header::ETAG), last_modified: text(header::LAST_MODIFIED) };
    Ok(Packed { bytes: Vec::new(), gzip, validators })
}

fn continues(headers: &HeaderMap, at: usize) -> bool {
    let range = headers.get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {at}-")))
}

async fn receive(mut response: Response, limits: FetchLimits, bytes: &mut Vec<u8>) -> Result<(), FetchError> {
    let expected = response.content_length().map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
    if bytes.len().saturating_add(expected) > limits.left() {
        return Err(FetchError::TooLong(limits.max_bytes));
    }
    bytes.reserve_exact(expected);
    while let Some(chunk) = response.chunk().await.map_err(|error| FetchError::Transfer(innermost(&error)))? {
        if bytes.len() + chunk.len() > limits.left() {
            return Err(FetchError::TooLong(limits.max_bytes));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(())
}

impl Packed {
    /// The file itself. Takes tens of milliseconds for a large one.
    pub(super) fn unpack(self, limits: FetchLimits) -> Result<Vec<u8>, FetchError> {
        if !self.gzip {
            return Ok(self.bytes);
        }
        let mut bytes = Vec::new();
        let unpacked = flate2::read::MultiGzDecoder::new(self.bytes.as_slice());
        let bound = u64::try_from(limits.left()).unwrap_or(u64::MAX).saturating_add(1);
        unpacked.take(bound).read_to_end(&mut bytes).map_err(FetchError::Damaged)?;
        if bytes.len() > limits.left() { Err(FetchError::Bomb(limits.max_bytes)) } else { Ok(bytes) }
    }
}

/// The innermost error says what happened; the outer ones only where.
fn innermost(error: &dyn Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
