//! The configuration of a venue of Workers, and its checks.
//!
//! Invariant: all mistakes are reported at once, each with the field's name and what to write instead. Secrets appear in
//! no message and no debug output.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use merit_cloud_wire::workers;
use merit_transport::hosts::check_host_pattern;
use merit_transport::{Origin, Reach, Transport};
use merit_venue::{ConfigError, ConfigErrors, no_call, no_time, shown_url};

use crate::cpu::CpuEstimate;

/// Workers of one account. Start from [`WorkersConfig::new`].
#[derive(Clone, Debug)]
pub struct WorkersConfig {
    /// The URL below which targets that are paths are found: a route of one's own.
    pub base_url: Option<String>,
    /// The account's name below `workers.dev`: a target `resize` is then `https://resize.NAME.workers.dev/`.
    pub subdomain: Option<String>,
    /// Hosts besides those two that targets may name by a whole URL.
    pub target_hosts: Vec<String>,
    /// What Workers check themselves, sent as `Authorization: Bearer`.
    pub bearer_token: Option<Secret>,
    /// What Cloudflare Access checks before them.
    pub access_token: Option<AccessToken>,
    /// How the account's scripts are listed; not at all without.
    pub api: Option<Api>,
    /// What is known of the CPU time of calls.
    pub cpu: CpuEstimate,
    /// Timeouts, bounds and addresses of connections.
    pub reach: Reach,
    /// For the whole call; the call's own deadline cuts it shorter.
    pub whole_timeout: Duration,
    /// The largest payload, in bytes. Cloudflare takes 100 MB on the Free and Pro plans.
    pub max_request_bytes: usize,
    /// The largest reply, in bytes.
    pub max_reply_bytes: usize,
    /// How long credentials that were refused are not tried again.
    pub credentials_retry: Duration,
}

/// A text that is not shown.
#[derive(Clone)]
pub struct Secret(pub String);

/// A service token of Cloudflare Access.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// Its id, which ends in `.access`.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
}

/// Cloudflare's API, by which scripts are listed.
#[derive(Clone, Debug)]
pub struct Api {
    /// The account's id, 32 digits of hexadecimal.
    pub account_id: String,
    /// A token with the right to read Workers' scripts.
    pub token: Secret,
    /// Another address than Cloudflare's own.
    pub url: Option<String>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What a configuration without mistakes gives.
pub(crate) struct Checked {
    /// The server of the base URL and its path, without a slash at the end.
    pub(crate) base: Option<(Arc<Origin>, String)>,
    pub(crate) api: Option<(Arc<Origin>, String, HeaderValue)>,
    pub(crate) credentials: Vec<(HeaderName, HeaderValue)>,
    pub(crate) transport: Transport,
}

impl WorkersConfig {
    /// The defaults: no Worker to be found yet, no credentials, five minutes for a call.
    #[must_use]
    pub fn new() -> Self {
        Self {
            base_url: None,
            subdomain: None,
            target_hosts: Vec::new(),
            bearer_token: None,
            access_token: None,
            api: None,
            cpu: CpuEstimate::default(),
            reach: Reach::default(),
            whole_timeout: Duration::from_mins(5),
            max_request_bytes: workers::MOST_REQUEST_BYTES,
            max_reply_bytes: workers::MOST_REQUEST_BYTES,
            credentials_retry: Duration::from_secs(10),
        }
    }

    pub(crate) fn check(&self) -> Result<Checked, ConfigErrors> {
        let mut errors = Vec::new();
        let mut refuse = |field, message: String| errors.push(ConfigError { field, message });
        if self.base_url.is_none() && self.subdomain.is_none() && self.target_hosts.is_empty() {
            let message =
                "no Worker can be found: give the URL of a route here, or `subdomain`, the name before `workers.dev`";
            refuse("base_url", message.to_owned());
        }
        let base = self.base_url.as_deref().map(place).transpose();
        let base = base.map_err(|message| refuse("base_url", message)).ok().flatten();
        if let Some(name) = self.subdomain.as_deref().filter(|name| !is_label(name)) {
            refuse("subdomain", format!("`{name}` is not a name before `.workers.dev`: write it like `my-team`"));
        }
        for message in self.target_hosts.iter().filter_map(|host| check_host_pattern(host).err()) {
            refuse("target_hosts", message);
        }
        let mut credentials = Vec::new();
        let bearer = self
            .bearer_token
            .as_ref()
            .map(|Secret(token)| ("authorization", format!("Bearer {token}"), "bearer_token"));
        let access = self.access_token.as_ref().map(|AccessToken { client_id, client_secret: Secret(secret) }| {
            let id = (workers::ACCESS_CLIENT_ID, client_id.clone(), "access_client_id");
            [id, (workers::ACCESS_CLIENT_SECRET, secret.clone(), "access_client_secret")]
        });
        for (name, value, field) in bearer.into_iter().chain(access.into_iter().flatten()) {
            match secret(&value) {
                Some(value) => credentials.push((HeaderName::from_static(name), value)),
                None => refuse(field, "is empty, or has a character that no header can hold".to_owned()),
            }
        }
        let api = self.api.as_ref().and_then(|api| match scripts(api) {
            Ok(scripts) => Some(scripts),
            Err((field, message)) => {
                refuse(field, message);
                None
            }
        });
        errors.extend(no_time([("whole_timeout", self.whole_timeout)]));
        errors.extend(no_call([
            ("max_request_bytes", self.max_request_bytes == 0),
            ("max_reply_bytes", self.max_reply_bytes == 0),
        ]));
        let plain = |origin: &Origin| !origin.tls();
        let only_plain = self.subdomain.is_none()
            && self.target_hosts.is_empty()
            && base.as_ref().is_some_and(|(origin, _)| plain(origin))
            && api.as_ref().is_none_or(|(origin, ..)| plain(origin));
        let transport = Transport::try_new(&self.reach, !only_plain, &mut errors);
        ConfigErrors::check(errors)?;
        let transport = transport.expect("invariant: no transport without a mistake");
        Ok(Checked { base, api, credentials, transport })
    }
}

impl Default for WorkersConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// The place of the list of scripts, and who asks.
fn scripts(api: &Api) -> Result<(Arc<Origin>, String, HeaderValue), (&'static str, String)> {
    let id = &api.account_id;
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(("account_id", format!("`{id}` is not an account's id: write its 32 digits")));
    }
    let token = secret(&format!("Bearer {}", api.token.0));
    let token = token.ok_or_else(|| ("api_token", "has a character that no header can hold".to_owned()))?;
    let url = api.url.as_deref().unwrap_or("https://api.cloudflare.com");
    let (origin, prefix) = place(url).map_err(|message| ("api_url", message))?;
    Ok((origin, format!("{prefix}/client/v4/accounts/{id}/workers/scripts"), token))
}

fn secret(text: &str) -> Option<HeaderValue> {
    let mut value =
        HeaderValue::from_str(text.trim_end()).ok().filter(|value| !value.is_empty() && *value != "Bearer")?;
    value.set_sensitive(true);
    Some(value)
}

fn place(url: &str) -> Result<(Arc<Origin>, String), String> {
    let refuse = |why: &str| format!("`{}` {why}", shown_url(url));
    let uri: http::Uri =
        url.parse().map_err(|_| refuse("is not a URL: write it like `https://workers.example.com/`"))?;
    if uri.query().is_some() {
        return Err(refuse("has a query: leave it out"));
    }
    let path = uri.path().trim_end_matches('/').to_owned();
    Ok((Arc::new(Origin::of_url(&uri).map_err(refuse)?), path))
}

fn is_label(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_told_at_once_and_no_secret_is_shown() {
        let hunter = || Secret("hunter2\n".to_owned() + "x");
        let config = WorkersConfig {
            base_url: Some("https://user:hunter2@h/?key=hunter2".to_owned()),
            subdomain: Some("my.team".to_owned()),
            bearer_token: Some(hunter()),
            access_token: Some(AccessToken { client_id: String::new(), client_secret: hunter() }),
            api: Some(Api { account_id: "12".to_owned(), token: hunter(), url: None }),
            whole_timeout: Duration::ZERO,
            ..WorkersConfig::new()
        };
        let errors = config.check().err().expect("mistakes");
        let fields: Vec<_> = errors.iter().map(|error| error.field).collect();
        let all = [
            "base_url",
            "subdomain",
            "bearer_token",
            "access_client_id",
            "access_client_secret",
            "account_id",
            "whole_timeout",
        ];
        assert_eq!(fields, all);
        assert!(!errors.to_string().contains("hunter2"), "{errors}");
        assert!(!format!("{:?} {:?} {:?}", config.bearer_token, config.access_token, config.api).contains("hunter2"));
        let nowhere = WorkersConfig::new().check().err().expect("a mistake");
        assert!(nowhere.to_string().contains("workers.dev"), "{nowhere}");
    }

    #[test]
    fn credentials_are_headers_that_are_not_shown() {
        let config = WorkersConfig {
            subdomain: Some("team".to_owned()),
            bearer_token: Some(Secret("hunter2".to_owned())),
            access_token: Some(AccessToken {
                client_id: "id.access".to_owned(),
                client_secret: Secret("hunter2".to_owned()),
            }),
            api: Some(Api { account_id: "0".repeat(32), token: Secret("hunter2".to_owned()), url: None }),
            ..WorkersConfig::new()
        };
        let checked = config.check().expect("no mistake");
        assert!(!format!("{:?}", checked.credentials).contains("hunter2"));
        let names: Vec<&str> = checked.credentials.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["authorization", "cf-access-client-id", "cf-access-client-secret"]);
        let (origin, path, _) = checked.api.expect("a list");
        assert_eq!(origin.authority().as_str(), "api.cloudflare.com");
        assert_eq!(path, format!("/client/v4/accounts/{}/workers/scripts", "0".repeat(32)));
    }
}
