//! The broker under measurement: `merit serve` with everything on that a paying caller would have
//! on (keys, limits, a hard budget, holds, receipts, metrics), in a folder that goes with the run.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use merit_cli::{Color, Globals};
use merit_lambda_wire::sigv4::Signer;
use serde::Deserialize;
use tempfile::TempDir;

use crate::client::Client;
use crate::clock;
use crate::process::{self, Process};
use crate::request::Request;

/// How long the broker may take to be ready.
const START: Duration = Duration::from_secs(30);

/// The function that is called; it exists from the start.
pub const FUNCTION: &str = "echo";

/// A key that signs requests.
#[derive(Debug, Deserialize)]
pub struct AwsKey {
    id: String,
    secret: String,
}

/// A running broker.
#[derive(Debug)]
pub struct Merit {
    process: Process,
    address: SocketAddr,
    key: String,
    folder: TempDir,
}

impl Merit {
    /// Starts the broker that was built beside this program, with `venues` venues that all reach
    /// `upstream`, and waits until it is ready.
    ///
    /// # Errors
    /// When it can't be started or isn't ready in time; with the end of its log.
    pub async fn start(upstream: SocketAddr, venues: usize) -> anyhow::Result<Self> {
        Self::start_with(upstream, venues, "").await
    }

    /// [`Self::start`] with more in its configuration.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_with(upstream: SocketAddr, venues: usize, more: &str) -> anyhow::Result<Self> {
        let program = process::beside("merit")?;
        ensure!(program.exists(), "{} is not there; build it first (make bench does)", program.display());
        let folder = TempDir::new()?;
        // The port is free again when the listener goes; nothing else here asks for one meanwhile.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        fs::write(folder.path().join("plain.toml"), sheet("0.00001", 1))?;
        let config = folder.path().join("merit.toml");
        fs::write(&config, configuration(address, upstream, venues)? + more)?;
        let key = random_key()?;
        let mut command = Command::new(program);
        command.args(["serve", "--config"]).arg(&config).env("MERIT_BOOTSTRAP_KEY", &key);
        command.env("MERIT_SECRETS_KEY", random_hex(32)?);
        command.stdout(Stdio::null()).stderr(File::create(folder.path().join("log"))?);
        let mut merit = Self { process: Process::start(&mut command)?, address, key, folder };
        merit.ready().await?;
        Ok(merit)
    }

    /// The process's id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The key it lets in.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The options of a client command for this broker.
    #[must_use]
    pub fn globals(&self) -> Globals {
        let (url, key) = (format!("http://{}", self.address), Some(self.key.clone()));
        Globals { url, key, json: false, color: Color::Never }
    }

    /// A call of the function, with the key.
    ///
    /// # Errors
    /// When the request is not valid.
    pub fn invocation(&self, payload: &[u8]) -> anyhow::Result<Request> {
        self.request("POST", &format!("v1/functions/{FUNCTION}/invocations"), payload)
    }

    /// A key for clients of AWS.
    ///
    /// # Errors
    /// When the broker gives none.
    pub async fn aws_key(&self) -> anyhow::Result<AwsKey> {
        let spec = br#"{"account": "default", "roles": ["invoke"], "aws": true}"#;
        let (status, body) = Client::new(self.request("POST", "v1/keys", spec)?, 1).once().await?;
        ensure!(status == 201, "no key: {status} {}", String::from_utf8_lossy(&body));
        Ok(serde_json::from_slice(&body)?)
    }

    /// A call of the function at the Lambda-compatible door, signed now: good for five minutes. As botocore's, it
    /// declares no hash of its payload.
    ///
    /// # Errors
    /// When the request is not valid.
    pub fn lambda_invocation(&self, key: &AwsKey, payload: &[u8]) -> anyhow::Result<Request> {
        let url = format!("http://{}/2015-03-31/functions/{FUNCTION}/invocations", self.address);
        let mut request = http::Request::post(&url).body(payload)?;
        let now = merit_units::Timestamp::from_micros(clock::unix_micros());
        Signer::new(&key.id, &key.secret, None, "us-east-1").sign(&mut request, now)?;
        let signed = request.headers().iter().filter(|(name, _)| *name != "host");
        let headers: Vec<String> =
            signed.map(|(name, value)| Ok(format!("{name}: {}", value.to_str()?))).collect::<anyhow::Result<_>>()?;
        Request::new("POST", &url, &headers, payload)
    }

    /// Any request, with the key.
    ///
    /// # Errors
    /// When the request is not valid.
    pub fn request(&self, method: &str, path: &str, body: &[u8]) -> anyhow::Result<Request> {
        let headers = [format!("authorization: Bearer {}", self.key), "content-type: application/json".to_owned()];
        Request::new(method, &format!("http://{}/{path}", self.address), &headers, body)
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        let mut client = Client::new(self.request("GET", "readyz", b"")?, 1);
        let asking = async {
            loop {
                self.process.check()?;
                if matches!(client.once().await, Ok((200, _))) {
                    return anyhow::Ok(());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let result = tokio::time::timeout(START, asking).await;
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        match result {
            Ok(ready) => ready.with_context(|| format!("merit serve did not start: {log}")),
            Err(_) => bail!("merit serve was not ready after {} s: {log}", START.as_secs()),
        }
    }
}

/// A price sheet in the manner of one's own machines: a rate for memory and time, nothing else.
#[must_use]
pub fn sheet(rate: &str, seq: u32) -> String {
    format!(
        r#"
name = "plain"
seq = {seq}
currency = "USD"
valid_from = "2026-01-01"
source = "bench"
[rule]
granularity_us = 1000
[[lines]]
meter = "gb_second"
rate = "{rate}"
[sources.bench]
title = "made up for the bench"
retrieved = "2026-01-01"
"#
    )
}

/// The configuration: limits so high that none is met, a budget that is not used up.
fn configuration(listen: SocketAddr, upstream: SocketAddr, venues: usize) -> anyhow::Result<String> {
    let mut text = format!(
        r#"
[server]
listen = "{listen}"
[limits]
per_key_per_second = 10000000
per_key_burst = 10000000
per_account_per_second = 10000000
per_account_burst = 10000000
[log]
level = "warn"
[accounts.default]
budget_hard = "1000000"
[functions.{FUNCTION}]
idempotent = true
timeout_ms = 5000
"#
    );
    for venue in 0..venues {
        write!(
            text,
            r#"
[functions.{FUNCTION}.deployments.d{venue}]
venue = "own-{venue}"
target = "{FUNCTION}"
memory_mb = 128
concurrency = 100000
[venues.own-{venue}]
kind = "http"
url = "http://{upstream}/"
region = "here"
sheet_file = "plain.toml"
concurrency = 100000
"#
        )?;
    }
    Ok(text)
}

/// A key in Merit's form: an id of 8 random bytes and a secret of 32, in hex.
fn random_key() -> anyhow::Result<String> {
    let hex = random_hex(40)?;
    let (id, secret) = hex.split_at(16);
    Ok(format!("mrt_{id}_{secret}"))
}

fn random_hex(length: usize) -> anyhow::Result<String> {
    let mut bytes = vec![0; length];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let mut hex = String::new();
    for byte in bytes {
        write!(hex, "{byte:02x}")?;
    }
    Ok(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_venue_of_the_configuration_has_a_deployment() {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let text = configuration(address, address, 8).expect("written");
        assert_eq!(text.matches("[venues.own-").count(), 8);
        assert_eq!(text.matches("venue = \"own-7\"").count(), 1);
    }

    #[test]
    fn keys_are_random() {
        let keys = [random_key().expect("random"), random_key().expect("random")];
        assert_ne!(keys[0], keys[1]);
        assert_eq!(keys[0].len(), 4 + 16 + 1 + 64);
    }
}
