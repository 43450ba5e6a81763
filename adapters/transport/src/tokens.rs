//! Tokens that expire: had ahead of the calls, renewed before they end, and when they can't be had
//! or are refused, the calls that need them are refused at once.
//!
//! A call either finds a token, or is refused with the reason; only the very first call waits for the
//! first answer. Renewal runs beside the calls, one at a time, and while it fails the old token serves to
//! its end.
//!
//! Invariants: a token leaves this module only as a header value that is marked secret; a source that
//! panics (a library that trips over an answer nobody expected) is a source that failed.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::HeaderValue;
use merit_venue::{ErrorKind, VenueError};
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, timeout, timeout_at};

/// The longest a source may take: a library that asks several places in turn, each with its own patience.
const SOURCE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long before its end a token is renewed. Sources renew theirs four to five minutes ahead, so that
/// what is asked for then is new.
const RENEW_AHEAD: Duration = Duration::from_secs(200);

/// The longest part of a reason that is kept, in characters.
const REASON_CHARS: usize = 300;

/// Where tokens are from.
pub trait TokenSource: fmt::Debug + Send + Sync + 'static {
    /// A token that is good now. An error says why there is none and what to do, and holds no secret.
    fn token(self: Arc<Self>) -> BoxFuture<'static, Result<Token, String>>;

    /// The last token was refused: the next one has to be a new one.
    fn forget(&self);
}

/// A token.
#[derive(Clone, Debug)]
pub struct Token {
    value: HeaderValue,
    lives: Option<Duration>,
}

impl Token {
    /// A token as it is sent, `Bearer eyJ...`, and how long it is good; `None` for ever.
    ///
    /// # Errors
    /// When it has characters that no header takes, or is good no longer.
    pub fn try_new(sent_as: &str, lives: Option<Duration>) -> Result<Self, String> {
        if lives.is_some_and(|lives| lives.is_zero()) {
            return Err("the token had ended already when it came: set this machine's clock".to_owned());
        }
        let value = HeaderValue::from_str(sent_as);
        let mut value = value.map_err(|_| "the token has characters that no header takes".to_owned())?;
        value.set_sensitive(true);
        Ok(Self { value, lives })
    }
}

/// There is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoToken {
    /// Why, and what to do.
    pub reason: Arc<str>,
    /// Whether only the call's time ran out while it was waited for.
    pub late: bool,
}

impl NoToken {
    /// The failure of a call that needs the token.
    #[must_use]
    pub fn failure_of(self, shown: &str) -> VenueError {
        let kind = if self.late { ErrorKind::Timeout } else { ErrorKind::BadCredentials };
        VenueError::not_started(kind, format!("`{shown}` can't be called: {}", self.reason))
    }
}

/// The tokens of one purpose.
pub struct Keyring {
    source: Arc<dyn TokenSource>,
    /// How long after a failure the source is asked again.
    retry: Duration,
    state: RwLock<Arc<State>>,
    /// Held while the source is asked.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// What is known; replaced whole.
#[derive(Default)]
struct State {
    held: Option<Held>,
    failed: Option<Failed>,
}

#[derive(Clone)]
struct Held {
    value: HeaderValue,
    until: Option<Instant>,
    renew_at: Option<Instant>,
}

struct Failed {
    reason: Arc<str>,
    /// When the source may be asked again.
    again: Instant,
}

impl State {
    fn usable(&self, now: Instant) -> Option<&Held> {
        self.held.as_ref().filter(|held| held.until.is_none_or(|until| now < until))
    }
}

impl Keyring {
    /// Asks the source at once, beside whatever comes next. After a failure it is asked again when `retry` has passed.
    #[must_use]
    pub fn start(source: Arc<dyn TokenSource>, retry: Duration) -> Arc<Self> {
        let keyring = Arc::new(Self { source, retry, state: RwLock::default(), turn: Arc::default() });
        keyring.renew();
        keyring
    }

    /// The token to send; waits for the first one until `ends` at the latest.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn token(self: &Arc<Self>, ends: Instant) -> Result<HeaderValue, NoToken> {
        let now = Instant::now();
        let state = self.state();
        if let Some(held) = state.usable(now) {
            if held.renew_at.is_some_and(|at| now >= at) {
                self.renew();
            }
            return Ok(held.value.clone());
        }
        if let Some(reason) = self.unready() {
            return Err(NoToken { reason, late: false });
        }
        drop(state);
        let keyring = Arc::clone(self);
        // A task of its own: a caller that goes away does not take the answer from the others.
        let asked = tokio::spawn(async move {
            let turn = Arc::clone(&keyring.turn).lock_owned().await;
            keyring.ask(turn).await;
        });
        if timeout_at(ends, asked).await.is_err() {
            return Err(NoToken { reason: Arc::from("no token came within the call's time"), late: true });
        }
        match self.state().usable(Instant::now()) {
            Some(held) => Ok(held.value.clone()),
            None => {
                let reason = self.unready().unwrap_or_else(|| Arc::from("a token could not be had"));
                Err(NoToken { reason, late: false })
            }
        }
    }

    /// Why there is no token; asks again, beside, when the last failure is old enough.
    #[must_use]
    pub fn unready(self: &Arc<Self>) -> Option<Arc<str>> {
        let now = Instant::now();
        let state = self.state();
        let failed = state.failed.as_ref().filter(|_| state.usable(now).is_none())?;
        if now >= failed.again {
            self.renew();
        }
        Some(Arc::clone(&failed.reason))
    }

    /// Why none of several has a token; `None` when there are no keyrings at all.
    #[must_use]
    pub fn none_ready<'k>(keyrings: impl IntoIterator<Item = &'k Arc<Self>>) -> Option<Arc<str>> {
        let mut reasons = keyrings.into_iter().map(Self::unready);
        let first = reasons.next()??;
        reasons.all(|reason| reason.is_some()).then_some(first)
    }

    /// A token was refused: it is not sent again, and no other until the source was asked anew.
    pub fn refused(&self, token: &HeaderValue, reason: &str) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.held.as_ref().is_some_and(|held| held.value == *token) {
            self.source.forget();
            *state = Arc::new(State { held: None, failed: Some(self.failed(reason)) });
        }
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn failed(&self, reason: &str) -> Failed {
        let reason: String = reason.chars().take(REASON_CHARS).collect();
        Failed { reason: reason.into(), again: Instant::now() + self.retry }
    }

    /// Asks the source in a task of its own, unless one is at it.
    fn renew(self: &Arc<Self>) {
        if let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() {
            let keyring = Arc::clone(self);
            tokio::spawn(async move { keyring.ask(turn).await });
        }
    }

    /// Asks the source, unless somebody else did while this waited for its `turn`.
    async fn ask(&self, _turn: OwnedMutexGuard<()>) {
        let now = Instant::now();
        let state = self.state();
        let fresh = state.usable(now).is_some_and(|held| held.renew_at.is_none_or(|at| now < at));
        if fresh || state.failed.as_ref().is_some_and(|failed| now < failed.again) {
            return;
        }
        let mut asking = tokio::spawn(Arc::clone(&self.source).token());
        let answer = match timeout(SOURCE_TIMEOUT, &mut asking).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err("the answer with the token can't be read: check the address it is asked of".to_owned()),
            Err(_) => {
                asking.abort();
                Err(format!("no token came within {} seconds", SOURCE_TIMEOUT.as_secs()))
            }
        };
        self.replace(answer);
    }

    fn replace(&self, answer: Result<Token, String>) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let next = match answer {
            Ok(token) => State { held: Some(Held::of(token, now)), failed: None },
            Err(reason) => {
                self.source.forget();
                // What is still good serves to its end; the next try is not at once.
                let held = state.usable(now).map(|held| Held { renew_at: Some(now + self.retry), ..held.clone() });
                State { held, failed: Some(self.failed(&reason)) }
            }
        };
        *state = Arc::new(next);
    }
}

impl Held {
    fn of(Token { value, lives }: Token, now: Instant) -> Self {
        // A token that lives shorter than the head start is renewed at half its life.
        let renew = |lives: Duration| now + lives.checked_sub(RENEW_AHEAD).unwrap_or(lives / 2).max(lives / 2);
        Self { value, until: lives.map(|lives| now + lives), renew_at: lives.map(renew) }
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("source", &self.source).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
