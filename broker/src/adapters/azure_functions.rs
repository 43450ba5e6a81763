//! Venues at Azure Functions.

use std::sync::Arc;
use std::time::Duration;

use merit_config::{AzureEntra, AzureFunctions, AzureIdentity, Config, Secret};
use merit_venue::Venue;
use merit_venue_azure_functions::{AzureConfig, AzureVenue, Entra, EntraFrom};

use super::{http2, max_connections};

pub(super) fn adapter(
    venue: &merit_config::Venue,
    own: &AzureFunctions,
    config: &Config,
) -> Result<Arc<dyn Venue>, String> {
    let made = AzureVenue::try_new(azure_config(venue, own, config)).map_err(|errors| errors.to_string())?;
    Ok(Arc::new(made))
}

fn azure_config(venue: &merit_config::Venue, own: &AzureFunctions, config: &Config) -> AzureConfig {
    let text = |url: &Option<http::Uri>| url.as_ref().map(ToString::to_string);
    let defaults = AzureConfig::new(venue.region.as_str());
    AzureConfig {
        function_key: own.function_key.as_ref().map(exposed),
        app_keys: own.app_keys.iter().map(|(app, key)| (app.clone(), exposed(key))).collect(),
        entra: own.entra.as_ref().map(entra),
        endpoint_url: text(&own.endpoint_url),
        target_hosts: own.target_hosts.clone(),
        durable: own.durable,
        assumed_memory: own.assumed_memory,
        round_trip: Duration::from_millis(own.round_trip_ms),
        subscription: own.subscription.clone(),
        resource_group: own.resource_group.clone(),
        apps: own.apps.clone(),
        arm_url: text(&own.arm_url),
        connect_timeout: Duration::from_millis(venue.connect_timeout_ms),
        first_byte_timeout: Duration::from_millis(venue.first_byte_timeout_ms).min(defaults.first_byte_timeout),
        whole_timeout: Duration::from_millis(venue.timeout_ms),
        max_request_bytes: config.server.max_payload_bytes,
        max_reply_bytes: config.server.max_reply_bytes,
        max_connections: max_connections(venue),
        ca_pem: own.ca_file.clone(),
        http2: own.http2.as_ref().map(http2),
        credentials_retry: Duration::from_millis(own.credentials_retry_ms),
        ..defaults
    }
}

fn entra(own: &AzureEntra) -> Entra {
    let given = |secret: &Option<Secret>| secret.as_ref().map(exposed);
    let from = match &own.identity {
        AzureIdentity::ClientSecret { tenant, client_id, client_secret } => EntraFrom::ClientSecret {
            tenant: exposed(tenant),
            client_id: exposed(client_id),
            client_secret: exposed(client_secret),
        },
        AzureIdentity::Workload { tenant, client_id, token_file } => {
            EntraFrom::Workload { tenant: given(tenant), client_id: given(client_id), token_file: token_file.clone() }
        }
        AzureIdentity::Managed { client_id } => EntraFrom::Managed { client_id: given(client_id) },
    };
    Entra { scope: own.scope.clone(), from, authority_url: own.authority_url.as_ref().map(ToString::to_string) }
}

fn exposed(secret: &Secret) -> String {
    secret.expose().to_owned()
}
