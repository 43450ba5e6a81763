//! Venues behind plain HTTP, and the endpoints of providers.

use std::sync::Arc;
use std::time::Duration;

use merit_config::{Config, Http, ProviderVenue};
use merit_venue::Venue;
use merit_venue_http::{HttpConfig, HttpVenue};

use super::{max_connections, meters};

pub(super) fn adapter(venue: &merit_config::Venue, own: &Http, config: &Config) -> Result<Arc<dyn Venue>, String> {
    let made = HttpVenue::try_new(http_config(venue, own, config)).map_err(|errors| errors.to_string())?;
    Ok(Arc::new(made))
}

fn http_config(venue: &merit_config::Venue, own: &Http, config: &Config) -> HttpConfig {
    HttpConfig {
        base_url: own.url.to_string(),
        headers: own
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        host: own.host.as_ref().map(ToString::to_string),
        allow_addresses: own.allow_addresses.clone(),
        private_addresses: own.private_addresses,
        target_hosts: own.target_hosts.clone(),
        ca_pem: own.ca_file.clone(),
        ..any_http(venue, config)
    }
}

/// How a provider's endpoint is reached, but for the endpoint, which the provider says.
pub(crate) fn provider_http(venue: &merit_config::Venue, own: &ProviderVenue, config: &Config) -> HttpConfig {
    HttpConfig {
        allow_addresses: own.allow_addresses.clone(),
        private_addresses: own.private_addresses,
        ..any_http(venue, config)
    }
}

fn any_http(venue: &merit_config::Venue, config: &Config) -> HttpConfig {
    HttpConfig {
        connect_timeout: Duration::from_millis(venue.connect_timeout_ms),
        first_byte_timeout: Duration::from_millis(venue.first_byte_timeout_ms),
        whole_timeout: Duration::from_millis(venue.timeout_ms),
        max_request_bytes: config.server.max_payload_bytes,
        max_reply_bytes: config.server.max_reply_bytes,
        max_streamed_bytes: config.server.max_streamed_bytes,
        max_connections: max_connections(venue),
        max_idle: max_connections(venue),
        meters: meters(venue),
        ..HttpConfig::new(String::new())
    }
}
