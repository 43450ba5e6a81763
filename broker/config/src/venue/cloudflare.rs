//! What only a venue of Cloudflare Workers needs: where they are, what they and Access ask for, and what is known of the
//! CPU time that no reply tells.

use std::path::{Path, PathBuf};

use http::Uri;

use super::Http2;
use super::secret::Secret;
use crate::reader::{Kind, Section};
use crate::server::path;

/// Workers of one account.
#[derive(Clone, Debug)]
pub struct CloudflareWorkers {
    /// Deployments' targets are paths under it.
    pub url: Option<Uri>,
    /// The account's name below `workers.dev`.
    pub subdomain: Option<String>,
    /// Hosts besides those two that targets may name.
    pub target_hosts: Vec<String>,
    /// HTTP/2 where the server offers it.
    pub http2: Option<Http2>,
    /// What is sent with each call.
    pub tokens: WorkersTokens,
    /// The account's id, to list its scripts.
    pub account_id: Option<String>,
    /// Another address than Cloudflare's own for its API.
    pub api_url: Option<Uri>,
    /// The mean CPU time of a call in microseconds, where analytics say nothing of its script.
    pub cpu_us: Option<u64>,
    /// A file with an answer of Cloudflare's analytics; relative to the configuration file's folder.
    pub cpu_file: Option<PathBuf>,
    /// Milliseconds that credentials which were refused are not tried again.
    pub credentials_retry_ms: u64,
}

/// The secrets of a venue of Workers.
#[derive(Clone, Debug, Default)]
pub struct WorkersTokens {
    /// Sent as `Authorization: Bearer`.
    pub bearer_token: Option<Secret>,
    /// The id of an Access service token, and its secret.
    pub access: Option<(Secret, Secret)>,
    /// For Cloudflare's API.
    pub api_token: Option<Secret>,
}

pub(super) fn read(section: &mut Section<'_, '_>, folder: &Path) -> CloudflareWorkers {
    let text = &[Kind::String];
    let tokens = section.child("credentials").map(read_tokens).unwrap_or_default();
    let account_id = section.given("account_id", text, account);
    if account_id.is_some() && tokens.api_token.is_none() {
        section
            .mistake("account_id", "is only for the list of scripts: give credentials.api_token too, or leave it out");
    }
    let own = CloudflareWorkers {
        url: section.given("url", text, super::url),
        subdomain: section.given("subdomain", text, label),
        target_hosts: section.list("target_hosts", super::target_host),
        http2: super::http2::read(section, false),
        tokens,
        account_id,
        api_url: section.given("api_url", text, super::url),
        cpu_us: section.given("cpu_us", &[Kind::Integer], micros),
        cpu_file: section.given("cpu_file", text, |text| super::existing(&folder.join(path(text)?))),
        credentials_retry_ms: section.number_or("credentials_retry_ms", 100..=3_600_000, 10_000),
    };
    if own.url.is_none() && own.subdomain.is_none() && own.target_hosts.is_empty() {
        section.mistake("kind", "needs to know where the Workers are: give url, subdomain or target_hosts");
    }
    own
}

fn read_tokens(section: Section<'_, '_>) -> WorkersTokens {
    let mut section = section.secret();
    let env = section.reader.env;
    let value = |text: &str| Secret::read(text, env);
    let mut given = |key| section.given(key, &[Kind::String], value);
    let (bearer_token, api_token) = (given("bearer_token"), given("api_token"));
    let (id, secret) = (given("access_client_id"), given("access_client_secret"));
    if id.is_some() != secret.is_some() {
        let lone = if id.is_some() { "access_client_id" } else { "access_client_secret" };
        section.mistake(lone, "is half of a service token: give access_client_id and access_client_secret");
    }
    WorkersTokens { bearer_token, access: id.zip(secret), api_token }
}

fn account(text: &str) -> Result<String, String> {
    let good = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    good.then(|| text.to_owned()).ok_or_else(|| format!("must be the 32 digits of an account's id, got `{text}`"))
}

fn label(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let good = (1..=63).contains(&text.len()) && text.bytes().all(allowed);
    good.then(|| text.to_owned()).ok_or_else(|| format!("must be the name before .workers.dev, got `{text}`"))
}

fn micros(text: &str) -> Result<u64, String> {
    let value = text.parse().ok().filter(|micros| (1..=300_000_000).contains(micros));
    value.ok_or_else(|| format!("must be 1 to 300000000 microseconds, got {text}"))
}
