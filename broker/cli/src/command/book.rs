//! `merit quote` and `merit book`: asks in merit order, and what was excluded with reasons.

use clap::Args;
use merit_units::FunctionId;
use merit_wire::{AskView, BookView, ExclusionView, QuoteView};
use reqwest::Method;

use super::terms::Terms;
use super::{adjustments, follow};
use crate::Exit;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, Table};
use crate::values::{milliseconds, per_million};

/// Options of `quote`.
#[derive(Args, Clone, Debug)]
pub struct QuoteArgs {
    /// The function
    #[arg(value_parser = FunctionId::try_new)]
    pub function: FunctionId,
    /// What the caller demands.
    #[command(flatten)]
    pub terms: Terms,
}

/// Options of `book`.
#[derive(Args, Clone, Debug)]
pub struct BookArgs {
    /// The function
    #[arg(value_parser = FunctionId::try_new)]
    pub function: FunctionId,
    /// Stay, and show the room and the price at each deployment whenever they change
    #[arg(long, short)]
    pub follow: bool,
}

/// Asks for a quote.
pub(crate) async fn quote(args: &QuoteArgs, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let path = ["functions", args.function.as_str(), "quotes"];
    let quote: QuoteView = client.send_json(Method::POST, &path, &args.terms.to_request()).await?;
    if output.json() {
        output.json_value(&quote)?;
        return Ok(Exit::Ok);
    }
    output.heading(&format!(
        "{}: {} of {} deployments meet the terms",
        quote.function,
        quote.asks.len(),
        quote.asks.len() + quote.excluded.len()
    ))?;
    show(&quote.asks, &quote.excluded, output)?;
    output.message(&format!("expected to stand until {}", quote.expires_at))?;
    Ok(Exit::Ok)
}

/// Shows a book.
pub(crate) async fn book(args: &BookArgs, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    if args.follow {
        return follow::follow(args.function.as_str(), client, output).await;
    }
    let book: BookView = client.get(&["functions", args.function.as_str(), "book"]).await?;
    if output.json() {
        output.json_value(&book)?;
        return Ok(Exit::Ok);
    }
    output.heading(&format!("{}: {} asks, version {}", book.function, book.asks.len(), book.version))?;
    show(&book.asks, &book.excluded, output)?;
    Ok(Exit::Ok)
}

fn show(asks: &[AskView], excluded: &[ExclusionView], output: &mut Output<'_>) -> std::io::Result<()> {
    if !asks.is_empty() {
        output.table(&ask_table(asks))?;
    }
    adjustments::of_asks(asks, output)?;
    if !excluded.is_empty() {
        output.heading("not eligible")?;
        output.table(&exclusion_table(excluded))?;
    }
    if asks.iter().any(|ask| !matches!(ask.basis.as_str(), "measured" | "billed")) {
        output.message("costs that are not measured are guesses: `borrowed` from a sibling, or `assumed`")?;
    }
    Ok(())
}

fn ask_table(asks: &[AskView]) -> Table {
    let mut table = Table::new(&[
        "venue",
        "deployment",
        "per million",
        "score",
        "p50",
        "p95",
        "basis",
        "calls",
        "running",
        "health",
        "sheet",
    ]);
    for ask in asks {
        table.row([
            ask.venue.clone(),
            ask.deployment.clone(),
            per_million(&ask.cost),
            per_million(&ask.score),
            milliseconds(ask.latency_ms_p50),
            milliseconds(ask.latency_ms_p95),
            ask.basis.clone(),
            ask.samples.to_string(),
            format!("{}/{}", ask.in_flight, ask.capacity),
            ask.health.clone(),
            ask.sheet.clone(),
        ]);
    }
    table
}

/// Why deployments are not eligible.
pub(crate) fn exclusion_table(excluded: &[ExclusionView]) -> Table {
    let mut table = Table::new(&["venue", "deployment", "reason", "detail"]);
    for exclusion in excluded {
        table.row([&exclusion.venue, &exclusion.deployment, &exclusion.reason, &exclusion.detail]);
    }
    table
}
