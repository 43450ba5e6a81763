//! Venues at Google Cloud Run.

use std::sync::Arc;
use std::time::Duration;

use merit_config::{Config, GoogleRun};
use merit_venue::Venue;
use merit_venue_google_run::{CredentialsFrom, GoogleRunConfig, GoogleRunVenue};

use super::{http2, max_connections};

pub(super) fn adapter(venue: &merit_config::Venue, own: &GoogleRun, config: &Config) -> Result<Arc<dyn Venue>, String> {
    let made = GoogleRunVenue::try_new(google_config(venue, own, config)).map_err(|errors| errors.to_string())?;
    Ok(Arc::new(made))
}

fn google_config(venue: &merit_config::Venue, own: &GoogleRun, config: &Config) -> GoogleRunConfig {
    let text = |url: &Option<http::Uri>| url.as_ref().map(ToString::to_string);
    let credentials = match (&own.credentials_file, &own.metadata_url) {
        (Some(file), _) => CredentialsFrom::File(file.clone()),
        (None, Some(url)) => CredentialsFrom::Metadata { endpoint_url: Some(url.to_string()) },
        (None, None) => CredentialsFrom::Default,
    };
    GoogleRunConfig {
        project: own.project.clone(),
        credentials,
        audience: own.audience.clone(),
        endpoint_url: text(&own.endpoint_url),
        api_endpoint_url: text(&own.api_endpoint_url),
        target_hosts: own.target_hosts.clone(),
        round_trip: Duration::from_millis(own.round_trip_ms),
        connect_timeout: Duration::from_millis(venue.connect_timeout_ms),
        first_byte_timeout: Duration::from_millis(venue.first_byte_timeout_ms),
        whole_timeout: Duration::from_millis(venue.timeout_ms),
        max_request_bytes: config.server.max_payload_bytes,
        max_reply_bytes: config.server.max_reply_bytes,
        max_connections: max_connections(venue),
        ca_pem: own.ca_file.clone(),
        http2: own.http2.as_ref().map(http2),
        credentials_retry: Duration::from_millis(own.credentials_retry_ms),
        ..GoogleRunConfig::new(venue.region.as_str())
    }
}
