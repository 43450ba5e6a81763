//! Why a signature is not believed, and why one can't be made. Each provider has its own words for it.

/// Why a request is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// It is not signed at all.
    #[error("the request is not signed")]
    Missing,
    /// A part of the signature is missing or can't be read; the text names it.
    #[error("the signature can't be read: {0}")]
    Malformed(String),
    /// The key is nobody's.
    #[error("the access key is not known")]
    UnknownKey,
    /// The token of temporary credentials is missing, or is not the key's.
    #[error("the security token is not the key's")]
    BadToken,
    /// It was signed too long ago, or in the future; by how many seconds.
    #[error("the request was signed {0} seconds off this clock")]
    Stale(u64),
    /// The signature is another one.
    #[error("the signature does not match")]
    Mismatch,
}

impl AuthError {
    /// A part that is missing or can't be read; what the caller sent is cut to 80 characters.
    pub(crate) fn malformed(what: &str, sent: &str) -> Self {
        let shown: String = sent.chars().take(80).collect();
        Self::Malformed(format!("{what} `{shown}`"))
    }
}

/// A request that can't be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to sign a request: {0}")]
pub struct SignError(pub(crate) String);
