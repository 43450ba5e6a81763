//! Calls of tests beside the cards.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::server::PATIENCE;
use crate::{Call, Target, Venue};

/// A target.
///
/// # Panics
/// When it is none.
#[must_use]
pub fn target(text: &str) -> Arc<Target> {
    Arc::new(Target::try_new(text).expect("a target"))
}

/// A call of the function `resize` at that target, with ten seconds left and nothing beside the payload.
///
/// # Panics
/// When that is no target.
#[must_use]
pub fn call_of(at: &str, payload: &'static str) -> Call {
    Call {
        invocation: "0199f0a2-7c1e-7fff-bfff-ffffffffffff".parse().expect("an id"),
        attempt: 1,
        function: "resize".parse().expect("a name"),
        target: target(at),
        payload: payload.into(),
        content_type: None,
        traceparent: None,
        tracestate: None,
        deadline: Instant::now() + Duration::from_secs(10),
        lambda: None,
        http: None,
    }
}

/// Waits until the venue says that it is ready, or that it is not.
///
/// # Panics
/// When it does not come to that in time.
pub async fn until_ready(venue: &dyn Venue, ready: bool) {
    let reached = async {
        while venue.unready().is_none() != ready {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, reached).await.expect("it comes to that in time");
}
