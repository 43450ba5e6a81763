//! The configuration of one venue at Azure, and its checks.
//!
//! Invariant: all mistakes are reported at once, each with the field's name and what to write
//! instead. Secrets appear in no message and no debug output.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use merit_transport::Http2;
use merit_transport::hosts::check_host_pattern;
use merit_units::MemoryMb;
use merit_venue::{ConfigError, ConfigErrors, check_url, no_call, no_time};

/// The largest request an HTTP trigger takes, in bytes.
/// Source: learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger, 2026-11-21.
pub const MAX_BODY_BYTES: usize = 100 * 1024 * 1024;

/// After how long Azure's load balancer ends a request that was not answered, whatever the plan. The function runs on.
/// Source: learn.microsoft.com/azure/azure-functions/functions-scale#timeout, 2026-11-21.
pub const LOAD_BALANCER_CUT: Duration = Duration::from_secs(230);

/// The longest an orchestration is waited for: an hour.
pub const MAX_DURATION: Duration = Duration::from_hours(1);

/// How to reach Azure Functions in one region of one subscription. Start from [`AzureConfig::new`].
#[derive(Clone)]
pub struct AzureConfig {
    /// The region, such as `eastus`.
    pub region: String,
    /// A key that is sent with every call, as `x-functions-key`.
    pub function_key: Option<String>,
    /// Keys of single apps, by name, in place of that one.
    pub app_keys: BTreeMap<String, String>,
    /// Who calls, for apps that ask for Entra tokens.
    pub entra: Option<Entra>,
    /// Another address than each app's own, for emulators and private endpoints; a target is a path below it.
    pub endpoint_url: Option<String>,
    /// Hosts besides `*.azurewebsites.net` and its likes that a target may name: custom domains.
    pub target_hosts: Vec<String>,
    /// Whether an answer of 202 that says where to ask is followed until the orchestration has ended.
    pub durable: bool,
    /// What a call is taken to use of memory where the plan bills what was observed; the size it is deployed with without.
    pub assumed_memory: Option<MemoryMb>,
    /// The way there and back, which nobody bills: taken off the own clock.
    pub round_trip: Duration,
    /// The subscription and resource group of the apps that are listed; without both there is no discovery.
    pub subscription: Option<String>,
    /// See `subscription`.
    pub resource_group: Option<String>,
    /// The apps that are listed.
    pub apps: Vec<String>,
    /// Another address than Azure's own for Resource Manager.
    pub arm_url: Option<String>,
    /// For name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// From the request to the reply's head.
    pub first_byte_timeout: Duration,
    /// For the whole call; the call's own deadline cuts it shorter.
    pub whole_timeout: Duration,
    /// The largest payload, in bytes; at most [`MAX_BODY_BYTES`] counts.
    pub max_request_bytes: usize,
    /// The largest reply, in bytes.
    pub max_reply_bytes: usize,
    /// The most connections open at once. Calls beyond it wait.
    pub max_connections: u32,
    /// How long an idle connection is kept.
    pub idle_timeout: Duration,
    /// Certificate authorities (PEM) to trust besides the system's.
    pub ca_pem: Option<PathBuf>,
    /// HTTP/2 where the server offers it.
    pub http2: Option<Http2>,
    /// How long a key or token that could not be had, or was refused, is not tried again.
    pub credentials_retry: Duration,
}

/// An identity at Entra.
#[derive(Clone, Debug)]
pub struct Entra {
    /// What tokens are for: `api://33333333-3333-3333-3333-333333333333/.default`. Without, there are tokens for
    /// Resource Manager only.
    pub scope: Option<String>,
    /// Where tokens are from.
    pub from: EntraFrom,
    /// Another address than Microsoft's own for whoever gives tokens, for emulators and sovereign clouds.
    pub authority_url: Option<String>,
}

/// Where Entra tokens are from.
#[derive(Clone)]
pub enum EntraFrom {
    /// An app registration's secret.
    ClientSecret {
        /// The tenant.
        tenant: String,
        /// The app registration.
        client_id: String,
        /// Its secret.
        client_secret: String,
    },
    /// A federated token in a file. What is left out is of the environment: `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`,
    /// `AZURE_FEDERATED_TOKEN_FILE`.
    Workload {
        /// The tenant.
        tenant: Option<String>,
        /// The app registration.
        client_id: Option<String>,
        /// The file.
        token_file: Option<PathBuf>,
    },
    /// The identity of the machine Merit runs on.
    Managed {
        /// Which, where it has several.
        client_id: Option<String>,
    },
}

impl fmt::Debug for EntraFrom {
    /// Everything but the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientSecret { tenant, client_id, .. } => f
                .debug_struct("ClientSecret")
                .field("tenant", tenant)
                .field("client_id", client_id)
                .finish_non_exhaustive(),
            Self::Workload { tenant, client_id, token_file } => f
                .debug_struct("Workload")
                .field("tenant", tenant)
                .field("client_id", client_id)
                .field("token_file", token_file)
                .finish(),
            Self::Managed { client_id } => f.debug_struct("Managed").field("client_id", client_id).finish(),
        }
    }
}

impl fmt::Debug for AzureConfig {
    /// What names the venue, and no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let apps: Vec<&String> = self.app_keys.keys().collect();
        f.debug_struct("AzureConfig")
            .field("region", &self.region)
            .field("app_keys", &apps)
            .field("entra", &self.entra)
            .field("target_hosts", &self.target_hosts)
            .field("durable", &self.durable)
            .field("subscription", &self.subscription)
            .field("resource_group", &self.resource_group)
            .field("apps", &self.apps)
            .finish_non_exhaustive()
    }
}

impl AzureConfig {
    /// The defaults for a region: no key and no token, orchestrations are followed, two seconds to connect, and 60
    /// seconds for an idle connection, which Azure's front end keeps for four minutes.
    #[must_use]
    pub fn new(region: impl Into<String>) -> Self {
        Self {
            region: region.into(),
            function_key: None,
            app_keys: BTreeMap::new(),
            entra: None,
            endpoint_url: None,
            target_hosts: Vec::new(),
            durable: true,
            assumed_memory: None,
            round_trip: Duration::ZERO,
            subscription: None,
            resource_group: None,
            apps: Vec::new(),
            arm_url: None,
            connect_timeout: Duration::from_secs(2),
            first_byte_timeout: LOAD_BALANCER_CUT + Duration::from_secs(5),
            whole_timeout: MAX_DURATION,
            max_request_bytes: MAX_BODY_BYTES,
            max_reply_bytes: MAX_BODY_BYTES,
            max_connections: 1024,
            idle_timeout: Duration::from_mins(1),
            ca_pem: None,
            http2: None,
            credentials_retry: Duration::from_secs(10),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigErrors> {
        let mut errors = Vec::new();
        let mut refuse = |field, message| errors.push(ConfigError { field, message });
        if !is_name(&self.region) {
            refuse("region", format!("`{}` is not a region: write it like `eastus`", self.region));
        }
        let keys = self.function_key.iter().chain(self.app_keys.values());
        if keys.clone().any(|key| !is_visible(key)) {
            refuse("function_key", "a key must have visible characters only, and at least one".to_owned());
        }
        let authority = self.entra.as_ref().and_then(|entra| entra.authority_url.as_deref());
        for (field, url) in [
            ("endpoint_url", self.endpoint_url.as_deref()),
            ("authority_url", authority),
            ("arm_url", self.arm_url.as_deref()),
        ] {
            if let Some(Err(message)) = url.map(|url| check_url(url, "http://127.0.0.1:8790/azure")) {
                refuse(field, message);
            }
        }
        for app in self.apps.iter().filter(|app| !is_name(app)) {
            refuse("apps", format!("`{app}` is not an app: write its name, like `orders-prod`"));
        }
        let places = [("subscription", &self.subscription), ("resource_group", &self.resource_group)];
        for (field, name) in places.iter().filter_map(|(field, name)| Some((*field, name.as_deref()?))) {
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.()".contains(&byte)) {
                refuse(field, format!("`{name}` has characters that none has"));
            }
        }
        for message in self.target_hosts.iter().filter_map(|host| check_host_pattern(host).err()) {
            refuse("target_hosts", message);
        }
        errors.extend(no_time([
            ("connect_timeout", self.connect_timeout),
            ("first_byte_timeout", self.first_byte_timeout),
            ("whole_timeout", self.whole_timeout),
        ]));
        errors.extend(no_call([
            ("max_request_bytes", self.max_request_bytes == 0),
            ("max_reply_bytes", self.max_reply_bytes == 0),
            ("max_connections", self.max_connections == 0),
        ]));
        ConfigErrors::check(errors)
    }
}

/// Letters, digits and hyphens.
fn is_name(text: &str) -> bool {
    (1..=60).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_visible(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_told_at_once_and_no_secret_is_shown() {
        let config = AzureConfig {
            function_key: Some("hunter2 with a space".to_owned()),
            entra: Some(Entra {
                scope: None,
                from: EntraFrom::ClientSecret {
                    tenant: "t".to_owned(),
                    client_id: "c".to_owned(),
                    client_secret: "hunter2".to_owned(),
                },
                authority_url: Some("login".to_owned()),
            }),
            endpoint_url: Some("http://user:hunter2@127.0.0.1:1?key=hunter2".to_owned()),
            apps: vec!["a/b".to_owned()],
            subscription: Some("../x".to_owned()),
            target_hosts: vec!["https://a b".to_owned()],
            connect_timeout: Duration::ZERO,
            max_connections: 0,
            ..AzureConfig::new("East US")
        };
        let errors = config.check().expect_err("mistakes");
        let fields: Vec<_> = errors.iter().map(|error| error.field).collect();
        let all = [
            "region",
            "function_key",
            "endpoint_url",
            "authority_url",
            "apps",
            "subscription",
            "target_hosts",
            "connect_timeout",
            "max_connections",
        ];
        assert_eq!(fields, all);
        let shown = format!("{errors} {config:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
