//! Venues behind plain HTTP, and the endpoints of providers.

use std::sync::Arc;
use std::time::Duration;

use merit_config::{Config, Http, ProviderVenue};
use merit_venue::Venue;
use merit_venue_http::{CallbackDoor, Callbacks, HttpConfig, HttpVenue, Knative, OpenFaas, Preset};

use super::{http2, max_connections, meters};

pub(super) fn adapter(
    venue: &merit_config::Venue,
    own: &Http,
    config: &Config,
    callbacks: &Arc<Callbacks>,
) -> Result<Arc<dyn Venue>, String> {
    let door = config.server.callback_url.as_ref().map(|url| CallbackDoor {
        url: format!("{}/v1/callbacks/", url.to_string().trim_end_matches('/')),
        callbacks: Arc::clone(callbacks),
    });
    let own = HttpConfig { callbacks: door, ..http_config(venue, own, config) };
    let made = HttpVenue::try_new(own).map_err(|errors| errors.to_string())?;
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
        http2: own.http2.as_ref().map(http2),
        gateway_checks_credentials: own.gateway_checks_credentials,
        credentials_retry: Duration::from_millis(own.credentials_retry_ms),
        preset: own.preset.as_ref().map(preset),
        ..any_http(venue, config)
    }
}

fn preset(own: &merit_config::Preset) -> Preset {
    match own {
        merit_config::Preset::OpenFaas(own) => Preset::OpenFaas(OpenFaas {
            gateway: own.gateway.as_ref().map(|(user, word)| (user.expose().to_owned(), word.expose().to_owned())),
            namespace: own.namespace.clone(),
        }),
        merit_config::Preset::Knative(own) => {
            let token = |token: &Option<merit_config::Secret>| token.as_ref().map(|token| token.expose().to_owned());
            Preset::Knative(Knative {
                namespace: own.namespace.clone(),
                domain: own.domain.clone(),
                events: own.events.clone(),
                api: own.api.as_ref().map(|(url, secret)| (url.to_string(), token(secret))),
            })
        }
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
