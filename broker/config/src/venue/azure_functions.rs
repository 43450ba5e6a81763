//! What only a venue at Azure Functions needs: who calls, and how the plan is metered.
//!
//! Known limitation: whether keys and identities are good is known only when they are used.

use std::path::{Path, PathBuf};

use http::Uri;
use merit_units::MemoryMb;

use super::secret::Secret;
use super::{Http2, existing, http2, plain, target_host, url};
use crate::reader::{Kind, Section};
use crate::server::{one_of, path};

/// The function apps of one subscription; the region is the venue's.
#[derive(Clone, Debug)]
pub struct AzureFunctions {
    /// A key that is sent with every call.
    pub function_key: Option<Secret>,
    /// Keys of single apps, by name, in place of that one.
    pub app_keys: Vec<(String, Secret)>,
    /// Who calls, for apps that ask for Entra tokens.
    pub entra: Option<AzureEntra>,
    /// Another address than each app's own; targets are paths below it.
    pub endpoint_url: Option<Uri>,
    /// Hosts besides Azure's that targets may name.
    pub target_hosts: Vec<String>,
    /// A file with certificates (PEM) to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// HTTP/2 where the server offers it.
    pub http2: Option<Http2>,
    /// Whether starters of Durable Functions are followed until what they started has ended.
    pub durable: bool,
    /// What a call is taken to use of memory where the plan bills what was observed.
    pub assumed_memory: Option<MemoryMb>,
    /// Milliseconds there and back, taken off the own clock.
    pub round_trip_ms: u64,
    /// The subscription of the apps that are listed.
    pub subscription: Option<String>,
    /// Their resource group.
    pub resource_group: Option<String>,
    /// The apps that are listed.
    pub apps: Vec<String>,
    /// Another address than Azure's own for Resource Manager.
    pub arm_url: Option<Uri>,
    /// Milliseconds that a key or token which can't be had, or was refused, is not tried again.
    pub credentials_retry_ms: u64,
}

/// An identity at Entra.
#[derive(Clone, Debug)]
pub struct AzureEntra {
    /// What tokens are for: `api://.../.default`; without, tokens are for Resource Manager only.
    pub scope: Option<String>,
    /// How it proves itself.
    pub identity: AzureIdentity,
    /// Another address than Microsoft's own for whoever gives tokens.
    pub authority_url: Option<Uri>,
}

/// How an identity proves itself.
#[derive(Clone, Debug)]
pub enum AzureIdentity {
    /// By an app registration's secret.
    ClientSecret {
        /// The tenant.
        tenant: Secret,
        /// The app registration.
        client_id: Secret,
        /// Its secret.
        client_secret: Secret,
    },
    /// By a federated token; what is left out is of the environment.
    Workload {
        /// The tenant.
        tenant: Option<Secret>,
        /// The app registration.
        client_id: Option<Secret>,
        /// The file of the token.
        token_file: Option<PathBuf>,
    },
    /// It is that of the machine Merit runs on.
    Managed {
        /// Which, where it has several.
        client_id: Option<Secret>,
    },
}

/// What `[venues.NAME.credentials]` has.
#[derive(Default)]
struct Credentials {
    function_key: Option<Secret>,
    tenant: Option<Secret>,
    client_id: Option<Secret>,
    client_secret: Option<Secret>,
}

#[derive(Clone, Copy)]
enum Word {
    ClientSecret,
    Workload,
    Managed,
}

const WORDS: [(&str, Word); 3] =
    [("client-secret", Word::ClientSecret), ("workload", Word::Workload), ("managed", Word::Managed)];

pub(super) fn read(section: &mut Section<'_, '_>, folder: &Path) -> AzureFunctions {
    let text = &[Kind::String];
    let app_keys = section.child("app_keys").map(read_keys).unwrap_or_default();
    let mut credentials = section.child("credentials").map(read_credentials).unwrap_or_default();
    let memory = |text: &str| {
        let number = text.parse::<u64>().ok().and_then(|mb| MemoryMb::try_new(mb).ok());
        number.ok_or_else(|| format!("must be megabytes from 1 up, got {text}"))
    };
    AzureFunctions {
        function_key: credentials.function_key.take(),
        entra: read_entra(section, credentials, folder),
        app_keys,
        endpoint_url: section.given("endpoint_url", text, url),
        target_hosts: section.list("target_hosts", target_host),
        ca_file: section.given("ca_file", text, |text| existing(&folder.join(path(text)?))),
        http2: http2::read(section, false),
        durable: section
            .given("durable", &[Kind::Boolean], str::parse::<bool>)
            .unwrap_or_else(|| section.fall_back("durable", true)),
        assumed_memory: section.given("assumed_memory_mb", &[Kind::Integer], memory),
        round_trip_ms: section.number_or("round_trip_ms", 0..=60_000, 0),
        subscription: section.given("subscription", text, plain),
        resource_group: section.given("resource_group", text, plain),
        apps: section.list("apps", plain),
        arm_url: section.given("arm_url", text, url),
        credentials_retry_ms: section.number_or("credentials_retry_ms", 100..=3_600_000, 10_000),
    }
}

fn read_entra(section: &mut Section<'_, '_>, had: Credentials, folder: &Path) -> Option<AzureEntra> {
    let text = &[Kind::String];
    let scope = section.given("scope", text, plain);
    let authority_url = section.given("authority_url", text, url);
    let token_file = section.given("federated_token_file", text, |text| path(text).map(|path| folder.join(path)));
    let word = section.given("identity", text, |text| one_of(text, &WORDS));
    let word = word.or_else(|| had.client_secret.is_some().then_some(Word::ClientSecret));
    let Credentials { tenant, client_id, client_secret, .. } = had;
    let identity = match word {
        None => {
            let told = [("scope", scope.is_some()), ("federated_token_file", token_file.is_some())];
            for (key, _) in told.iter().filter(|(_, given)| *given) {
                section.mistake(key, "is of an identity: set identity to client-secret, workload or managed");
            }
            return None;
        }
        Some(Word::ClientSecret) => {
            let (Some(tenant), Some(client_id), Some(client_secret)) = (tenant, client_id, client_secret) else {
                let needs = "needs tenant, client_id and client_secret in [venues.NAME.credentials]";
                section.mistake("identity", needs);
                return None;
            };
            AzureIdentity::ClientSecret { tenant, client_id, client_secret }
        }
        Some(Word::Workload) => AzureIdentity::Workload { tenant, client_id, token_file },
        Some(Word::Managed) => AzureIdentity::Managed { client_id },
    };
    Some(AzureEntra { scope, identity, authority_url })
}

fn read_credentials(section: Section<'_, '_>) -> Credentials {
    let mut section = section.secret();
    Credentials {
        function_key: section.given_secret("function_key"),
        tenant: section.given_secret("tenant"),
        client_id: section.given_secret("client_id"),
        client_secret: section.given_secret("client_secret"),
    }
}

fn read_keys(section: Section<'_, '_>) -> Vec<(String, Secret)> {
    let mut section = section.secret();
    let mut keys = Vec::new();
    for app in section.other_keys() {
        keys.extend(section.given_secret(app).map(|key| (app.to_owned(), key)));
    }
    keys
}
