//! Venues of Cloudflare Workers, with what analytics know of their CPU time.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use merit_config::{CloudflareWorkers, Config};
use merit_transport::Reach;
use merit_units::Micros;
use merit_venue::Venue;
use merit_venue_cloudflare_workers::{AccessToken, Api, CpuEstimate, Secret, WorkersConfig, WorkersVenue};

use super::http2;
use super::reach::reach;

pub(super) fn adapter(
    venue: &merit_config::Venue,
    own: &CloudflareWorkers,
    config: &Config,
) -> Result<Arc<dyn Venue>, String> {
    let secret = |value: &merit_config::Secret| Secret(value.expose().to_owned());
    let by_script = own.cpu_file.as_deref().map_or_else(|| Ok(BTreeMap::new()), analytics)?;
    let access = own.tokens.access.as_ref();
    let scripts = own.account_id.as_ref().zip(own.tokens.api_token.as_ref());
    let made = WorkersVenue::try_new(WorkersConfig {
        base_url: own.url.as_ref().map(ToString::to_string),
        subdomain: own.subdomain.clone(),
        target_hosts: own.target_hosts.clone(),
        bearer_token: own.tokens.bearer_token.as_ref().map(secret),
        access_token: access
            .map(|(id, own)| AccessToken { client_id: id.expose().to_owned(), client_secret: secret(own) }),
        api: scripts.map(|(id, token)| Api {
            account_id: id.clone(),
            token: secret(token),
            url: own.api_url.as_ref().map(ToString::to_string),
        }),
        cpu: CpuEstimate { by_script, any: own.cpu_us.map(Micros::new) },
        reach: Reach { http2: own.http2.as_ref().map(http2), ..reach(venue, own.credentials_retry_ms) },
        whole_timeout: Duration::from_millis(venue.timeout_ms),
        max_request_bytes: config.server.max_payload_bytes,
        max_reply_bytes: config.server.max_reply_bytes,
        credentials_retry: Duration::from_millis(own.credentials_retry_ms),
    });
    Ok(Arc::new(made.map_err(|errors| errors.to_string())?))
}

/// The mean CPU time of each script in microseconds, from a file with an answer of Cloudflare's analytics.
fn analytics(file: &Path) -> Result<BTreeMap<String, u64>, String> {
    let shown = file.display();
    let text = std::fs::read(file).map_err(|error| format!("`cpu_file`: can't read {shown}: {error}"))?;
    merit_venue_cloudflare_workers::cpu_means(&text)
        .map_err(|why| format!("`cpu_file`: {shown} has no analytics: {why}"))
}
