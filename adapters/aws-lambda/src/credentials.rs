//! Credentials: had ahead of the calls, kept until shortly before they end, and when they can't
//! be had or are refused, refused at once.
//!
//! The SDK would ask its provider within a call: each call to a venue whose metadata service does
//! not answer would take seconds. Here a call either finds credentials, or is refused with the
//! reason at once; only the very first call of a venue waits for the first answer. Renewal runs
//! beside the calls, one at a time, and while it fails the old credentials serve to their end.
//!
//! Invariant: no secret leaves this module but inside the SDK's own types, which do not show it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::identity::{
    Identity, IdentityFuture, ResolveCachedIdentity, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::error::display::DisplayErrorContext;
use http::HeaderValue;
use merit_lambda_wire::sigv4::Signer;
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, timeout, timeout_at};

/// The longest a provider may take. The slowest link of the default chain, the metadata service
/// where there is none, gives up after about four seconds.
const PROVIDER_TIMEOUT: Duration = Duration::from_secs(15);

/// How long before their end credentials are renewed: AWS has new ones ready five minutes ahead.
const RENEW_AHEAD: Duration = Duration::from_mins(5);

/// The longest part of a reason that is kept, in characters.
const REASON_CHARS: usize = 300;

/// The credentials of one venue.
pub(crate) struct Keyring {
    provider: SharedCredentialsProvider,
    /// What calls are signed for.
    region: String,
    /// How long after a failure the provider is asked again.
    retry: Duration,
    state: ArcSwap<State>,
    /// Held while the provider is asked.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Held while the state is replaced.
    replacing: Mutex<()>,
}

/// What is known; replaced whole.
#[derive(Default)]
struct State {
    held: Option<Arc<Held>>,
    failed: Option<Failed>,
}

/// Credentials that have not expired when they are handed out.
#[derive(Clone)]
pub(crate) struct Held {
    identity: Identity,
    pub(crate) signer: Signer,
    access_key_id: Box<str>,
    until: Option<Instant>,
    renew_at: Option<Instant>,
}

#[derive(Clone)]
struct Failed {
    reason: Arc<str>,
    /// When the provider may be asked again.
    again: Instant,
}

impl State {
    fn usable(&self, now: Instant) -> Option<&Arc<Held>> {
        self.held.as_ref().filter(|held| held.until.is_none_or(|until| now < until))
    }
}

impl Keyring {
    /// Asks the provider at once, beside whatever comes next.
    pub(crate) fn start(provider: SharedCredentialsProvider, region: &str, retry: Duration) -> Arc<Self> {
        let keyring = Arc::new(Self {
            provider,
            region: region.to_owned(),
            retry,
            state: ArcSwap::default(),
            turn: Arc::default(),
            replacing: Mutex::new(()),
        });
        keyring.renew();
        keyring
    }

    pub(crate) fn provider(&self) -> SharedCredentialsProvider {
        self.provider.clone()
    }

    /// Waits until there are credentials, or it is known that there are none, or the time is up.
    ///
    /// # Errors
    /// Why there are none.
    pub(crate) async fn ready(self: &Arc<Self>, ends: Instant) -> Result<Arc<Held>, Arc<str>> {
        let now = Instant::now();
        let state = self.state.load();
        if let Some(held) = state.usable(now) {
            if held.renew_at.is_some_and(|at| now >= at) {
                self.renew();
            }
            return Ok(Arc::clone(held));
        }
        if let Some(reason) = self.unready() {
            return Err(reason);
        }
        drop(state);
        let keyring = Arc::clone(self);
        // A task of its own: a caller that goes away does not take the answer from the others.
        let asked = tokio::spawn(async move {
            let turn = Arc::clone(&keyring.turn).lock_owned().await;
            keyring.ask(turn).await;
        });
        if timeout_at(ends, asked).await.is_err() {
            return Err(Arc::from("the credentials did not come within the call's time"));
        }
        match self.state.load().usable(Instant::now()) {
            Some(held) => Ok(Arc::clone(held)),
            None => Err(self.unready().unwrap_or_else(|| Arc::from("the credentials could not be had"))),
        }
    }

    /// Why there are no credentials; asks again, beside, when the last failure is old enough.
    pub(crate) fn unready(self: &Arc<Self>) -> Option<Arc<str>> {
        let now = Instant::now();
        let state = self.state.load();
        let failed = state.failed.as_ref().filter(|_| state.usable(now).is_none())?;
        if now >= failed.again {
            self.renew();
        }
        Some(Arc::clone(&failed.reason))
    }

    /// The venue refused the credentials: they are not used again before the provider was asked anew.
    pub(crate) fn refused(&self, key: &Held, reason: &str) {
        let _turn = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.state.load();
        let same = state.held.as_ref().is_some_and(|held| held.access_key_id == key.access_key_id);
        if same {
            self.state.store(Arc::new(State { held: None, failed: Some(self.failed(reason)) }));
        }
    }

    fn failed(&self, reason: &str) -> Failed {
        let reason: String = reason.chars().take(REASON_CHARS).collect();
        Failed { reason: reason.into(), again: Instant::now() + self.retry }
    }

    /// Asks the provider in a task of its own, unless one is at it.
    fn renew(self: &Arc<Self>) {
        if let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() {
            let keyring = Arc::clone(self);
            tokio::spawn(async move { keyring.ask(turn).await });
        }
    }

    /// Asks the provider, unless somebody else did while this waited for its `turn`.
    async fn ask(&self, _turn: OwnedMutexGuard<()>) {
        let now = Instant::now();
        {
            let state = self.state.load();
            let fresh = state.usable(now).is_some_and(|held| held.renew_at.is_none_or(|at| now < at));
            if fresh || state.failed.as_ref().is_some_and(|failed| now < failed.again) {
                return;
            }
        }
        let answer = match timeout(PROVIDER_TIMEOUT, self.provider.provide_credentials()).await {
            Ok(Ok(credentials)) => Held::of(credentials, &self.region, self.retry),
            Ok(Err(error)) => Err(format!("no credentials: {}", DisplayErrorContext(&error))),
            Err(_) => Err(format!("no credentials: the provider did not answer within {PROVIDER_TIMEOUT:?}")),
        };
        self.replace(answer);
    }

    fn replace(&self, answer: Result<Held, String>) {
        let _turn = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let next = match answer {
            Ok(held) => State { held: Some(Arc::new(held)), failed: None },
            Err(reason) => {
                tracing::warn!(reason, "credentials can't be had");
                let now = Instant::now();
                let state = self.state.load();
                // What is still good serves to its end; the next try is not at once.
                let held = state.usable(now).map(|held| Arc::new(held.renewed_at(now + self.retry)));
                State { held, failed: Some(self.failed(&reason)) }
            }
        };
        self.state.store(Arc::new(next));
    }
}

impl Held {
    fn of(credentials: Credentials, region: &str, retry: Duration) -> Result<Self, String> {
        let now = Instant::now();
        let left = credentials.expiry().map(time_left);
        if left.is_some_and(|left| left.is_zero()) {
            return Err("the credentials have expired: renew them where they come from".to_owned());
        }
        let (id, token) = (credentials.access_key_id(), credentials.session_token());
        if [Some(id), token].into_iter().flatten().any(|text| HeaderValue::from_str(text).is_err()) {
            return Err("the credentials have characters that no header may have: copy them again".to_owned());
        }
        // Credentials that live shorter than the head start are renewed at half their life.
        let renew = |left: Duration| now + left.checked_sub(RENEW_AHEAD).unwrap_or(left / 2).max(retry.min(left / 2));
        Ok(Self {
            signer: Signer::new(id, credentials.secret_access_key(), token, region),
            access_key_id: id.into(),
            until: left.map(|left| now + left),
            renew_at: left.map(renew),
            identity: Identity::from(credentials),
        })
    }

    fn renewed_at(&self, at: Instant) -> Self {
        Self { renew_at: Some(at), ..self.clone() }
    }
}

/// How long it is until then; zero when it is past.
fn time_left(then: SystemTime) -> Duration {
    // In the future `elapsed` is an error, which says by how much.
    then.elapsed().err().map_or(Duration::ZERO, |error| error.duration())
}

impl fmt::Debug for Held {
    /// Everything but the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").finish_non_exhaustive()
    }
}

/// The keyring in the place of the SDK's own cache.
#[derive(Debug)]
pub(crate) struct AsCache(pub(crate) Arc<Keyring>);

impl ResolveCachedIdentity for AsCache {
    fn resolve_cached_identity<'a>(
        &'a self,
        _: SharedIdentityResolver,
        _: &'a RuntimeComponents,
        _: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        let state = self.0.state.load();
        IdentityFuture::ready(match &state.held {
            Some(held) => Ok(held.identity.clone()),
            None => Err("the venue has no credentials".into()),
        })
    }
}

#[cfg(test)]
mod tests;
