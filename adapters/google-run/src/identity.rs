//! ID tokens, which say to a service who calls it, by Google's own library.
//!
//! | credentials | tokens |
//! |---|---|
//! | service account's key | an assertion signed with the key, exchanged for an ID token |
//! | metadata server | its `identity` |
//! | workload identity federation (`external_account`) | a federated token impersonates the account it names, `generateIdToken` |
//! | impersonation | `generateIdToken` |
//!
//! A key's exchange by the library goes to `oauth2.googleapis.com` whatever the key says, so it is tested behind a proxy
//! (`tests/peers/library.rs`).
//!
//! The library keeps a token and renews it four minutes ahead; [`Keyring`](merit_transport::tokens::Keyring)
//! holds the header that was made of it.
//!
//! Known limitations: a user's own credentials (`gcloud auth application-default login`) give no ID tokens
//! for a service; workload identity federation needs `service_account_impersonation_url`.

use std::error::Error as StdError;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use google_cloud_auth::build_errors::Error as BuildError;
use google_cloud_auth::credentials::Credentials;
use google_cloud_auth::credentials::idtoken::{self, IDTokenCredentials};
use google_cloud_auth::credentials::{self, external_account, impersonated, mds, service_account, user_account};
use merit_transport::tokens::{Token, TokenSource};
use serde_json::{Value, json};

use crate::assertion::Assertion;
use crate::config::CredentialsFrom;
use crate::jwt;

/// The longest part of a library's or server's text that is passed on, in characters.
const MESSAGE_CHARS: usize = 240;

/// ID tokens made out to one audience.
pub(crate) struct IdTokens {
    from: CredentialsFrom,
    audience: String,
    made: Mutex<Option<Made>>,
}

/// What tokens are had from.
#[derive(Clone)]
enum Made {
    Library(IDTokenCredentials),
    /// A key whose tokens are not exchanged at Google's own address, which the library does not allow.
    Assertion(Arc<Assertion>),
}

impl IdTokens {
    pub(crate) fn new(from: CredentialsFrom, audience: String) -> Self {
        Self { from, audience, made: Mutex::new(None) }
    }

    /// What was made before, or else made anew: files are read again after a failure.
    fn made(&self) -> Result<Made, String> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = &*made {
            return Ok(made.clone());
        }
        let fresh = self.make()?;
        *made = Some(fresh.clone());
        Ok(fresh)
    }

    fn make(&self) -> Result<Made, String> {
        match &self.from {
            CredentialsFrom::Default => match default_file()? {
                Some(json) => self.of_json(json),
                None => self.of_metadata(None),
            },
            CredentialsFrom::File(path) => self.of_json(read(path)?),
            CredentialsFrom::Metadata { endpoint_url } => self.of_metadata(endpoint_url.as_deref()),
        }
    }

    fn of_metadata(&self, endpoint: Option<&str>) -> Result<Made, String> {
        let mut builder = idtoken::mds::Builder::new(self.audience.as_str());
        if let Some(endpoint) = endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        builder.build().map(Made::Library).map_err(|error| unusable(&error))
    }

    fn of_json(&self, json: Value) -> Result<Made, String> {
        let audience = self.audience.as_str();
        let made = match kind(&json) {
            "service_account" => match Assertion::elsewhere(&json, audience)? {
                Some(assertion) => return Ok(Made::Assertion(Arc::new(assertion))),
                None => idtoken::service_account::Builder::new(audience, json).build(),
            },
            "external_account" => idtoken::impersonated::Builder::new(audience, federated(json)?).build(),
            "impersonated_service_account" => idtoken::impersonated::Builder::new(audience, json).build(),
            other => {
                return Err(format!(
                    "credentials of type `{other}` give no ID tokens: use a service account's key, workload \
                     identity federation or the metadata server"
                ));
            }
        };
        made.map(Made::Library).map_err(|error| unusable(&error))
    }
}

impl TokenSource for IdTokens {
    fn token(self: Arc<Self>) -> BoxFuture<'static, Result<Token, String>> {
        async move {
            let told = match self.made()? {
                Made::Library(credentials) => credentials.id_token().await.map_err(|error| refused(&error))?,
                Made::Assertion(assertion) => assertion.id_token().await?,
            };
            Token::try_new(&format!("Bearer {told}"), Some(lifetime(&told)?))
        }
        .boxed()
    }

    fn forget(&self) {
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl fmt::Debug for IdTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdTokens").field("from", &self.from).field("audience", &self.audience).finish_non_exhaustive()
    }
}

/// Credentials for Google's own interfaces, which list what is deployed.
///
/// # Errors
/// Why there are none.
pub(crate) fn access(from: &CredentialsFrom) -> Result<Credentials, String> {
    let json = match from {
        CredentialsFrom::Default => match default_file()? {
            Some(_) => return credentials::Builder::default().build().map_err(|error| unusable(&error)),
            None => return mds::Builder::default().build().map_err(|error| unusable(&error)),
        },
        CredentialsFrom::Metadata { endpoint_url } => {
            let mut builder = mds::Builder::default();
            if let Some(endpoint) = endpoint_url {
                builder = builder.with_endpoint(endpoint.as_str());
            }
            return builder.build().map_err(|error| unusable(&error));
        }
        CredentialsFrom::File(path) => read(path)?,
    };
    let made = match kind(&json) {
        "service_account" => service_account::Builder::new(json).build(),
        "external_account" => external_account::Builder::new(json).build(),
        "impersonated_service_account" => impersonated::Builder::new(json).build(),
        "authorized_user" => user_account::Builder::new(json).build(),
        other => return Err(format!("credentials of type `{other}` are not known")),
    };
    made.map_err(|error| unusable(&error))
}

/// How long a token is good by this machine's clock.
fn lifetime(token: &str) -> Result<Duration, String> {
    let ends = jwt::expiry(token)?;
    let then = UNIX_EPOCH.checked_add(Duration::from_secs(ends)).ok_or("the token never ends, which none does")?;
    // In the future `elapsed` is an error, which says by how much.
    Ok(then.elapsed().err().map_or(Duration::ZERO, |error| error.duration()))
}

/// A federated account's configuration as that of an impersonation: the library makes ID tokens of those only.
fn federated(mut json: Value) -> Result<Value, String> {
    let url = json.as_object_mut().and_then(|object| object.remove("service_account_impersonation_url"));
    let Some(Value::String(url)) = url else {
        let hint = "create the file with --service-account, so that it has `service_account_impersonation_url`";
        return Err(format!("workload identity federation gives ID tokens of a service account only: {hint}"));
    };
    Ok(json!({
        "type": "impersonated_service_account",
        "service_account_impersonation_url": url,
        "source_credentials": json,
    }))
}

fn kind(json: &Value) -> &str {
    json.get("type").and_then(Value::as_str).unwrap_or("none")
}

/// The file of Application Default Credentials, where there is one.
fn default_file() -> Result<Option<Value>, String> {
    if let Some(path) = std::env::var_os("GOOGLE_APPLICATION_CREDENTIALS") {
        return read(Path::new(&path)).map(Some);
    }
    let Some(home) = std::env::var_os("HOME") else { return Ok(None) };
    let path = Path::new(&home).join(".config/gcloud/application_default_credentials.json");
    if path.is_file() { read(&path).map(Some) } else { Ok(None) }
}

fn read(path: &Path) -> Result<Value, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("can't read `{shown}`: {error}"))?;
    // What is wrong with it is not shown: the text is a secret.
    serde_json::from_str(&text)
        .map_err(|error| format!("`{shown}` is no file of credentials: it is not JSON from line {} on", error.line()))
}

fn unusable(error: &BuildError) -> String {
    format!("the credentials can't be used: {}", told(error))
}

fn refused(error: &dyn StdError) -> String {
    let told = told(error);
    let hint = if told.contains("invalid_grant") {
        ": the key may be revoked, or this machine's clock wrong"
    } else if told.contains("dns error") || told.contains("lookup address") {
        ": the name does not resolve"
    } else {
        ""
    };
    format!("no ID token: {told}{hint}")
}

/// The parts of an error that say something new, outermost first.
pub(crate) fn told(error: &dyn StdError) -> String {
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
    let line: String = told.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.chars().take(MESSAGE_CHARS).collect()
}
