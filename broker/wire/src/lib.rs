//! The JSON that crosses Merit's HTTP surface, shared by the broker that writes it and the
//! clients that read it (CLI, demo, tests).
//!
//! Domain types are not wire types: these are plain strings and numbers, converted at the edge.
//! Money and prices are decimal strings in US dollars unless a `currency` stands beside them;
//! times are RFC 3339 in UTC; lengths of time carry their unit in the name.

mod adjustments;
mod catalog;
mod discovery;
mod equivalence;
mod events;
pub mod feed;
mod functions;
mod money;
mod offers;
mod problem;
mod quotes;
mod receipts;
mod reconciliation;
mod session;
mod venues;

pub use adjustments::{AdjustmentView, AppliedView};
pub use catalog::{
    CatalogAccept, CatalogHistory, CatalogHistoryEntry, CatalogRefreshView, CatalogView, ExchangeRateView,
    FeedOutcomeView, FeedView, HeldSheetView, LiveSheetView, PriceDifference, SheetAgeView,
};
pub use discovery::{ChangeView, DiscoveryView, FoundView};
pub use equivalence::{
    DivergenceView, EqualView, QuarantineDetail, QuarantineList, QuarantineView, ReplayView, ReplayedView, SampleList,
    SampleSpec, SampleView, SamplesDeleted,
};
pub use events::{DeliveryView, EventDetail, EventList, EventSelection, EventView, EventsChanged};
pub use functions::{DeploymentSpec, DeploymentView, EventSpec, FunctionList, FunctionSpec, FunctionView};
pub use money::{
    AlternativeRow, AlternativesReport, BeyondCallsRow, BudgetSpec, BudgetView, KeyCreated, KeyList, KeySpec, KeyView,
    SpendReport, SpendRow,
};
pub use offers::{
    CapsSpec, EndpointSpec, FillView, KillSpec, KillView, KilledView, OfferList, OfferReason, OfferSpec, OfferView,
    OffersSpec, OffersTaken, StatementRow, StatementView,
};
pub use problem::{AttemptView, BudgetRefusal, ExclusionView, Problem};
pub use quotes::{AskView, BookView, QuoteRequest, QuoteView};
pub use receipts::{CandidateView, MeterView, ReceiptView, RepricedLine, RepricedView};
pub use reconciliation::{ReconciledAccount, ReconciledDeployment, ReconciliationList, ReconciliationView};
pub use session::{ClientFrame, ServerFrame};
pub use venues::{CommittedView, PriceChangeView, StepView, VenueCheckView, VenueList, VenueView};

/// Request and reply headers of the native door.
pub mod header {
    /// `market` (default), `limit` or `rest`.
    pub const ORDER: &str = "merit-order";
    /// The most one call may be expected to cost, in dollars: `0.00001`.
    pub const MAX_PRICE: &str = "merit-max-price";
    /// Milliseconds the caller waits, such as `250ms` or `2s`, or an RFC 3339 time.
    pub const DEADLINE: &str = "merit-deadline";
    /// Dollars a second of the caller's waiting is worth.
    pub const VALUE_OF_TIME: &str = "merit-value-of-time";
    /// Venues allowed, comma-separated; a leading `!` excludes.
    pub const VENUES: &str = "merit-venues";
    /// Regions allowed, comma-separated; a leading `!` excludes.
    pub const REGIONS: &str = "merit-regions";
    /// Isolation classes allowed, comma-separated.
    pub const ISOLATION: &str = "merit-isolation";
    /// Architectures allowed, comma-separated: `x86_64`, `arm64`.
    pub const ARCHITECTURE: &str = "merit-architecture";
    /// The highest expected latency (95th percentile), such as `200ms`.
    pub const MAX_LATENCY: &str = "merit-max-latency";
    /// Labels for spend reports: `team=search,env=prod`.
    pub const TAGS: &str = "merit-tags";
    /// The key where `authorization` is passed on to the function: `/fn/{function}/...`.
    pub const AUTHORIZATION: &str = "merit-authorization";
    /// The caller's key for safe repetition.
    pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
    /// Set to `true` on a reply that is replayed for a repeated idempotency key.
    pub const IDEMPOTENCY_REPLAYED: &str = "idempotency-replayed";

    /// `respond-async`: answer when the call is on disk, and run it afterwards (RFC 7240).
    pub const PREFER: &str = "prefer";
    /// Reply: the preference that was followed.
    pub const PREFERENCE_APPLIED: &str = "preference-applied";

    /// Reply: the invocation, by which the receipt is found.
    pub const INVOCATION_ID: &str = "merit-invocation-id";
    /// Reply: the venue that ran it.
    pub const VENUE: &str = "merit-venue";
    /// Reply: the deployment that ran it.
    pub const DEPLOYMENT: &str = "merit-deployment";
    /// Reply: what it cost, in dollars.
    pub const CHARGE: &str = "merit-charge";
    /// Reply: how many attempts were made.
    pub const ATTEMPTS: &str = "merit-attempts";
    /// Reply: Merit's own share of the time, in microseconds.
    pub const OVERHEAD_US: &str = "merit-overhead-us";
    /// Reply: the kind of error the function itself reported.
    pub const FUNCTION_ERROR: &str = "merit-function-error";
}

/// Headers in which a venue that runs Merit's own runtime (`merit pool`, `merit sim`) tells what a call used.
pub mod meter_header {
    /// Wall time of the call in microseconds, without initialisation.
    pub const DURATION_US: &str = "merit-meter-duration-us";
    /// Initialisation of a cold start in microseconds; absent or 0 when warm.
    pub const INIT_US: &str = "merit-meter-init-us";
    /// CPU time in microseconds.
    pub const CPU_US: &str = "merit-meter-cpu-us";
    /// Peak memory in MB.
    pub const MEMORY_MB: &str = "merit-meter-memory-mb";
    /// The error the function reported: its kind, such as `Trap` or `Timeout`.
    pub const FUNCTION_ERROR: &str = "merit-function-error";
    /// Why no function ran: the answer is the venue's own.
    pub const REFUSED: &str = "merit-refused";
}
