//! `merit catalog`: the built-in price sheets, offline, and the live ones of a broker.

mod compare;
mod live;
mod price;

use clap::Subcommand;
use merit_pricing::{Catalogue, PriceSheet};
use merit_units::SheetName;
use serde_json::json;

use crate::Exit;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, Table};
use crate::values::or_dash;

pub use compare::CompareArgs;
pub use price::PriceArgs;

/// Commands on the catalogue.
#[derive(Clone, Debug, Subcommand)]
pub enum CatalogCommand {
    /// List the price sheets that are built in
    List {
        /// Only sheets whose name contains this
        #[arg(value_name = "TEXT")]
        filter: Option<String>,
    },
    /// Show a built-in price sheet, or with --live the one a broker bills by; without a sheet, how live prices stand
    Show {
        /// The sheet, such as aws-lambda/us-east-1/x86_64
        #[arg(value_parser = SheetName::try_new)]
        sheet: Option<SheetName>,
        /// Ask the broker for the sheet in force there
        #[arg(long, requires = "sheet")]
        live: bool,
        /// Ask the broker for the sheet that was in force at this RFC 3339 time
        #[arg(long, value_name = "TIME", requires = "sheet", conflicts_with = "live")]
        at: Option<String>,
    },
    /// Look at the price lists now; prices that change too much are held
    Refresh {
        /// Only these, and also when nothing is billed by them: azure-functions, google-run, aws-lambda/REGION
        #[arg(value_name = "FEED", conflicts_with = "accept")]
        feeds: Vec<String>,
        /// Look at nothing: put in force what is held, as `diff` shows it. Without a sheet, all that can be
        #[arg(long, value_name = "SHEET", num_args = 0.., value_parser = SheetName::try_new)]
        accept: Option<Vec<SheetName>>,
    },
    /// Put the prices of a file in force: a sheet or a catalogue file (TOML), or a provider's price list (JSON). Prices
    /// that change too much are held
    Import {
        /// The file
        file: std::path::PathBuf,
    },
    /// Show prices that are held: what they would change, and why a person should look
    Diff {
        /// Only this sheet
        #[arg(value_parser = SheetName::try_new)]
        sheet: Option<SheetName>,
    },
    /// List the sheets a name had in force, newest first, with what each changed
    History {
        /// The sheet, such as aws-lambda/us-east-1/x86_64
        #[arg(value_parser = SheetName::try_new)]
        sheet: SheetName,
        /// The most entries
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Price a call exactly, to the picodollar, by a sheet that is built in
    Price(Box<PriceArgs>),
    /// Compare what a function's month would cost under every sheet, cheapest first
    Compare(Box<CompareArgs>),
}

/// Runs a command on the catalogue. Only those on live prices need a broker.
pub(crate) async fn catalog(
    command: CatalogCommand,
    client: impl FnOnce() -> Result<Client, Failure>,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    match command {
        CatalogCommand::List { filter } => list(filter.as_deref().unwrap_or_default(), output)?,
        CatalogCommand::Show { sheet: None, .. } => return live::overview(&client()?, output).await,
        CatalogCommand::Show { sheet: Some(sheet), live: false, at: None } => show(find(&sheet)?, output)?,
        CatalogCommand::Show { sheet: Some(sheet), at, .. } => {
            return live::show(&sheet, at.as_deref(), &client()?, output).await;
        }
        CatalogCommand::Refresh { accept: None, feeds } => return live::refresh(&feeds, &client()?, output).await,
        CatalogCommand::Refresh { accept: Some(sheets), .. } => return live::accept(&sheets, &client()?, output).await,
        CatalogCommand::Import { file } => return live::import(&file, &client()?, output).await,
        CatalogCommand::Diff { sheet } => return live::diff(sheet.as_ref(), &client()?, output).await,
        CatalogCommand::History { sheet, limit } => return live::history(&sheet, limit, &client()?, output).await,
        CatalogCommand::Price(args) => price::price(&args, find(&args.sheet)?, output)?,
        CatalogCommand::Compare(args) => compare::compare(&args, client, output).await?,
    }
    Ok(Exit::Ok)
}

fn find(name: &SheetName) -> Result<&'static PriceSheet, Failure> {
    let catalogue = Catalogue::builtin();
    let found = catalogue.get(name.as_str()).map(AsRef::as_ref);
    found.ok_or_else(|| {
        if catalogue.like(name.as_str()).is_some() {
            return Failure::usage(format!(
                "the prices of {name} are not built in, and this command has no others; {ELSEWHERE}"
            ));
        }
        let near = merit_config::near(name.as_str(), catalogue.names().map(SheetName::as_str));
        let hint =
            near.map_or_else(|| "`merit catalog list` lists it".to_owned(), |near| format!("did you mean {near}?"));
        Failure::usage(format!("{name} is not in the catalogue; {hint}"))
    })
}

/// Where prices are that are not built in.
const ELSEWHERE: &str = "a broker gets those of other regions by its price feeds (`merit catalog refresh`) or `merit catalog import`, \
                         and `merit catalog show SHEET --live` has them then";

fn list(filter: &str, output: &mut Output<'_>) -> std::io::Result<()> {
    let sheets = Catalogue::builtin().iter().filter(|sheet| sheet.name().as_str().contains(filter));
    if output.json() {
        let sheets: Vec<_> = sheets.map(|sheet| summary(sheet)).collect();
        return output.json_value(&json!({ "sheets": sheets }));
    }
    let mut table = Table::new(&["sheet", "currency", "meters", "retrieved", "source"]);
    let mut sheets = sheets.peekable();
    if sheets.peek().is_none() {
        return output.message(&format!("no sheet that is built in is named so; {ELSEWHERE}"));
    }
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
