//! `merit venues reconcile`: what a provider really billed, beside what was charged.

use std::path::Path;

use merit_units::VenueId;
use merit_wire::{ReconciliationList, ReconciliationView};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;

use crate::Exit;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, Table};
use crate::values::dollars;

/// Imports a bill, or lists what was imported.
pub(super) async fn reconcile(
    venue: &VenueId,
    file: Option<&Path>,
    dry_run: bool,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let path = ["venues", venue.as_str(), "reconciliations"];
    let Some(file) = file else {
        let list: ReconciliationList = client.get(&path).await?;
        return tell(&list, false, output);
    };
    let refuse = |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", file.display()));
    let text = if file.as_os_str() == "-" {
        output.read_input()?
    } else {
        std::fs::read(file).map_err(|error| refuse(&error))?
    };
    let query: &[(&str, &str)] = if dry_run { &[("dry_run", "true")] } else { &[] };
    let request = client.request_with_query(Method::POST, &path, query).header(CONTENT_TYPE, "text/csv").body(text);
    tell(&client.call(request).await?, true, output)
}

fn tell(list: &ReconciliationList, imported: bool, output: &mut Output<'_>) -> Result<Exit, Failure> {
    if output.json() {
        output.json_value(list)?;
        return Ok(Exit::Ok);
    }
    if list.reconciliations.is_empty() {
        output.line(&format!("nothing was reconciled at {}", list.venue))?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["service", "from", "to", "calls", "on the bill", "charged", "billed", "corrected"]);
    for view in &list.reconciliations {
        table.row([
            view.resource.clone(),
            view.from.clone(),
            view.to.clone(),
            view.calls.to_string(),
            view.billed_calls.to_string(),
            dollars(&view.charged),
            dollars(&view.billed),
            dollars(&view.corrected),
        ]);
    }
    output.table(&table)?;
    list.reconciliations.iter().try_for_each(|view| warn(view, output))?;
    if imported {
        let posted = match (list.dry_run, list.reconciliations.iter().all(|view| view.already)) {
            (true, _) => "would be posted; nothing was".to_owned(),
            (_, true) => "were posted now: all of it was imported before".to_owned(),
            _ => "were posted".to_owned(),
        };
        output.line(&format!("{} {posted}", dollars(&list.corrected)))?;
    }
    Ok(Exit::Ok)
}

fn warn(view: &ReconciliationView, output: &mut Output<'_>) -> std::io::Result<()> {
    let ReconciliationView { resource, left, .. } = view;
    if *left > 0 {
        let why = "stay as they were charged, since their price sheet is not kept";
        output.message(&format!("warning: {resource}: of its calls {left} {why}"))?;
    }
    let refused = view.accounts.iter().filter_map(|entry| Some((entry, entry.refused.as_deref()?)));
    refused.into_iter().try_for_each(|(entry, why)| {
        output.message(&format!(
            "warning: {resource}: account {}: {} were not posted: {why}",
            entry.account, entry.corrected
        ))
    })
}
