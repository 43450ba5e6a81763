//! The configuration of one venue at Function Compute, and its checks.
//!
//! Invariant: all mistakes are reported at once, each with the field's name and what to write instead. Secrets appear in
//! no message and no debug output.

use std::fmt;
use std::time::Duration;

use merit_cloud_wire::acs3::Signer;
pub use merit_cloud_wire::fc::MOST_SYNC_BYTES as MAX_BODY_BYTES;
use merit_transport::hosts::check_host_pattern;
use merit_transport::{Origin, Reach};
use merit_venue::{ConfigError, ConfigErrors, Meters, no_call, no_time, shown_url};

/// How to reach Function Compute in one region of one account. Start from [`FcConfig::new`].
#[derive(Clone, Debug)]
pub struct FcConfig {
    /// The region, such as `cn-hangzhou` or `ap-southeast-1`.
    pub region: String,
    /// The number of the account, which gives the endpoint its older name; without it, the region's shared endpoint.
    pub account: Option<String>,
    /// Another address than Alibaba Cloud's own: a private endpoint, or an emulator.
    pub endpoint_url: Option<String>,
    /// Who calls. Without keys nothing but anonymous HTTP triggers can be called.
    pub keys: Option<Keys>,
    /// Hosts of HTTP triggers besides `*.fcapp.run`, such as domains of one's own.
    pub trigger_hosts: Vec<String>,
    /// Whether calls of HTTP triggers are signed, where there are keys.
    pub sign_triggers: bool,
    /// What is the reply of a function that is called asynchronously; without a word on it none is called so.
    pub async_replies: Option<AsyncReplies>,
    /// Timeouts, bounds and addresses of connections.
    pub reach: Reach,
    /// For the whole call; the call's own deadline cuts it shorter.
    pub whole_timeout: Duration,
    /// The largest payload, in bytes; at most [`MAX_BODY_BYTES`] counts.
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

/// What is the reply of a function that is called asynchronously.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsyncReplies {
    /// What it returned. Function Compute tells that only to accounts for which Alibaba Cloud has opened it.
    Payload,
    /// Nothing: its callers need to know that it ran, and find its results elsewhere.
    Empty,
}

/// An access key.
#[derive(Clone)]
pub struct Keys {
    /// Its id.
    pub access_key_id: String,
    /// Its secret.
    pub access_key_secret: String,
    /// The token of temporary keys, by STS.
    pub security_token: Option<String>,
}

impl fmt::Debug for Keys {
    /// Everything but the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

impl FcConfig {
    /// The defaults for a region: no keys, ten minutes for a call.
    #[must_use]
    pub fn new(region: impl Into<String>, clock: fn() -> u64) -> Self {
        Self {
            region: region.into(),
            account: None,
            endpoint_url: None,
            keys: None,
            trigger_hosts: Vec::new(),
            sign_triggers: true,
            async_replies: None,
            reach: Reach::default(),
            whole_timeout: Duration::from_mins(10),
            max_request_bytes: MAX_BODY_BYTES,
            max_reply_bytes: MAX_BODY_BYTES,
            meters: Meters::Reported,
            credentials_retry: Duration::from_secs(10),
            clock,
        }
    }

    /// The address of the API.
    fn endpoint(&self) -> String {
        let Self { region, .. } = self;
        match (&self.endpoint_url, &self.account) {
            (Some(url), _) => url.clone(),
            (None, Some(account)) => format!("https://{account}.{region}.fc.aliyuncs.com/"),
            (None, None) => format!("https://fcv3.{region}.aliyuncs.com/"),
        }
    }

    /// Everything a venue is made of that a mistake could be in.
    pub(crate) fn check(&self) -> Result<Checked, ConfigErrors> {
        let mut errors = Vec::new();
        let mut refuse = |field, message| errors.push(ConfigError { field, message });
        if !is_region(&self.region) {
            refuse("region", format!("`{}` is not a region: write it like `cn-hangzhou`", self.region));
        }
        if let Some(account) = self.account.as_deref().filter(|account| !is_account(account)) {
            refuse("account", format!("`{account}` is not an account: write its 16 digits"));
        }
        let endpoint = self.endpoint();
        let place = Place::of(&endpoint)
            .map_err(|why| refuse("endpoint_url", format!("`{}` {why}", shown_url(&endpoint))))
            .ok();
        for message in self.trigger_hosts.iter().filter_map(|host| check_host_pattern(host).err()) {
            refuse("trigger_hosts", message);
        }
        let keys = self
            .keys
            .as_ref()
            .map(|keys| Signer::try_new(&keys.access_key_id, &keys.access_key_secret, keys.security_token.as_deref()));
        let signer = keys.transpose().map_err(|error| refuse("credentials", error.to_string())).ok().flatten();
        errors.extend(no_time([("whole_timeout", self.whole_timeout)]));
        errors.extend(no_call([
            ("max_request_bytes", self.max_request_bytes == 0),
            ("max_reply_bytes", self.max_reply_bytes == 0),
        ]));
        // A trigger may be called by TLS whatever the endpoint is.
        let transport = merit_transport::Transport::try_new(&self.reach, true, &mut errors);
        ConfigErrors::check(errors)?;
        Ok(Checked {
            place: place.expect("invariant: no place without a mistake"),
            transport: transport.expect("invariant: no transport without a mistake"),
            signer,
        })
    }
}

/// What a configuration without mistakes gives.
pub(crate) struct Checked {
    pub(crate) place: Place,
    pub(crate) transport: merit_transport::Transport,
    pub(crate) signer: Option<Signer>,
}

/// The API's server, and what stands before its paths.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) origin: std::sync::Arc<Origin>,
    /// Without a slash at its end.
    pub(crate) prefix: String,
}

impl Place {
    fn of(url: &str) -> Result<Self, &'static str> {
        let uri: http::Uri =
            url.parse().map_err(|_| "is not a URL: write it like `https://fcv3.cn-hangzhou.aliyuncs.com/`")?;
        if uri.query().is_some() {
            return Err("has a query: leave it out");
        }
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { origin: std::sync::Arc::new(Origin::of_url(&uri)?), prefix })
    }
}

fn is_region(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(allowed)
}

fn is_account(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_told_at_once_and_no_secret_is_shown() {
        let config = FcConfig {
            account: Some("me".to_owned()),
            endpoint_url: Some("http://user:hunter2@127.0.0.1:1?key=hunter2".to_owned()),
            trigger_hosts: vec!["a b".to_owned()],
            keys: Some(Keys {
                access_key_id: "a b".to_owned(),
                access_key_secret: "hunter2".to_owned(),
                security_token: Some("hunter2".to_owned()),
            }),
            whole_timeout: Duration::ZERO,
            reach: Reach { max_connections: 0, ..Reach::default() },
            ..FcConfig::new("Hang Zhou", || 0)
        };
        let errors = config.check().err().expect("mistakes");
        let fields: Vec<_> = errors.iter().map(|error| error.field).collect();
        let all =
            ["region", "account", "endpoint_url", "trigger_hosts", "credentials", "whole_timeout", "max_connections"];
        assert_eq!(fields, all);
        let shown = format!("{errors} {config:?}");
        assert!(
            !errors.to_string().contains("hunter2") && !format!("{:?}", config.keys).contains("hunter2"),
            "{shown}"
        );
    }

    #[test]
    fn the_endpoint_is_the_regions_the_accounts_or_the_given_one() {
        let config = FcConfig::new("cn-hangzhou", || 0);
        assert_eq!(config.endpoint(), "https://fcv3.cn-hangzhou.aliyuncs.com/");
        let config = FcConfig { account: Some("1234567890123456".to_owned()), ..config };
        assert_eq!(config.endpoint(), "https://1234567890123456.cn-hangzhou.fc.aliyuncs.com/");
        let given = FcConfig { endpoint_url: Some("http://127.0.0.1:9000/fc/".to_owned()), ..config };
        let place = given.check().expect("no mistake").place;
        assert_eq!((place.prefix.as_str(), place.origin.port()), ("/fc", 9000));
    }
}
