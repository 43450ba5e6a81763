//! `merit venues doctor`: a look at venues, step by step, with what to do at the first thing that is wrong.

use merit_units::VenueId;
use merit_wire::{VenueCheckView, VenueList};
use reqwest::Method;

use crate::Exit;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, Table};

/// Looks at one venue or at all of them. All is well when no step failed.
pub(super) async fn doctor(
    venue: Option<&VenueId>,
    invoke: bool,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let names = match venue {
        Some(venue) => vec![venue.to_string()],
        None => {
            let list: VenueList = client.get(&["venues"]).await?;
            list.venues.into_iter().map(|venue| venue.name).collect()
        }
    };
    let request = |name: &str| {
        let query: &[_] = if invoke { &[("invoke", "true")] } else { &[] };
        client.request_with_query(Method::POST, &["venues", name, "check"], query)
    };
    let mut views = Vec::with_capacity(names.len());
    for name in &names {
        let view: VenueCheckView = client.call(request(name)).await?;
        if !output.json() {
            show(&view, output)?;
        }
        views.push(view);
    }
    if output.json() {
        output.json_value(&views)?;
    } else if views.is_empty() {
        output.message("there are no venues; add some to merit.toml")?;
    }
    Ok(if views.iter().all(|view| view.well) { Exit::Ok } else { Exit::Failed })
}

fn show(view: &VenueCheckView, output: &mut Output<'_>) -> std::io::Result<()> {
    let told = if view.well { "well" } else { "not well" };
    output.heading(&format!("{} ({}): {told}", view.venue, view.kind))?;
    let mut table = Table::new(&["step", "result", "found"]);
    for step in &view.steps {
        let result = if step.result == "none" { "-" } else { &step.result };
        table.row([step.step.clone(), result.to_owned(), step.found.clone()]);
    }
    output.table(&table)?;
    match view.steps.iter().find(|step| step.result == "failed") {
        Some(first) => output.message(&format!("{}: {}: {}", view.venue, first.step, first.todo)),
        None => Ok(()),
    }
}
