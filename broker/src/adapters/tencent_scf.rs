//! Venues at Tencent SCF.

use std::sync::Arc;
use std::time::Duration;

use merit_config::{Config, TencentScf};
use merit_venue::Venue;
use merit_venue_tencent_scf::{Action, Events, Keys, ScfConfig, ScfVenue};

use super::meters;
use super::reach::reach;
use crate::clock::unix_seconds;

pub(super) fn adapter(
    venue: &merit_config::Venue,
    own: &TencentScf,
    config: &Config,
) -> Result<Arc<dyn Venue>, String> {
    let keys = own.keys.as_ref().map(|keys| Keys {
        secret_id: keys.id.expose().to_owned(),
        secret_key: keys.secret.expose().to_owned(),
        token: keys.token.as_ref().map(|token| token.expose().to_owned()),
    });
    let made = ScfVenue::try_new(ScfConfig {
        endpoint_url: own.endpoint_url.as_ref().map(ToString::to_string),
        keys,
        action: if own.older_action { Action::Invoke } else { Action::InvokeFunction },
        events: if own.gateway_events { Events::Gateway } else { Events::Json },
        reach: reach(venue, own.credentials_retry_ms),
        whole_timeout: Duration::from_millis(venue.timeout_ms),
        max_request_bytes: config.server.max_payload_bytes,
        max_reply_bytes: config.server.max_reply_bytes,
        meters: meters(venue),
        credentials_retry: Duration::from_millis(own.credentials_retry_ms),
        ..ScfConfig::new(venue.region.as_str(), unix_seconds)
    });
    Ok(Arc::new(made.map_err(|errors| errors.to_string())?))
}
