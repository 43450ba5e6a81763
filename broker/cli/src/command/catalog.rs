//! `merit catalog`: the built-in price sheets, offline.

mod price;

use clap::Subcommand;
use merit_pricing::{Catalogue, PriceSheet};
use merit_units::SheetName;
use serde_json::json;

use crate::Exit;
use crate::failure::Failure;
use crate::output::{Output, Table};
use crate::values::or_dash;

pub use price::PriceArgs;

/// Commands on the catalogue.
#[derive(Clone, Debug, Subcommand)]
pub enum CatalogCommand {
    /// List all price sheets
    List {
        /// Only sheets whose name contains this
        #[arg(value_name = "TEXT")]
        filter: Option<String>,
    },
    /// Show a price sheet: its rule, prices, grants and sources
    Show {
        /// The sheet, such as aws-lambda/us-east-1/x86_64
        #[arg(value_parser = SheetName::try_new)]
        sheet: SheetName,
    },
    /// Price a call exactly, to the picodollar
    Price(Box<PriceArgs>),
}

/// Runs a command on the catalogue.
pub(crate) fn catalog(command: CatalogCommand, output: &mut Output<'_>) -> Result<Exit, Failure> {
    match command {
        CatalogCommand::List { filter } => list(filter.as_deref().unwrap_or_default(), output)?,
        CatalogCommand::Show { sheet } => show(find(&sheet)?, output)?,
        CatalogCommand::Price(args) => price::price(&args, find(&args.sheet)?, output)?,
    }
    Ok(Exit::Ok)
}

fn find(name: &SheetName) -> Result<&'static PriceSheet, Failure> {
    let catalogue = Catalogue::builtin();
    let found = catalogue.get(name.as_str()).map(AsRef::as_ref);
    found.ok_or_else(|| {
        let near = merit_config::near(name.as_str(), catalogue.names().map(SheetName::as_str));
        let hint =
            near.map_or_else(|| "`merit catalog list` lists it".to_owned(), |near| format!("did you mean {near}?"));
        Failure::usage(format!("{name} is not in the catalogue; {hint}"))
    })
}

fn list(filter: &str, output: &mut Output<'_>) -> std::io::Result<()> {
    let sheets = Catalogue::builtin().iter().filter(|sheet| sheet.name().as_str().contains(filter));
    if output.json() {
        let sheets: Vec<_> = sheets.map(|sheet| summary(sheet)).collect();
        return output.json_value(&json!({ "sheets": sheets }));
    }
    let mut table = Table::new(&["sheet", "currency", "meters", "retrieved", "source"]);
    for sheet in sheets {
        let meters: Vec<&str> = sheet.billed_meters().map(merit_pricing::Meter::name).collect();
        table.row([
            sheet.name().to_string(),
            sheet.currency().to_string(),
            meters.join(", "),
            sheet.source().retrieved.to_string(),
            whose(sheet.second_hand()).to_owned(),
        ]);
    }
    output.table(&table)
}

fn summary(sheet: &PriceSheet) -> serde_json::Value {
    json!({
        "sheet": sheet.name().as_str(),
        "currency": sheet.currency().as_str(),
        "region": sheet.region().map(ToString::to_string),
        "architecture": sheet.architecture().map(|architecture| architecture.to_string()),
        "meters": sheet.billed_meters().map(merit_pricing::Meter::name).collect::<Vec<_>>(),
        "retrieved": sheet.source().retrieved.to_string(),
        "second_hand": sheet.second_hand(),
    })
}

const fn whose(second_hand: bool) -> &'static str {
    if second_hand { "partly second-hand" } else { "the provider's" }
}

fn show(sheet: &PriceSheet, output: &mut Output<'_>) -> std::io::Result<()> {
    if output.json() {
        return output.line(&sheet.to_json());
    }
    output.heading(&format!("{}, in {}", sheet.name(), sheet.currency()))?;
    output.line(&sheet.rule_in_words())?;
    output.heading("prices")?;
    let mut table = Table::new(&["meter", "rate", "up to, a month", "source"]);
    for price in sheet.prices() {
        let up_to = price.up_to.map(|quantity| quantity.to_string());
        let hand = if price.source.second_hand { " (second-hand)" } else { "" };
        let source = format!("{}{hand}, {}", price.source.retrieved, price.source.title);
        table.row([price.meter.to_string(), price.rate.to_string(), or_dash(up_to.as_deref()), source]);
    }
    output.table(&table)?;
    let grants: Vec<_> = sheet.grants().collect();
    if !grants.is_empty() {
        output.heading("free each month")?;
        let mut table = Table::new(&["meter", "quantity"]);
        for (meter, quantity) in grants {
            table.row([meter.to_string(), quantity.to_string()]);
        }
        output.table(&table)?;
    }
    for note in sheet.notes() {
        output.line(&format!("note: {note}"))?;
    }
    for source in sheet.sources() {
        let url = source.url.as_deref().unwrap_or("no page");
        output.line(&format!("source: {} ({url}, retrieved {})", source.title, source.retrieved))?;
    }
    Ok(())
}
