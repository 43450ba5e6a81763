//! What no section can check alone: bounds that another section sets, and deployments that are the same.

use merit_pricing::{Catalogue, Meter};
use merit_units::{FunctionId, VenueId};

use crate::adjustment;
use crate::reader::Reader;
use crate::{Compare, Config, Deployment, Function, Venue};

/// Records the mistakes between sections.
pub(crate) fn across(config: &Config, reader: &mut Reader<'_>) {
    let (count, max) = (config.functions.len(), config.limits.max_functions);
    if count > max {
        reader.mistake_at(&["functions"], format!("has {count} functions; limits.max_functions is {max}"));
    }
    let (callbacks, connections) = (config.server.max_callbacks, config.server.max_connections);
    if config.server.callback_url.is_some() && callbacks > connections / 2 {
        let message = format!(
            "is {callbacks}, more than half of max_connections, {connections}: callers that wait would keep callbacks out"
        );
        reader.mistake_at(&["server", "max_callbacks"], message);
    }
    for (name, venue) in &config.venues {
        check_month_to_date(name, venue, reader);
    }
    adjustment::check(config, reader);
    for (name, function) in &config.functions {
        let (count, max) = (function.deployments.len(), config.limits.max_deployments_per_function);
        if count > max {
            let message = format!("has {count} deployments; limits.max_deployments_per_function is {max}");
            reader.mistake_at(&["functions", name.as_str()], message);
        }
        if function.compare == Compare::Command && config.equivalence.compare_command.is_none() {
            let message = "is `command`, and equivalence.compare_command names no program".to_owned();
            reader.mistake_at(&["functions", name.as_str(), "compare"], message);
        }
        refuse_twins(name, function, reader);
        check_sizes(name, function, config, reader);
    }
}

/// What was used of a meter that the sheet does not bill would count for nothing.
fn check_month_to_date(venue_name: &VenueId, venue: &Venue, reader: &mut Reader<'_>) {
    if let (Some(name), [_, ..]) = (&venue.awaits, venue.month_to_date.as_slice()) {
        let message = format!(
            "the prices of {name} are not built in, so what was used cannot be counted before they are brought; leave it \
             out"
        );
        reader.mistake_at(&["venues", venue_name.as_str(), "month_to_date"], message);
    }
    let Some(sheet) = &venue.sheet else { return };
    for (meter, _) in &venue.month_to_date {
        if !sheet.billed_meters().any(|billed| billed == *meter) {
            let billed: Vec<&str> = sheet.billed_meters().map(Meter::name).collect();
            let message = format!("{} does not bill {meter}; it bills {}", sheet.name(), billed.join(", "));
            reader.mistake_at(&["venues", venue_name.as_str(), "month_to_date"], message);
        }
    }
}

/// A size that the price sheet does not sell would make every ask of the deployment ineligible.
fn check_sizes(name: &FunctionId, function: &Function, config: &Config, reader: &mut Reader<'_>) {
    for (id, deployment) in &function.deployments {
        let Some(venue) = config.venues.get(&deployment.venue) else { continue };
        // One whose prices are still to come sells the sizes of its family.
        let named = deployment.sheet.as_ref().or(venue.awaits.as_ref());
        let named = named.and_then(|sheet| Catalogue::builtin().like(sheet.as_str()));
        let Some(sheet) = named.or(venue.sheet.as_ref()) else { continue };
        if let Err(error) = sheet.check(&deployment.size(venue)) {
            let path = ["functions", name.as_str(), "deployments", id.as_str()];
            reader.mistake_at(&path, error.to_string());
        }
    }
}

/// Two deployments that are the same would share a place but count its capacity twice.
fn refuse_twins(name: &FunctionId, function: &Function, reader: &mut Reader<'_>) {
    let mut seen: Vec<(&str, &Deployment)> = Vec::new();
    for (id, deployment) in &function.deployments {
        if let Some((twin, _)) = seen.iter().find(|(_, other)| *other == deployment) {
            let path = ["functions", name.as_str(), "deployments", id.as_str()];
            let message = format!("is the same as `{twin}`, so its capacity would count twice; leave one of them out");
            reader.mistake_at(&path, message);
        }
        seen.push((id.as_str(), deployment));
    }
}
