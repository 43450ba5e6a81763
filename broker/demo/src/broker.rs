//! The broker as its callers see it.

use bytes::Bytes;
use merit_units::Money;
use merit_wire::{
    AlternativesReport, AttemptView, BookView, KeyCreated, PriceChangeView, Problem, ReceiptView, ReconciliationList,
    SpendReport, header,
};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, RequestBuilder, StatusCode};

use crate::DemoError;
use crate::peer::{Peer, chain};
use crate::sample::Sample;

/// The broker of the demo.
#[derive(Clone)]
pub(crate) struct Broker {
    peer: Peer,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// The function replied.
    Replied {
        /// The venue that ran it.
        venue: String,
        /// What it was charged, in dollars.
        charge: Money,
        /// How many attempts it took.
        attempts: u32,
        /// The invocation, by which its receipt is found.
        invocation: String,
    },
    /// It did not.
    Failed {
        /// Why.
        reason: String,
        /// What was tried, as far as it is told: such an attempt may have run, and a cloud may bill it.
        attempts: Vec<AttemptView>,
    },
}

impl Answer {
    /// It failed, and nothing is known of attempts.
    pub(crate) const fn failed(reason: String) -> Self {
        Self::Failed { reason, attempts: Vec::new() }
    }
}

/// An order that waits for room must name a price; no sample function costs a dollar a call.
const WHATEVER_PRICE: &str = "1";

/// And how long it waits: long enough for a pool with one slot to come to every call of the tour.
const PATIENCE: &str = "30s";

/// What is demanded of a call beside its payload.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Demand<'a> {
    /// The cheapest venue.
    Cheapest,
    /// This venue, as soon as it has room.
    At(&'a str),
}

impl Broker {
    /// The broker at `url`, with its key.
    ///
    /// # Errors
    /// When the client can't be made.
    pub(crate) fn new(url: String, key: String) -> Result<Self, DemoError> {
        Ok(Self { peer: Peer::new(url, Some(key))? })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        self.peer.url()
    }

    /// Calls a function.
    pub(crate) async fn invoke(&self, sample: &Sample, (body, media): (Bytes, &str), demand: Demand<'_>) -> Answer {
        let path = format!("/v1/functions/{}/invocations", sample.name);
        let request = self.peer.request(Method::POST, &path).header(CONTENT_TYPE, media);
        let request = request.header(header::TAGS, format!("team={}", sample.team));
        let request = match demand {
            Demand::Cheapest => request,
            Demand::At(venue) => {
                let waiting = request.header(header::VENUES, venue).header(header::ORDER, "rest");
                waiting.header(header::MAX_PRICE, WHATEVER_PRICE).header(header::DEADLINE, PATIENCE)
            }
        };
        answer(request.body(body)).await
    }

    /// A key for the provider of a venue.
    ///
    /// # Errors
    /// When the broker does not answer as it should.
    pub(crate) async fn provider_key(&self, venue: &str) -> Result<String, DemoError> {
        let spec = format!(r#"{{"account":"{venue}","roles":["provider"],"venues":["{venue}"]}}"#);
        let created: KeyCreated = self.peer.send_body(Method::POST, "/v1/keys", "application/json", spec).await?;
        Ok(created.secret)
    }

    /// All asks of a function.
    ///
    /// # Errors
    /// When the broker does not answer as it should.
    pub(crate) async fn book(&self, function: &str) -> Result<BookView, DemoError> {
        self.peer.get(&format!("/v1/functions/{function}/book")).await
    }

    /// The receipt of a call.
    ///
    /// # Errors
    /// When the broker does not answer as it should.
    pub(crate) async fn receipt(&self, invocation: &str) -> Result<ReceiptView, DemoError> {
        self.peer.get(&format!("/v1/invocations/{invocation}")).await
    }

    /// Puts a price sheet in force at a venue.
    ///
    /// # Errors
    /// When the broker does not answer as it should.
    pub(crate) async fn put_price_sheet(&self, venue: &str, toml: String) -> Result<PriceChangeView, DemoError> {
        let path = format!("/v1/venues/{venue}/price-sheet");
        self.peer.send_body(Method::PUT, &path, "application/toml", toml).await
    }

    /// Imports what a venue billed.
    ///
    /// # Errors
    /// When the broker does not answer as it should.
    pub(crate) async fn reconcile(&self, venue: &str, csv: String) -> Result<ReconciliationList, DemoError> {
        let path = format!("/v1/venues/{venue}/reconciliations");
        self.peer.send_body(Method::POST, &path, "text/csv", csv).await
    }

    /// What was charged at each venue since `from`, RFC 3339.
    ///
    /// # Errors
    /// When the broker does not answer as it should.
    pub(crate) async fn spend(&self, from: &str) -> Result<SpendReport, DemoError> {
        self.peer.get(&format!("/v1/spend?group_by=venue&from={from}")).await
    }

    /// What the calls since `from` would have cost elsewhere.
    ///
    /// # Errors
    /// When the broker does not answer as it should.
    pub(crate) async fn alternatives(&self, from: &str) -> Result<AlternativesReport, DemoError> {
        self.peer.get(&format!("/v1/spend/alternatives?from={from}")).await
    }
}

async fn answer(request: RequestBuilder) -> Answer {
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => return Answer::failed(chain(&error)),
    };
    let (status, headers) = (response.status(), response.headers().clone());
    match response.bytes().await {
        Ok(body) => read(status, &headers, &body),
        Err(error) => Answer::failed(chain(&error)),
    }
}

fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Answer {
    let told = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(kind) = told(header::FUNCTION_ERROR) {
        return Answer::failed(format!("function error {kind}: {}", excerpt(body)));
    }
    if !status.is_success() {
        let problem: Option<Problem> = serde_json::from_slice(body).ok();
        let attempts = problem.map(|problem| problem.attempts).unwrap_or_default();
        return Answer::Failed { reason: format!("{status}: {}", excerpt(body)), attempts };
    }
    let replied = || {
        Some(Answer::Replied {
            venue: told(header::VENUE)?.to_owned(),
            charge: told(header::CHARGE)?.parse().ok()?,
            attempts: told(header::ATTEMPTS)?.parse().ok()?,
            invocation: told(header::INVOCATION_ID)?.to_owned(),
        })
    };
    replied().unwrap_or_else(|| Answer::failed("the reply lacks Merit's headers".to_owned()))
}

/// What a problem document says, or the beginning of whatever came.
fn excerpt(body: &[u8]) -> String {
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => problem.detail,
        Err(_) => String::from_utf8_lossy(body).chars().take(200).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_reply_tells_where_it_ran_and_what_it_cost() {
        let told = headers(&[
            (header::VENUE, "aws"),
            (header::CHARGE, "0.00000025"),
            (header::ATTEMPTS, "2"),
            (header::INVOCATION_ID, "i1"),
        ]);
        let charge = Money::from_pico(250_000);
        let expected = Answer::Replied { venue: "aws".to_owned(), charge, attempts: 2, invocation: "i1".to_owned() };
        assert_eq!(read(StatusCode::OK, &told, b""), expected);
        assert!(
            matches!(read(StatusCode::OK, &headers(&[]), b""), Answer::Failed { reason, .. } if reason.contains("lacks"))
        );
    }

    #[test]
    fn a_refusal_and_a_function_error_are_failures_with_their_words() {
        let problem = br#"{"type":"/problems/x","title":"t","status":402,"detail":"no money left","request_id":"r","retryable":false}"#;
        let refused = read(StatusCode::PAYMENT_REQUIRED, &headers(&[]), problem);
        assert_eq!(refused, Answer::failed("402 Payment Required: no money left".to_owned()));
        let attempt = br#"{"type":"/problems/x","title":"t","status":502,"detail":"all failed","request_id":"r","retryable":false,"attempts":[{"venue":"aws","deployment":"d","result":"cut","outcome":"unknown","duration_ms":1.5,"charge":"0.1","estimated":true}]}"#;
        let Answer::Failed { attempts, .. } = read(StatusCode::BAD_GATEWAY, &headers(&[]), attempt) else {
            panic!("it failed")
        };
        assert_eq!(
            attempts.iter().map(|attempt| (&*attempt.venue, &*attempt.charge)).collect::<Vec<_>>(),
            [("aws", "0.1")]
        );
        let error = read(StatusCode::OK, &headers(&[(header::FUNCTION_ERROR, "Trap")]), b"unreachable");
        assert_eq!(error, Answer::failed("function error Trap: unreachable".to_owned()));
    }
}
