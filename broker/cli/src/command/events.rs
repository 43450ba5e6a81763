//! `merit async`: calls that are answered first and run afterwards. Which wait, which were given up, and what to do
//! about those.

use clap::{Args, Subcommand};
use merit_units::{AccountId, FunctionId, InvocationId};
use merit_wire::{EventDetail, EventList, EventSelection, EventView, EventsChanged};
use reqwest::Method;

use crate::Exit;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, Table};
use crate::values::or_dash;

/// Events of a page that the broker is asked for.
const PAGE: u32 = 1000;

/// Commands on events.
#[derive(Clone, Debug, Subcommand)]
pub enum AsyncCommand {
    /// List events: those that wait, dead letters, those that were delivered
    List(ListArgs),
    /// Show an event and its deliveries
    Show {
        /// The event, as the 202's header `Merit-Invocation-Id` tells it
        #[arg(value_name = "EVENT")]
        id: InvocationId,
    },
    /// Queue dead letters anew: one, or all of a function
    Redrive {
        /// The dead letter
        #[arg(value_name = "EVENT", required_unless_present = "function", conflicts_with = "function")]
        id: Option<InvocationId>,
        /// All dead letters of this function
        #[arg(long, value_name = "NAME", value_parser = FunctionId::try_new)]
        function: Option<FunctionId>,
    },
    /// Forget events for good: one, or all dead letters of a function
    Drop {
        /// The event
        #[arg(value_name = "EVENT", required_unless_present = "function", conflicts_with = "function")]
        id: Option<InvocationId>,
        /// All dead letters of this function
        #[arg(long, value_name = "NAME", value_parser = FunctionId::try_new)]
        function: Option<FunctionId>,
        /// Not its dead letters but those that are queued, or delivered
        #[arg(long, value_parser = ["queued", "dead", "delivered"], requires = "function")]
        state: Option<String>,
    },
}

/// Options of `async list`.
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// Only those of this function
    #[arg(long, value_name = "NAME", value_parser = FunctionId::try_new)]
    pub function: Option<FunctionId>,
    /// Only those in this state
    #[arg(long, value_parser = ["queued", "dead", "delivered"])]
    pub state: Option<String>,
    /// Only those of this account
    #[arg(long, value_name = "NAME", value_parser = AccountId::try_new)]
    pub account: Option<AccountId>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Begin behind those of the list that told this
    #[arg(long, value_name = "NEXT")]
    pub after: Option<String>,
}

/// Runs a command on events.
pub(crate) async fn events(command: AsyncCommand, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    match command {
        AsyncCommand::List(args) => list(&args, client, output).await,
        AsyncCommand::Show { id } => {
            let event: EventDetail = client.get(&["async", &id.to_string()]).await?;
            show(&event, output)
        }
        AsyncCommand::Redrive { id, function } => {
            let selection = selection(id, function, None);
            change("redrive", "queued anew", &selection, client, output).await
        }
        AsyncCommand::Drop { id, function, state } => {
            let selection = selection(id, function, state);
            change("drop", "dropped", &selection, client, output).await
        }
    }
}

fn selection(id: Option<InvocationId>, function: Option<FunctionId>, state: Option<String>) -> EventSelection {
    EventSelection { id: id.map(|id| id.to_string()), function: function.map(|name| name.to_string()), state }
}

async fn change(
    what: &str,
    done: &str,
    selection: &EventSelection,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let changed: EventsChanged = client.send_json(Method::POST, &["async", what], selection).await?;
    if output.json() {
        output.json_value(&changed)?;
        return Ok(Exit::Ok);
    }
    let noun = if changed.events == 1 { "event" } else { "events" };
    output.message(&format!("{} {noun} {done}", changed.events))?;
    Ok(Exit::Ok)
}

async fn list(args: &ListArgs, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let list = fetch(args, client).await?;
    if output.json() {
        output.json_value(&list)?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["event", "function", "state", "accepted", "due or ended", "deliveries", "error"]);
    for event in &list.events {
        table.row([
            event.id.clone(),
            target(event),
            event.state.clone(),
            event.at.clone(),
            or_dash(event.due_at.as_deref().or(event.ended_at.as_deref())),
            event.deliveries.to_string(),
            or_dash(event.error.as_deref()),
        ]);
    }
    output.table(&table)?;
    if let Some(next) = &list.next {
        output.message(&format!("there are more: --after {next}"))?;
    }
    Ok(Exit::Ok)
}

/// As many pages as it takes.
async fn fetch(args: &ListArgs, client: &Client) -> Result<EventList, Failure> {
    let mut list = EventList { events: Vec::new(), next: args.after.clone() };
    loop {
        let missing = args.limit - u32::try_from(list.events.len()).unwrap_or(args.limit);
        let limit = missing.min(PAGE).to_string();
        let values = [
            ("function", args.function.as_ref().map(FunctionId::as_str)),
            ("state", args.state.as_deref()),
            ("account", args.account.as_ref().map(AccountId::as_str)),
            ("limit", Some(limit.as_str())),
            ("after", list.next.as_deref()),
        ];
        let query: Vec<(&str, &str)> = values.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let page: EventList = client.call(client.request_with_query(Method::GET, &["async"], &query)).await?;
        list.events.extend(page.events);
        list.next = page.next;
        if list.next.is_none() || list.events.len() >= args.limit as usize {
            return Ok(list);
        }
    }
}

/// What is called, or where a record is posted.
fn target(event: &EventView) -> String {
    match &event.destination {
        Some(url) => format!("{} -> {url}", event.function),
        None => event.function.clone(),
    }
}

/// Shows an event and its deliveries.
pub(crate) fn show(detail: &EventDetail, output: &mut Output<'_>) -> Result<Exit, Failure> {
    if output.json() {
        output.json_value(detail)?;
        return Ok(Exit::Ok);
    }
    let event = &detail.event;
    output.heading(&format!("{} {}: {}", target(event), event.id, event.state))?;
    output.line(&format!("accepted   {}", event.at))?;
    output.line(&format!("paid by    {}", event.account))?;
    output.line(&format!("payload    {} bytes with its terms", event.bytes))?;
    match (&event.due_at, &event.ended_at) {
        (Some(due), _) => output.line(&format!("due        {due}, given up at {}", event.expires_at))?,
        (None, Some(ended)) => output.line(&format!("ended      {ended}"))?,
        (None, None) => {}
    }
    if let Some(error) = &event.error {
        output.line(&format!("error      {error}"))?;
    }
    if detail.history.is_empty() {
        return Ok(Exit::Ok);
    }
    output.heading("deliveries")?;
    let mut table = Table::new(&["no", "ended", "result", "invocation", "error"]);
    for delivery in &detail.history {
        table.row([
            delivery.number.to_string(),
            delivery.at.clone(),
            delivery.result.clone(),
            or_dash(delivery.invocation.as_deref()),
            or_dash(delivery.error.as_deref()),
        ]);
    }
    output.table(&table)?;
    Ok(Exit::Ok)
}
