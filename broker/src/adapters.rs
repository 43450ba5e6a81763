//! Adapters from the configuration: the one place that knows every kind of venue, a file for each.

mod alibaba_fc;
mod aws_lambda;
mod azure_functions;
mod cloudflare_workers;
mod google_run;
mod http;
mod tencent_scf;

use std::sync::Arc;
use std::time::Duration;

use merit_config::{Config, VenueKind};
use merit_transport::Reach;
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
        VenueKind::AlibabaFc(own) => alibaba_fc::adapter(venue, own, config),
        VenueKind::GoogleRun(own) => google_run::adapter(venue, own, config),
        VenueKind::AzureFunctions(own) => azure_functions::adapter(venue, own, config),
        VenueKind::TencentScf(own) => tencent_scf::adapter(venue, own, config),
        VenueKind::CloudflareWorkers(own) => cloudflare_workers::adapter(venue, own, config),
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

/// How the servers of a cloud are reached.
fn reach(venue: &merit_config::Venue) -> Reach {
    Reach {
        connect_timeout: Duration::from_millis(venue.connect_timeout_ms),
        first_byte_timeout: Duration::from_millis(venue.first_byte_timeout_ms),
        max_connections: max_connections(venue),
        max_idle: max_connections(venue),
        // Gateways of clouds close idle connections after a minute; a little less is safe.
        idle_timeout: Duration::from_secs(20),
        ..Reach::default()
    }
}
