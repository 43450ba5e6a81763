//! Adapters from the configuration: the one place that knows every kind of venue, a file for each.

mod aws_lambda;
mod http;

use std::sync::Arc;

use merit_config::{Config, VenueKind};
use merit_venue::{Meters, Venue};

pub(crate) use http::provider_http;

/// What reaches a venue.
///
/// # Errors
/// Every mistake the adapter finds in its configuration.
pub(crate) async fn adapter(venue: &merit_config::Venue, config: &Config) -> Result<Arc<dyn Venue>, String> {
    match &venue.kind {
        VenueKind::Http(own) => http::adapter(venue, own, config),
        VenueKind::AwsLambda(own) => aws_lambda::adapter(venue, own, config).await,
        VenueKind::Provider(_) => unreachable!("invariant: a provider's adapter lives with the provider"),
    }
}

fn max_connections(venue: &merit_config::Venue) -> u32 {
    u32::try_from(venue.max_connections).unwrap_or(u32::MAX)
}

/// Whose word on a call's usage counts there.
fn meters(venue: &merit_config::Venue) -> Meters {
    match venue.meters {
        merit_config::Meters::Reported => Meters::Reported,
        merit_config::Meters::OwnClock => Meters::OwnClock,
    }
}
