//! Why a venue is left alone for a while: credentials that it refused, or an address that leads nowhere.
//!
//! What an operator has to mend is not tried again with every call. The venue says why it is unready, and after a while
//! one more call finds out whether it was mended.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::time::Instant;

use crate::{ErrorKind, VenueError};

/// The longest part of a reason that is kept, in characters.
const REASON_CHARS: usize = 300;

/// What stands against calling a venue, if anything does. Every call looks; asking takes no lock.
#[derive(Debug)]
pub struct Lockout {
    retry: Duration,
    standing: ArcSwapOption<Standing>,
}

#[derive(Debug)]
struct Standing {
    kind: ErrorKind,
    why: Arc<str>,
    until: Instant,
}

impl Lockout {
    /// Nothing stands against it. What comes up stands for `retry`.
    #[must_use]
    pub const fn new(retry: Duration) -> Self {
        Self { retry, standing: ArcSwapOption::const_empty() }
    }

    /// Why the venue is not called now.
    #[must_use]
    pub fn why(&self) -> Option<Arc<str>> {
        self.standing().map(|(_, why)| why)
    }

    /// The same, as the failure of a call that is not made.
    ///
    /// # Errors
    /// Of the kind that was noted, not started.
    pub fn check(&self, shown: &(impl fmt::Display + ?Sized)) -> Result<(), VenueError> {
        let Some((kind, why)) = self.standing() else { return Ok(()) };
        Err(VenueError::not_started(kind, format!("`{shown}` is not called: {why}")))
    }

    fn standing(&self) -> Option<(ErrorKind, Arc<str>)> {
        let standing = self.standing.load();
        let standing = standing.as_ref().filter(|standing| Instant::now() < standing.until)?;
        Some((standing.kind, Arc::clone(&standing.why)))
    }

    /// Takes note of a failure that every other call would meet too. Which failures those are is the adapter's to say.
    pub fn note(&self, error: &VenueError) {
        let why: String = error.message.chars().take(REASON_CHARS).collect();
        let standing = Standing { kind: error.kind, why: why.into(), until: Instant::now() + self.retry };
        self.standing.store(Some(Arc::new(standing)));
    }

    /// Takes note of a failure to reach the venue that waiting does not mend: a name that does not resolve, a
    /// certificate that is not trusted, an address that is not allowed.
    pub fn note_unreachable(&self, error: &VenueError) {
        if matches!(error.kind, ErrorKind::Dns | ErrorKind::Tls | ErrorKind::AddressForbidden) {
            self.note(error);
        }
    }

    /// Nothing stands against it any more: it was reached, or its credentials were taken.
    pub fn mended(&self) {
        self.standing.store(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_stands_for_its_time_and_is_then_tried_again() {
        let lockout = Lockout::new(Duration::from_secs(3600));
        assert!(lockout.why().is_none() && lockout.check("f").is_ok());
        lockout.note_unreachable(&VenueError::unknown(ErrorKind::ConnectionCut, "a passing thing"));
        assert!(lockout.why().is_none());
        lockout.note(&VenueError::not_started(ErrorKind::BadCredentials, "the key is revoked: make another"));
        assert_eq!(lockout.why().as_deref(), Some("the key is revoked: make another"));
        let error = lockout.check("f").expect_err("locked out");
        assert!(error.message.ends_with("the key is revoked: make another"), "{error}");
        lockout.mended();
        assert!(lockout.why().is_none());
        lockout.note_unreachable(&VenueError::not_started(ErrorKind::Dns, "`a.invalid` does not resolve"));
        assert_eq!(lockout.check("f").expect_err("locked out").kind, ErrorKind::Dns);
        let brief = Lockout::new(Duration::ZERO);
        brief.note_unreachable(&VenueError::not_started(ErrorKind::Dns, "`a.invalid` does not resolve"));
        assert!(brief.why().is_none(), "its time is over at once");
    }
}
