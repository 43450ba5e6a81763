//! Domain types as the wire has them.

mod catalog;
mod committed;
mod equivalence;

use std::collections::BTreeMap;

use merit_ledger::Balance;
use merit_market::{HealthState, Slot};
use merit_store::record::{self, GroupBy, KeyRow, SpendQuery};
use merit_units::{DeploymentId, Month, Timestamp};
use merit_wire::{
    AdjustmentView, AskView, BeyondCallsRow, BudgetView, DeploymentView, FunctionSpec, FunctionView, KeyView,
    SpendReport, SpendRow, VenueView,
};

use crate::Broker;
use crate::adjustments;
use crate::clock::rfc3339;
use crate::function::{Deployment, Function, View};
use crate::receipt::millis;
use crate::venue::VenueEntry;

pub(super) use catalog::{catalog, catalog_history, refreshed};
pub(super) use equivalence::{divergence, equal, quarantined, replays, sample};

/// One ask of a book.
pub(super) fn ask(broker: &Broker, view: &View, row: usize, value_of_time: i64, now: Timestamp) -> AskView {
    let (ask, slot, deployment) = (&view.book.asks()[row], &view.book.slots()[row], view.deployment(row));
    let room = slot.room();
    let score = i64::try_from(ask.score_pico(value_of_time)).unwrap_or(i64::MAX);
    AskView {
        venue: deployment.venue.id.to_string(),
        deployment: deployment.id.to_string(),
        cost: view.cost(row).to_string(),
        score: merit_units::Money::from_pico(score.into()).to_string(),
        latency_ms_p50: millis(ask.latency_p50),
        latency_ms_p95: millis(ask.latency_p95),
        basis: view.grounds(row),
        samples: ask.samples,
        capacity: room.cap,
        in_flight: room.in_flight,
        health: health(broker, slot, now).to_owned(),
        sheet: deployment.prices.sheet().map_or_else(String::new, |sheet| sheet.name().to_string()),
        region: deployment.venue.region.to_string(),
        isolation: ask.isolation.to_string(),
        architecture: ask.architecture.to_string(),
        list_cost: view.list_cost(row).map(|cost| cost.to_string()),
        adjustments: adjustments::in_words(&deployment.prices, view.prices(row)),
        rule: deployment.offer.as_ref().and_then(|offer| offer.rule()),
    }
}

fn health(broker: &Broker, slot: &Slot, now: Timestamp) -> &'static str {
    match slot.health(now, &broker.settings.load().market) {
        HealthState::Healthy => "healthy",
        HealthState::Recovering { .. } => "recovering",
        HealthState::Ejected { .. } => "ejected",
        HealthState::Probation => "probation",
    }
}

/// A function with what is known of its deployments.
pub(super) fn function(broker: &Broker, function: &Function, now: Timestamp) -> FunctionView {
    FunctionView {
        name: function.id.to_string(),
        idempotent: function.idempotent,
        class: function.class.as_deref().map(str::to_owned),
        timeout_ms: function.timeout.millis_ceil(),
        value_of_time: function.value_of_time.to_string(),
        equivalence: function.equality.demand.word().to_owned(),
        digest: function.equality.digest.as_deref().map(str::to_owned),
        compare: function.equality.compare.word().to_owned(),
        shadow_ppm: function.equality.shadow_ppm.unwrap_or_else(|| broker.settings.load().equivalence.shadow_ppm),
        events: function.events.spec(),
        deployments: function
            .deployments
            .iter()
            .map(|deployment| (deployment.id.to_string(), deployment_view(broker, function, deployment, now)))
            .collect(),
    }
}

fn deployment_view(broker: &Broker, function: &Function, deployment: &Deployment, now: Timestamp) -> DeploymentView {
    let quarantine = broker.equivalence.quarantine_of(&function.id, &deployment.id);
    DeploymentView {
        spec: deployment.spec(),
        health: health(broker, &deployment.slot, now).to_owned(),
        samples: deployment.profile().samples(),
        in_flight: deployment.slot.room().in_flight,
        equal: equal(broker, function, deployment),
        quarantined: quarantine.map(|quarantine| quarantine.why),
    }
}

/// A function as it is stored: its own part, and each deployment's.
pub(super) fn stored(spec: &FunctionSpec) -> (String, BTreeMap<DeploymentId, String>) {
    let own = FunctionSpec { deployments: None, ..spec.clone() };
    let deployments = spec.deployments.iter().flatten().filter_map(|(name, deployment)| {
        let id = DeploymentId::try_new(name).ok()?;
        Some((id, json(deployment)))
    });
    (json(&own), deployments.collect())
}

fn json(spec: &impl serde::Serialize) -> String {
    serde_json::to_string(spec).expect("invariant: a specification is serialisable")
}

/// A venue as it stands.
pub(super) fn venue(broker: &Broker, venue: &VenueEntry, now: Timestamp) -> VenueView {
    let in_force = venue.prices.in_force();
    let sheet = in_force.sheet();
    let room = venue.slots.room();
    let names = venue.functions();
    let functions = names.iter().filter_map(|name| broker.functions.get(name.as_str()).ok());
    let here =
        |function: &Function| function.places().iter().filter(|deployment| deployment.venue.id == venue.id).count();
    let deployments: usize = functions.map(|function| here(&function)).sum();
    let unpriced = || {
        let why = in_force.ineligible(now)?;
        Some(broker.why_unpriced(&in_force).unwrap_or_else(|| merit_market::Exclusion::from(why).to_string()))
    };
    let killed = venue.provider.iter().flat_map(|provider| provider.kill_view().killed);
    let killed = killed.map(|switch| format!("the {}'s kill switch is on: {}", switch.by, switch.why)).next();
    let why = killed.or_else(|| venue.adapter.unready().map(|why| why.to_string())).or_else(unpriced);
    VenueView {
        name: venue.id.to_string(),
        kind: venue.adapter.kind().to_owned(),
        region: venue.region.to_string(),
        isolation: venue.isolation.to_string(),
        sheet: sheet.map(|sheet| sheet.name().to_string()),
        sheet_seq: sheet.map_or(0, merit_pricing::PriceSheet::seq),
        sheet_source: sheet.map(|sheet| sheet.source().title.clone()),
        sheet_retrieved: sheet.map(|sheet| sheet.source().retrieved.to_string()),
        honesty_percent: venue.provider.as_ref().and_then(|provider| provider.honesty_percent()),
        trial: venue.provider.as_ref().and_then(|provider| provider.trial_view()),
        price_warning: sheet.and_then(|sheet| broker.price_warning(sheet, now)),
        adjustments: adjustments_of(broker, venue, now),
        committed: committed::of(broker, venue),
        ineligible: why,
        deployments: u32::try_from(deployments).unwrap_or(u32::MAX),
        in_flight: room.in_flight,
    }
}

/// What is agreed for a venue.
fn adjustments_of(broker: &Broker, venue: &VenueEntry, now: Timestamp) -> Vec<AdjustmentView> {
    if venue.prices.agreed().is_empty() {
        return Vec::new();
    }
    let all = broker.adjustments(now).into_iter();
    all.filter(|adjustment| adjustment.venues.iter().any(|own| own == venue.id.as_str())).collect()
}

/// An account's budget.
pub(super) fn budget(account: &str, month: Month, balance: &Balance) -> BudgetView {
    BudgetView {
        account: account.to_owned(),
        month: month.to_string(),
        hard: balance.budget.hard.map(|limit| limit.to_string()),
        soft: balance.budget.soft.map(|limit| limit.to_string()),
        spent: balance.spent.to_string(),
        held: balance.held.to_string(),
        available: balance.available().map(|left| left.to_string()),
    }
}

/// A key without its secret.
pub(super) fn key(key: &KeyRow) -> KeyView {
    KeyView {
        id: key.id.to_string(),
        account: key.account.to_string(),
        roles: key.roles.split(',').map(str::to_owned).collect(),
        venues: key.venues.iter().map(ToString::to_string).collect(),
        note: key.note.clone(),
        created_at: rfc3339(key.created_at),
        revoked_at: key.revoked_at.map(rfc3339),
        aws: key.sealed_secret.is_some(),
    }
}

/// A spend report.
pub(super) fn spend(query: &SpendQuery, rows: &[record::SpendRow], beyond_calls: Vec<BeyondCallsRow>) -> SpendReport {
    SpendReport {
        from: rfc3339(query.from),
        to: rfc3339(query.to),
        total: rows.iter().map(|row| row.charge).sum::<merit_units::Money>().to_string(),
        rows: rows.iter().map(|row| spend_row(query, row)).collect(),
        beyond_calls,
    }
}

fn spend_row(query: &SpendQuery, row: &record::SpendRow) -> SpendRow {
    let name = |group: &GroupBy| match group {
        GroupBy::Function => "function".to_owned(),
        GroupBy::Venue => "venue".to_owned(),
        GroupBy::Account => "account".to_owned(),
        GroupBy::Tag(key) => format!("tag:{key}"),
    };
    SpendRow {
        at: row.at.map(rfc3339),
        group: query.group_by.iter().map(name).zip(row.group.iter().cloned()).collect(),
        calls: row.calls,
        failed: row.failed,
        charge: row.charge.to_string(),
        corrected: (row.corrected != merit_units::Money::ZERO).then(|| row.corrected.to_string()),
        estimated: (row.estimated != merit_units::Money::ZERO).then(|| row.estimated.to_string()),
        estimate: row.estimate.to_string(),
        explored: row.explored.to_string(),
    }
}
