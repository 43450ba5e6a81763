//! What is agreed with providers besides their price lists, in words.

use merit_wire::{AdjustmentView, AppliedView, AskView};

use crate::output::{Output, Table};
use crate::values::{or_dash, per_million};

/// How adjustments stand; nothing when there are none.
pub(super) fn standing(adjustments: &[AdjustmentView], output: &mut Output<'_>) -> std::io::Result<()> {
    if adjustments.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["adjustment", "agreed", "from", "until", "state", "left", "venues"]);
    for adjustment in adjustments {
        let left = adjustment.left.as_ref().map(|left| format!("{left} {}", adjustment.unit));
        table.row([
            adjustment.name.clone(),
            adjustment.words.clone(),
            adjustment.from.clone(),
            or_dash(adjustment.until.as_deref()),
            adjustment.state.clone(),
            or_dash(left.as_deref()),
            adjustment.venues.join(", "),
        ]);
    }
    output.table(&table)
}

/// The adjustments that hold for asks; nothing when none do.
pub(super) fn of_asks(asks: &[AskView], output: &mut Output<'_>) -> std::io::Result<()> {
    let adjusted: Vec<&AskView> = asks.iter().filter(|ask| !ask.adjustments.is_empty()).collect();
    if adjusted.is_empty() {
        return Ok(());
    }
    output.heading("adjusted")?;
    let mut table = Table::new(&["venue", "deployment", "per million by list", "adjustments"]);
    for ask in adjusted {
        let list = ask.list_cost.as_deref().map(per_million);
        let adjustments = ask.adjustments.join("; ");
        table.row([ask.venue.clone(), ask.deployment.clone(), or_dash(list.as_deref()), adjustments]);
    }
    output.table(&table)
}

/// What adjustments did to a charge, a line for each.
pub(super) fn applied(adjustments: &[AppliedView], output: &mut Output<'_>) -> std::io::Result<()> {
    for AppliedView { name, kind, amount, unit, meters } in adjustments {
        let what = match kind.as_str() {
            "discount" if meters.is_empty() => format!("{amount} {unit} off"),
            "discount" => format!("{amount} {unit} off {}", meters.join(" and ")),
            "package" => format!("{amount} {unit} were prepaid"),
            _ => format!("{amount} {unit} were committed"),
        };
        output.line(&format!("adjusted   {name}: {what}"))?;
    }
    Ok(())
}
