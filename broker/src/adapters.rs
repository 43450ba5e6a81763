//! Adapters from the configuration: the one place that knows every kind of venue, a file for each.
//!
//! A build may leave kinds out (the features of this crate). Their configuration is refused before it comes here.

#[cfg(feature = "alibaba-fc")]
mod alibaba_fc;
#[cfg(feature = "aws-lambda")]
mod aws_lambda;
#[cfg(feature = "azure-functions")]
mod azure_functions;
#[cfg(feature = "cloudflare-workers")]
mod cloudflare_workers;
#[cfg(feature = "google-run")]
mod google_run;
mod http;
#[cfg(any(feature = "alibaba-fc", feature = "aws-lambda", feature = "cloudflare-workers", feature = "tencent-scf"))]
mod reach;
#[cfg(feature = "tencent-scf")]
mod tencent_scf;

use std::sync::Arc;
use std::time::Duration;

use merit_config::{Config, VenueKind};
use merit_venue::{Meters, Venue};
use merit_venue_http::Callbacks;

pub(crate) use http::provider_http;

/// What reaches a venue.
///
/// # Errors
/// Every mistake the adapter finds in its configuration.
pub(crate) async fn adapter(
    venue: &merit_config::Venue,
    config: &Config,
    callbacks: &Arc<Callbacks>,
) -> Result<Arc<dyn Venue>, String> {
    match &venue.kind {
        VenueKind::Http(own) => http::adapter(venue, own, config, callbacks),
        #[cfg(feature = "aws-lambda")]
        VenueKind::AwsLambda(own) => aws_lambda::adapter(venue, own, config).await,
        #[cfg(feature = "alibaba-fc")]
        VenueKind::AlibabaFc(own) => alibaba_fc::adapter(venue, own, config),
        #[cfg(feature = "google-run")]
        VenueKind::GoogleRun(own) => google_run::adapter(venue, own, config),
        #[cfg(feature = "azure-functions")]
        VenueKind::AzureFunctions(own) => azure_functions::adapter(venue, own, config),
        #[cfg(feature = "tencent-scf")]
        VenueKind::TencentScf(own) => tencent_scf::adapter(venue, own, config),
        #[cfg(feature = "cloudflare-workers")]
        VenueKind::CloudflareWorkers(own) => cloudflare_workers::adapter(venue, own, config),
        VenueKind::Provider(_) => unreachable!("invariant: a provider's adapter lives with the provider"),
        #[cfg(not(all(
            feature = "aws-lambda",
            feature = "alibaba-fc",
            feature = "google-run",
            feature = "azure-functions",
            feature = "tencent-scf",
            feature = "cloudflare-workers"
        )))]
        left_out => unreachable!("invariant: the configuration refuses {}, which is not built in", left_out.word()),
    }
}

fn max_connections(venue: &merit_config::Venue) -> u32 {
    u32::try_from(venue.max_connections).unwrap_or(u32::MAX)
}

/// How HTTP/2 is spoken where it is offered.
fn http2(own: &merit_config::Http2) -> merit_transport::Http2 {
    merit_transport::Http2 {
        calls: own.calls,
        window: own.window_bytes,
        ping: Duration::from_millis(own.ping_ms),
        ping_timeout: Duration::from_millis(own.ping_timeout_ms),
    }
}

/// Whose word on a call's usage counts there.
fn meters(venue: &merit_config::Venue) -> Meters {
    match venue.meters {
        merit_config::Meters::Reported => Meters::Reported,
        merit_config::Meters::OwnClock => Meters::OwnClock,
    }
}
