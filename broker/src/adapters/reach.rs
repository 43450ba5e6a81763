//! How the servers of clouds without an SDK are reached.

use std::time::Duration;

use merit_transport::Reach;

use super::max_connections;

pub(super) fn reach(venue: &merit_config::Venue, credentials_retry_ms: u64) -> Reach {
    Reach {
        connect_timeout: Duration::from_millis(venue.connect_timeout_ms),
        first_byte_timeout: Duration::from_millis(venue.first_byte_timeout_ms),
        max_connections: max_connections(venue),
        max_idle: max_connections(venue),
        // Gateways of clouds close idle connections after a minute; a little less is safe.
        idle_timeout: Duration::from_secs(20),
        unreachable_retry: Duration::from_millis(credentials_retry_ms),
        ..Reach::default()
    }
}
