//! Receipts: the detail that is written with each call, and the whole as it is read.
//!
//! One is written for every call, so it is small and cheap: what the row's columns have is not repeated, names are
//! borrowed, numbers stay numbers. The encoding is postcard behind a byte that tells its version; text is
//! made of it when somebody reads it.

use merit_store::record::ReceiptRow;
use merit_units::{InvocationId, Micros, Money, Quantity};
use merit_wire::{AttemptView, CandidateView, MeterView, ReceiptView};
use serde::{Deserialize, Serialize};

use crate::adjustments;
use crate::clock;

/// The first byte of a detail is this and the place of its [`Kind`]: the next version is 5.
const VERSION: u8 = 1;

/// Room for a detail of one attempt and two candidates without growing.
const USUAL_BYTES: usize = 192;

/// Milliseconds with microseconds as decimals, for JSON.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "exact below 285 years")]
pub fn millis(length: Micros) -> f64 {
    length.get() as f64 / 1000.0
}

/// Whose call it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A caller's.
    #[default]
    Call,
    /// Merit's own, to record a sample.
    Sample,
    /// Merit's own, to replay a sample.
    Replay,
    /// Merit's own, to compare its reply with a caller's.
    Shadow,
}

impl Kind {
    const EACH: [Self; 4] = [Self::Call, Self::Sample, Self::Replay, Self::Shadow];

    /// The stable word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Sample => "sample",
            Self::Replay => "replay",
            Self::Shadow => "shadow",
        }
    }

    fn of_first(byte: u8) -> Option<Self> {
        Self::EACH.get(usize::from(byte.checked_sub(VERSION)?)).copied()
    }
}

/// The part of a receipt that no column of its row has.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Detail<'a> {
    /// What the billed attempt used.
    #[serde(borrow)]
    pub meters: Vec<Meter<'a>>,
    /// Whether it was chosen to learn.
    pub explored: bool,
    /// Whether it was the least bad of deployments that are all unwell.
    pub least_bad: bool,
    /// What was tried.
    pub attempts: Vec<Attempt<'a>>,
    /// Every deployment of the function at that moment.
    pub candidates: Vec<Candidate<'a>>,
    /// The last error.
    pub error: Option<&'a str>,
    /// The bits of the id of the event this was a delivery of; of a shadow call those of the invocation it was compared
    /// with.
    pub event: Option<u128>,
    /// Whose call it was; in the first byte.
    #[serde(skip)]
    pub kind: Kind,
    /// By what the billed attempt was charged; behind the rest, where older receipts end.
    #[serde(skip)]
    pub priced: Option<Priced<'a>>,
    /// What adjustments did to its charge; behind that, where some did.
    #[serde(skip)]
    pub adjusted: Option<Adjusted<'a>>,
}

/// What a charge was made of, besides the quantities.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Priced<'a> {
    /// The sheet's name.
    pub sheet: &'a str,
    /// Its sequence number.
    pub seq: u64,
    /// Nanodollars for one unit of its currency.
    pub usd_nano: u128,
    /// Where each line stood, in the order of the meters: what was left of its grant and how far its tiers were filled, in
    /// quanta.
    pub positions: Vec<(u128, u128)>,
}

/// What adjustments did to a charge.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Adjusted<'a> {
    /// What it would have been without them, in picodollars.
    pub list_pico: i128,
    /// Each of them, in the order in which they were applied.
    #[serde(borrow)]
    pub applied: Vec<Applied<'a>>,
}

/// What one adjustment did.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Applied<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it did.
    #[serde(borrow)]
    pub what: What<'a>,
}

/// What an adjustment did, exactly: a charge is computed from it again.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum What<'a> {
    /// It lowered rates.
    Discount {
        /// By so many millionths.
        off_ppm: u32,
        /// Those of these meters; of all when there are none.
        #[serde(borrow)]
        meters: Vec<&'a str>,
    },
    /// It covered units of a meter.
    Package {
        /// Of which.
        meter: &'a str,
        /// How many, in [`Quantity`]'s quanta.
        quanta: u128,
    },
    /// It covered money in the sheet's currency.
    Commitment {
        /// Its currency.
        currency: &'a str,
        /// Whole attounits.
        atto: u128,
        /// Quanta of one.
        quanta: u128,
    },
}

/// A billed quantity.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Meter<'a> {
    /// The meter's name.
    pub meter: &'a str,
    /// How much, in [`Quantity`]'s quanta.
    pub quanta: u128,
}

/// One try at one deployment.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt<'a> {
    /// Where.
    pub venue: &'a str,
    /// Which deployment there.
    pub deployment: &'a str,
    /// `ok`, `function-error` or the kind of failure.
    pub result: &'a str,
    /// What it meant for money.
    pub outcome: &'a str,
    /// What the venue said.
    pub message: &'a str,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// What it was charged, in picodollars.
    pub charge_pico: i128,
    /// Whether the charge is estimated.
    pub estimated: bool,
}

/// A deployment as it stood when the decision was made.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate<'a> {
    /// Where.
    pub venue: &'a str,
    /// Which deployment there.
    pub deployment: &'a str,
    /// Its expected cost in picodollars, unless it had no price.
    pub cost_pico: Option<i128>,
    /// Why it was excluded, if it was.
    pub excluded: Option<&'a str>,
}

/// Why a stored detail can't be read.
#[derive(Debug, thiserror::Error)]
pub enum DetailError {
    /// It was written by a later Merit, or it is not a detail.
    #[error("it has version {0:?}, and this Merit knows {VERSION}")]
    Version(Option<u8>),
    /// It is damaged.
    #[error(transparent)]
    Damaged(#[from] postcard::Error),
}

impl<'a> Detail<'a> {
    /// As it is stored.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(USUAL_BYTES);
        bytes.push(VERSION + self.kind as u8);
        let bytes = postcard::to_extend(self, bytes).expect("invariant: a detail is serialisable");
        let Some(priced) = &self.priced else { return bytes };
        let bytes = postcard::to_extend(priced, bytes).expect("invariant: a detail is serialisable");
        match &self.adjusted {
            Some(adjusted) => postcard::to_extend(adjusted, bytes).expect("invariant: a detail is serialisable"),
            None => bytes,
        }
    }

    /// Reads a row's detail.
    ///
    /// # Errors
    /// [`DetailError`] when it was not written by [`Self::encode`].
    pub fn of(row: &'a ReceiptRow) -> Result<Self, DetailError> {
        let first = row.detail.first().copied();
        let kind = first.and_then(Kind::of_first).ok_or(DetailError::Version(first))?;
        let (detail, rest) = postcard::take_from_bytes::<Self>(&row.detail[1..])?;
        if rest.is_empty() {
            return Ok(Self { kind, ..detail });
        }
        let (priced, rest) = postcard::take_from_bytes(rest)?;
        let adjusted = if rest.is_empty() { None } else { Some(postcard::from_bytes(rest)?) };
        Ok(Self { kind, priced: Some(priced), adjusted, ..detail })
    }
}

/// A stored receipt as the wire has it.
///
/// # Errors
/// As [`Detail::of`].
pub fn view(row: &ReceiptRow) -> Result<ReceiptView, DetailError> {
    let detail = Detail::of(row)?;
    let other = detail.event.map(|bits| InvocationId::from_bits(bits).to_string());
    let (event, shadows) = if detail.kind == Kind::Shadow { (None, other) } else { (other, None) };
    Ok(ReceiptView {
        id: row.id.to_string(),
        at: clock::rfc3339(row.at),
        kind: (detail.kind != Kind::Call).then(|| detail.kind.word().to_owned()),
        function: row.function.to_string(),
        account: row.account.to_string(),
        key: row.key.to_string(),
        status: row.status.word().to_owned(),
        venue: row.venue.as_ref().map(ToString::to_string),
        deployment: row.deployment.as_ref().map(ToString::to_string),
        estimate: row.estimate.to_string(),
        charge: row.charge.to_string(),
        estimated: row.estimated,
        meters: detail.meters.iter().map(Meter::view).collect(),
        list_charge: detail.adjusted.as_ref().map(|adjusted| Money::from_pico(adjusted.list_pico).to_string()),
        adjustments: detail.adjusted.iter().flat_map(|adjusted| &adjusted.applied).map(adjustments::applied).collect(),
        duration_ms: millis(row.duration),
        overhead_us: row.overhead.get(),
        explored: detail.explored,
        least_bad: detail.least_bad,
        tags: row.tags.iter().map(ToString::to_string).collect(),
        attempts: detail.attempts.iter().map(Attempt::view).collect(),
        candidates: detail.candidates.iter().map(Candidate::view).collect(),
        error: detail.error.map(str::to_owned),
        shadows,
        event,
    })
}

impl Meter<'_> {
    fn view(&self) -> MeterView {
        MeterView { meter: self.meter.to_owned(), quantity: Quantity::from_quanta(self.quanta).to_string() }
    }
}

impl Attempt<'_> {
    /// As the wire has it, in receipts and in problem documents.
    #[must_use]
    pub fn view(&self) -> AttemptView {
        AttemptView {
            venue: self.venue.to_owned(),
            deployment: self.deployment.to_owned(),
            result: self.result.to_owned(),
            outcome: self.outcome.to_owned(),
            message: self.message.to_owned(),
            duration_ms: millis(Micros::new(self.duration_us)),
            charge: Money::from_pico(self.charge_pico).to_string(),
            estimated: self.estimated,
        }
    }
}

impl Candidate<'_> {
    fn view(&self) -> CandidateView {
        CandidateView {
            venue: self.venue.to_owned(),
            deployment: self.deployment.to_owned(),
            cost: self.cost_pico.map(|pico| Money::from_pico(pico).to_string()),
            excluded: self.excluded.map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use merit_store::record::ReceiptStatus;
    use merit_units::Timestamp;

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
        let (venue, deployment) = ("pool-a", "pool-a-512");
        let attempt = Attempt {
            venue,
            deployment,
            result: "ok",
            outcome: "ran",
            message: "",
            duration_us: 12_300,
            charge_pico: 227_083,
            estimated: false,
        };
        let detail = Detail {
            meters: vec![Meter { meter: "request", quanta: Quantity::from_units(1).quanta() }],
            explored: true,
            attempts: vec![attempt],
            candidates: vec![Candidate { venue, deployment, cost_pico: None, excluded: Some("no-price") }],
            ..Detail::default()
        };
        let view = view(&row(detail.encode())).expect("as written");
        assert_eq!((view.charge.as_str(), view.duration_ms), ("0.000000227083", 12.345));
        assert_eq!((view.meters[0].meter.as_str(), view.meters[0].quantity.as_str()), ("request", "1"));
        assert_eq!((view.attempts[0].outcome.as_str(), view.attempts[0].duration_ms), ("ran", 12.3));
        assert_eq!(view.attempts[0].charge, "0.000000227083");
        assert_eq!(view.candidates[0].excluded.as_deref(), Some("no-price"));
        assert_eq!((view.explored, view.least_bad, view.tags), (true, false, vec!["team=search".to_owned()]));
    }

    #[test]
    fn an_older_receipt_is_read_and_has_no_sheet() {
        let priced = Priced { sheet: "own/default", seq: 7, usd_nano: 1, positions: vec![(1, 2)] };
        let detail = Detail { explored: true, priced: Some(priced), kind: Kind::Shadow, ..Detail::default() };
        let read = row(detail.encode());
        assert_eq!(Detail::of(&read).expect("as written"), detail);
        let what = What::Commitment { currency: "EUR", atto: 5, quanta: 7 };
        let adjusted = Adjusted { list_pico: 9, applied: vec![Applied { name: "plan", what }] };
        let detail = Detail { adjusted: Some(adjusted), ..detail };
        let read = row(detail.encode());
        assert_eq!(Detail::of(&read).expect("as written"), detail);
        let older = row(Detail { priced: None, ..detail }.encode());
        let older = Detail::of(&older).expect("as it was written once");
        assert!(older.explored && older.priced.is_none() && older.adjusted.is_none());
    }

    #[test]
    fn a_detail_is_small_and_damage_is_told() {
        let nothing = Detail::default().encode();
        assert_eq!(nothing.len(), 8);
        assert!(view(&row(nothing.clone())).expect("as written").attempts.is_empty());
        assert!(matches!(view(&row(nothing[..4].to_vec())), Err(DetailError::Damaged(_))));
        assert!(matches!(view(&row(b"{}".to_vec())), Err(DetailError::Version(Some(b'{')))));
        assert!(matches!(view(&row(Vec::new())), Err(DetailError::Version(None))));
    }
}
