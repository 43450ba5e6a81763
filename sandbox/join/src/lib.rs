//! A provider's end of its session with an exchange: it says where it is reached, what it costs and what it
//! offers, keeps that current, and withdraws it before it goes.
//!
//! [`run`] connects, and connects again when the connection is lost, with growing and random pauses. What it offers
//! is asked of its owner ([`Provider::offers`]) a few times a second; what has changed is sent, and all of it is sent
//! again well before it expires. An offer whose price the exchange holds back is confirmed: the price follows a
//! published rule and is meant.
//!
//! Invariants: frames are numbered from 1 in each session; updates go out at most every [`UPDATE_EVERY`]; when
//! `leave` completes while a session is open, all offers are cancelled, and that is acknowledged or given a second.
//!
//! Known limitation: one exchange and one venue; a provider of several runs this several times.

mod connect;
mod pause;
mod session;

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use merit_wire::{EndpointSpec, OfferSpec};

use pause::Pauses;
use session::Session;

/// The least time between two updates of offers: the book is not to be flooded by one provider.
pub const UPDATE_EVERY: Duration = Duration::from_millis(250);

/// The exchange and who is joining it.
#[derive(Clone)]
pub struct Exchange {
    /// Where it is, such as `https://merit.example`.
    pub url: String,
    /// The venue the provider is there.
    pub venue: String,
    /// A key of the role `provider` for that venue.
    pub key: String,
}

impl std::fmt::Debug for Exchange {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("url", &self.url).field("venue", &self.venue).finish_non_exhaustive()
    }
}

/// Who publishes.
pub trait Provider: Send + Sync {
    /// Where calls are to be sent, and the secret both ends sign with.
    fn endpoint(&self) -> EndpointSpec;

    /// The price sheet, as TOML.
    fn price_sheet(&self) -> String;

    /// All offers as they are now. Those that differ from the last ones are sent.
    fn offers(&self) -> Vec<OfferSpec>;

    /// How long an offer stands: it is renewed after a third of that.
    fn ttl(&self) -> Duration;
}

/// Why a session ended or did not begin.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The exchange can't be reached.
    #[error("failed to reach the exchange ({0}); check its URL, and that it runs")]
    Unreachable(String),
    /// It does not let this provider in.
    #[error("the exchange answered {status}: {said}")]
    Refused {
        /// The status.
        status: u16,
        /// What it said.
        said: String,
    },
    /// It does not speak the protocol.
    #[error("the exchange does not speak the session's protocol: {0}")]
    Protocol(String),
    /// The connection was lost.
    #[error("the session was lost ({0})")]
    Lost(String),
    /// It said nothing for three heartbeats.
    #[error("the exchange has been silent for three heartbeats")]
    Silent,
    /// It ended the session.
    #[error("the exchange ended the session ({reason}): {message}")]
    Ended {
        /// A stable word, such as `replaced`.
        reason: String,
        /// What it said.
        message: String,
    },
}

/// Publishes until `leave` completes, and withdraws everything then.
pub async fn run(exchange: &Exchange, provider: &dyn Provider, leave: impl Future<Output = ()>) {
    let mut leave = pin!(leave);
    let mut pauses = Pauses::new();
    loop {
        let failed = tokio::select! {
            opened = Session::open(exchange) => match opened {
                Ok(session) => {
                    tracing::info!(exchange = exchange.url, venue = exchange.venue, "joined the exchange");
                    let begun = tokio::time::Instant::now();
                    match session.run(provider, leave.as_mut()).await {
                        Ok(()) => {
                            tracing::info!("left the exchange");
                            return;
                        }
                        Err(error) => {
                            pauses.after(begun.elapsed());
                            error
                        }
                    }
                }
                Err(error) => error,
            },
            () = leave.as_mut() => return,
        };
        let pause = pauses.next(fastrand::f64());
        tracing::warn!(error = %failed, again_in_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX), "not joined");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = leave.as_mut() => return,
        }
    }
}
