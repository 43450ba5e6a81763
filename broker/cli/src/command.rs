//! The commands, one file each: its arguments, what it asks the broker, how it shows the answer.

mod adjustments;
mod book;
mod budgets;
mod catalog;
mod completions;
mod config;
mod events;
mod explain;
mod follow;
mod functions;
mod invoke;
mod keys;
mod spend;
mod terms;
mod venues;

pub use book::{BookArgs, QuoteArgs};
pub use budgets::{BudgetsCommand, Limit, SetArgs};
pub use catalog::{CatalogCommand, CompareArgs, PriceArgs};
pub use completions::CompletionsArgs;
pub use config::ConfigCommand;
pub use events::{AsyncCommand, ListArgs};
pub use explain::ExplainArgs;
pub use follow::TapeArgs;
pub use functions::{
    DeploymentArgs, EqualityArgs, FunctionsCommand, PutArgs, QuarantineCommand, RecordArgs, SamplesCommand,
};
pub use invoke::InvokeArgs;
pub use keys::KeysCommand;
pub use spend::SpendArgs;
pub use terms::Terms;
pub use venues::{PriceCommand, VenuesCommand};

pub(crate) use book::{book, exclusion_table, quote};
pub(crate) use budgets::budgets;
pub(crate) use catalog::catalog;
pub(crate) use completions::completions;
pub(crate) use config::config;
pub(crate) use events::events;
pub(crate) use explain::{attempt_table, explain};
pub(crate) use follow::tape;
pub(crate) use functions::functions;
pub(crate) use invoke::invoke;
pub(crate) use keys::keys;
pub(crate) use spend::spend;
pub(crate) use venues::venues;
