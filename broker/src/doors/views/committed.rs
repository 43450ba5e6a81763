//! What instances cost that are kept at a venue whether calls come or not.
//!
//! Invariant: it is told beside what is charged and is part of no charge and no sum of charges.
//!
//! Known limitation: it is a month of 730 hours without calls. Where kept instances are billed only while they idle, as Cloud
//! Run's are, calls make it less.

use merit_pricing::{Adjustments, Usage, Workload, price_month};
use merit_wire::CommittedView;

use crate::Broker;
use crate::function::{Deployment, Function};
use crate::venue::VenueEntry;

/// Of each deployment that keeps some, in order of function and deployment.
pub(super) fn of(broker: &Broker, venue: &VenueEntry) -> Vec<CommittedView> {
    let names = venue.functions();
    let functions = names.iter().filter_map(|name| broker.functions.find(name.as_str()));
    let mut committed: Vec<CommittedView> = functions
        .flat_map(|function| {
            let here = function.deployments.iter().filter(|one| one.venue.id == venue.id && one.kept > 0);
            here.map(|one| view(&function, one)).collect::<Vec<_>>()
        })
        .collect();
    committed.sort_by(|a, b| (&a.function, &a.deployment).cmp(&(&b.function, &b.deployment)));
    committed
}

fn view(function: &Function, deployment: &Deployment) -> CommittedView {
    let sheet = deployment.prices.sheet();
    let cost = month(deployment);
    CommittedView {
        function: function.id.to_string(),
        deployment: deployment.id.to_string(),
        instances: deployment.kept,
        month_usd: cost.as_ref().ok().cloned(),
        sheet: sheet.map(|sheet| sheet.name().to_string()),
        why: cost.err(),
    }
}

/// Dollars for a month in which no call comes, or why that can't be told.
fn month(deployment: &Deployment) -> Result<String, String> {
    let sheet = deployment.prices.sheet().ok_or("it has no price sheet")?;
    if sheet.standing().next().is_none() {
        return Err(format!(
            "{} has no price for instances that are kept; give the deployment a `sheet` that has",
            sheet.name()
        ));
    }
    let rate = deployment.prices.in_force().rate();
    let rate = rate.ok_or_else(|| format!("there is no exchange rate for {}", sheet.currency()))?;
    let workload = Workload {
        size: deployment.size,
        usage: Usage::default(),
        calls: 0,
        cold_ppm: 0,
        warm_instances: deployment.kept,
    };
    let month = price_month(&sheet, &Adjustments::default(), &workload, rate).map_err(|error| error.to_string())?;
    Ok(month.usd.to_string())
}
