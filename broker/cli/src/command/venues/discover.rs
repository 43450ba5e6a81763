//! `merit venues discover`: what is deployed at a venue, as a difference from what Merit knows.

use clap::Args;
use merit_units::VenueId;
use merit_wire::{ChangeView, DeploymentSpec, DiscoveryView};
use reqwest::Method;

use crate::Exit;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, Table};
use crate::values::or_dash;

/// Options of `merit venues discover`.
#[derive(Clone, Debug, Args)]
pub struct DiscoverOptions {
    /// The venue
    #[arg(value_parser = VenueId::try_new)]
    venue: VenueId,
    /// Make the changes
    #[arg(long)]
    apply: bool,
    /// With --apply, take away deployments that are gone at the venue, too
    #[arg(long, requires = "apply")]
    prune: bool,
    /// Propose functions that neither a tag `merit:function` nor a function of that name speaks for, too
    #[arg(long)]
    all: bool,
}

pub(super) async fn discover(
    options: &DiscoverOptions,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let chosen = [("apply", options.apply), ("prune", options.prune), ("all", options.all)];
    let query: Vec<(&str, &str)> = chosen.iter().filter(|(_, set)| *set).map(|(name, _)| (*name, "true")).collect();
    let request = client.request_with_query(Method::POST, &["venues", options.venue.as_str(), "discover"], &query);
    let view: DiscoveryView = client.call(request).await?;
    let refused = view.changes.iter().any(|change| !["planned", "applied", "kept"].contains(&change.result.as_str()));
    let exit = if refused { Exit::Failed } else { Exit::Ok };
    if output.json() {
        output.json_value(&view)?;
        return Ok(exit);
    }
    show_found(&view, output)?;
    if view.changes.is_empty() {
        output.message("nothing differs from what Merit knows")?;
        return Ok(exit);
    }
    for change in &view.changes {
        output.line(&line(change))?;
    }
    output.message(&summary(&view))?;
    Ok(exit)
}

fn show_found(view: &DiscoveryView, output: &mut Output<'_>) -> Result<(), Failure> {
    let mut table =
        Table::new(&["found", "function", "memory", "architecture", "timeout", "reserved", "warm", "aliases"]);
    for found in &view.found {
        let aliases: Vec<String> = found.aliases.iter().map(|(name, version)| format!("{name}={version}")).collect();
        table.row([
            found.name.clone(),
            or_dash(found.function.as_deref()),
            or_dash(found.memory_mb.map(|memory| format!("{memory} MB")).as_deref()),
            or_dash(found.architecture.as_deref()),
            or_dash(found.timeout_ms.map(|limit| format!("{limit} ms")).as_deref()),
            or_dash(found.reserved_concurrency.map(|calls| calls.to_string()).as_deref()),
            or_dash(found.provisioned_concurrency.map(|count| count.to_string()).as_deref()),
            or_dash(Some(aliases.join(" ")).filter(|text| !text.is_empty()).as_deref()),
        ]);
    }
    output.table(&table)?;
    for found in &view.found {
        if let Some(problem) = &found.problem {
            output.message(&format!("{}: not proposed: {problem}", found.name))?;
        }
    }
    Ok(())
}

/// One change as a line of a difference.
fn line(change: &ChangeView) -> String {
    let name = format!("{}/{}", change.function, change.deployment);
    let told = match (&change.before, &change.after) {
        (None, Some(after)) => format!("+ {name}  {}", shown(after)),
        (Some(before), Some(after)) => format!("~ {name}  {}", differences(before, after)),
        (Some(before), None) => format!("- {name}  {}", shown(before)),
        (None, None) => format!("? {name}"),
    };
    match change.result.as_str() {
        "planned" | "applied" => told,
        result => format!("{told}  ({result})"),
    }
}

fn shown(spec: &DeploymentSpec) -> String {
    let architecture = spec.architecture.as_deref().unwrap_or("x86_64");
    let sheet = spec.sheet.as_ref().map_or_else(String::new, |sheet| format!(", sheet {sheet}"));
    format!("{}: {} MB, {architecture}{sheet}", spec.target, spec.memory_mb)
}

fn differences(before: &DeploymentSpec, after: &DeploymentSpec) -> String {
    let number = |calls: Option<u32>| calls.map(|calls| calls.to_string());
    let each = [
        ("memory_mb", Some(before.memory_mb.to_string()), Some(after.memory_mb.to_string())),
        ("architecture", before.architecture.clone(), after.architecture.clone()),
        ("vcpu", before.vcpu.clone(), after.vcpu.clone()),
        ("concurrency", number(before.concurrency), number(after.concurrency)),
        (
            "instance_concurrency",
            number(before.instance_concurrency.map(u32::from)),
            number(after.instance_concurrency.map(u32::from)),
        ),
        ("kept_instances", number(before.kept_instances), number(after.kept_instances)),
        ("sheet", before.sheet.clone(), after.sheet.clone()),
        ("digest", before.digest.clone(), after.digest.clone()),
    ];
    let each = each.iter().filter(|(_, before, after)| before != after);
    let told = each
        .map(|(name, before, after)| format!("{name} {} -> {}", or_dash(before.as_deref()), or_dash(after.as_deref())));
    told.collect::<Vec<_>>().join(", ")
}

fn summary(view: &DiscoveryView) -> String {
    let count = |kind: &str| view.changes.iter().filter(|change| change.change == kind).count();
    let gone = count("gone");
    let counts = format!("{} added, {} changed, {gone} gone", count("added"), count("changed"));
    if !view.applied {
        return format!("{counts}; nothing was changed: run it again with --apply");
    }
    let kept = view.changes.iter().any(|change| change.result == "kept");
    let hint = if kept { "; what is gone was kept: take it away with --apply --prune" } else { "" };
    format!("{counts}{hint}")
}
