//! The rows the broker puts in and gets out. Plain values: JSON and blobs inside them are the broker's own.

mod equivalence;
mod events;

use std::collections::BTreeMap;

use merit_units::{
    AccountId, DeploymentId, FunctionId, InvocationId, KeyId, Micros, Money, SheetName, Tag, Timestamp, VenueId,
};

pub use equivalence::{DivergenceRow, ProofKind, ProofRow, QuarantineRow, SampleRow};
pub use events::{
    Event, EventBody, EventCount, EventCursor, EventDelivery, EventFilter, EventNext, EventOutcome, EventRow,
    EventState, EventTotals, QueuedEvent,
};

/// A function and where it is deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionRow {
    /// Its name.
    pub name: FunctionId,
    /// What was put, as the broker's JSON.
    pub spec: String,
    /// Its deployments' specs, as the broker's JSON.
    pub deployments: BTreeMap<DeploymentId, String>,
}

/// A price sheet of a venue as it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SheetRow {
    /// Whose.
    pub venue: VenueId,
    /// Grows with each sheet of the venue.
    pub seq: u64,
    /// From when it applies.
    pub valid_from: Timestamp,
    /// When it was stored.
    pub stored_at: Timestamp,
    /// The sheet, as the broker's text.
    pub body: String,
}

/// What became of a price sheet that was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SheetPut {
    /// It is stored.
    Stored,
    /// A sheet with this or a later number is stored already; nothing has changed.
    Stale {
        /// The highest number stored.
        current: u64,
    },
}

/// A live price sheet that a feed put in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogSheetRow {
    /// The sheet's name.
    pub name: SheetName,
    /// Grows with each sheet of the name.
    pub seq: u64,
    /// When it came into force.
    pub since: Timestamp,
    /// When a feed last said the same.
    pub confirmed_at: Timestamp,
    /// Which feed it is from.
    pub feed: String,
    /// The key of the person who put it in force; empty when it came by itself.
    pub accepted_by: String,
    /// What it changed, as the broker's JSON.
    pub changes: String,
    /// The sheet, as the broker's text.
    pub body: String,
}

/// Live prices that are held: they wait for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogHeldRow {
    /// The sheet's name.
    pub name: SheetName,
    /// Since when.
    pub at: Timestamp,
    /// Which feed they are from.
    pub feed: String,
    /// Why, as the broker's JSON.
    pub reasons: String,
    /// The sheet, as the broker's text; none when the feed has no usable one.
    pub body: Option<String>,
}

/// What one look at a price feed found, to be stored together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogRefresh {
    /// When.
    pub at: Timestamp,
    /// Sheets now in force.
    pub put: Vec<CatalogSheetRow>,
    /// Sheets in force that the feed confirmed.
    pub confirmed: Vec<SheetName>,
    /// Names of which nothing is held any more; taken before `held`.
    pub settled: Vec<SheetName>,
    /// What is held now.
    pub held: Vec<CatalogHeldRow>,
    /// The feed and its state, as the broker's JSON.
    pub feed: Option<(String, String)>,
}

/// An API key. The secret itself is never stored in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// Its public part.
    pub id: KeyId,
    /// The hash of its secret part.
    pub secret_hash: [u8; 32],
    /// Its secret part, encrypted by the broker, for keys that sign requests.
    pub sealed_secret: Option<Vec<u8>>,
    /// Who pays.
    pub account: AccountId,
    /// What it may do, in the broker's words.
    pub roles: String,
    /// What it is for.
    pub note: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
    /// The venues it acts for, if it is a provider's.
    pub venues: Vec<VenueId>,
}

/// What a provider billed for one service in one period, as it was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReconciliationRow {
    /// Where.
    pub venue: VenueId,
    /// The service as the bill names it.
    pub resource: String,
    /// The beginning of the period, inclusive.
    pub begins: Timestamp,
    /// Its end, exclusive.
    pub ends: Timestamp,
    /// Of the figures.
    pub digest: [u8; 32],
    /// When it was imported.
    pub at: Timestamp,
    /// Whether its corrections are in the ledger and among the receipts.
    pub posted: bool,
    /// What came of it, as the broker's JSON.
    pub outcome: String,
}

/// What is known of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderRow {
    /// Its venue.
    pub venue: VenueId,
    /// The broker's JSON.
    pub state: String,
    /// The secret its calls are signed with, encrypted by the broker.
    pub sealed_secret: Option<Vec<u8>>,
}

/// How an invocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReceiptStatus {
    /// The function replied.
    Ok,
    /// The function reported an error of its own.
    FunctionError,
    /// No venue was tried.
    Refused,
    /// Every venue tried failed.
    Failed,
    /// It is no call: it corrects what calls before it were charged.
    Correction,
}

impl ReceiptStatus {
    /// The stable word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::FunctionError => "function-error",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Correction => "correction",
        }
    }

    const ALL: [Self; 5] = [Self::Ok, Self::FunctionError, Self::Refused, Self::Failed, Self::Correction];

    /// As it is stored.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }
}

/// What happened to one invocation: columns to report on, and the whole receipt in `detail`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptRow {
    /// The invocation.
    pub id: InvocationId,
    /// When it was admitted.
    pub at: Timestamp,
    /// What was called.
    pub function: FunctionId,
    /// Who pays.
    pub account: AccountId,
    /// The key it was called with.
    pub key: KeyId,
    /// How it ended.
    pub status: ReceiptStatus,
    /// The venue that answered.
    pub venue: Option<VenueId>,
    /// The deployment that answered.
    pub deployment: Option<DeploymentId>,
    /// Charged over all attempts. This and the next two are stored up to 9.2 million dollars.
    pub charge: Money,
    /// Expected when the deployment was chosen.
    pub estimate: Money,
    /// What exploration cost beyond the cheapest eligible ask.
    pub explored: Money,
    /// Whether any part of the charge is estimated.
    pub estimated: bool,
    /// From admission to reply.
    pub duration: Micros,
    /// Merit's own share of it.
    pub overhead: Micros,
    /// The caller's labels, such as `team=search`.
    pub tags: Vec<Tag>,
    /// What no column has, in the broker's own encoding.
    pub detail: Vec<u8>,
}

/// What spend is broken down by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum GroupBy {
    /// The function called.
    Function,
    /// The venue that answered; empty when none did.
    Venue,
    /// Who paid.
    Account,
    /// The value of the label `KEY=value`; empty for receipts without it.
    Tag(String),
}

/// The length of the steps a spend report is cut into, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Whole hours.
    Hour,
    /// Whole days.
    Day,
}

impl Step {
    /// Its length.
    #[must_use]
    pub const fn length(self) -> Micros {
        match self {
            Self::Hour => Micros::from_secs(3600),
            Self::Day => Micros::from_secs(86_400),
        }
    }
}

/// Which receipts to sum, and how to break them down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpendQuery {
    /// From, inclusive, by the time of admission.
    pub from: Timestamp,
    /// To, exclusive.
    pub to: Timestamp,
    /// Only this account's.
    pub account: Option<AccountId>,
    /// At most [`SpendQuery::MAX_GROUPS`].
    pub group_by: Vec<GroupBy>,
    /// One row per step; without it one row per group.
    pub step: Option<Step>,
}

impl SpendQuery {
    /// The most groupings of one query.
    pub const MAX_GROUPS: usize = 8;
}

/// One group of a spend report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpendRow {
    /// The start of the step; absent without steps.
    pub at: Option<Timestamp>,
    /// One value per [`SpendQuery::group_by`], in its order.
    pub group: Vec<String>,
    /// Invocations.
    pub calls: u64,
    /// Those refused or failed.
    pub failed: u64,
    /// Charged, with what was corrected.
    pub charge: Money,
    /// The part of `charge` that providers' bills have corrected; below zero when calls were charged too much.
    pub corrected: Money,
    /// The part of `charge` that calls were charged by an estimate, before it was corrected.
    pub estimated: Money,
    /// Expected.
    pub estimate: Money,
    /// Spent on exploration.
    pub explored: Money,
}

/// An idempotency key to claim before a call is dispatched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyClaim {
    /// Whose key; each account has its own.
    pub account: AccountId,
    /// The caller's `Idempotency-Key`.
    pub key: String,
    /// The hash of the request, to tell a repeat from another request.
    pub request_hash: [u8; 32],
    /// The invocation that will answer.
    pub invocation: InvocationId,
    /// Whether a key left in flight by a broker that stopped may be claimed anew: only when running
    /// the function twice does no harm.
    pub rerun_interrupted: bool,
}

/// Whether an idempotency key could be claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdempotencyBegun {
    /// It is claimed: run the call, then finish or release the key.
    Started,
    /// The same request is running.
    InFlight {
        /// As this invocation.
        invocation: InvocationId,
    },
    /// The same request was running when the broker stopped; whether it ran is unknown.
    Interrupted {
        /// As this invocation.
        invocation: InvocationId,
    },
    /// The same request was answered: replay it.
    Done {
        /// By this invocation.
        invocation: InvocationId,
        /// With this, as the broker's bytes.
        response: Vec<u8>,
    },
    /// The key stands for another request.
    Mismatch {
        /// The invocation it stands for.
        invocation: InvocationId,
    },
}

/// What was learned of a deployment, as the broker's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileRow {
    /// The function.
    pub function: FunctionId,
    /// The deployment.
    pub deployment: DeploymentId,
    /// Its usage profile.
    pub profile: Vec<u8>,
}
