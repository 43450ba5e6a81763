//! Requests that Merit signed, and replies that are signed for it, by the scheme of `merit-webhooks`.
//!
//! The id is the attempt's, so a signature
//! that was seen before is a repeat. Invariant: nothing runs before its signature is verified, and no signature
//! is taken twice.
//!
//! Known limitation: which signatures were seen is forgotten when the pool ends; it makes a new secret at every start.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use http::{HeaderMap, HeaderName};
use merit_webhooks::{SharedSecret, TOLERANCE_SECONDS, signatures};

pub(crate) use merit_webhooks::{ID, SIGNATURE, TIMESTAMP};

/// The longest id taken.
const ID_BYTES: usize = 128;
/// Bytes of a new secret.
const SECRET_BYTES: usize = 32;

/// What both ends sign with.
#[derive(Clone)]
pub struct Secret {
    text: String,
    shared: SharedSecret,
}

impl Secret {
    /// A new one, from the operating system's randomness.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; SECRET_BYTES];
        aws_lc_rs::rand::fill(&mut bytes).expect("invariant: the operating system gives random bytes");
        let text = SharedSecret::text_of(&bytes);
        let shared = SharedSecret::parse(&text).expect("invariant: it has the length of one");
        Self { text, shared }
    }

    /// As the other end is given it: `whsec_` and base64.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// A signature as its header has it.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        self.shared.sign(id, timestamp, body)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsigned {
    #[error("the request is not signed; send webhook-id, webhook-timestamp and webhook-signature")]
    Missing,
    #[error("the request was signed more than five minutes ago or from now; set the clocks right")]
    Stale,
    #[error("the signature is wrong; sign `id.timestamp.body` with the secret of this pool's endpoint")]
    Wrong,
    #[error("the signature was used before; sign each attempt with an id of its own")]
    Repeated,
}

/// The signature of a request, as its headers have it.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) id: String,
    timestamp: u64,
    signatures: String,
}

impl Given {
    /// Reads the headers, before any of the body is.
    pub(crate) fn read(headers: &HeaderMap, now: u64) -> Result<Self, Unsigned> {
        let text = |name: &HeaderName| {
            let mut all = headers.get_all(name).iter();
            let value = all.next()?.to_str().ok()?;
            all.next().is_none().then(|| value.to_owned())
        };
        let id = text(&ID).filter(|id| (1..=ID_BYTES).contains(&id.len())).ok_or(Unsigned::Missing)?;
        let timestamp = text(&TIMESTAMP).and_then(|text| text.parse::<u64>().ok()).ok_or(Unsigned::Missing)?;
        let signatures = text(&SIGNATURE).ok_or(Unsigned::Missing)?;
        if timestamp.abs_diff(now) > TOLERANCE_SECONDS {
            return Err(Unsigned::Stale);
        }
        Ok(Self { id, timestamp, signatures })
    }
}

/// Verifies requests and signs replies.
#[derive(Debug)]
pub(crate) struct Signer {
    secret: Secret,
    seen: Mutex<Seen>,
}

/// Ids of the last ten to twenty minutes: for so long a signature could be used again. Only what Merit
/// signed is remembered, so nobody else can fill it.
#[derive(Debug, Default)]
struct Seen {
    since: u64,
    now: BTreeSet<String>,
    before: BTreeSet<String>,
}

impl Seen {
    fn is_first(&mut self, id: &str, now: u64) -> bool {
        if now.saturating_sub(self.since) > 2 * TOLERANCE_SECONDS {
            self.before = std::mem::take(&mut self.now);
            self.since = now;
        }
        !self.before.contains(id) && self.now.insert(id.to_owned())
    }
}

impl Signer {
    pub(crate) fn new(secret: Secret) -> Self {
        Self { secret, seen: Mutex::default() }
    }

    /// Whether a request's body is the one that was signed, for the first time.
    pub(crate) fn verify(&self, given: &Given, body: &[u8], now: u64) -> Result<(), Unsigned> {
        let Given { id, timestamp, signatures: given_signatures } = given;
        let shared = &self.secret.shared;
        if !signatures(given_signatures).any(|signature| shared.is_signed(&signature, id, *timestamp, body)) {
            return Err(Unsigned::Wrong);
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_first(id, now) { Ok(()) } else { Err(Unsigned::Repeated) }
    }

    /// The headers of a reply to the request `id`.
    pub(crate) fn sign(&self, id: &str, body: &[u8], now: u64, headers: &mut HeaderMap) {
        self.secret.shared.sign_headers(id, now, body, headers);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn headers(secret: &Secret, id: &str, timestamp: u64, body: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ID, id.parse().expect("a header"));
        headers.insert(TIMESTAMP, timestamp.into());
        headers.insert(SIGNATURE, secret.sign(id, timestamp, body).parse().expect("a header"));
        headers
    }

    fn verified(signer: &Signer, headers: &HeaderMap, body: &[u8], now: u64) -> Result<(), Unsigned> {
        Given::read(headers, now).and_then(|given| signer.verify(&given, body, now))
    }

    /// The example of the specification's reference libraries.
    #[test]
    fn signatures_are_those_of_the_scheme() {
        let shared = SharedSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let secret = Secret { text: String::new(), shared };
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_was_signed_is_taken_once() {
        let secret = Secret::random();
        let signer = Signer::new(secret.clone());
        let signed = headers(&secret, "a1", NOW, b"body");
        assert_eq!(verified(&signer, &signed, b"body", NOW + 299), Ok(()));
        assert_eq!(verified(&signer, &signed, b"body", NOW + 300), Err(Unsigned::Repeated));
        assert_eq!(verified(&signer, &headers(&secret, "a2", NOW, b"body"), b"body", NOW), Ok(()));
    }

    #[test]
    fn repeats_are_known_for_as_long_as_they_could_be_used() {
        let secret = Secret::random();
        let signer = Signer::new(secret.clone());
        // What came earlier makes the generation end half-way.
        assert_eq!(verified(&signer, &headers(&secret, "a0", NOW - 300, b""), b"", NOW - 300), Ok(()));
        // Signed by a clock that goes ahead: it is fresh from five minutes before its time to five after.
        let signed = headers(&secret, "a1", NOW + 300, b"");
        assert_eq!(verified(&signer, &signed, b"", NOW), Ok(()));
        for (number, now) in (NOW + 1..=NOW + 600).enumerate() {
            let other = headers(&secret, &format!("b{number}"), now, b"");
            assert_eq!(verified(&signer, &other, b"", now), Ok(()));
            assert_eq!(verified(&signer, &signed, b"", now), Err(Unsigned::Repeated), "{now}");
        }
        assert_eq!(verified(&signer, &signed, b"", NOW + 601), Err(Unsigned::Stale));
    }

    #[test]
    fn anything_else_is_refused() {
        let (secret, signer) = (Secret::random(), Signer::new(Secret::random()));
        assert_eq!(verified(&signer, &headers(&secret, "a", NOW, b"x"), b"x", NOW), Err(Unsigned::Wrong));
        let (secret, signer) = (signer.secret.clone(), signer);
        let good = headers(&secret, "a", NOW, b"x");
        assert_eq!(verified(&signer, &good, b"y", NOW), Err(Unsigned::Wrong));
        assert_eq!(verified(&signer, &good, b"x", NOW + 301), Err(Unsigned::Stale));
        assert_eq!(verified(&signer, &good, b"x", NOW - 301), Err(Unsigned::Stale));
        for name in [ID, TIMESTAMP, SIGNATURE] {
            let mut missing = good.clone();
            missing.remove(&name);
            assert_eq!(verified(&signer, &missing, b"x", NOW), Err(Unsigned::Missing), "{name}");
            let mut twice = good.clone();
            twice.append(name.clone(), HeaderValue::from_static("1"));
            assert_eq!(verified(&signer, &twice, b"x", NOW), Err(Unsigned::Missing), "{name}");
            let mut nonsense = good.clone();
            nonsense.insert(name.clone(), HeaderValue::from_static("v1,?"));
            assert!(verified(&signer, &nonsense, b"x", NOW).is_err(), "{name}");
        }
        // One of several signatures is enough, as when a secret is being changed.
        let mut several = good;
        let text = format!("v1,AAAA {}", secret.sign("a", NOW, b"x"));
        several.insert(SIGNATURE, text.parse().expect("a header"));
        assert_eq!(verified(&signer, &several, b"x", NOW), Ok(()));
    }

    #[test]
    fn a_reply_is_signed_for_its_request() {
        let secret = Secret::random();
        let mut headers = HeaderMap::new();
        Signer::new(secret.clone()).sign("a1", b"reply", NOW, &mut headers);
        assert_eq!(headers[SIGNATURE], secret.sign("a1", NOW, b"reply"));
        assert_eq!((&headers[ID], &headers[TIMESTAMP]), (&HeaderValue::from_static("a1"), &HeaderValue::from(NOW)));
    }
}
