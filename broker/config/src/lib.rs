//! Merit's configuration: one `merit.toml`, environment overrides, all mistakes reported at once.
//!
//! [`Config`] is plain validated data: what it holds can be used without further checks.
//! The commented template ([`Config::default_template`]) is also the embedded default, so what
//! `merit config default` prints and what Merit does without a file cannot differ.
//!
//! Invariants: nothing is given out while there is a mistake; unknown keys are mistakes; header
//! values never appear in `Debug` output or in [`Config::settings`].
//!
//! Known limitation: only scalars of the sections that the template spells out can be overridden
//! by environment variables; venues, adjustments, functions and accounts cannot.

mod account;
mod adjustment;
mod catalog;
mod check;
mod env;
mod equivalence;
mod events;
mod exchange;
mod feed;
mod function;
mod limits;
mod load;
mod market;
mod mistake;
mod providers;
mod reader;
mod server;
mod setting;
mod sheets;
mod venue;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use merit_units::{AccountId, AdjustmentId, FunctionId, VenueId};

pub use account::AccountBudget;
pub use adjustment::{AgreedAdjustment, Whose};
pub use catalog::{AwsProducts, Catalog};
pub use env::Env;
pub use equivalence::{Compare, Demand, Equivalence};
pub use events::{Events, FunctionEvents};
pub use exchange::{DatedRate, ExchangeRates};
pub use feed::Feed;
pub use function::{Deployment, Function};
pub use limits::Limits;
pub use market::Market;
pub use mistake::{ConfigErrors, Mistake, Place, near};
pub use providers::Providers;
pub use server::{Log, LogFormat, LogLevel, Secrets, Server, Store};
pub use setting::{Origin, Setting, Source};
pub use venue::{
    AlibabaFc, AwsKeys, AwsLambda, AzureEntra, AzureFunctions, AzureIdentity, CloudKeys, CloudflareWorkers, GoogleRun,
    Http, Http2, Isolation, Knative, Meters, OpenFaas, Preset, ProviderVenue, Secret, TencentScf, Venue, VenueKind,
    WorkersTokens,
};

/// The ranges that the HTTP surface checks too, for values put through the API.
pub mod range {
    pub use crate::equivalence::{SHADOW_PPM, digest};
    pub use crate::events::{MAX_AGE_S, MAX_RETRIES, RETRY_DELAY_S, destination};
    pub use crate::function::{
        CONCURRENCY, DEFAULT_CONCURRENCY, DEFAULT_FUNCTION_TIMEOUT_MS, FUNCTION_TIMEOUT_MS, INSTANCE_CONCURRENCY,
        KEPT_INSTANCES,
    };
}

/// The environment variable that names the file.
pub const PATH_VARIABLE: &str = "MERIT_CONFIG";

/// The file that is read from the working folder when no other is named.
pub const DEFAULT_PATH: &str = "merit.toml";

/// All of Merit's settings, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The listener and its bounds.
    pub server: Server,
    /// The database.
    pub store: Store,
    /// Where the key is that encrypts secrets at rest.
    pub secrets: Secrets,
    /// What is logged and how.
    pub log: Log,
    /// What callers are held to.
    pub limits: Limits,
    /// How calls are placed.
    pub market: Market,
    /// How events are kept and delivered.
    pub events: Events,
    /// Market data, and what its readers are held to.
    pub feed: Feed,
    /// Live prices.
    pub catalog: Catalog,
    /// What providers are held to.
    pub providers: Providers,
    /// How it is found out that deployments are not equal.
    pub equivalence: Equivalence,
    /// Dollars for other currencies.
    pub exchange_rates: ExchangeRates,
    /// Where functions can run.
    pub venues: BTreeMap<VenueId, Venue>,
    /// What accounts have agreed on with their providers besides the price lists.
    pub adjustments: BTreeMap<AdjustmentId, AgreedAdjustment>,
    /// Functions that are registered at every start.
    pub functions: BTreeMap<FunctionId, Function>,
    /// Budgets that are set at every start.
    pub accounts: BTreeMap<AccountId, AccountBudget>,
    source: Source,
    settings: Vec<Setting>,
}

impl Config {
    /// Where the configuration was read from.
    #[must_use]
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// Every scalar setting with its value and where that came from, in the order it was read.
    /// Header values are redacted.
    #[must_use]
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }
}
