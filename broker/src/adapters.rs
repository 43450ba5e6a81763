//! Adapters from the configuration: the one place that knows every kind of venue.

use std::sync::Arc;
use std::time::Duration;

use merit_config::{AwsLambda, Config, Http, ProviderVenue, VenueKind};
use merit_venue::Venue;
use merit_venue_aws_lambda::{AssumeRole, CredentialsFrom, LambdaConfig, LambdaVenue};
use merit_venue_http::{HttpConfig, HttpVenue};

/// What reaches a venue.
///
/// # Errors
/// Every mistake the adapter finds in its configuration.
pub(crate) async fn adapter(venue: &merit_config::Venue, config: &Config) -> Result<Arc<dyn Venue>, String> {
    match &venue.kind {
        VenueKind::Http(own) => {
            let made = HttpVenue::try_new(http_config(venue, own, config)).map_err(|errors| errors.to_string())?;
            Ok(Arc::new(made))
        }
        VenueKind::AwsLambda(own) => {
            let made = LambdaVenue::try_new(lambda_config(venue, own, config)).await;
            Ok(Arc::new(made.map_err(|errors| errors.to_string())?))
        }
        VenueKind::Provider(_) => unreachable!("invariant: a provider's adapter lives with the provider"),
    }
}

fn max_connections(venue: &merit_config::Venue) -> u32 {
    u32::try_from(venue.max_connections).unwrap_or(u32::MAX)
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
        meters: match venue.meters {
            merit_config::Meters::Reported => merit_venue_http::Meters::Reported,
            merit_config::Meters::OwnClock => merit_venue_http::Meters::OwnClock,
        },
        ..HttpConfig::new(String::new())
    }
}

fn lambda_config(venue: &merit_config::Venue, own: &AwsLambda, config: &Config) -> LambdaConfig {
    let credentials = match &own.keys {
        None => CredentialsFrom::Default { profile: own.profile.clone() },
        Some(keys) => CredentialsFrom::Keys {
            access_key_id: keys.access_key_id.expose().to_owned(),
            secret_access_key: keys.secret_access_key.expose().to_owned(),
            session_token: keys.session_token.as_ref().map(|token| token.expose().to_owned()),
        },
    };
    let assume_role = own.role_arn.as_ref().map(|role| AssumeRole {
        role_arn: role.clone(),
        external_id: own.external_id.clone(),
        sts_endpoint_url: own.sts_endpoint_url.as_ref().map(ToString::to_string),
    });
    LambdaConfig {
        account: own.account.clone(),
        credentials,
        assume_role,
        endpoint_url: own.endpoint_url.as_ref().map(ToString::to_string),
        connect_timeout: Duration::from_millis(venue.connect_timeout_ms),
        first_byte_timeout: Duration::from_millis(venue.first_byte_timeout_ms),
        whole_timeout: Duration::from_millis(venue.timeout_ms),
        max_request_bytes: config.server.max_payload_bytes,
        max_reply_bytes: config.server.max_reply_bytes,
        max_connections: max_connections(venue),
        meters: match venue.meters {
            merit_config::Meters::Reported => merit_venue_aws_lambda::Meters::Reported,
            merit_config::Meters::OwnClock => merit_venue_aws_lambda::Meters::OwnClock,
        },
        streaming: own.streaming,
        credentials_retry: Duration::from_millis(own.credentials_retry_ms),
        ..LambdaConfig::new(venue.region.as_str())
    }
}
