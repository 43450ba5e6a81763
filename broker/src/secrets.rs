//! Secrets that must be kept themselves, not as a hash: encrypted at rest under a key that is not in the store.
//!
//! AES-256-GCM with a random nonce. The name a secret belongs to is authenticated with it, so that one row's
//! secret can't be put in another's place. The key comes from the environment ([`SECRETS_KEY`]) or from the file
//! that `secrets.key_file` names; a thief of the store without it has nothing.
//!
//! Known limitation: there is one key. To change it, revoke the keys sealed under the old one and make new ones.

use std::fmt;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};

/// Environment variable with the key: 32 bytes as 64 hex digits. Overrides the file.
pub const SECRETS_KEY: &str = "MERIT_SECRETS_KEY";

/// The first byte of what is sealed: the layout `1, nonce, ciphertext and tag`.
const LAYOUT: u8 = 1;

const KEY_BYTES: usize = 32;

/// The key that secrets are encrypted under, if there is one.
#[derive(Default)]
pub struct Secrets(Option<RandomizedNonceKey>);

/// Why a secret could not be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// There is no key.
    #[error(
        "this broker has no key to encrypt secrets with; set MERIT_SECRETS_KEY or secrets.key_file (make one with `openssl rand -hex 32`) and start it again"
    )]
    NoKey,
    /// What is stored was sealed under another key, or is damaged.
    #[error("a stored secret can't be decrypted; start the broker with the MERIT_SECRETS_KEY it was made under")]
    WrongKey,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Secrets(a key)" } else { "Secrets(no key)" })
    }
}

impl Secrets {
    /// The key that the environment gives, or else the file.
    ///
    /// # Errors
    /// What is wrong with it and where it came from. Never shows any of it.
    pub fn load(variable: Option<&str>, file: Option<&Path>) -> Result<Self, String> {
        if let Some(text) = variable {
            return Self::parse(text).map_err(|mistake| format!("{SECRETS_KEY}: {mistake}"));
        }
        let Some(file) = file else { return Ok(Self(None)) };
        let shown = file.display();
        let text = std::fs::read_to_string(file).map_err(|error| format!("secrets.key_file: {shown}: {error}"))?;
        Self::parse(text.trim_ascii()).map_err(|mistake| format!("secrets.key_file: {shown}: {mistake}"))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let bytes = text.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?));
        match bytes.collect::<Option<Vec<u8>>>() {
            Some(key) if key.len() == KEY_BYTES => {
                let key = RandomizedNonceKey::new(&AES_256_GCM, &key).expect("invariant: AES-256 takes 32 bytes");
                Ok(Self(Some(key)))
            }
            _ => Err("it must be 64 hex digits; make one with `openssl rand -hex 32`".to_owned()),
        }
    }

    /// Encrypts the secret of `owner`.
    ///
    /// # Errors
    /// [`SecretsError::NoKey`].
    ///
    /// # Panics
    /// When the operating system has no randomness to give.
    pub fn seal(&self, owner: &str, secret: &str) -> Result<Vec<u8>, SecretsError> {
        let key = self.0.as_ref().ok_or(SecretsError::NoKey)?;
        let mut text = secret.as_bytes().to_vec();
        let nonce = key
            .seal_in_place_append_tag(Aad::from(owner), &mut text)
            .expect("invariant: the operating system gives random bytes");
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + text.len());
        sealed.push(LAYOUT);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut text);
        Ok(sealed)
    }

    /// Decrypts the secret of `owner`.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub fn open(&self, owner: &str, sealed: &[u8]) -> Result<String, SecretsError> {
        let key = self.0.as_ref().ok_or(SecretsError::NoKey)?;
        let (nonce, text) = match sealed.split_first() {
            Some((&LAYOUT, rest)) => rest.split_at_checked(NONCE_LEN).ok_or(SecretsError::WrongKey)?,
            _ => return Err(SecretsError::WrongKey),
        };
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SecretsError::WrongKey)?;
        let mut text = text.to_vec();
        let opened = key.open_in_place(nonce, Aad::from(owner), &mut text).map_err(|_| SecretsError::WrongKey)?;
        String::from_utf8(opened.to_vec()).map_err(|_| SecretsError::WrongKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(digit: &str) -> Secrets {
        Secrets::load(Some(&digit.repeat(64)), None).expect("a key")
    }

    #[test]
    fn what_is_sealed_is_opened_by_its_key_and_owner_only() {
        let sealed = secrets("a").seal("MRTA1", "open sesame").expect("sealed");
        assert_eq!(secrets("a").open("MRTA1", &sealed), Ok("open sesame".to_owned()));
        assert_eq!(secrets("b").open("MRTA1", &sealed), Err(SecretsError::WrongKey));
        assert_eq!(secrets("a").open("MRTA2", &sealed), Err(SecretsError::WrongKey));
        assert_eq!(Secrets::default().open("MRTA1", &sealed), Err(SecretsError::NoKey));
        assert_eq!(Secrets::default().seal("MRTA1", "x"), Err(SecretsError::NoKey));
        let text = String::from_utf8_lossy(&sealed).into_owned();
        assert!(!text.contains("sesame"), "{text}");
        assert_ne!(secrets("a").seal("MRTA1", "open sesame"), Ok(sealed.clone()), "a nonce is used once");
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert_eq!(secrets("a").open("MRTA1", &damaged), Err(SecretsError::WrongKey), "byte {at}");
            assert_eq!(secrets("a").open("MRTA1", &sealed[..at]), Err(SecretsError::WrongKey), "cut at {at}");
        }
    }

    #[test]
    fn a_key_is_64_hex_digits_and_never_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        std::fs::write(&path, format!("{}\n", "0aF9".repeat(16))).expect("written");
        let from_file = Secrets::load(None, Some(&path)).expect("a key");
        assert_eq!(format!("{from_file:?} {:?}", Secrets::default()), "Secrets(a key) Secrets(no key)");
        let sealed = from_file.seal("k", "s").expect("sealed");
        assert!(secrets("0aF9"[..1].into()).open("k", &sealed).is_err(), "the environment overrides the file");
        for bad in ["", "abc", &"g".repeat(64), &"a".repeat(63), &"a".repeat(66), &"é".repeat(32)] {
            let mistake = Secrets::load(Some(bad), None).expect_err("not a key");
            assert!(mistake.starts_with("MERIT_SECRETS_KEY: it must be 64 hex digits"), "{mistake}");
        }
        let missing = Secrets::load(None, Some(&folder.path().join("none"))).expect_err("no file");
        assert!(missing.starts_with("secrets.key_file: ") && missing.contains("none"), "{missing}");
    }
}
