//! A receipt as it is written: [`merit_wire::ReceiptView`] in JSON, without building it first.
//!
//! One is written for every call, so names are borrowed and numbers are formatted straight
//! into the output. A test reads the result back as the wire type.

use std::fmt::{self, Display};

use merit_units::{AccountId, DeploymentId, FunctionId, InvocationId, KeyId, Micros, Money, Quantity, Tag, VenueId};
use serde::{Serialize, Serializer};

use crate::clock;
use merit_units::Timestamp;

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

fn as_rfc3339<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&clock::rfc3339(*at))
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

/// What happened to one invocation.
#[derive(Serialize)]
pub struct Receipt<'a> {
    /// The invocation.
    #[serde(serialize_with = "as_text")]
    pub id: InvocationId,
    /// When it was admitted.
    #[serde(serialize_with = "as_rfc3339")]
    pub at: Timestamp,
    /// What was called.
    #[serde(serialize_with = "as_text")]
    pub function: &'a FunctionId,
    /// Who pays.
    #[serde(serialize_with = "as_text")]
    pub account: &'a AccountId,
    /// With which key.
    #[serde(serialize_with = "as_text")]
    pub key: &'a KeyId,
    /// How it ended.
    pub status: &'static str,
    /// The venue that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub venue: Option<Name<'a>>,
    /// The deployment that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment: Option<Name<'a>>,
    /// Expected when it was chosen.
    #[serde(serialize_with = "as_text")]
    pub estimate: Money,
    /// Charged over all attempts.
    #[serde(serialize_with = "as_text")]
    pub charge: Money,
    /// Whether any part of the charge is estimated.
    pub estimated: bool,
    /// What the billed attempt used.
    pub meters: &'a [Meter],
    /// Admission to reply.
    #[serde(rename = "duration_ms", serialize_with = "as_millis")]
    pub duration: Micros,
    /// Merit's own share.
    #[serde(rename = "overhead_us", serialize_with = "as_micros")]
    pub overhead: Micros,
    /// Whether it was chosen to learn.
    pub explored: bool,
    /// Whether it was the least bad of deployments that are all unwell.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub least_bad: bool,
    /// Labels.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub tags: &'a [TagText<'a>],
    /// What was tried.
    pub attempts: &'a [Attempt<'a>],
    /// Every deployment of the function at that moment.
    pub candidates: &'a [Candidate<'a>],
    /// The last error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
}

fn as_micros<S: Serializer>(length: &Micros, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(length.get())
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

/// A borrowed tag.
#[derive(Clone, Copy, Serialize)]
#[serde(transparent)]
pub struct TagText<'a>(&'a str);

impl<'a> From<&'a Tag> for TagText<'a> {
    fn from(tag: &'a Tag) -> Self {
        Self(tag.as_str())
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

impl Receipt<'_> {
    /// The JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(512 + 96 * (self.attempts.len() + self.candidates.len()));
        serde_json::to_writer(&mut json, self).expect("invariant: a receipt is serialisable");
        json
    }
}

impl fmt::Debug for Receipt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_json()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_back_as_the_wire_type() {
        let (function, account, key) =
            ("thumbnail".parse().unwrap(), "search".parse().unwrap(), "0a1b2c3d4e5f6071".parse().unwrap());
        let (venue, deployment): (VenueId, DeploymentId) = ("pool-a".parse().unwrap(), "pool-a-512".parse().unwrap());
        let tag = "team=search".parse().unwrap();
        let receipt = Receipt {
            id: InvocationId::v7(1, 2),
            at: Timestamp::from_micros(1_795_257_840_000_001),
            function: &function,
            account: &account,
            key: &key,
            status: "ok",
            venue: Some((&venue).into()),
            deployment: Some((&deployment).into()),
            estimate: Money::from_pico(200),
            charge: Money::from_pico(227_083),
            estimated: false,
            meters: &[Meter::new(merit_pricing::Meter::Request, Quantity::from_units(1))],
            duration: Micros::new(12_345),
            overhead: Micros::new(41),
            explored: true,
            least_bad: false,
            tags: &[TagText::from(&tag)],
            attempts: &[Attempt {
                venue: (&venue).into(),
                deployment: (&deployment).into(),
                result: "ok",
                outcome: "ran",
                message: "",
                duration: Micros::new(12_300),
                charge: Money::from_pico(227_083),
                estimated: false,
            }],
            candidates: &[Candidate::new((&venue).into(), (&deployment).into(), None, Some("no-price"))],
            error: None,
        };
        let view: merit_wire::ReceiptView = serde_json::from_slice(&receipt.to_json()).expect("the wire type");
        assert_eq!(view.charge, "0.000000227083");
        assert_eq!(view.duration_ms, 12.345);
        assert_eq!(view.meters[0].meter, "request");
        assert_eq!(view.attempts[0].outcome, "ran");
        assert_eq!(view.candidates[0].excluded.as_deref(), Some("no-price"));
        assert_eq!(view.tags, ["team=search"]);
    }
}
