//! The configuration of one venue at Google Cloud, and its checks.
//!
//! A venue is one region of one project.
//!
//! Invariant: all mistakes are reported at once, each with the field's name and what to write
//! instead. Secrets appear in no message and no debug output.

use std::path::PathBuf;
use std::time::Duration;

use merit_transport::Http2;
use merit_transport::hosts::check_host_pattern;
use merit_venue::{ConfigError, ConfigErrors, check_url, no_call, no_time};

/// The largest request over HTTP/1.1, in bytes, and the largest reply that is not streamed.
/// Source: cloud.google.com/run/quotas, 2026-11-21.
pub const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;

/// The longest a request may take: 60 minutes.
/// Source: cloud.google.com/run/docs/configuring/request-timeout, 2026-11-21.
pub const MAX_DURATION: Duration = Duration::from_hours(1);

/// How to reach Cloud Run in one region of one project. Start from [`GoogleRunConfig::new`].
#[derive(Clone, Debug)]
pub struct GoogleRunConfig {
    /// The region, such as `us-central1`.
    pub region: String,
    /// The project whose services are listed; without, there is no discovery.
    pub project: Option<String>,
    /// Where the identity is from.
    pub credentials: CredentialsFrom,
    /// What tokens are made out to, in place of the service's own URL: one of its custom audiences.
    pub audience: Option<String>,
    /// Another address than each service's own, for emulators and private endpoints; a target is a path below it.
    pub endpoint_url: Option<String>,
    /// Another address than Google's own for the interfaces that list services and functions.
    pub api_endpoint_url: Option<String>,
    /// Hosts besides `*.run.app` and `*.cloudfunctions.net` that a target may name: custom domains.
    pub target_hosts: Vec<String>,
    /// The way there and back, which nobody bills: taken off the own clock.
    pub round_trip: Duration,
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
    /// How long a token that could not be had, or was refused, is not tried again.
    pub credentials_retry: Duration,
}

/// Where the identity is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialsFrom {
    /// Application Default Credentials: the file `GOOGLE_APPLICATION_CREDENTIALS` names, that of gcloud,
    /// or the metadata server.
    Default,
    /// A file of credentials: a service account's key, workload identity federation, or impersonation.
    File(PathBuf),
    /// The metadata server, at this address or its usual one.
    Metadata {
        /// Such as `http://127.0.0.1:8790/google-us-central1`, for emulators.
        endpoint_url: Option<String>,
    },
}

impl GoogleRunConfig {
    /// The defaults for a region: Application Default Credentials, two seconds to connect, an hour for a
    /// call, and 60 seconds for an idle connection, which Google's front end keeps for ten minutes.
    #[must_use]
    pub fn new(region: impl Into<String>) -> Self {
        Self {
            region: region.into(),
            project: None,
            credentials: CredentialsFrom::Default,
            audience: None,
            endpoint_url: None,
            api_endpoint_url: None,
            target_hosts: Vec::new(),
            round_trip: Duration::ZERO,
            connect_timeout: Duration::from_secs(2),
            first_byte_timeout: MAX_DURATION,
            whole_timeout: MAX_DURATION,
            max_request_bytes: MAX_BODY_BYTES,
            max_reply_bytes: MAX_BODY_BYTES,
            max_connections: 1024,
            idle_timeout: Duration::from_mins(1),
            ca_pem: None,
            http2: Some(Http2::default()),
            credentials_retry: Duration::from_secs(10),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigErrors> {
        let mut errors = Vec::new();
        let mut refuse = |field, message| errors.push(ConfigError { field, message });
        if !is_label(&self.region) {
            refuse("region", format!("`{}` is not a region: write it like `us-central1`", self.region));
        }
        if let Some(project) = self.project.as_deref().filter(|project| !is_project(project)) {
            refuse("project", format!("`{project}` is not a project: write its id, like `my-project-1`"));
        }
        if let Some(audience) = self.audience.as_deref().filter(|audience| !is_visible(audience)) {
            refuse("audience", format!("`{audience}` is no audience: use visible characters, as the service has it"));
        }
        let metadata = match &self.credentials {
            CredentialsFrom::Metadata { endpoint_url } => endpoint_url.as_deref(),
            CredentialsFrom::Default | CredentialsFrom::File(_) => None,
        };
        for (field, url) in [
            ("endpoint_url", self.endpoint_url.as_deref()),
            ("api_endpoint_url", self.api_endpoint_url.as_deref()),
            ("metadata_url", metadata),
        ] {
            if let Some(Err(message)) = url.map(|url| check_url(url, "http://127.0.0.1:8790/google")) {
                refuse(field, message);
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

/// Lower-case letters, digits and hyphens, as in `us-central1`.
fn is_label(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(allowed)
}

/// A project's id, which in old domains has a colon, or its number.
fn is_project(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-:.".contains(&byte))
}

fn is_visible(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_told_at_once_and_no_secret_is_shown() {
        let config = GoogleRunConfig {
            project: Some("My Project".to_owned()),
            credentials: CredentialsFrom::Metadata { endpoint_url: Some("ftp://metadata".to_owned()) },
            audience: Some(String::new()),
            endpoint_url: Some("http://user:hunter2@127.0.0.1:1?key=hunter2".to_owned()),
            api_endpoint_url: Some("/v2".to_owned()),
            target_hosts: vec!["https://a b".to_owned()],
            connect_timeout: Duration::ZERO,
            max_connections: 0,
            ..GoogleRunConfig::new("US Central")
        };
        let errors = config.check().expect_err("mistakes");
        let fields: Vec<_> = errors.iter().map(|error| error.field).collect();
        let all = [
            "region",
            "project",
            "audience",
            "endpoint_url",
            "api_endpoint_url",
            "metadata_url",
            "target_hosts",
            "connect_timeout",
            "max_connections",
        ];
        assert_eq!(fields, all);
        assert!(!errors.to_string().contains("hunter2"), "{errors}");
    }

    #[test]
    fn the_defaults_and_what_google_writes_are_taken() {
        let config = GoogleRunConfig {
            project: Some("example.com:my-project-1".to_owned()),
            audience: Some("https://orders.example.com".to_owned()),
            endpoint_url: Some("https://run.internal.example/".to_owned()),
            ..GoogleRunConfig::new("southamerica-east1")
        };
        config.check().expect("no mistake");
        GoogleRunConfig::new("us-central1").check().expect("no mistake");
    }
}
