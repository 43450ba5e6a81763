//! The HTTP client: URLs, the key, and what a failed request means.

use std::error::Error;
use std::time::Duration;

use merit_wire::Problem;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Globals;
use crate::failure::Failure;

/// A connection to one broker.
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    key: Option<String>,
}

impl Client {
    /// Checks the URL; nothing is sent yet.
    pub(crate) fn try_new(globals: &Globals) -> Result<Self, Failure> {
        let refuse =
            |why: &str| Failure::usage(format!("--url {}: {why}; write it like {}", globals.url, crate::DEFAULT_URL));
        let base: Url = globals.url.parse().map_err(|_| refuse("is not a URL"))?;
        if base.cannot_be_a_base() || !matches!(base.scheme(), "http" | "https") {
            return Err(refuse("is not an http or https URL"));
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("merit/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        let http =
            builder.build().map_err(|error| Failure::usage(format!("cannot set up TLS: {}", innermost(&error))))?;
        Ok(Self { http, base, key: globals.key.clone() })
    }

    /// Where the broker is.
    pub(crate) fn base(&self) -> &str {
        self.base.as_str()
    }

    /// A request to a path of checked segments.
    pub(crate) fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        self.request_with_query(method, path, &[])
    }

    /// A request to a path of checked segments with a query.
    pub(crate) fn request_with_query(&self, method: Method, path: &[&str], query: &[(&str, &str)]) -> RequestBuilder {
        let mut url = self.base.clone();
        url.path_segments_mut().expect("invariant: the URL can be a base").pop_if_empty().push("v1").extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.http.request(method, url);
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// Sends a request and reads the reply.
    pub(crate) async fn call<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        let response = self.send(request).await?;
        let (url, status) = (response.url().to_string(), response.status().as_u16());
        let body = response.bytes().await.map_err(|error| no_answer(&error, &url, 0))?;
        serde_json::from_slice(&body).map_err(|error| Failure::Strange {
            url,
            status,
            what: format!("a body that is not understood ({error})"),
        })
    }

    /// Sends a request whose reply says nothing.
    pub(crate) async fn call_quietly(&self, request: RequestBuilder) -> Result<(), Failure> {
        self.send(request).await.map(drop)
    }

    /// GETs a path.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, Failure> {
        self.call(self.request(Method::GET, path)).await
    }

    /// Sends a request with a JSON body and reads the reply.
    pub(crate) async fn send_json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.call(self.request(method, path).json(body)).await
    }

    /// Sends a request; an answer of 400 or more is a failure.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| no_answer(&error, self.base.as_str(), 0))?;
        if response.status().as_u16() < 400 {
            return Ok(response);
        }
        Err(problem(response).await)
    }
}

/// The problem document of an answer.
pub(crate) async fn problem(response: Response) -> Failure {
    let (url, status) = (response.url().to_string(), response.status().as_u16());
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("nothing").to_owned();
    let body = response.bytes().await.unwrap_or_default();
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => Failure::Problem(Box::new(problem)),
        Err(_) => Failure::Strange { url, status, what: kind },
    }
}

/// What it means that there is no answer. `sent` is the payload's length.
pub(crate) fn no_answer(error: &reqwest::Error, url: &str, sent: usize) -> Failure {
    let (url, reason) = (url.to_owned(), innermost(error));
    if error.is_connect() { Failure::Unreachable { url, reason } } else { Failure::Broken { url, reason, sent } }
}

/// The innermost error says what happened; the outer ones only where.
fn innermost(error: &dyn Error) -> String {
    let mut inner: &dyn Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// A proxy of the environment cannot reach this machine's own loopback.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
