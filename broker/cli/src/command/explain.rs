//! `merit explain`: the story of a receipt. Who could have run it, who did, what it used, what it cost.

use clap::Args;
use merit_units::{InvocationId, Money};
use merit_wire::{AttemptView, CandidateView, ReceiptView, RepricedLine, RepricedView};

use super::{adjustments, events};
use crate::Exit;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, Table};
use crate::values::{compared, dollars, milliseconds, or_dash, per_million};

/// Options of `explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// The invocation, as `merit invoke --verbose` or the header `Merit-Invocation-Id` tells it
    #[arg(value_name = "INVOCATION")]
    pub id: InvocationId,
    /// Compute its charge again, by the price sheet of its day, and say whether it differs
    #[arg(long)]
    pub reprice: bool,
}

/// Tells the story of an invocation.
pub(crate) async fn explain(args: &ExplainArgs, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let id = args.id.to_string();
    if args.reprice {
        return reprice(&client.get(&["invocations", &id, "repriced"]).await?, output);
    }
    let receipt: ReceiptView = match client.get(&["invocations", &id]).await {
        Ok(receipt) => receipt,
        // What was answered 202 has an id of its own, and each of its deliveries has a receipt.
        Err(failure) if failure.is_unknown() => {
            return match client.get(&["async", &id]).await {
                Ok(event) => events::show(&event, output),
                Err(_) => Err(failure),
            };
        }
        Err(failure) => return Err(failure),
    };
    if output.json() {
        output.json_value(&receipt)?;
        return Ok(Exit::Ok);
    }
    if receipt.status == "correction" {
        show_correction(&receipt, output)?;
        return Ok(Exit::Ok);
    }
    show_head(&receipt, output)?;
    let mut candidates = receipt.candidates.clone();
    candidates.sort_by_key(|candidate| (candidate.excluded.is_some(), cost(candidate).is_none(), cost(candidate)));
    if !candidates.is_empty() {
        output.heading("candidates, cheapest first")?;
        output.table(&candidate_table(&receipt, &candidates))?;
    }
    if !receipt.attempts.is_empty() {
        output.heading("attempts")?;
        output.table(&attempt_table(&receipt.attempts))?;
    }
    show_meters(&receipt, output)?;
    show_charge(&receipt, &candidates, output)?;
    Ok(Exit::Ok)
}

/// The receipt of no call: what a reconciliation posted.
fn show_correction(receipt: &ReceiptView, output: &mut Output<'_>) -> std::io::Result<()> {
    output.heading(&format!("{} {}: {}", receipt.function, receipt.id, receipt.status))?;
    output.line(&format!("counts at  {}", receipt.at))?;
    output.line(&format!("paid by    {} (imported by key {})", receipt.account, receipt.key))?;
    if let (Some(venue), Some(deployment)) = (&receipt.venue, &receipt.deployment) {
        output.line(&format!("ran at     {venue}, {deployment}"))?;
    }
    let why = "what the provider billed beyond what calls before had been charged; see `merit venues reconcile`";
    output.line(&format!("corrected  {}: {why}", dollars(&receipt.charge)))
}

fn show_head(receipt: &ReceiptView, output: &mut Output<'_>) -> std::io::Result<()> {
    output.heading(&format!("{} {}: {}", receipt.function, receipt.id, receipt.status))?;
    output.line(&format!("admitted   {}", receipt.at))?;
    output.line(&format!("paid by    {} (key {})", receipt.account, receipt.key))?;
    let own = format!("{} us of it Merit's own", receipt.overhead_us);
    output.line(&format!("took       {}, {own}", milliseconds(receipt.duration_ms)))?;
    if let (Some(venue), Some(deployment)) = (&receipt.venue, &receipt.deployment) {
        let why = match (receipt.explored, receipt.least_bad) {
            (true, _) => "chosen to keep its profile fresh",
            (false, true) => "chosen as the least bad: every deployment within the terms was unwell",
            (false, false) => "chosen for its price",
        };
        output.line(&format!("answered   {venue}, {deployment}: {why}"))?;
    }
    if let Some(kind) = &receipt.kind {
        let of = receipt.shadows.as_ref().map_or_else(String::new, |of| format!(", compared with {of}"));
        output.line(&format!("made for   Merit's own: a {kind} call{of}"))?;
    }
    if let Some(event) = &receipt.event {
        output.line(&format!("delivers   event {event}: see `merit async show {event}`"))?;
    }
    if !receipt.tags.is_empty() {
        output.line(&format!("tags       {}", receipt.tags.join(", ")))?;
    }
    if let Some(error) = &receipt.error {
        output.line(&format!("error      {error}"))?;
    }
    Ok(())
}

fn candidate_table(receipt: &ReceiptView, candidates: &[CandidateView]) -> Table {
    let mut table = Table::new(&["venue", "deployment", "per million", "verdict"]);
    for candidate in candidates {
        let verdict = match &candidate.excluded {
            Some(reason) => format!("excluded: {reason}"),
            None if answered(receipt, candidate) => "answered".to_owned(),
            None if tried(receipt, candidate) => "tried".to_owned(),
            None => "eligible".to_owned(),
        };
        let cost = candidate.cost.as_deref().map(per_million);
        table.row([candidate.venue.clone(), candidate.deployment.clone(), or_dash(cost.as_deref()), verdict]);
    }
    table
}

/// What was tried, in order.
pub(crate) fn attempt_table(attempts: &[AttemptView]) -> Table {
    let mut table = Table::new(&["venue", "deployment", "result", "outcome", "took", "charge", "message"]);
    for attempt in attempts {
        let estimated = if attempt.estimated { " (estimated)" } else { "" };
        table.row([
            attempt.venue.clone(),
            attempt.deployment.clone(),
            attempt.result.clone(),
            attempt.outcome.clone(),
            milliseconds(attempt.duration_ms),
            format!("{}{estimated}", dollars(&attempt.charge)),
            or_dash(Some(&attempt.message)),
        ]);
    }
    table
}

fn show_meters(receipt: &ReceiptView, output: &mut Output<'_>) -> std::io::Result<()> {
    if receipt.meters.is_empty() {
        return Ok(());
    }
    output.heading("billed")?;
    let mut table = Table::new(&["meter", "quantity"]);
    for meter in &receipt.meters {
        table.row([&meter.meter, &meter.quantity]);
    }
    output.table(&table)
}

fn show_charge(receipt: &ReceiptView, candidates: &[CandidateView], output: &mut Output<'_>) -> std::io::Result<()> {
    output.heading("charge")?;
    let estimated = if receipt.estimated { ", partly estimated because a venue told no meters" } else { "" };
    output.line(&format!("charged    {}{estimated}", dollars(&receipt.charge)))?;
    if let Some(list) = &receipt.list_charge {
        output.line(&format!("by list    {}", dollars(list)))?;
    }
    adjustments::applied(&receipt.adjustments, output)?;
    let charge: Option<Money> = receipt.charge.parse().ok();
    let against = |other: &str| {
        let compared = charge.zip(other.parse().ok()).and_then(|(charge, other)| compared(charge, other));
        compared.map(|compared| format!(": the charge is {compared} it")).unwrap_or_default()
    };
    output.line(&format!("estimate   {}{}", dollars(&receipt.estimate), against(&receipt.estimate)))?;
    let next =
        candidates.iter().find(|other| other.excluded.is_none() && !answered(receipt, other) && !tried(receipt, other));
    let Some((next, cost)) = next.and_then(|next| Some((next, next.cost.as_deref()?))) else { return Ok(()) };
    output.line(&format!("next best  {} at {}, {}{}", dollars(cost), next.venue, next.deployment, against(cost)))
}

/// `explain --reprice`: fails when the charge is not what it comes to.
fn reprice(view: &RepricedView, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let exit = if view.same { Exit::Ok } else { Exit::Failed };
    if output.json() {
        output.json_value(view)?;
        return Ok(exit);
    }
    if let (Some(sheet), Some(seq)) = (&view.sheet, view.seq) {
        output.line(&format!("sheet      {sheet}, number {seq}"))?;
    }
    if let Some(source) = &view.source {
        output.line(&format!("source     {source}"))?;
    }
    if let (Some(currency), Some(usd)) = (view.currency.as_ref().filter(|currency| *currency != "USD"), &view.usd) {
        output.line(&format!("currency   {currency}, at {usd} dollars"))?;
    }
    if !view.lines.is_empty() {
        output.table(&line_table(&view.lines))?;
    }
    adjustments::applied(&view.adjustments, output)?;
    output.line(&format!("charged    {}", dollars(&view.charge)))?;
    if let Some(repriced) = &view.repriced {
        output.line(&format!("comes to   {}{}", dollars(repriced), if view.same { ", the same" } else { "" }))?;
    }
    match &view.why {
        Some(why) if view.repriced.is_some() => output.message(&format!("they differ: {why}"))?,
        Some(why) => output.message(&format!("it can't be computed again: {why}"))?,
        None => {}
    }
    Ok(exit)
}

/// What each quantity comes to; with what was prepaid of it where something was.
fn line_table(lines: &[RepricedLine]) -> Table {
    let prepaid = lines.iter().any(|line| line.prepaid.is_some());
    let all = ["meter", "quantity", "of it free", "prepaid", "charge"];
    let titles: Vec<&str> = all.into_iter().filter(|title| prepaid || *title != "prepaid").collect();
    let mut table = Table::new(&titles);
    for line in lines {
        let mut cells = vec![line.meter.clone(), line.quantity.clone(), line.free.clone()];
        cells.extend(prepaid.then(|| or_dash(line.prepaid.as_deref())));
        cells.push(dollars(&line.charge));
        table.row(cells);
    }
    table
}

fn cost(candidate: &CandidateView) -> Option<Money> {
    candidate.cost.as_deref()?.parse().ok()
}

fn answered(receipt: &ReceiptView, candidate: &CandidateView) -> bool {
    receipt.venue.as_ref() == Some(&candidate.venue) && receipt.deployment.as_ref() == Some(&candidate.deployment)
}

fn tried(receipt: &ReceiptView, candidate: &CandidateView) -> bool {
    let same =
        |attempt: &AttemptView| (&attempt.venue, &attempt.deployment) == (&candidate.venue, &candidate.deployment);
    receipt.attempts.iter().any(same)
}
