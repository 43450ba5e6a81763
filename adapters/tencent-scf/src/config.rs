//! The configuration of one venue at SCF, and its checks.
//!
//! Invariant: all mistakes are reported at once, each with the field's name and what to write instead. Secrets appear in
//! no message and no debug output.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use merit_cloud_wire::scf::MOST_SYNC_BYTES as MAX_BODY_BYTES;
use merit_cloud_wire::tc3::Signer;
use merit_transport::{Origin, Reach, Transport};
use merit_venue::{ConfigError, ConfigErrors, Meters, no_call, no_time, shown_url};

/// How to reach SCF in one region of one account. Start from [`ScfConfig::new`].
#[derive(Clone, Debug)]
pub struct ScfConfig {
    /// The region, such as `ap-guangzhou`.
    pub region: String,
    /// Another address than Tencent Cloud's own: a private endpoint, or an emulator.
    pub endpoint_url: Option<String>,
    /// Who calls; nothing can be called without.
    pub keys: Option<Keys>,
    /// By which action.
    pub action: Action,
    /// How payloads become events.
    pub events: Events,
    /// Timeouts, bounds and addresses of connections.
    pub reach: Reach,
    /// For the whole call; the call's own deadline cuts it shorter.
    pub whole_timeout: Duration,
    /// The largest payload, in bytes; at most [`MAX_BODY_BYTES`] counts, as an event.
    pub max_request_bytes: usize,
    /// The largest reply, in bytes.
    pub max_reply_bytes: usize,
    /// Whose meters to believe.
    pub meters: Meters,
    /// How long credentials that were refused are not tried again.
    pub credentials_retry: Duration,
    /// Seconds since 1970, now.
    pub clock: fn() -> u64,
}

/// An access key.
#[derive(Clone)]
pub struct Keys {
    /// Its id, the SecretId.
    pub secret_id: String,
    /// Its secret, the SecretKey.
    pub secret_key: String,
    /// The token of temporary keys.
    pub token: Option<String>,
}

/// By which action functions are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// `InvokeFunction`, which Tencent recommends.
    #[default]
    InvokeFunction,
    /// The older `Invoke`, 100 calls a second of an account.
    Invoke,
}

/// How payloads become events, which are JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Events {
    /// A payload is the event, and so must be JSON.
    #[default]
    Json,
    /// A payload is the body of an event as the gateway makes it, in base64, and the reply the body of an integrated
    /// response: for functions that were written for a gateway, and for payloads that are no JSON.
    Gateway,
}

impl fmt::Debug for Keys {
    /// Everything but the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("secret_id", &self.secret_id).finish_non_exhaustive()
    }
}

/// What a configuration without mistakes gives.
pub(crate) struct Checked {
    pub(crate) origin: Arc<Origin>,
    /// The path of the API, which is `/` but for emulators.
    pub(crate) path: String,
    pub(crate) transport: Transport,
    pub(crate) signer: Option<Signer>,
}

impl ScfConfig {
    /// The defaults for a region: no keys, 900 seconds for a call.
    #[must_use]
    pub fn new(region: impl Into<String>, clock: fn() -> u64) -> Self {
        Self {
            region: region.into(),
            endpoint_url: None,
            keys: None,
            action: Action::default(),
            events: Events::default(),
            reach: Reach::default(),
            whole_timeout: Duration::from_secs(merit_cloud_wire::scf::MOST_DURATION_S),
            max_request_bytes: MAX_BODY_BYTES,
            max_reply_bytes: MAX_BODY_BYTES,
            meters: Meters::Reported,
            credentials_retry: Duration::from_secs(10),
            clock,
        }
    }

    pub(crate) fn check(&self) -> Result<Checked, ConfigErrors> {
        let mut errors = Vec::new();
        let mut refuse = |field, message| errors.push(ConfigError { field, message });
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=32).contains(&self.region.len()) || !self.region.bytes().all(allowed) {
            refuse("region", format!("`{}` is not a region: write it like `ap-guangzhou`", self.region));
        }
        let endpoint = self.endpoint_url.as_deref().unwrap_or("https://scf.tencentcloudapi.com/");
        let place =
            place(endpoint).map_err(|why| refuse("endpoint_url", format!("`{}` {why}", shown_url(endpoint)))).ok();
        let keys = self.keys.as_ref();
        let signer = keys.map(|keys| Signer::try_new(&keys.secret_id, &keys.secret_key, keys.token.as_deref()));
        let signer = signer.transpose().map_err(|error| refuse("credentials", error.to_string())).ok().flatten();
        errors.extend(no_time([("whole_timeout", self.whole_timeout)]));
        errors.extend(no_call([
            ("max_request_bytes", self.max_request_bytes == 0),
            ("max_reply_bytes", self.max_reply_bytes == 0),
        ]));
        let tls = place.as_ref().is_some_and(|(origin, _)| origin.tls());
        let transport = Transport::try_new(&self.reach, tls, &mut errors);
        ConfigErrors::check(errors)?;
        let (origin, path) = place.expect("invariant: no place without a mistake");
        let transport = transport.expect("invariant: no transport without a mistake");
        Ok(Checked { origin: Arc::new(origin), path, transport, signer })
    }
}

fn place(url: &str) -> Result<(Origin, String), &'static str> {
    let uri: http::Uri = url.parse().map_err(|_| "is not a URL: write it like `https://scf.tencentcloudapi.com/`")?;
    if uri.query().is_some() {
        return Err("has a query: leave it out");
    }
    let path = uri.path().to_owned();
    Ok((Origin::of_url(&uri)?, if path.is_empty() { "/".to_owned() } else { path }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_told_at_once_and_no_secret_is_shown() {
        let config = ScfConfig {
            endpoint_url: Some("http://user:hunter2@127.0.0.1:1".to_owned()),
            keys: Some(Keys {
                secret_id: "a/b".to_owned(),
                secret_key: "hunter2".to_owned(),
                token: Some("hunter2".to_owned()),
            }),
            max_reply_bytes: 0,
            reach: Reach { connect_timeout: Duration::ZERO, ..Reach::default() },
            ..ScfConfig::new("Guang Zhou", || 0)
        };
        let errors = config.check().err().expect("mistakes");
        let fields: Vec<_> = errors.iter().map(|error| error.field).collect();
        assert_eq!(fields, ["region", "endpoint_url", "credentials", "max_reply_bytes", "connect_timeout"]);
        let shown = format!("{errors} {:?}", config.keys);
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn the_endpoint_is_tencents_or_the_given_one() {
        let config = ScfConfig::new("ap-guangzhou", || 0);
        let checked = config.check().expect("no mistake");
        assert_eq!((checked.origin.authority().as_str(), checked.path.as_str()), ("scf.tencentcloudapi.com", "/"));
        let given = ScfConfig { endpoint_url: Some("http://127.0.0.1:9000/scf".to_owned()), ..config };
        assert_eq!(given.check().expect("no mistake").path, "/scf");
    }
}
