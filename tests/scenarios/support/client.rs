//! Merit as its callers and operators see it: plain HTTP, no secrets of the broker.

use std::net::SocketAddr;

use bytes::Bytes;
use merit_units::Money;
use merit_wire::{BookView, BudgetSpec, BudgetView, FunctionView, KeyCreated, KeySpec, Problem, QuoteRequest};
use merit_wire::{QuoteView, ReceiptView, SpendReport, header};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// One caller.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    key: String,
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// The status.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Bytes,
}

/// A decimal amount of dollars.
pub(crate) fn dollars(text: &str) -> Money {
    text.parse().unwrap_or_else(|error| panic!("`{text}` is no amount: {error}"))
}

impl Client {
    /// A caller of the broker at `address`, with connections of its own.
    pub(crate) fn new(address: SocketAddr, key: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client can be made");
        Self { http, base: format!("http://{address}"), key: key.to_owned() }
    }

    /// The same broker by another key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    /// Any request with the key.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(&self.key)
    }

    /// Any request without a key.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// An invocation to be completed with terms and payload.
    pub(crate) fn order(&self, function: &str) -> RequestBuilder {
        self.request(Method::POST, &format!("/v1/functions/{function}/invocations"))
    }

    /// Invokes without terms.
    pub(crate) async fn invoke(&self, function: &str, payload: impl Into<Bytes>) -> Reply {
        Reply::of(self.order(function).body(payload.into())).await
    }

    /// Reads JSON.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        Reply::of(self.request(Method::GET, path)).await.json(200)
    }

    /// Puts JSON.
    pub(crate) async fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> T {
        Reply::of(self.request(Method::PUT, path).json(body)).await.json(200)
    }

    /// An account's budget.
    pub(crate) async fn budget(&self, account: &str) -> BudgetView {
        self.get(&format!("/v1/accounts/{account}/budget")).await
    }

    /// Sets an account's hard budget.
    pub(crate) async fn set_budget(&self, account: &str, hard: &str) -> BudgetView {
        let spec = BudgetSpec { hard: Some(hard.to_owned()), soft: None };
        self.put(&format!("/v1/accounts/{account}/budget"), &spec).await
    }

    /// A caller of an account of its own, with these roles.
    pub(crate) async fn caller(&self, account: &str, roles: &[&str]) -> Self {
        self.with_key(&self.create_key(account, roles).await.secret)
    }

    /// A new key.
    pub(crate) async fn create_key(&self, account: &str, roles: &[&str]) -> KeyCreated {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        let spec = KeySpec { account: account.to_owned(), roles, note: String::new(), aws: false, venues: Vec::new() };
        Reply::of(self.request(Method::POST, "/v1/keys").json(&spec)).await.json(201)
    }

    /// The receipt of an invocation.
    pub(crate) async fn receipt(&self, invocation: &str) -> ReceiptView {
        self.get(&format!("/v1/invocations/{invocation}")).await
    }

    /// All that was charged this month, in one row a group.
    pub(crate) async fn spend(&self, group_by: &str) -> SpendReport {
        self.get(&format!("/v1/spend?group_by={group_by}")).await
    }

    /// A function as it stands.
    pub(crate) async fn function(&self, name: &str) -> FunctionView {
        self.get(&format!("/v1/functions/{name}")).await
    }

    /// A function's asks.
    pub(crate) async fn book(&self, function: &str) -> BookView {
        self.get(&format!("/v1/functions/{function}/book")).await
    }

    /// The asks under terms.
    pub(crate) async fn quote(&self, function: &str, terms: &QuoteRequest) -> QuoteView {
        let path = format!("/v1/functions/{function}/quotes");
        Reply::of(self.request(Method::POST, &path).json(terms)).await.json(200)
    }

    /// Puts a price sheet in force.
    pub(crate) async fn put_sheet(&self, venue: &str, toml: String) -> Reply {
        Reply::of(self.request(Method::PUT, &format!("/v1/venues/{venue}/price-sheet")).body(toml)).await
    }
}

impl Reply {
    /// Sends a request and reads the whole answer.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        Self::try_of(request).await.expect("the broker answers")
    }

    /// Sends a request and reads the whole answer, if the broker lives that long.
    pub(crate) async fn try_of(request: RequestBuilder) -> reqwest::Result<Self> {
        let response: Response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, body: response.bytes().await? })
    }

    /// A header's text; empty when it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, after a check of the status.
    pub(crate) fn json<T: DeserializeOwned>(&self, status: u16) -> T {
        assert_eq!(self.status, status, "{}", self.text());
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Itself, after a check of the status.
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// The invocation.
    pub(crate) fn invocation(&self) -> &str {
        self.header(header::INVOCATION_ID)
    }

    /// The venue that ran it.
    pub(crate) fn venue(&self) -> &str {
        self.header(header::VENUE)
    }

    /// What it was charged.
    pub(crate) fn charge(&self) -> Money {
        dollars(self.header(header::CHARGE))
    }

    /// The refusal, which must be a whole problem document of that status and kind.
    pub(crate) fn problem(&self, status: u16, kind: &str) -> Problem {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem: Problem = self.json(status);
        assert_eq!(problem.kind, format!("/problems/{kind}"), "{problem:?}");
        assert_eq!(problem.status, status);
        assert!(!problem.title.is_empty() && !problem.detail.is_empty(), "{problem:?}");
        assert!(problem.request_id.len() == 36, "a request id is a UUID: {problem:?}");
        let fields: serde_json::Value = self.json(status);
        assert!(fields["retryable"].is_boolean(), "{fields}");
        problem
    }
}
