//! The client commands of `merit`: they speak to a broker over HTTP, or work offline on the
//! built-in catalogue and the configuration.
//!
//! Data goes to stdout, messages to stderr; `--json` makes both machine-readable. Nothing here
//! prints by itself: everything goes through [`Io`], so that tests read what a person would.
//!
//! Invariants: a command ends with one of the documented [`Exit`] codes; a reader that closes the
//! pipe early is no error; the key never appears in output or messages.
//!
//! Known limitation: replies are read whole before they are written.

mod client;
mod command;
mod exit;
mod failure;
pub mod feed;
mod output;
mod values;

#[cfg(test)]
mod tests;

use clap::{Args, Subcommand, ValueEnum};

pub use command::{
    AsyncCommand, BookArgs, BudgetsCommand, CatalogCommand, CompareArgs, CompletionsArgs, ConfigCommand,
    DeploymentArgs, EqualityArgs, ExplainArgs, FunctionsCommand, InvokeArgs, KeysCommand, Limit, ListArgs, PriceArgs,
    PriceCommand, PutArgs, QuarantineCommand, QuoteArgs, RecordArgs, SamplesCommand, SetArgs, SpendArgs, TapeArgs,
    Terms, VenuesCommand,
};
pub use exit::Exit;
pub use output::Io;

use client::Client;
use failure::Failure;
use output::Output;

/// Where the broker is when nothing else is said.
pub const DEFAULT_URL: &str = "http://127.0.0.1:8780";

/// Options of every command.
#[derive(Args, Clone)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// The broker's URL
    #[arg(long, global = true, env = "MERIT_URL", default_value = DEFAULT_URL, value_name = "URL")]
    pub url: String,
    /// The API key, sent as `Authorization: Bearer KEY`
    #[arg(long, global = true, env = "MERIT_KEY", hide_env_values = true, value_name = "KEY")]
    pub key: Option<String>,
    /// Print JSON for programs instead of text for people
    #[arg(long, global = true)]
    pub json: bool,
    /// When to use colour: auto (on a terminal, unless NO_COLOR is set), always or never
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", hide_possible_values = true)]
    pub color: Color,
}

impl std::fmt::Debug for Globals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = self.key.as_ref().map(|_| "[redacted]");
        let mut shown = f.debug_struct("Globals");
        shown.field("url", &self.url).field("key", &key).field("json", &self.json).field("color", &self.color);
        shown.finish()
    }
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Also into files and pipes
    Always,
    /// Not at all
    Never,
}

/// The client commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Call a function at the cheapest venue that meets the terms
    Invoke(Box<InvokeArgs>),
    /// List what a call would cost at each deployment, in merit order
    Quote(Box<QuoteArgs>),
    /// Show a function's book: all asks, whatever the terms
    Book(BookArgs),
    /// Show fills as they come: price, venue and size of each
    Tape(TapeArgs),
    /// Tell the story of an invocation from its receipt
    Explain(ExplainArgs),
    /// List, show, redrive and drop calls that are run after they were answered
    #[command(subcommand)]
    Async(AsyncCommand),
    /// List, show, register and delete functions and their deployments
    #[command(subcommand)]
    Functions(FunctionsCommand),
    /// List and show venues, and set their prices
    #[command(subcommand)]
    Venues(VenuesCommand),
    /// Look into price sheets, price a call with them, and keep them up with the providers' price lists
    #[command(subcommand)]
    Catalog(CatalogCommand),
    /// Report what was spent, and what providers' invoices come to beyond that
    Spend(SpendArgs),
    /// Show and set the monthly budget of an account
    #[command(subcommand)]
    Budgets(BudgetsCommand),
    /// Create, list and revoke API keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Print the default configuration, check a file, show what holds
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
}

/// Runs a client command and says how it went.
///
/// `app` is the whole command line of the binary, from which `completions` is made.
pub async fn run(command: Command, globals: &Globals, app: clap::Command, io: Io<'_>) -> Exit {
    let mut output = Output::new(io, globals);
    match Box::pin(dispatch(command, globals, app, &mut output)).await {
        Ok(exit) => exit,
        Err(failure) => {
            // The messages have nowhere else to go when stderr is closed, too.
            drop(failure.report(&mut output));
            failure.exit()
        }
    }
}

/// Tells why a command failed that is a process of its own, as [`run`] does for the others.
pub fn tell_error(globals: &Globals, why: &str, io: Io<'_>) {
    // It has nowhere else to go when stderr is closed, too.
    drop(Output::new(io, globals).error(why));
}

async fn dispatch(
    command: Command,
    globals: &Globals,
    app: clap::Command,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let client = || Client::try_new(globals);
    match command {
        Command::Invoke(args) => command::invoke(&args, &client()?, output).await,
        Command::Quote(args) => command::quote(&args, &client()?, output).await,
        Command::Book(args) => command::book(&args, &client()?, output).await,
        Command::Tape(args) => command::tape(&args, &client()?, output).await,
        Command::Explain(args) => command::explain(&args, &client()?, output).await,
        Command::Async(args) => command::events(args, &client()?, output).await,
        Command::Functions(args) => command::functions(args, &client()?, output).await,
        Command::Venues(args) => command::venues(args, &client()?, output).await,
        Command::Catalog(args) => command::catalog(args, client, output).await,
        Command::Spend(args) => command::spend(&args, &client()?, output).await,
        Command::Budgets(args) => command::budgets(args, &client()?, output).await,
        Command::Keys(args) => command::keys(args, &client()?, output).await,
        Command::Config(args) => command::config(args, output),
        Command::Completions(args) => command::completions(&args, app, output),
    }
}
