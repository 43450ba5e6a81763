//! What travels with an event's payload, as JSON on disk: terms, headers, what Lambda's callers add.
//!
//! Terms are kept in the words of their headers, so there is one syntax to read them by.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use merit_units::{Micros, Money, Timestamp};
use merit_venue::LambdaContext;
use merit_wire::header;
use serde::{Deserialize, Serialize};

use crate::dispatch::PassedOn;
use crate::terms::{NameFilter, OrderKind, Stated};

/// What is kept of an event besides its payload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Envelope {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    terms: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracestate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_context: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<Box<str>>,
    /// How many destinations have been passed on the way here.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) hops: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Envelope {
    /// What is kept of a call.
    pub(super) fn of(stated: &Stated, headers: &PassedOn, lambda: Option<&LambdaContext>) -> Self {
        let text =
            |value: &Option<HeaderValue>| value.as_ref().and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self {
            terms: terms(stated).into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            content_type: text(&headers.content_type),
            traceparent: text(&headers.traceparent),
            tracestate: text(&headers.tracestate),
            client_context: lambda.and_then(|lambda| lambda.client_context.clone()),
            tenant: lambda.and_then(|lambda| lambda.tenant.clone()),
            hops: 0,
        }
    }

    /// What travels with a destination's record.
    pub(super) fn of_record(hops: u32) -> Self {
        Self { content_type: Some("application/json".to_owned()), hops, ..Self::default() }
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("invariant: an envelope is serialisable")
    }

    pub(super) fn read(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| format!("its stored envelope is unreadable: {error}"))
    }

    /// The terms, with deadlines counted from `now`.
    pub(super) fn stated(&self, now: Timestamp) -> Result<Stated, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.terms {
            let name = HeaderName::try_from(name).map_err(|error| error.to_string())?;
            headers.insert(name, HeaderValue::try_from(value).map_err(|error| error.to_string())?);
        }
        Stated::from_headers(&headers, now, usize::MAX).map_err(|refusal| refusal.to_string())
    }

    /// The headers that are passed on.
    pub(super) fn headers(&self) -> PassedOn {
        let value = |text: &Option<String>| text.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
        PassedOn {
            content_type: value(&self.content_type),
            traceparent: value(&self.traceparent),
            tracestate: value(&self.tracestate),
            lambda: self.lambda(),
            http: None,
        }
    }

    fn lambda(&self) -> Option<Arc<LambdaContext>> {
        let Self { client_context, tenant, .. } = self;
        if client_context.is_none() && tenant.is_none() {
            return None;
        }
        // Nobody waits for a log.
        let (client_context, tenant) = (client_context.clone(), tenant.clone());
        Some(Arc::new(LambdaContext { client_context, tenant, log_tail: false }))
    }
}

/// Terms in the words of their headers.
fn terms(stated: &Stated) -> Vec<(&'static str, String)> {
    let Stated {
        kind,
        max_price,
        deadline,
        value_of_time,
        venues,
        regions,
        isolation,
        architecture,
        max_latency,
        tags,
    } = stated;
    let order = match kind {
        OrderKind::Market => None,
        OrderKind::Limit => Some("limit".to_owned()),
        OrderKind::Rest => Some("rest".to_owned()),
    };
    let tags: Vec<&str> = tags.iter().map(merit_units::Tag::as_str).collect();
    let all = [
        (header::ORDER, order),
        (header::MAX_PRICE, max_price.map(|price| price.to_string())),
        (header::DEADLINE, deadline.map(length)),
        (header::VALUE_OF_TIME, value_of_time.map(|value| value.to_string())),
        (header::VENUES, names(venues)),
        (header::REGIONS, names(regions)),
        (header::ISOLATION, names(isolation)),
        (header::ARCHITECTURE, names(architecture)),
        (header::MAX_LATENCY, max_latency.map(length)),
        (header::TAGS, Some(tags.join(",")).filter(|text| !text.is_empty())),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn names(filter: &NameFilter) -> Option<String> {
    let excluded = filter.exclude.iter().map(|name| format!("!{name}"));
    let all: Vec<String> = filter.allow.iter().cloned().chain(excluded).collect();
    Some(all.join(",")).filter(|text| !text.is_empty())
}

/// Such as `1.5s`, exact to the microsecond.
fn length(length: Micros) -> String {
    let pico_per_micro = Money::PICO_PER_UNIT / 1_000_000;
    format!("{}s", Money::from_pico(i128::from(length.get()) * pico_per_micro))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_and_headers_are_read_back_as_they_were() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("merit-order", "rest"),
            ("merit-max-price", "0.00001"),
            ("merit-deadline", "1.5s"),
            ("merit-value-of-time", "0.02"),
            ("merit-venues", "aws-us-east-1,!pool-a"),
            ("merit-regions", "!eu"),
            ("merit-isolation", "microvm"),
            ("merit-architecture", "arm64"),
            ("merit-max-latency", "200ms"),
            ("merit-tags", "team=search,env=prod"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let stated = Stated::from_headers(&headers, Timestamp::EPOCH, 8).expect("good terms");
        let passed_on = PassedOn {
            content_type: Some(HeaderValue::from_static("image/png")),
            traceparent: Some(HeaderValue::from_static("00-1-2-01")),
            tracestate: None,
            lambda: None,
            http: None,
        };
        let lambda = LambdaContext { client_context: Some("e30=".into()), tenant: Some("blue".into()), log_tail: true };
        let envelope = Envelope::of(&stated, &passed_on, Some(&lambda));
        let read = Envelope::read(&envelope.to_json()).expect("as written");
        assert_eq!(read, envelope);
        assert_eq!(read.stated(Timestamp::EPOCH), Ok(stated));
        let back = read.headers();
        assert_eq!((back.content_type, back.traceparent), (passed_on.content_type, passed_on.traceparent));
        assert_eq!(*back.lambda.expect("a context"), LambdaContext { log_tail: false, ..lambda });
    }

    #[test]
    fn a_call_without_terms_takes_no_room() {
        assert_eq!(Envelope::of(&Stated::default(), &PassedOn::default(), None).to_json(), "{}");
        assert_eq!(Envelope::read("{}").expect("right").stated(Timestamp::EPOCH), Ok(Stated::default()));
    }
}
