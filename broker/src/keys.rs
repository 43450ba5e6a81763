//! API keys: who is calling, what they may do, and how fast.
//!
//! A key is `mrt_<id>_<secret>` with 256 random bits of secret, shown once. Only the SHA-256 of
//! the whole key is kept: with that much entropy there is nothing a slow hash would protect
//! (docs/adr/0006). Comparison is constant-time. A lookup takes no lock.
//! Keys that sign requests, as AWS's do, are of another form ([`aws`]).

pub mod aws;

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::{constant_time, digest, rand};
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use merit_ledger::AccountIndex;
use merit_units::{AccountId, KeyId, Micros, VenueId};

use crate::keys::aws::{AwsSecret, Signing};
use crate::refusal::Refusal;
use crate::secrets::SecretsError;

const PREFIX: &str = "mrt_";
const ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;

/// What a key may do. `admin` includes the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Call functions, get quotes and its own receipts.
    Invoke,
    /// See spend, receipts and budgets of every account, and set budgets.
    Finance,
    /// Publish prices of its venues.
    Provider,
    /// Everything.
    Admin,
}

impl Role {
    const ALL: [Self; 4] = [Self::Invoke, Self::Finance, Self::Provider, Self::Admin];

    /// The role's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invoke => "invoke",
            Self::Finance => "finance",
            Self::Provider => "provider",
            Self::Admin => "admin",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not a role; use invoke, finance, provider or admin"))
    }
}

/// A set of roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles(u8);

impl Roles {
    /// Whether `role` is among them, by itself or through `admin`.
    #[must_use]
    pub const fn allow(self, role: Role) -> bool {
        self.0 & (role.bit() | Role::Admin.bit()) != 0
    }

    /// The names, in a fixed order.
    #[must_use]
    pub fn names(self) -> Vec<String> {
        let held = Role::ALL.into_iter().filter(|role| self.0 & role.bit() != 0);
        held.map(|role| role.as_str().to_owned()).collect()
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().fold(0, |bits, role| bits | role.bit()))
    }
}

/// Calls a second and how many may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Calls a second, sustained.
    pub per_second: NonZeroU32,
    /// Calls at once.
    pub burst: NonZeroU32,
}

/// A rate limit on one key or account (GCRA, no background task).
pub struct RateLimit {
    rate: Rate,
    limiter: RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>,
}

impl RateLimit {
    fn new(rate: Rate) -> Self {
        let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
        Self { rate, limiter: RateLimiter::direct(quota).with_middleware() }
    }

    /// Takes one call; returns how many more may come at once.
    fn take(&self, scope: &'static str) -> Result<u32, Refusal> {
        match self.limiter.check() {
            Ok(snapshot) => Ok(snapshot.remaining_burst_capacity()),
            Err(not_until) => {
                let wait = not_until.wait_time_from(DefaultClock::default().now());
                Err(Refusal::RateLimited {
                    scope,
                    limit: self.rate.per_second.get(),
                    retry_after: Micros::from_std(wait),
                })
            }
        }
    }
}

/// The holder of a budget, as far as admission is concerned.
pub struct Account {
    /// Its name.
    pub id: AccountId,
    /// Its number in the ledger.
    pub ledger: AccountIndex,
    limit: RateLimit,
}

/// A key that was checked.
pub struct Key {
    /// Its public part.
    pub id: KeyId,
    /// Who pays.
    pub account: Arc<Account>,
    /// What it may do.
    pub roles: Roles,
    /// What its signatures are checked with, if it is a key that signs.
    pub signing: Option<Signing>,
    /// The venues it acts for, if it is a provider's.
    pub venues: Vec<VenueId>,
    hash: [u8; 32],
    limit: RateLimit,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).field("account", &self.account.id).finish_non_exhaustive()
    }
}

/// What is left of the tighter of the two rate limits after a call was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLeft {
    /// Calls a second.
    pub per_second: u32,
    /// Calls that may still come at once.
    pub remaining: u32,
}

impl Key {
    /// Refuses a key that lacks `role`.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`].
    pub const fn require(&self, role: Role) -> Result<(), Refusal> {
        if self.roles.allow(role) { Ok(()) } else { Err(Refusal::Forbidden { role: role.as_str() }) }
    }

    /// Refuses a key that may not act for a venue: it needs the role `admin`, or `provider` and to be bound to it.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`], or [`Refusal::NotYourVenue`].
    pub fn require_venue(&self, venue: &VenueId) -> Result<(), Refusal> {
        self.require(Role::Provider)?;
        if self.roles.allow(Role::Admin) || self.venues.contains(venue) {
            return Ok(());
        }
        Err(Refusal::NotYourVenue { venue: venue.clone() })
    }

    /// Takes one call from the key's rate and then from the account's.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`].
    pub fn take_call(&self) -> Result<RateLeft, Refusal> {
        let key = self.limit.take("key")?;
        let account = self.account.limit.take("account")?;
        let (rate, remaining) =
            if key <= account { (self.limit.rate, key) } else { (self.account.limit.rate, account) };
        Ok(RateLeft { per_second: rate.per_second.get(), remaining })
    }
}

/// A key as it is kept: without its secret, unless it signs with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its public part.
    pub id: KeyId,
    /// SHA-256 of the whole key.
    pub hash: [u8; 32],
    /// Who pays.
    pub account: AccountId,
    /// What it may do.
    pub roles: Roles,
    /// What it signs requests with, if it is a key that does.
    pub aws: Option<AwsSecret>,
    /// The venues it acts for, if it is a provider's.
    pub venues: Vec<VenueId>,
}

/// All keys and accounts the broker knows.
pub struct Keys {
    keys: papaya::HashMap<KeyId, Arc<Key>>,
    accounts: papaya::HashMap<AccountId, Arc<Account>>,
    /// Keys whose secret can't be had, and why.
    left_out: papaya::HashMap<KeyId, SecretsError>,
    rates: ArcSwap<Rates>,
}

/// What each key and each account may do a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rates {
    key: Rate,
    account: Rate,
}

impl Keys {
    /// None yet.
    #[must_use]
    pub fn new(per_key: Rate, per_account: Rate) -> Self {
        let rates = ArcSwap::from_pointee(Rates { key: per_key, account: per_account });
        Self { keys: papaya::HashMap::new(), accounts: papaya::HashMap::new(), left_out: papaya::HashMap::new(), rates }
    }

    /// Changes the rates. Keys and accounts begin anew with a full burst then.
    pub fn set_rates(&self, key: Rate, account: Rate) {
        let rates = Rates { key, account };
        if **self.rates.load() == rates {
            return;
        }
        self.rates.store(Arc::new(rates));
        self.accounts.pin().clear();
        let keys: Vec<Arc<Key>> = self.keys.pin().values().cloned().collect();
        for key in keys {
            let (id, roles, hash, ledger) = (key.id.clone(), key.roles, key.hash, key.account.ledger);
            let (account, aws) = (key.account.id.clone(), key.signing.as_ref().map(|signing| signing.secret.clone()));
            self.insert(&KeyRecord { id, hash, account, roles, aws, venues: key.venues.clone() }, ledger);
        }
    }

    /// Makes a key's two parts: the whole key to show once, and what is kept of it.
    ///
    /// # Panics
    /// When the operating system has no randomness to give.
    #[must_use]
    pub fn generate(account: AccountId, roles: Roles) -> (String, KeyRecord) {
        let mut random = [0; ID_BYTES + SECRET_BYTES];
        rand::fill(&mut random).expect("invariant: the operating system gives random bytes");
        let (id, secret) = random.split_at(ID_BYTES);
        Self::record(&hex(id), &hex(secret), account, roles)
    }

    fn record(id: &str, secret: &str, account: AccountId, roles: Roles) -> (String, KeyRecord) {
        let whole = format!("{PREFIX}{id}_{secret}");
        let hash = sha256(whole.as_bytes());
        let id = KeyId::try_new(id).expect("invariant: hex is a valid key name");
        (whole, KeyRecord { id, hash, account, roles, aws: None, venues: Vec::new() })
    }

    /// Turns a key that an operator chose (for a first start or a demo) into what is kept of it.
    ///
    /// # Errors
    /// A message when the key has not the form `mrt_<id>_<secret>` or its secret is short.
    pub fn chosen(whole: &str, account: AccountId, roles: Roles) -> Result<KeyRecord, String> {
        let (id, secret) = split(whole).ok_or("a key has the form mrt_<id>_<secret>")?;
        if secret.len() < 32 {
            return Err("the secret part of a key must have at least 32 characters".to_owned());
        }
        let id = KeyId::try_new(id).map_err(|error| error.to_string())?;
        Ok(KeyRecord { id, hash: sha256(whole.as_bytes()), account, roles, aws: None, venues: Vec::new() })
    }

    /// Lets a key in.
    pub fn insert(&self, record: &KeyRecord, ledger: AccountIndex) {
        let key = Arc::new(Key {
            id: record.id.clone(),
            account: self.account(&record.account, ledger),
            roles: record.roles,
            signing: record.aws.clone().map(Signing::new),
            venues: record.venues.clone(),
            hash: record.hash,
            limit: RateLimit::new(self.rates.load().key),
        });
        self.keys.pin().insert(record.id.clone(), key);
    }

    /// The key of that access key id, which must sign what it sends; `None` when there is none.
    ///
    /// # Errors
    /// Why the secret of a key that exists can't be had.
    pub fn signing(&self, id: &str) -> Result<Option<Arc<Key>>, SecretsError> {
        if let Some(key) = self.keys.pin().get(id).filter(|key| key.signing.is_some()) {
            return Ok(Some(Arc::clone(key)));
        }
        self.left_out.pin().get(id).map_or(Ok(None), |error| Err(*error))
    }

    /// Remembers why the secret of a key can't be had, to tell whoever uses it.
    pub fn leave_out(&self, id: &KeyId, error: SecretsError) {
        self.left_out.pin().insert(id.clone(), error);
    }

    /// Shuts a key out. Returns whether it was there.
    pub fn remove(&self, id: &KeyId) -> bool {
        self.left_out.pin().remove(id);
        self.keys.pin().remove(id).is_some()
    }

    /// Whether a key is let in.
    #[must_use]
    pub fn is_good(&self, id: &KeyId) -> bool {
        self.keys.pin().contains_key(id)
    }

    /// The key that an event came with; when it was revoked since, one in its place that opens nothing: what was
    /// accepted is delivered.
    #[must_use]
    pub fn of_event(&self, id: &KeyId, account: &AccountId, ledger: AccountIndex) -> Arc<Key> {
        if let Some(key) = self.keys.pin().get(id) {
            return Arc::clone(key);
        }
        self.of_account(id, account, ledger)
    }

    /// A key for calls that Merit makes of itself on behalf of another: its name, another's money, and it opens nothing.
    pub(crate) fn of_account(&self, id: &KeyId, account: &AccountId, ledger: AccountIndex) -> Arc<Key> {
        let (signing, venues, roles) = (None, Vec::new(), Roles::default());
        let limit = RateLimit::new(self.rates.load().key);
        let account = self.account(account, ledger);
        Arc::new(Key { id: id.clone(), account, signing, venues, roles, hash: [0; 32], limit })
    }

    fn account(&self, id: &AccountId, ledger: AccountIndex) -> Arc<Account> {
        let make = || Arc::new(Account { id: id.clone(), ledger, limit: RateLimit::new(self.rates.load().account) });
        Arc::clone(self.accounts.pin().get_or_insert_with(id.clone(), make))
    }

    /// Checks the value of an `Authorization` header.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`], which does not tell an unknown key from a wrong secret.
    pub fn authenticate(&self, authorization: Option<&[u8]>) -> Result<Arc<Key>, Refusal> {
        const WRONG: Refusal = Refusal::Unauthenticated("the API key is unknown, wrong or revoked");
        let header = authorization
            .ok_or(Refusal::Unauthenticated("an API key is needed; send it as `Authorization: Bearer mrt_...`"))?;
        let whole = std::str::from_utf8(header).ok().and_then(|text| text.strip_prefix("Bearer ")).ok_or(
            Refusal::Unauthenticated("the Authorization header must be `Bearer` and a Merit API key (mrt_...)"),
        )?;
        let (id, _) = split(whole).ok_or(WRONG)?;
        let keys = self.keys.pin();
        let key = keys.get(id).filter(|key| key.signing.is_none()).ok_or(WRONG)?;
        let given = sha256(whole.as_bytes());
        constant_time::verify_slices_are_equal(&key.hash, &given).map_err(|_| WRONG)?;
        Ok(Arc::clone(key))
    }
}

fn split(whole: &str) -> Option<(&str, &str)> {
    whole.strip_prefix(PREFIX)?.split_once('_')
}

/// SHA-256 of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, bytes).as_ref().try_into().expect("invariant: SHA-256 has 32 bytes")
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("invariant: writing to a string succeeds");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(per_second: u32) -> Keys {
        let rate = Rate { per_second: NonZeroU32::new(per_second).unwrap(), burst: NonZeroU32::new(2).unwrap() };
        Keys::new(rate, Rate { per_second: NonZeroU32::new(1000).unwrap(), burst: NonZeroU32::new(1000).unwrap() })
    }

    fn account() -> AccountId {
        AccountId::try_new("search").unwrap()
    }

    #[test]
    fn a_key_is_let_in_until_it_is_removed() {
        let keys = keys(10);
        let (whole, record) = Keys::generate(account(), Roles::from_iter([Role::Invoke]));
        assert!(keys.authenticate(Some(format!("Bearer {whole}").as_bytes())).is_err());
        keys.insert(&record, AccountIndex::new(0));
        let key = keys.authenticate(Some(format!("Bearer {whole}").as_bytes())).expect("a known key");
        assert_eq!(key.account.id, account());
        assert!(key.require(Role::Invoke).is_ok());
        assert_eq!(key.require(Role::Admin), Err(Refusal::Forbidden { role: "admin" }));
        assert!(keys.remove(&record.id));
        assert!(keys.authenticate(Some(format!("Bearer {whole}").as_bytes())).is_err());
    }

    #[test]
    fn a_wrong_secret_is_as_unknown_as_a_wrong_id() {
        let keys = keys(10);
        let (whole, record) = Keys::generate(account(), Roles::default());
        keys.insert(&record, AccountIndex::new(0));
        let last = if whole.ends_with('0') { "1" } else { "0" };
        let wrong = format!("Bearer {}{last}", &whole[..whole.len() - 1]);
        let unknown = keys.authenticate(Some(b"Bearer mrt_0000_00")).expect_err("unknown");
        assert_eq!(keys.authenticate(Some(wrong.as_bytes())).expect_err("wrong secret"), unknown);
        for malformed in [&b""[..], b"Basic abc", b"Bearer", b"Bearer \xff", b"mrt_a_b"] {
            assert!(keys.authenticate(Some(malformed)).is_err());
        }
    }

    #[test]
    fn the_tighter_rate_is_told() {
        let keys = keys(1);
        let (whole, record) = Keys::generate(account(), Roles::default());
        keys.insert(&record, AccountIndex::new(0));
        let key = keys.authenticate(Some(format!("Bearer {whole}").as_bytes())).expect("a known key");
        assert_eq!(key.take_call(), Ok(RateLeft { per_second: 1, remaining: 1 }));
        assert_eq!(key.take_call(), Ok(RateLeft { per_second: 1, remaining: 0 }));
        let refused = key.take_call().expect_err("the burst is used up");
        assert!(
            matches!(refused, Refusal::RateLimited { scope: "key", limit: 1, retry_after } if retry_after > Micros::ZERO)
        );
    }

    #[test]
    fn a_chosen_key_must_be_long() {
        assert!(Keys::chosen("mrt_demo_short", account(), Roles::default()).is_err());
        assert!(Keys::chosen(&format!("mrt_demo_{}", "x".repeat(32)), account(), Roles::default()).is_ok());
    }
}
