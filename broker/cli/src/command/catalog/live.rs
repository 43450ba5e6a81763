//! Live prices of a broker: how they stand, looking at the price lists now, what is held, and the history.

use std::path::Path;

use merit_pricing::PriceSheet;
use merit_units::SheetName;
use merit_wire::{
    CatalogAccept, CatalogHistory, CatalogRefreshView, CatalogView, ExchangeRateView, HeldSheetView, PriceDifference,
    SheetAgeView,
};
use reqwest::Method;

use crate::Exit;
use crate::client::Client;
use crate::command::adjustments;
use crate::failure::Failure;
use crate::output::{Output, Table};
use crate::values::or_dash;

/// `catalog show` without a sheet.
pub(super) async fn overview(client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let view: CatalogView = client.get(&["catalog"]).await?;
    if output.json() {
        output.json_value(&view)?;
        return Ok(Exit::Ok);
    }
    warn(&view.warnings, output)?;
    let schedule = match view.refresh_hours {
        0 => "the price lists are looked at by `merit catalog refresh` only (catalog.refresh_hours = 0)".to_owned(),
        hours => format!("the price lists are looked at every {hours} h"),
    };
    output.line(&schedule)?;
    rates(&view.rates, output)?;
    ages(&view.ages, output)?;
    adjustments::standing(&view.adjustments, output)?;
    if view.feeds.is_empty() {
        output.line("none has been looked at yet: all prices are the built-in ones")?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["feed", "version", "looked at", "last good", "state"]);
    for feed in view.feeds {
        let state = feed.problem.map_or_else(|| "ok".to_owned(), |problem| format!("fails: {problem}"));
        table.row([feed.feed, feed.version, feed.checked_at, or_dash(feed.confirmed_at.as_deref()), state]);
    }
    output.table(&table)?;
    let mut table = Table::new(&["sheet", "seq", "since", "confirmed", "age", "held"]);
    for sheet in view.sheets {
        let held = view.held.iter().any(|held| held.sheet == sheet.sheet);
        let held = if held { "newer ones" } else { "-" }.to_owned();
        let age = age(sheet.age_seconds);
        table.row([sheet.sheet, sheet.seq.to_string(), sheet.since, sheet.confirmed_at, age, held]);
    }
    output.table(&table)?;
    Ok(Exit::Ok)
}

fn ages(ages: &[SheetAgeView], output: &mut Output<'_>) -> std::io::Result<()> {
    if ages.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["in use", "prices of", "age", "source"]);
    for age in ages {
        let old = if age.old { ", old" } else { "" };
        table.row([age.sheet.clone(), age.of.clone(), format!("{} days{old}", age.age_days), age.source.clone()]);
    }
    output.table(&table)
}

fn rates(rates: &[ExchangeRateView], output: &mut Output<'_>) -> std::io::Result<()> {
    if rates.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["currency", "dollars", "of", "from", "state"]);
    for rate in rates {
        let cell = |text: &Option<String>| or_dash(text.as_deref());
        let state = if rate.stale { "none that counts" } else { "ok" }.to_owned();
        table.row([rate.currency.clone(), cell(&rate.usd), cell(&rate.date), cell(&rate.from), state]);
    }
    output.table(&table)
}

fn warn(warnings: &[String], output: &mut Output<'_>) -> std::io::Result<()> {
    warnings.iter().try_for_each(|warning| output.message(&format!("warning: {warning}")))
}

fn age(seconds: u64) -> String {
    match seconds {
        0..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// `catalog show --live` and `--at`.
pub(super) async fn show(
    sheet: &SheetName,
    at: Option<&str>,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let mut query = vec![("sheet", sheet.as_str())];
    query.extend(at.map(|at| ("at", at)));
    let response = client.send(client.request_with_query(Method::GET, &["catalog", "sheet"], &query)).await?;
    let (url, status) = (response.url().to_string(), response.status().as_u16());
    let strange = |what: String| Failure::Strange { url: url.clone(), status, what };
    let text = response.text().await.map_err(|error| strange(error.to_string()))?;
    let sheet =
        PriceSheet::parse_toml(&text).map_err(|errors| strange(format!("a sheet that is refused ({errors})")))?;
    super::show(&sheet, output)?;
    if at.is_none() {
        let view: CatalogView = client.get(&["catalog"]).await?;
        let warnings = view.warnings.into_iter().filter(|warning| warning.contains(sheet.name().as_str()));
        warn(&warnings.collect::<Vec<_>>(), output)?;
    }
    Ok(Exit::Ok)
}

/// `catalog refresh`.
pub(super) async fn refresh(feeds: &[String], client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let named = feeds.join(",");
    let query = [("feeds", named.as_str())];
    let query = if feeds.is_empty() { [].as_slice() } else { &query };
    let request = client.request_with_query(Method::POST, &["catalog", "refresh"], query);
    let view: CatalogRefreshView = client.call(request).await?;
    refreshed(view, output)
}

/// `catalog import`.
pub(super) async fn import(file: &Path, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let bytes =
        std::fs::read(file).map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let request = client.request_with_query(Method::POST, &["catalog", "import"], &[("name", &name)]);
    let view: CatalogRefreshView = client.call(request.body(bytes)).await?;
    refreshed(view, output)
}

fn refreshed(view: CatalogRefreshView, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let exit = if view.feeds.iter().all(|feed| feed.ok) { Exit::Ok } else { Exit::Failed };
    if output.json() {
        output.json_value(&view)?;
        return Ok(exit);
    }
    let mut table = Table::new(&["feed", "outcome"]);
    for feed in view.feeds {
        let failed = if feed.ok { "" } else { "failed, the last good prices stay: " };
        table.row([feed.feed, format!("{failed}{}", feed.outcome)]);
    }
    output.table(&table)?;
    put(&view.put, output)?;
    output.line(&format!(
        "{} confirmed, {} came into force, {} held",
        view.confirmed,
        view.put.len(),
        view.held.len()
    ))?;
    if !view.held.is_empty() {
        output.message(&format!("held: {}; see `merit catalog diff`", view.held.join(", ")))?;
    }
    Ok(exit)
}

fn put(sheets: &[String], output: &mut Output<'_>) -> std::io::Result<()> {
    sheets.iter().try_for_each(|sheet| output.line(&format!("{sheet} is in force")))
}

/// `catalog refresh --accept`.
pub(super) async fn accept(sheets: &[SheetName], client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let body = CatalogAccept { sheets: sheets.iter().map(ToString::to_string).collect() };
    let view: CatalogRefreshView = client.send_json(Method::POST, &["catalog", "accept"], &body).await?;
    if output.json() {
        output.json_value(&view)?;
        return Ok(Exit::Ok);
    }
    put(&view.put, output)?;
    if view.put.is_empty() {
        output.message("nothing is held that could be put in force")?;
    }
    Ok(Exit::Ok)
}

/// `catalog diff`.
pub(super) async fn diff(sheet: Option<&SheetName>, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let view: CatalogView = client.get(&["catalog"]).await?;
    let wanted = |held: &HeldSheetView| sheet.is_none_or(|sheet| held.sheet == sheet.as_str());
    let held: Vec<HeldSheetView> = view.held.into_iter().filter(wanted).collect();
    if output.json() {
        output.json_value(&held)?;
        return Ok(Exit::Ok);
    }
    if held.is_empty() {
        output.line("nothing is held")?;
    }
    for held in &held {
        output.heading(&format!("{}, held since {}", held.sheet, held.since))?;
        held.reasons.iter().try_for_each(|reason| output.line(&format!("because {reason}")))?;
        differences(&held.differences, output)?;
        output.line(&if held.acceptable {
            format!("`merit catalog refresh --accept {}` puts it in force", held.sheet)
        } else {
            "it can't be put in force: the price list has no usable prices for it".to_owned()
        })?;
    }
    Ok(Exit::Ok)
}

fn differences(differences: &[PriceDifference], output: &mut Output<'_>) -> std::io::Result<()> {
    if differences.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["price", "in force", "new"]);
    for difference in differences {
        let side = |side: &Option<String>| or_dash(side.as_deref());
        table.row([difference.what.clone(), side(&difference.from), side(&difference.to)]);
    }
    output.table(&table)
}

/// `catalog history`.
pub(super) async fn history(
    sheet: &SheetName,
    limit: u32,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let limit = limit.to_string();
    let query = [("sheet", sheet.as_str()), ("limit", &limit)];
    let request = client.request_with_query(Method::GET, &["catalog", "history"], &query);
    let view: CatalogHistory = client.call(request).await?;
    if output.json() {
        output.json_value(&view)?;
        return Ok(Exit::Ok);
    }
    if view.entries.is_empty() {
        output.line("no price list has changed it: the built-in sheet holds")?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["seq", "since", "until", "feed", "accepted by", "changes"]);
    for entry in view.entries {
        let change = |change: &PriceDifference| {
            let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "none".to_owned());
            format!("{}: {} -> {}", change.what, side(&change.from), side(&change.to))
        };
        let changes: Vec<String> = entry.differences.iter().map(change).collect();
        table.row([
            entry.seq.to_string(),
            or_dash(entry.since.as_deref()),
            entry.until.unwrap_or_else(|| "now".to_owned()),
            entry.feed,
            or_dash(entry.accepted_by.as_deref()),
            or_dash(Some(&changes.join("; "))),
        ]);
    }
    output.table(&table)?;
    Ok(Exit::Ok)
}
