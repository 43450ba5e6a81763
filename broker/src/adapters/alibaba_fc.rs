//! Venues at Alibaba Function Compute.

use std::sync::Arc;
use std::time::Duration;

use merit_config::{AlibabaFc, Config};
use merit_venue::Venue;
use merit_venue_alibaba_fc::{AsyncReplies, FcConfig, FcVenue, Keys};

use super::meters;
use super::reach::reach;
use crate::clock::unix_seconds;

pub(super) fn adapter(venue: &merit_config::Venue, own: &AlibabaFc, config: &Config) -> Result<Arc<dyn Venue>, String> {
    let keys = own.keys.as_ref().map(|keys| Keys {
        access_key_id: keys.id.expose().to_owned(),
        access_key_secret: keys.secret.expose().to_owned(),
        security_token: keys.token.as_ref().map(|token| token.expose().to_owned()),
    });
    let made = FcVenue::try_new(FcConfig {
        account: own.account.clone(),
        endpoint_url: own.endpoint_url.as_ref().map(ToString::to_string),
        keys,
        trigger_hosts: own.trigger_hosts.clone(),
        sign_triggers: own.sign_triggers,
        async_replies: own.async_payloads.map(|told| if told { AsyncReplies::Payload } else { AsyncReplies::Empty }),
        reach: reach(venue, own.credentials_retry_ms),
        whole_timeout: Duration::from_millis(venue.timeout_ms),
        max_request_bytes: config.server.max_payload_bytes,
        max_reply_bytes: config.server.max_reply_bytes,
        meters: meters(venue),
        credentials_retry: Duration::from_millis(own.credentials_retry_ms),
        ..FcConfig::new(venue.region.as_str(), unix_seconds)
    });
    Ok(Arc::new(made.map_err(|errors| errors.to_string())?))
}
