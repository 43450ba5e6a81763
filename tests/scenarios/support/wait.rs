//! Waiting for a condition, never for a length of time.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// How long a condition may take before the test fails: far more than any takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks.
const POLL: Duration = Duration::from_millis(5);

/// Looks until there is something to see.
///
/// # Panics
/// After [`PATIENCE`], with `what` was waited for.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, look: impl FnMut() -> F) -> T {
    until_within(PATIENCE, what, look).await
}

/// [`until`] with its own patience.
pub(crate) async fn until_within<T, F: Future<Output = Option<T>>>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited {patience:?} in vain: {what}");
        tokio::time::sleep(POLL).await;
    }
}
