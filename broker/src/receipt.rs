//! Receipts: the detail that is written with each call, and the whole as it is read.
//!
//! One is written for every call, so what the row's columns have is not repeated, names are
//! borrowed and numbers are formatted straight into the output.

use std::fmt::Display;

use merit_store::record::ReceiptRow;
use merit_units::{DeploymentId, Micros, Money, Quantity, VenueId};
use merit_wire::{AttemptView, CandidateView, MeterView, ReceiptView};
use serde::{Deserialize, Serialize, Serializer};

use crate::clock;

/// Writes a value as the string its `Display` gives.
struct Text<T>(T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

fn as_text<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn as_millis<S: Serializer>(length: &Micros, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(millis(*length))
}

/// Milliseconds with microseconds as decimals, for JSON.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "exact below 285 years")]
pub fn millis(length: Micros) -> f64 {
    length.get() as f64 / 1000.0
}

/// The part of a receipt that no column of its row has.
#[derive(Serialize)]
pub struct Detail<'a> {
    /// What the billed attempt used.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub meters: &'a [Meter],
    /// Whether it was chosen to learn.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub explored: bool,
    /// Whether it was the least bad of deployments that are all unwell.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub least_bad: bool,
    /// What was tried.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub attempts: &'a [Attempt<'a>],
    /// Every deployment of the function at that moment.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub candidates: &'a [Candidate<'a>],
    /// The last error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
}

/// A detail as it is read back.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct StoredDetail {
    meters: Vec<MeterView>,
    explored: bool,
    least_bad: bool,
    attempts: Vec<AttemptView>,
    /// Every deployment of the function at that moment.
    pub candidates: Vec<CandidateView>,
    error: Option<String>,
}

impl StoredDetail {
    /// Reads a row's detail.
    ///
    /// # Errors
    /// When it was not written by [`Detail::to_json`].
    pub fn of(row: &ReceiptRow) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(&row.detail)
    }
}

/// A stored receipt as the wire has it.
///
/// # Errors
/// As [`StoredDetail::of`].
pub fn view(row: &ReceiptRow) -> Result<ReceiptView, serde_json::Error> {
    let detail = StoredDetail::of(row)?;
    Ok(ReceiptView {
        id: row.id.to_string(),
        at: clock::rfc3339(row.at),
        function: row.function.to_string(),
        account: row.account.to_string(),
        key: row.key.to_string(),
        status: row.status.word().to_owned(),
        venue: row.venue.as_ref().map(ToString::to_string),
        deployment: row.deployment.as_ref().map(ToString::to_string),
        estimate: row.estimate.to_string(),
        charge: row.charge.to_string(),
        estimated: row.estimated,
        meters: detail.meters,
        duration_ms: millis(row.duration),
        overhead_us: row.overhead.get(),
        explored: detail.explored,
        least_bad: detail.least_bad,
        tags: row.tags.iter().map(ToString::to_string).collect(),
        attempts: detail.attempts,
        candidates: detail.candidates,
        error: detail.error,
    })
}

/// A borrowed name.
#[derive(Clone, Copy, Serialize)]
#[serde(transparent)]
pub struct Name<'a>(&'a str);

impl<'a> From<&'a VenueId> for Name<'a> {
    fn from(venue: &'a VenueId) -> Self {
        Self(venue.as_str())
    }
}

impl<'a> From<&'a DeploymentId> for Name<'a> {
    fn from(deployment: &'a DeploymentId) -> Self {
        Self(deployment.as_str())
    }
}

/// A billed quantity.
#[derive(Serialize)]
pub struct Meter {
    meter: Text<merit_pricing::Meter>,
    quantity: Text<Quantity>,
}

impl Meter {
    /// A quantity of a meter.
    #[must_use]
    pub const fn new(meter: merit_pricing::Meter, quantity: Quantity) -> Self {
        Self { meter: Text(meter), quantity: Text(quantity) }
    }
}

/// One try at one deployment.
#[derive(Serialize)]
pub struct Attempt<'a> {
    /// Where.
    pub venue: Name<'a>,
    /// Which deployment there.
    pub deployment: Name<'a>,
    /// `ok`, `function-error` or the kind of failure.
    pub result: &'static str,
    /// What it meant for money.
    pub outcome: &'static str,
    /// What the venue said.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub message: &'a str,
    /// How long it took.
    #[serde(rename = "duration_ms", serialize_with = "as_millis")]
    pub duration: Micros,
    /// What it was charged.
    #[serde(serialize_with = "as_text")]
    pub charge: Money,
    /// Whether the charge is estimated.
    pub estimated: bool,
}

/// A deployment as it stood when the decision was made.
#[derive(Serialize)]
pub struct Candidate<'a> {
    venue: Name<'a>,
    deployment: Name<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Text<Money>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    excluded: Option<&'static str>,
}

impl<'a> Candidate<'a> {
    /// A deployment with its expected cost, unless it had no price, and why it was excluded, if it was.
    #[must_use]
    pub fn new(venue: Name<'a>, deployment: Name<'a>, cost: Option<Money>, excluded: Option<&'static str>) -> Self {
        Self { venue, deployment, cost: cost.map(Text), excluded }
    }
}

impl Detail<'_> {
    /// The JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(256 + 96 * (self.attempts.len() + self.candidates.len()));
        serde_json::to_writer(&mut json, self).expect("invariant: a detail is serialisable");
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use merit_store::record::ReceiptStatus;
    use merit_units::{InvocationId, Timestamp};

    fn row(detail: Vec<u8>) -> ReceiptRow {
        ReceiptRow {
            id: InvocationId::v7(1, 2),
            at: Timestamp::from_micros(1_795_257_840_000_001),
            function: "thumbnail".parse().unwrap(),
            account: "search".parse().unwrap(),
            key: "0a1b2c3d4e5f6071".parse().unwrap(),
            status: ReceiptStatus::Ok,
            venue: Some("pool-a".parse().unwrap()),
            deployment: Some("pool-a-512".parse().unwrap()),
            charge: Money::from_pico(227_083),
            estimate: Money::from_pico(200),
            explored: Money::ZERO,
            estimated: false,
            duration: Micros::new(12_345),
            overhead: Micros::new(41),
            tags: vec!["team=search".parse().unwrap()],
            detail,
        }
    }

    #[test]
    fn a_row_and_its_detail_are_the_whole_receipt() {
        let (venue, deployment): (VenueId, DeploymentId) = ("pool-a".parse().unwrap(), "pool-a-512".parse().unwrap());
        let attempt = Attempt {
            venue: (&venue).into(),
            deployment: (&deployment).into(),
            result: "ok",
            outcome: "ran",
            message: "",
            duration: Micros::new(12_300),
            charge: Money::from_pico(227_083),
            estimated: false,
        };
        let detail = Detail {
            meters: &[Meter::new(merit_pricing::Meter::Request, Quantity::from_units(1))],
            explored: true,
            least_bad: false,
            attempts: &[attempt],
            candidates: &[Candidate::new((&venue).into(), (&deployment).into(), None, Some("no-price"))],
            error: None,
        };
        let view = view(&row(detail.to_json())).expect("as written");
        assert_eq!((view.charge.as_str(), view.duration_ms), ("0.000000227083", 12.345));
        assert_eq!((view.meters[0].meter.as_str(), view.meters[0].quantity.as_str()), ("request", "1"));
        assert_eq!((view.attempts[0].outcome.as_str(), view.attempts[0].duration_ms), ("ran", 12.3));
        assert_eq!(view.candidates[0].excluded.as_deref(), Some("no-price"));
        assert_eq!((view.explored, view.least_bad, view.tags), (true, false, vec!["team=search".to_owned()]));
    }

    #[test]
    fn what_is_absent_takes_no_room() {
        let nothing =
            Detail { meters: &[], explored: false, least_bad: false, attempts: &[], candidates: &[], error: None };
        assert_eq!(nothing.to_json(), b"{}");
        assert!(view(&row(nothing.to_json())).expect("as written").attempts.is_empty());
        assert!(view(&row(b"not JSON".to_vec())).is_err());
    }
}
