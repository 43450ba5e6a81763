//! `merit spend`: what was charged, against what was expected, and what invoices come to beyond calls.

use std::collections::BTreeSet;

use clap::Args;
use merit_units::{AccountId, Money};
use merit_wire::{AlternativesReport, BeyondCallsRow, SpendReport};
use reqwest::Method;

use crate::Exit;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, Table};
use crate::values::{compared, difference, dollars, or_dash};

/// Options of `spend`.
#[derive(Args, Clone, Debug)]
pub struct SpendArgs {
    /// From this RFC 3339 time on, such as 2026-11-01T00:00:00Z; the start of the month when absent
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Before this RFC 3339 time; now when absent
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Group by function, venue, account or tag:NAME. Repeat it or separate with commas
    #[arg(long, value_name = "FIELD", value_delimiter = ',')]
    pub group_by: Vec<String>,
    /// A row for each step of time
    #[arg(long, value_name = "STEP", value_parser = ["hour", "day"])]
    pub step: Option<String>,
    /// Only this account's calls
    #[arg(long, value_parser = AccountId::try_new)]
    pub account: Option<AccountId>,
    /// What the same calls were expected to cost, had one venue run them all
    #[arg(long, conflicts_with_all = ["group_by", "step"])]
    pub alternatives: bool,
}

/// Reports what was spent.
pub(crate) async fn spend(args: &SpendArgs, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let groups = args.group_by.join(",");
    let given = [
        ("from", args.from.as_deref()),
        ("to", args.to.as_deref()),
        ("step", args.step.as_deref()),
        ("account", args.account.as_ref().map(AccountId::as_str)),
    ];
    let mut query: Vec<(&str, &str)> = given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    if !groups.is_empty() {
        query.push(("group_by", &groups));
    }
    if args.alternatives {
        let request = client.request_with_query(Method::GET, &["spend", "alternatives"], &query);
        return show_alternatives(&client.call(request).await?, output);
    }
    let report: SpendReport = client.call(client.request_with_query(Method::GET, &["spend"], &query)).await?;
    if output.json() {
        output.json_value(&report)?;
        return Ok(Exit::Ok);
    }
    if !report.rows.is_empty() {
        output.table(&table(&report, &args.group_by))?;
    }
    output.line(&format!("{} from {} to {}", dollars(&report.total), report.from, report.to))?;
    if !report.beyond_calls.is_empty() {
        output.line("providers' invoices beyond calls, in no row and not in the sum:")?;
        output.table(&beyond_calls(&report.beyond_calls))?;
    }
    Ok(Exit::Ok)
}

fn beyond_calls(rows: &[BeyondCallsRow]) -> Table {
    let accounts = rows.iter().any(|row| !row.billing_account.is_empty());
    let mut headings = vec!["month", "sheet", "venues", "fee", "hours rounded up"];
    if accounts {
        headings.push("billing account");
    }
    let mut table = Table::new(&headings);
    for row in rows {
        let amount = |text: &Option<String>| or_dash(text.as_deref().map(dollars).as_deref());
        let hours = match row.function_hours {
            0 => amount(&row.hours),
            many => format!("{} for {many}", amount(&row.hours)),
        };
        let mut cells = vec![row.month.clone(), row.sheet.clone(), row.venues.join(", "), amount(&row.fee), hours];
        if accounts {
            cells.push(or_dash(Some(row.billing_account.as_str()).filter(|name| !name.is_empty())));
        }
        table.row(cells);
    }
    table
}

fn show_alternatives(report: &AlternativesReport, output: &mut Output<'_>) -> Result<Exit, Failure> {
    if output.json() {
        output.json_value(report)?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["venue", "calls it had a price for", "cost", "charged instead"]);
    for row in &report.venues {
        let all = row.calls == report.calls;
        let charged = report.charged.parse().ok().zip(row.cost.parse().ok()).filter(|_| all);
        let compared = charged.and_then(|(charged, cost)| compared(charged, cost));
        table.row([row.venue.clone(), row.calls.to_string(), dollars(&row.cost), or_dash(compared.as_deref())]);
    }
    if !report.venues.is_empty() {
        output.table(&table)?;
    }
    let charged = dollars(&report.charged);
    output.line(&format!("{charged} for {} calls from {} to {}", report.calls, report.from, report.to))?;
    Ok(Exit::Ok)
}

fn table(report: &SpendReport, asked: &[String]) -> Table {
    let told: BTreeSet<&str> = report.rows.iter().flat_map(|row| row.group.keys()).map(String::as_str).collect();
    let rest = told.iter().copied().filter(|name| !asked.iter().any(|asked| asked == name));
    let groups: Vec<&str> = asked.iter().map(String::as_str).chain(rest).collect();
    let steps = report.rows.iter().any(|row| row.at.is_some());
    let mut headings: Vec<&str> = if steps { vec!["from"] } else { Vec::new() };
    headings.extend(&groups);
    headings.extend(["calls", "failed", "charge", "estimate", "difference", "explored"]);
    let corrected = report.rows.iter().any(|row| row.corrected.is_some());
    if corrected {
        headings.push("corrected");
    }
    let estimated = report.rows.iter().any(|row| row.estimated.is_some());
    if estimated {
        headings.push("charged by estimate");
    }
    let mut table = Table::new(&headings);
    for row in &report.rows {
        let mut cells: Vec<String> = if steps { vec![or_dash(row.at.as_deref())] } else { Vec::new() };
        cells.extend(groups.iter().map(|group| or_dash(row.group.get(*group).map(String::as_str))));
        let money = |text: &str| text.parse::<Money>().ok();
        let change = money(&row.charge).zip(money(&row.estimate)).and_then(|(charge, cost)| difference(charge, cost));
        cells.extend([
            row.calls.to_string(),
            row.failed.to_string(),
            dollars(&row.charge),
            dollars(&row.estimate),
            or_dash(change.as_deref()),
            dollars(&row.explored),
        ]);
        if corrected {
            cells.push(or_dash(row.corrected.as_deref().map(dollars).as_deref()));
        }
        if estimated {
            cells.push(or_dash(row.estimated.as_deref().map(dollars).as_deref()));
        }
        table.row(cells);
    }
    table
}
