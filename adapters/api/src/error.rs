//! Failures of a venue, and what they mean for money.
//!
//! Invariant: the outcome decides about a retry, the kind only explains. A wrong
//! [`Outcome::NotStarted`] runs a function twice and pays twice.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use merit_pricing::Usage;

use crate::MeterBasis;

/// The longest wait taken from a venue.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// Whether a failed attempt ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It surely did not start: nothing is billed, any retry is safe.
    NotStarted,
    /// It surely ran, or began to: it is billed. A retry is safe only for idempotent functions.
    Ran,
    /// It may have run and may be billed. A retry is safe only for idempotent functions.
    Unknown,
}

impl Outcome {
    /// The stable word of logs and receipts: `not-started`, `ran` or `unknown`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotStarted => "not-started",
            Self::Ran => "ran",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $word:literal,)*) => {
        /// What went wrong, from the venue's or the network's side.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorKind {
            $($(#[$doc])* $kind,)*
        }

        impl ErrorKind {
            /// Every kind, in the order of the definition: bounds the labels of metrics.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The stable word of logs, metrics and receipts.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$kind => $word,)*
                }
            }
        }
    };
}

kinds! {
    /// The venue has too many calls, in total or of this account.
    Throttled = "throttled",
    /// The venue can't add instances as fast as calls come. It has not reached a limit, and takes more shortly.
    Burst = "burst",
    /// The venue answered that it cannot serve now, or its load balancer did.
    Unavailable = "unavailable",
    /// No connection could be made.
    Connect = "connect",
    /// The venue's name does not resolve.
    Dns = "dns",
    /// The venue's certificate is not trusted, or the handshake failed.
    Tls = "tls",
    /// The time ran out: the call's deadline or one of the venue's own timeouts.
    Timeout = "timeout",
    /// The venue refused the credentials.
    BadCredentials = "bad-credentials",
    /// The venue does not know the function.
    NotFound = "not-found",
    /// The payload is larger than the venue takes.
    PayloadTooLarge = "payload-too-large",
    /// The venue takes no payload such as this one, as Lambda takes nothing but JSON.
    PayloadRefused = "payload-refused",
    /// The reply is larger than the configuration takes.
    ReplyTooLarge = "reply-too-large",
    /// The answer is not of the protocol.
    MalformedReply = "malformed-reply",
    /// The reply lacks the signature that the venue and Merit have agreed on, or it is wrong.
    UnsignedReply = "unsigned-reply",
    /// The connection ended before the reply did.
    ConnectionCut = "connection-cut",
    /// The address is one that no venue has: link-local, metadata, or not allowed by the configuration.
    AddressForbidden = "address-forbidden",
    /// The venue or deployment is set up wrongly; only an operator can mend it.
    Misconfigured = "misconfigured",
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// A failed attempt. [`Display`](fmt::Display) completes "failed to ...": the kind and the message.
#[derive(Debug, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct VenueError {
    /// Whether it ran.
    pub outcome: Outcome,
    /// What went wrong.
    pub kind: ErrorKind,
    /// How long the venue asked to be left alone.
    pub retry_after: Option<Duration>,
    /// Names the offending value and says what to do. Never holds a credential or a query string.
    pub message: String,
    /// What the attempt used, if it ran: told by the venue, or taken by the own clock up to the failure.
    pub usage: Option<Usage>,
    /// Who measured `usage`.
    pub meters: MeterBasis,
    /// The cause, for the log.
    #[source]
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

impl VenueError {
    /// A failure with an outcome and a kind, and nothing further known.
    #[must_use]
    pub fn new(outcome: Outcome, kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            outcome,
            kind,
            retry_after: None,
            message: message.into(),
            usage: None,
            meters: MeterBasis::OwnClock,
            source: None,
        }
    }

    /// A failure that surely did not start the function.
    #[must_use]
    pub fn not_started(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::new(Outcome::NotStarted, kind, message)
    }

    /// A failure after which the function may or may not have run.
    #[must_use]
    pub fn unknown(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::new(Outcome::Unknown, kind, message)
    }

    /// A failure of a call that surely ran, with what it used.
    #[must_use]
    pub fn ran(kind: ErrorKind, message: impl Into<String>, usage: Usage, meters: MeterBasis) -> Self {
        Self { usage: Some(usage), meters, ..Self::new(Outcome::Ran, kind, message) }
    }

    /// Adds how long the venue asked to be left alone: an hour at most. A longer wait is a mistake or
    /// malice, and the venue's health is tried again anyway.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait.map(|wait| wait.min(LONGEST_RETRY_AFTER));
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_distinct_and_messages_begin_with_the_kind() {
        let words: std::collections::BTreeSet<_> = ErrorKind::ALL.iter().map(|kind| kind.word()).collect();
        assert_eq!(words.len(), ErrorKind::ALL.len());
        let error = VenueError::not_started(ErrorKind::Dns, "`a.invalid` does not resolve");
        assert_eq!(error.to_string(), "dns: `a.invalid` does not resolve");
        assert_eq!(error.outcome.to_string(), "not-started");
    }
}
