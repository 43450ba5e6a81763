//! What is agreed with providers besides their price lists, told: in words beside a quote, as it stands, and as what it
//! did to a charge.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use merit_pricing::{Adjustment, AdjustmentKind, Balance, Renewed, Standing, percent};
use merit_units::{Exact, Quantity, Timestamp, VenueId};
use merit_wire::{AdjustmentView, AppliedView};

use crate::Broker;
use crate::prices::{InForce, Prices};
use crate::receipt::{Applied, What};

impl Broker {
    /// Every adjustment as it stands, in order of name.
    #[must_use]
    pub fn adjustments(&self, now: Timestamp) -> Vec<AdjustmentView> {
        let (settings, directory) = (self.settings.load(), self.directory.load());
        let mut views: Vec<AdjustmentView> = Vec::new();
        for (venue, agreed) in &settings.adjustments {
            let Some(entry) = directory.venues.get(venue) else { continue };
            let standings = entry.prices.balances(agreed);
            for adjustment in agreed.iter() {
                match views.iter_mut().find(|known| known.name == adjustment.name.as_str()) {
                    Some(known) => known.venues.push(venue.to_string()),
                    None => views.push(view(adjustment, venue, standing(&standings, adjustment), now)),
                }
            }
        }
        views.sort_by(|a, b| a.name.cmp(&b.name));
        views
    }

    /// The share that is left of each package and commitment, by name; for graphs.
    #[must_use]
    pub fn adjustments_left(&self) -> BTreeMap<String, f64> {
        let (settings, directory) = (self.settings.load(), self.directory.load());
        let venues =
            settings.adjustments.iter().filter_map(|(venue, agreed)| Some((directory.venues.get(venue)?, agreed)));
        let standings = venues.flat_map(|(venue, agreed)| venue.prices.balances(agreed));
        standings.map(|(adjustment, standing)| (adjustment.name.to_string(), share_left(&standing))).collect()
    }
}

/// The adjustments that hold for a price, in words with what is left of them.
#[must_use]
pub fn in_words(prices: &Prices, in_force: &InForce) -> Vec<String> {
    let Some(adjustments) = in_force.adjustments() else { return Vec::new() };
    let standings = prices.balances(adjustments);
    let words = |adjustment: &Adjustment| match standing(&standings, adjustment) {
        Some(standing) => format!("{adjustment}, {} left", text(standing.left)),
        None => adjustment.to_string(),
    };
    adjustments.iter().map(words).collect()
}

/// What stands in a receipt, as the wire has it.
#[must_use]
pub fn applied(applied: &Applied<'_>) -> AppliedView {
    let (kind, amount, unit, meters) = match &applied.what {
        What::Discount { off_ppm, meters } => ("discount", percent(*off_ppm).to_string(), "%", meters.as_slice()),
        What::Package { meter, quanta } => {
            ("package", text(Balance::Units(Quantity::from_quanta(*quanta))), *meter, &[][..])
        }
        What::Commitment { currency, atto, quanta } => {
            let covered = Exact::from_parts(*atto, *quanta).unwrap_or_default();
            ("commitment", text(Balance::Money(covered)), *currency, &[][..])
        }
    };
    AppliedView {
        name: applied.name.to_owned(),
        kind: kind.to_owned(),
        amount,
        unit: unit.to_owned(),
        meters: meters.iter().map(|meter| (*meter).to_owned()).collect(),
    }
}

fn standing(standings: &[(Adjustment, Standing)], adjustment: &Adjustment) -> Option<Standing> {
    standings.iter().find(|(known, _)| known.name == adjustment.name).map(|(_, standing)| *standing)
}

fn view(adjustment: &Adjustment, venue: &VenueId, standing: Option<Standing>, now: Timestamp) -> AdjustmentView {
    let state = if adjustment.holds_at(now) {
        "in-force"
    } else if now < adjustment.from.start() {
        "ahead"
    } else {
        "ended"
    };
    let mut view = AdjustmentView {
        name: adjustment.name.to_string(),
        kind: adjustment.kind.word().to_owned(),
        words: adjustment.kind.to_string(),
        venues: vec![venue.to_string()],
        from: adjustment.from.to_string(),
        until: adjustment.until.map(|until| until.to_string()),
        state: state.to_owned(),
        amount: String::new(),
        unit: String::new(),
        meters: Vec::new(),
        monthly: false,
        used_elsewhere: None,
        used: standing.map(|standing| text(standing.used)),
        left: standing.map(|standing| text(standing.left)),
    };
    match &adjustment.kind {
        AdjustmentKind::Discount { off_ppm, meters } => {
            (view.amount, view.unit) = (percent(*off_ppm).to_string(), "%".to_owned());
            view.meters = meters.iter().map(ToString::to_string).collect();
        }
        AdjustmentKind::Commitment { amount, elsewhere, currency, renewed } => {
            (view.amount, view.unit) = (amount.to_string(), currency.to_string());
            (view.used_elsewhere, view.monthly) = (Some(elsewhere.to_string()), *renewed == Renewed::Monthly);
        }
        AdjustmentKind::Package { meter, quantity, elsewhere, renewed } => {
            (view.amount, view.unit) = (quantity.to_string(), meter.to_string());
            (view.used_elsewhere, view.monthly) = (Some(elsewhere.to_string()), *renewed == Renewed::Monthly);
        }
    }
    view
}

#[expect(clippy::cast_precision_loss, reason = "graphs need no more than 53 bits")]
fn share_left(standing: &Standing) -> f64 {
    let size = |balance: Balance| match balance {
        Balance::Units(quantity) => quantity.quanta() as f64,
        Balance::Money(exact) => exact.parts().0 as f64,
    };
    let (left, used) = (size(standing.left), size(standing.used));
    if left > 0.0 { left / (left + used) } else { 0.0 }
}

/// As a decimal; money to the picounit.
fn text(balance: Balance) -> String {
    match balance {
        Balance::Units(quantity) => quantity.to_string(),
        Balance::Money(exact) => {
            exact.round_half_even().map_or_else(|error| error.to_string(), |money| money.to_string())
        }
    }
}
