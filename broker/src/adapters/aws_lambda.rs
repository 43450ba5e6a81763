//! Venues at AWS Lambda.

use std::sync::Arc;
use std::time::Duration;

use merit_config::{AwsLambda, Config};
use merit_venue::Venue;
use merit_venue_aws_lambda::{AssumeRole, CredentialsFrom, LambdaConfig, LambdaVenue};

use super::meters;
use super::reach::reach;
use crate::clock::unix_seconds;

pub(super) async fn adapter(
    venue: &merit_config::Venue,
    own: &AwsLambda,
    config: &Config,
) -> Result<Arc<dyn Venue>, String> {
    let made = LambdaVenue::try_new(lambda_config(venue, own, config)).await;
    Ok(Arc::new(made.map_err(|errors| errors.to_string())?))
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
        reach: reach(venue, own.credentials_retry_ms),
        whole_timeout: Duration::from_millis(venue.timeout_ms),
        max_request_bytes: config.server.max_payload_bytes,
        max_reply_bytes: config.server.max_reply_bytes,
        meters: meters(venue),
        streaming: own.streaming,
        credentials_retry: Duration::from_millis(own.credentials_retry_ms),
        ..LambdaConfig::new(venue.region.as_str(), unix_seconds)
    }
}
