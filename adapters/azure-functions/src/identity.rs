//! Keys, and Entra tokens by Microsoft's own library.
//!
//! | identity | how it proves itself |
//! |---|---|
//! | client secret | the app registration's secret, at `/{tenant}/oauth2/v2.0/token` |
//! | workload identity | a federated token in a file, there too |
//! | managed identity | the identity service of the machine: IMDS, or App Service's |
//!
//! The library keeps a token and renews it five minutes ahead; [`Keyring`](merit_transport::tokens::Keyring)
//! holds the header that was made of it. The library asks Entra by https only; `Elsewhere` sends what it would
//! send to another address, for emulators.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use azure_core::credentials::{Secret, TokenCredential};
use azure_core::http::{
    AsyncRawResponse, ClientOptions, HttpClient, Request, RetryOptions, Transport, Url, new_http_client,
};
use azure_core::time::OffsetDateTime;
use azure_identity::{
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use merit_transport::tokens::{Token, TokenSource};

use crate::config::{Entra, EntraFrom};

/// The longest part of a library's or server's text that is passed on, in characters.
const MESSAGE_CHARS: usize = 240;

/// A key that is given.
pub(crate) struct FunctionKey(pub(crate) String);

impl TokenSource for FunctionKey {
    fn token(self: Arc<Self>) -> BoxFuture<'static, Result<Token, String>> {
        std::future::ready(Token::try_new(&self.0, None)).boxed()
    }

    fn forget(&self) {}
}

impl fmt::Debug for FunctionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FunctionKey")
    }
}

/// Entra tokens for one scope.
pub(crate) struct EntraTokens {
    entra: Entra,
    scope: String,
    made: Mutex<Option<Arc<dyn TokenCredential>>>,
}

impl EntraTokens {
    pub(crate) fn new(entra: Entra, scope: String) -> Self {
        Self { entra, scope, made: Mutex::new(None) }
    }

    /// What was made before, or else made anew: files are read again after a failure.
    fn made(&self) -> Result<Arc<dyn TokenCredential>, String> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = &*made {
            return Ok(Arc::clone(made));
        }
        let fresh = credential(&self.entra).map_err(|error| format!("the identity can't be used: {}", told(&error)))?;
        *made = Some(Arc::clone(&fresh));
        Ok(fresh)
    }
}

impl TokenSource for EntraTokens {
    fn token(self: Arc<Self>) -> BoxFuture<'static, Result<Token, String>> {
        async move {
            let credential = self.made()?;
            let had = credential.get_token(&[&self.scope], None).await;
            let had = had.map_err(|error| format!("no Entra token: {}{}", told(&error), hint(&told(&error))))?;
            let left = had.expires_on - OffsetDateTime::now_utc();
            let lives = std::time::Duration::try_from(left).unwrap_or_default();
            Token::try_new(&format!("Bearer {}", had.token.secret()), Some(lives))
        }
        .boxed()
    }

    fn forget(&self) {
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl fmt::Debug for EntraTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntraTokens").field("scope", &self.scope).finish_non_exhaustive()
    }
}

fn credential(entra: &Entra) -> azure_core::Result<Arc<dyn TokenCredential>> {
    let options = || -> azure_core::Result<ClientOptions> {
        // A keyring asks again by itself, and calls wait for the first answer.
        let mut options = ClientOptions { retry: RetryOptions::none(), ..ClientOptions::default() };
        if let Some(url) = &entra.authority_url {
            let inner = new_http_client(None);
            options.transport = Some(Transport::new(Arc::new(Elsewhere { to: Url::parse(url)?, inner })));
        }
        Ok(options)
    };
    Ok(match &entra.from {
        EntraFrom::ClientSecret { tenant, client_id, client_secret } => {
            let options = ClientSecretCredentialOptions { client_options: options()? };
            ClientSecretCredential::new(tenant, client_id.clone(), Secret::new(client_secret.clone()), Some(options))?
        }
        EntraFrom::Workload { tenant, client_id, token_file } => {
            WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
                credential_options: ClientAssertionCredentialOptions { client_options: options()? },
                tenant_id: tenant.clone(),
                client_id: client_id.clone(),
                token_file_path: token_file.clone(),
            }))?
        }
        EntraFrom::Managed { client_id } => ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
            user_assigned_id: client_id.clone().map(UserAssignedId::ClientId),
            client_options: options()?,
        }))?,
    })
}

/// Sends what is for one address to another.
#[derive(Debug)]
struct Elsewhere {
    to: Url,
    inner: Arc<dyn HttpClient>,
}

impl HttpClient for Elsewhere {
    fn execute_request<'s, 'r, 'f>(
        &'s self,
        request: &'r Request,
    ) -> Pin<Box<dyn Future<Output = azure_core::Result<AsyncRawResponse>> + Send + 'f>>
    where
        's: 'f,
        'r: 'f,
        Self: 'f,
    {
        let mut moved = request.clone();
        let mut url = self.to.clone();
        url.set_path(&format!("{}{}", self.to.path().trim_end_matches('/'), request.url().path()));
        url.set_query(request.url().query());
        *moved.url_mut() = url;
        Box::pin(async move { self.inner.execute_request(&moved).await })
    }
}

/// What an operator can do, by Entra's own numbers.
/// Source: learn.microsoft.com/entra/identity-platform/reference-error-codes, 2026-11-21.
fn hint(told: &str) -> &'static str {
    let of = |codes: &[&str]| codes.iter().any(|code| told.contains(code));
    if of(&["AADSTS7000215", "AADSTS7000222", "invalid_client"]) {
        ": the client secret is wrong or has expired"
    } else if of(&["AADSTS700024", "AADSTS700027"]) {
        ": the assertion is not valid now; set this machine's clock"
    } else if of(&["AADSTS90002", "AADSTS700016", "unauthorized_client"]) {
        ": check the tenant and the client id"
    } else if of(&["AADSTS500011", "invalid_scope", "invalid_resource"]) {
        ": check the scope"
    } else if of(&["dns error", "lookup address"]) {
        ": the name does not resolve"
    } else {
        ""
    }
}

/// The parts of an error that say something new, outermost first, in one line.
fn told(error: &dyn StdError) -> String {
    let mut told = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !told.contains(&text) {
            told.push_str(": ");
            told.push_str(&text);
        }
        next = cause.source();
    }
    let told = told.split("To troubleshoot, visit").next().unwrap_or_default();
    let line: String = told.trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.chars().take(MESSAGE_CHARS).collect()
}
