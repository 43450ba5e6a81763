//! `merit venues`: where functions can run, and at what price.

mod discover;
mod doctor;
mod provider;
mod reconcile;

use std::path::PathBuf;

use clap::Subcommand;
use merit_pricing::PriceSheet;
use merit_units::VenueId;
use merit_wire::{CommittedView, PriceChangeView, VenueList, VenueView};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;

use super::adjustments;
use crate::Exit;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, Table};
use crate::values::{dollars, or_dash};

use discover::DiscoverOptions;

/// Commands on venues.
#[derive(Clone, Debug, Subcommand)]
pub enum VenuesCommand {
    /// List all venues
    List,
    /// Show a venue
    Show {
        /// The venue
        #[arg(value_parser = VenueId::try_new)]
        venue: VenueId,
    },
    /// Change a venue's prices
    #[command(subcommand)]
    Price(PriceCommand),
    /// Show what a provider offers at its venue, and what holds for all of it
    Offers {
        /// The venue
        #[arg(value_parser = VenueId::try_new)]
        venue: VenueId,
    },
    /// Stop sending calls to a provider's venue at once, or go on with --off
    ///
    /// A provider's key turns the provider's switch, an administrator's the operator's; while either is on nothing is
    /// sent.
    Kill {
        /// The venue
        #[arg(value_parser = VenueId::try_new)]
        venue: VenueId,
        /// Why, for whoever asks
        #[arg(long, default_value = "", conflicts_with = "off")]
        why: String,
        /// Turn the switch off
        #[arg(long)]
        off: bool,
    },
    /// Confirm the price of an offer that is held: it is in the market from now on
    Confirm {
        /// The venue
        #[arg(value_parser = VenueId::try_new)]
        venue: VenueId,
        /// The offer
        offer: String,
    },
    /// Show what a provider earned in a month
    Statement {
        /// The venue
        #[arg(value_parser = VenueId::try_new)]
        venue: VenueId,
        /// The month in UTC, such as 2026-11; this month without it
        #[arg(long, value_name = "MONTH")]
        month: Option<String>,
        /// How many of the newest fills to list
        #[arg(long, value_name = "N", default_value_t = 0)]
        fills: u32,
    },
    /// List what is deployed at a venue, and what differs from what Merit knows; changes nothing without --apply
    Discover(DiscoverOptions),
    /// Import what a provider really billed: post the difference, and expect calls to be billed so from now on
    ///
    /// For venues that tell no meters, whose charges are estimates until then. FILE has lines of ChargePeriodStart,
    /// ChargePeriodEnd, ResourceId, SkuMeter, ConsumedQuantity and ConsumedUnit; docs/CLOUDS.md says where each provider has
    /// them. The same bill a second time changes nothing. Without FILE: list what was imported.
    Reconcile {
        /// The venue
        #[arg(value_parser = VenueId::try_new)]
        venue: VenueId,
        /// The bill as CSV; `-` reads stdin
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// Only tell what would come of it
        #[arg(long, requires = "file")]
        dry_run: bool,
    },
    /// Look at a venue step by step: credentials, the way there, prices, a dry invocation; and say what to do
    ///
    /// The broker looks, with its own credentials. It runs no function unless --invoke says so. Ends with 0 when all is
    /// well.
    Doctor {
        /// The venue; all of them without it
        #[arg(value_parser = VenueId::try_new)]
        venue: Option<VenueId>,
        /// Also call each function deployed there once, with its first recorded sample: real calls, charged to
        /// equivalence.account
        #[arg(long)]
        invoke: bool,
    },
}

/// Commands on a venue's prices.
#[derive(Clone, Debug, Subcommand)]
pub enum PriceCommand {
    /// Put a new price sheet in force at once; it is checked here first
    Set {
        /// The venue
        #[arg(value_parser = VenueId::try_new)]
        venue: VenueId,
        /// The sheet in TOML, or in JSON when its name ends in .json; `-` reads TOML from stdin
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// Runs a command on venues.
pub(crate) async fn venues(command: VenuesCommand, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    match command {
        VenuesCommand::List => list(client, output).await,
        VenuesCommand::Show { venue } => {
            let view: VenueView = client.get(&["venues", venue.as_str()]).await?;
            show(&view, output)
        }
        VenuesCommand::Offers { venue } => provider::offers(&venue, client, output).await,
        VenuesCommand::Kill { venue, why, off } => provider::kill(&venue, why, !off, client, output).await,
        VenuesCommand::Confirm { venue, offer } => provider::confirm(&venue, &offer, client, output).await,
        VenuesCommand::Statement { venue, month, fills } => {
            provider::statement(&venue, month.as_deref(), fills, client, output).await
        }
        VenuesCommand::Reconcile { venue, file, dry_run } => {
            reconcile::reconcile(&venue, file.as_deref(), dry_run, client, output).await
        }
        VenuesCommand::Doctor { venue, invoke } => doctor::doctor(venue.as_ref(), invoke, client, output).await,
        VenuesCommand::Discover(options) => discover::discover(&options, client, output).await,
        VenuesCommand::Price(PriceCommand::Set { venue, file }) => set_price(&venue, &file, client, output).await,
    }
}

async fn list(client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let list: VenueList = client.get(&["venues"]).await?;
    if output.json() {
        output.json_value(&list)?;
        return Ok(Exit::Ok);
    }
    let mut table =
        Table::new(&["venue", "kind", "region", "isolation", "sheet", "seq", "deployments", "running", "ineligible"]);
    for venue in &list.venues {
        table.row([
            venue.name.clone(),
            venue.kind.clone(),
            venue.region.clone(),
            venue.isolation.clone(),
            or_dash(venue.sheet.as_deref()),
            venue.sheet_seq.to_string(),
            venue.deployments.to_string(),
            venue.in_flight.to_string(),
            or_dash(venue.ineligible.as_deref()),
        ]);
    }
    output.table(&table)?;
    list.venues.iter().try_for_each(|venue| warn_of_prices(venue, output))?;
    Ok(Exit::Ok)
}

fn warn_of_prices(venue: &VenueView, output: &mut Output<'_>) -> std::io::Result<()> {
    venue.price_warning.iter().try_for_each(|warning| output.message(&format!("warning: {}: {warning}", venue.name)))
}

fn show(venue: &VenueView, output: &mut Output<'_>) -> Result<Exit, Failure> {
    if output.json() {
        output.json_value(venue)?;
        return Ok(Exit::Ok);
    }
    output.heading(&venue.name)?;
    for (name, value) in [
        ("kind", venue.kind.clone()),
        ("region", venue.region.clone()),
        ("isolation", venue.isolation.clone()),
        ("deployments", venue.deployments.to_string()),
        ("running", venue.in_flight.to_string()),
        ("sheet", format!("{} (seq {})", or_dash(venue.sheet.as_deref()), venue.sheet_seq)),
        ("source", or_dash(venue.sheet_source.as_deref())),
        ("retrieved", or_dash(venue.sheet_retrieved.as_deref())),
        ("ineligible", or_dash(venue.ineligible.as_deref())),
    ] {
        output.line(&format!("{name:<12} {value}"))?;
    }
    if let Some(trial) = &venue.trial {
        output.line(&format!("{:<12} {trial}", "trial"))?;
    }
    if let Some(percent) = venue.honesty_percent {
        output.line(&format!("{:<12} {percent} % of what it charges was quoted", "honesty"))?;
    }
    for committed in &venue.committed {
        let CommittedView { function, deployment, instances, month_usd, sheet, why } = committed;
        let cost = match month_usd {
            Some(usd) => format!("{} a month by {}", dollars(usd), or_dash(sheet.as_deref())),
            None => or_dash(why.as_deref()),
        };
        output.line(&format!(
            "{:<12} {cost}, for {instances} kept of {function}/{deployment}; no call is charged it",
            "committed"
        ))?;
    }
    adjustments::standing(&venue.adjustments, output)?;
    warn_of_prices(venue, output)?;
    Ok(Exit::Ok)
}

async fn set_price(
    venue: &VenueId,
    file: &std::path::Path,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let refuse = |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", file.display()));
    let text = if file.as_os_str() == "-" {
        String::from_utf8(output.read_input()?).map_err(|error| refuse(&error))?
    } else {
        std::fs::read_to_string(file).map_err(|error| refuse(&error))?
    };
    let json = file.extension().is_some_and(|extension| extension == "json");
    let sheet = if json { PriceSheet::parse_json(&text) } else { PriceSheet::parse_toml(&text) };
    sheet.map_err(|errors| refuse(&errors))?;
    let kind = if json { "application/json" } else { "application/toml" };
    let request = client.request(Method::PUT, &["venues", venue.as_str(), "price-sheet"]);
    let change: PriceChangeView = client.call(request.header(CONTENT_TYPE, kind).body(text)).await?;
    if output.json() {
        output.json_value(&change)?;
        return Ok(Exit::Ok);
    }
    output.line(&format!(
        "{}: {} (seq {}) is in force; {} books were rebuilt",
        change.venue, change.sheet, change.seq, change.functions
    ))?;
    Ok(Exit::Ok)
}
