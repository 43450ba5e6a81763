//! Keys that sign requests instead of being sent: AWS's access key ids and secret access keys.
//!
//! Clients of AWS take an id of 20 capital letters and digits and a secret of 40 characters; Merit's ids begin with
//! `MRTA`, so that nobody takes them for keys of AWS. Checking a signature needs the secret itself, which is
//! therefore stored encrypted (`crate::secrets`) and is in memory while the broker runs. It is never shown again.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::rand;
use merit_lambda_wire::sigv4::{AuthError, Presented, SigningKey};
use merit_units::{AccountId, KeyId};

use super::{KeyRecord, Roles, sha256};

/// How the access key ids begin.
pub const PREFIX: &str = "MRTA";

const ID_RANDOM: usize = 16;
const SECRET_LENGTH: usize = 40;

/// What an id is made of: base32, so that no letter is taken for a digit.
const ID_ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// What a secret is made of, as AWS's: base64.
const SECRET_ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A secret access key. Never shown, not even for debugging.
#[derive(Clone, PartialEq, Eq)]
pub struct AwsSecret(Arc<str>);

impl AwsSecret {
    /// The secret that a stored row held.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The secret itself, to sign with.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AwsSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// How many days and regions a key's derived keys are kept for. A client uses one region, and two days around midnight.
const DERIVED_KEPT: usize = 8;

/// What a key checks signatures with: its secret, and what was derived from it for a day and region.
pub struct Signing {
    pub(super) secret: AwsSecret,
    derived: ArcSwap<Vec<Arc<Derived>>>,
}

struct Derived {
    date: Box<str>,
    region: Box<str>,
    key: SigningKey,
}

impl Signing {
    pub(super) fn new(secret: AwsSecret) -> Self {
        Self { secret, derived: ArcSwap::default() }
    }

    /// Checks a signature over a body with that hash. What was derived for it is kept only if it holds, so that
    /// nobody without the secret can fill the place.
    ///
    /// # Errors
    /// [`AuthError`] in AWS's words.
    pub fn verify(&self, presented: &Presented, body_sha256: &[u8; 32]) -> Result<(), AuthError> {
        let (date, region) = (presented.date(), presented.region());
        let derived = self.derived.load();
        if let Some(derived) = derived.iter().find(|derived| *derived.date == *date && *derived.region == *region) {
            return presented.verify(&derived.key, body_sha256);
        }
        let key = SigningKey::derive(self.secret.reveal(), date, region);
        presented.verify(&key, body_sha256)?;
        let fresh = Arc::new(Derived { date: date.into(), region: region.into(), key });
        self.derived.rcu(|kept| {
            let kept = kept.iter().take(DERIVED_KEPT - 1).cloned();
            std::iter::once(Arc::clone(&fresh)).chain(kept).collect::<Vec<_>>()
        });
        Ok(())
    }
}

/// Makes a key of 80 and 240 random bits.
///
/// # Panics
/// When the operating system has no randomness to give.
#[must_use]
pub fn generate(account: AccountId, roles: Roles) -> (AwsSecret, KeyRecord) {
    let mut random = [0; ID_RANDOM + SECRET_LENGTH];
    rand::fill(&mut random).expect("invariant: the operating system gives random bytes");
    let (id, secret) = random.split_at(ID_RANDOM);
    // 32 and 64 divide 256: every letter is as likely as any other.
    let id: String =
        PREFIX.chars().chain(id.iter().map(|byte| char::from(ID_ALPHABET[usize::from(byte % 32)]))).collect();
    let secret: String = secret.iter().map(|byte| char::from(SECRET_ALPHABET[usize::from(byte % 64)])).collect();
    let secret = AwsSecret(secret.into());
    let id = KeyId::try_new(&id).expect("invariant: letters and digits are a valid key name");
    let hash = sha256(secret.reveal().as_bytes());
    (secret.clone(), KeyRecord { id, hash, account, roles, aws: Some(secret), venues: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_form_that_clients_of_aws_take() {
        let account = AccountId::try_new("search").expect("a name");
        let (secret, record) = generate(account.clone(), Roles::default());
        let id = record.id.as_str();
        assert_eq!((id.len(), secret.reveal().len()), (20, 40));
        assert!(id.starts_with("MRTA") && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()));
        let (other, others) = generate(account, Roles::default());
        assert!(other != secret && others.id != record.id);
        assert!(!format!("{record:?}").contains(secret.reveal()));
    }
}
