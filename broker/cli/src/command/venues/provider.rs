//! `merit venues offers`, `kill`, `confirm` and `statement`: what a provider says, and what it earned.

use merit_units::VenueId;
use merit_wire::{KillSpec, KillView, OfferList, OfferView, StatementView};
use reqwest::Method;

use crate::Exit;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, Table};
use crate::values::or_dash;

/// Shows a venue's offers.
pub(super) async fn offers(venue: &VenueId, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let list: OfferList = client.get(&["venues", venue.as_str(), "offers"]).await?;
    if output.json() {
        output.json_value(&list)?;
        return Ok(Exit::Ok);
    }
    output.heading(&list.venue)?;
    output.line(&format!("{:<12} {}", "session", if list.connected { "open" } else { "none" }))?;
    output.line(&format!("{:<12} {}", "endpoint", or_dash(list.endpoint.as_deref())))?;
    for switch in &list.killed {
        output.line(&format!("{:<12} by the {} since {}: {}", "killed", switch.by, switch.at, switch.why))?;
    }
    let mut table = Table::new(&["offer", "for", "memory", "slots", "prices", "state", "expires", "why"]);
    list.offers.iter().for_each(|offer| table.row(row(offer)));
    output.table(&table)?;
    Ok(Exit::Ok)
}

fn row(view: &OfferView) -> [String; 8] {
    let offer = &view.offer;
    let class = offer.class.as_ref().map(|class| format!("class {class}"));
    let prices: Vec<String> = offer.prices.iter().map(|(meter, rate)| format!("{meter} {rate}")).collect();
    [
        offer.id.clone(),
        or_dash(offer.function.as_deref().or(class.as_deref())),
        offer.memory_mb.to_string(),
        offer.slots.to_string(),
        if prices.is_empty() { "the sheet's".to_owned() } else { prices.join(", ") },
        view.state.clone(),
        view.expires_at.clone(),
        or_dash(view.why.as_deref()),
    ]
}

/// Turns a kill switch.
pub(super) async fn kill(
    venue: &VenueId,
    why: String,
    on: bool,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let path = ["venues", venue.as_str(), "kill-switch"];
    let view: KillView = client.send_json(Method::PUT, &path, &KillSpec { on, why }).await?;
    if output.json() {
        output.json_value(&view)?;
        return Ok(Exit::Ok);
    }
    if view.killed.is_empty() {
        output.message(&format!("calls go to {venue} again"))?;
    }
    for switch in &view.killed {
        output.message(&format!("nothing is sent to {venue}: the {}'s switch is on: {}", switch.by, switch.why))?;
    }
    Ok(Exit::Ok)
}

/// Confirms a price.
pub(super) async fn confirm(
    venue: &VenueId,
    offer: &str,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let path = ["venues", venue.as_str(), "offers", offer, "confirm"];
    client.call_quietly(client.request(Method::POST, &path)).await?;
    output.message(&format!("{offer} of {venue} is in the market"))?;
    Ok(Exit::Ok)
}

/// Shows what was earned.
pub(super) async fn statement(
    venue: &VenueId,
    month: Option<&str>,
    fills: u32,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let fills = fills.to_string();
    let query: Vec<(&str, &str)> =
        std::iter::once(("fills", fills.as_str())).chain(month.map(|month| ("month", month))).collect();
    let path = ["venues", venue.as_str(), "statement"];
    let statement: StatementView = client.call(client.request_with_query(Method::GET, &path, &query)).await?;
    if output.json() {
        output.json_value(&statement)?;
        return Ok(Exit::Ok);
    }
    output.heading(&format!("{} in {}", statement.venue, statement.month))?;
    let mut table = Table::new(&["day", "function", "deployment", "fills", "earned"]);
    for row in &statement.rows {
        let (day, function, deployment) = (row.day.clone(), row.function.clone(), row.deployment.clone());
        table.row([day, function, deployment, row.fills.to_string(), row.earned.clone()]);
    }
    output.table(&table)?;
    output.line(&format!("{} fills, {} USD", statement.fills, statement.earned))?;
    if let Some(from) = &statement.complete_from {
        output.line(&format!("fills before {from} are left out: their receipts have been deleted"))?;
    }
    if let Some(posted) = statement.posted.as_ref().filter(|posted| **posted != statement.earned) {
        output.line(&format!("{posted} USD were posted to the account in the month"))?;
    }
    if !statement.latest.is_empty() {
        let mut table = Table::new(&["at", "invocation", "function", "result", "charge"]);
        for fill in &statement.latest {
            let (at, invocation, function) = (fill.at.clone(), fill.invocation.clone(), fill.function.clone());
            table.row([at, invocation, function, fill.result.clone(), fill.charge.clone()]);
        }
        output.table(&table)?;
    }
    Ok(Exit::Ok)
}
