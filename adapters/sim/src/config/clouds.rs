//! What clouds that speak Alibaba's, Tencent's and Cloudflare's protocols need beside what every cloud has.

use std::fmt;

use super::KeyPair;

/// An account of Alibaba Cloud.
#[derive(Clone, Debug)]
pub struct FcAccount {
    /// Who may call.
    pub keys: Vec<KeyPair>,
    /// Whether it is told the replies of asynchronous calls, which Alibaba Cloud opens account by account.
    pub return_payload: bool,
}

/// An account of Tencent Cloud.
#[derive(Clone, Debug)]
pub struct ScfAccount {
    /// Who may call.
    pub keys: Vec<KeyPair>,
    /// Whether functions take a gateway's events and return integrated responses, so that any bytes go through.
    pub gateway_events: bool,
}

/// Who may call Workers. Without any of it, everybody.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct WorkersGate {
    /// What `Authorization: Bearer` must have.
    pub bearer_token: Option<String>,
    /// The id and the secret of an Access service token.
    pub access: Option<(String, String)>,
}

/// Leaves the secrets out.
impl fmt::Debug for WorkersGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.access.as_ref().map(|(id, _)| id);
        f.debug_struct("WorkersGate").field("access", &id).finish_non_exhaustive()
    }
}
