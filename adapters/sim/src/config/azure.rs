//! What a cloud that speaks Azure's protocols needs beside what every cloud has.

use std::fmt;
use std::time::Duration;

/// When Azure's load balancer ends a request that was not answered, while its function runs on.
///
/// Source: learn.microsoft.com/azure/azure-functions/functions-scale, read 2026-11-21.
const CUT_AFTER: Duration = Duration::from_secs(230);

/// A function app of a subscription.
#[derive(Clone)]
pub struct AzureApp {
    /// The app's name.
    pub app: String,
    /// The subscription it is in.
    pub subscription: String,
    /// The resource group it is in.
    pub resource_group: String,
    /// The key that calls may be made with, if they may.
    pub function_key: Option<String>,
    /// Who may call with an Entra token, if anybody.
    pub entra: Option<EntraClient>,
    /// When a request is ended that was not answered, in real time.
    pub cut_after: Duration,
}

/// An app registration that is known.
#[derive(Clone)]
pub struct EntraClient {
    /// Its tenant.
    pub tenant: String,
    /// Its id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// What tokens have to be made out to: `api://...`.
    pub audience: String,
}

impl AzureApp {
    /// An app of that name, in Azure's example subscription, that nobody may call yet.
    pub(crate) fn new(app: &str) -> Self {
        Self {
            app: app.to_owned(),
            subscription: "00000000-0000-0000-0000-000000000000".to_owned(),
            resource_group: "merit-sim".to_owned(),
            function_key: None,
            entra: None,
            cut_after: CUT_AFTER,
        }
    }
}

/// Leaves the secrets out.
impl fmt::Debug for AzureApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureApp").field("app", &self.app).field("entra", &self.entra).finish_non_exhaustive()
    }
}

/// Leaves the secret out.
impl fmt::Debug for EntraClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntraClient").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}
