//! The configuration of one Lambda venue, and its checks.
//!
//! A venue is one region of one account. Several regions, or several accounts, are several venues.
//!
//! Invariant: all mistakes are reported at once, each with the field's name and what to write
//! instead. Secrets appear in no message and no debug output.

use std::fmt;
use std::time::Duration;

use merit_lambda_wire::reference::is_account;
use merit_transport::{Reach, Transport};
use merit_venue::{ConfigError, ConfigErrors, Meters, check_url, no_call, no_time};

use crate::endpoint::Endpoint;

/// Lambda's limit on a payload and on a reply of a synchronous call, in bytes.
pub use merit_lambda_wire::invoke::MOST_SYNC_BYTES as MAX_BODY_BYTES;

/// The longest a function may run: 900 seconds.
/// Source: docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, 2026-11-21.
pub const MAX_DURATION: Duration = Duration::from_mins(15);

/// How to reach Lambda in one region of one account. Start from [`LambdaConfig::new`].
#[derive(Clone, Debug)]
pub struct LambdaConfig {
    /// The region, such as `us-east-1`; also what calls are signed for.
    pub region: String,
    /// The account the functions belong to, 12 digits. When it is given, targets of another account are refused.
    pub account: Option<String>,
    /// Where the credentials are from.
    pub credentials: CredentialsFrom,
    /// A role to assume with those credentials, as an ARN; for functions of another account.
    pub assume_role: Option<AssumeRole>,
    /// Another address than AWS's own, for emulators and private endpoints: `http://127.0.0.1:9001`.
    pub endpoint_url: Option<String>,
    /// How its servers are reached.
    pub reach: Reach,
    /// For the whole call; the call's own deadline cuts it shorter.
    pub whole_timeout: Duration,
    /// The largest payload, in bytes; at most [`MAX_BODY_BYTES`] counts.
    pub max_request_bytes: usize,
    /// The largest reply that is held in memory, in bytes; a streamed reply has no bound here.
    pub max_reply_bytes: usize,
    /// Whose meters to believe. For Lambda's own, each call asks for the end of the log and reads the REPORT
    /// line in it; otherwise the log is asked for only when the caller wants it.
    pub meters: Meters,
    /// Whether streamed calls use `InvokeWithResponseStream`, which emulators do not know; without,
    /// they are made whole.
    pub streaming: bool,
    /// How long credentials that could not be had, or were refused, are not tried again.
    pub credentials_retry: Duration,
    /// Seconds since 1970, for signatures.
    pub clock: fn() -> u64,
}

/// What a venue is made of that a mistake could be in.
pub(crate) struct Checked {
    pub(crate) endpoint: Endpoint,
    pub(crate) transport: Transport,
}

/// Where credentials are from.
#[derive(Clone)]
pub enum CredentialsFrom {
    /// The SDK's default chain: the environment, the shared files with that profile or the default
    /// one, web identity, and the metadata services of ECS and EC2.
    Default {
        /// A profile of the shared files.
        profile: Option<String>,
    },
    /// These very keys.
    Keys {
        /// The access key's id.
        access_key_id: String,
        /// The secret.
        secret_access_key: String,
        /// The token of temporary credentials.
        session_token: Option<String>,
    },
}

/// A role to assume.
#[derive(Clone, Debug)]
pub struct AssumeRole {
    /// The role: `arn:aws:iam::123456789012:role/merit`.
    pub role_arn: String,
    /// What the role's owner asks for against confused deputies.
    pub external_id: Option<String>,
    /// Another address than AWS's own for STS.
    pub sts_endpoint_url: Option<String>,
}

impl fmt::Debug for CredentialsFrom {
    /// Everything but the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default { profile } => f.debug_struct("Default").field("profile", profile).finish(),
            Self::Keys { access_key_id, .. } => {
                f.debug_struct("Keys").field("access_key_id", access_key_id).finish_non_exhaustive()
            }
        }
    }
}

impl LambdaConfig {
    /// The defaults for a region: the default credential chain, two seconds to connect, 900 seconds
    /// for a call. Idle connections are kept 20 seconds.
    #[must_use]
    pub fn new(region: impl Into<String>, clock: fn() -> u64) -> Self {
        Self {
            region: region.into(),
            account: None,
            credentials: CredentialsFrom::Default { profile: None },
            assume_role: None,
            endpoint_url: None,
            reach: Reach {
                connect_timeout: Duration::from_secs(2),
                first_byte_timeout: MAX_DURATION,
                max_connections: 1024,
                max_idle: 1024,
                idle_timeout: Duration::from_secs(20),
                ..Reach::default()
            },
            whole_timeout: MAX_DURATION,
            max_request_bytes: MAX_BODY_BYTES,
            max_reply_bytes: MAX_BODY_BYTES,
            meters: Meters::Reported,
            streaming: true,
            credentials_retry: Duration::from_secs(10),
            clock,
        }
    }

    pub(crate) async fn check(&self) -> Result<Checked, ConfigErrors> {
        let mut errors = Vec::new();
        let mut refuse = |field, message| errors.push(ConfigError { field, message });
        if !is_region(&self.region) {
            refuse("region", format!("`{}` is not a region: write it like `us-east-1`", self.region));
        }
        if let Some(account) = self.account.as_deref().filter(|account| !is_account(account)) {
            refuse("account", format!("`{account}` is not an account: write its 12 digits"));
        }
        if let Some(role) = self.assume_role.as_ref().map(|role| &role.role_arn).filter(|arn| !is_role(arn)) {
            let hint = "write it like `arn:aws:iam::123456789012:role/merit`";
            refuse("role_arn", format!("`{role}` is not a role: {hint}"));
        }
        let sts = self.assume_role.as_ref().and_then(|role| role.sts_endpoint_url.as_deref());
        for (field, url) in [("endpoint_url", self.endpoint_url.as_deref()), ("sts_endpoint_url", sts)] {
            if let Some(Err(message)) = url.map(|url| check_url(url, "http://127.0.0.1:9001")) {
                refuse(field, message);
            }
        }
        let endpoint = match self.endpoint_url.as_deref() {
            // What is wrong with it is said above.
            Some(url) => Endpoint::at(url).ok(),
            None if !is_region(&self.region) => None,
            None => Endpoint::of_region(&self.region).await.map_err(|why| refuse("region", why)).ok(),
        };
        errors.extend(no_time([("whole_timeout", self.whole_timeout)]));
        errors.extend(no_call([
            ("max_request_bytes", self.max_request_bytes == 0),
            ("max_reply_bytes", self.max_reply_bytes == 0),
        ]));
        let tls = endpoint.as_ref().is_some_and(|endpoint| endpoint.origin.tls());
        let transport = Transport::try_new(&self.reach, tls, &mut errors);
        ConfigErrors::check(errors)?;
        let checked = endpoint.zip(transport).map(|(endpoint, transport)| Checked { endpoint, transport });
        Ok(checked.expect("invariant: what is missing was refused"))
    }
}

/// Letters, digits and hyphens, as in `us-gov-west-1`; emulators use names of their own such as `local`.
fn is_region(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_role(arn: &str) -> bool {
    let mut parts = arn.splitn(6, ':');
    let mut next = || parts.next().unwrap_or_default();
    let (head, partition, service) = (next(), next(), next());
    let (region, account, role) = (next(), next(), next());
    head == "arn"
        && partition.starts_with("aws")
        && service == "iam"
        && region.is_empty()
        && is_account(account)
        && role.strip_prefix("role/").is_some_and(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_mistake_is_told_at_once_and_no_secret_is_shown() {
        let config = LambdaConfig {
            account: Some("12".to_owned()),
            assume_role: Some(AssumeRole {
                role_arn: "arn:aws:iam::1:role/x".to_owned(),
                external_id: None,
                sts_endpoint_url: Some("ftp://sts".to_owned()),
            }),
            endpoint_url: Some("http://user:hunter2@127.0.0.1:1?key=hunter2".to_owned()),
            whole_timeout: Duration::ZERO,
            reach: Reach { connect_timeout: Duration::ZERO, max_connections: 0, ..Reach::default() },
            credentials: CredentialsFrom::Keys {
                access_key_id: "AKIDEXAMPLE".to_owned(),
                secret_access_key: "hunter2".to_owned(),
                session_token: Some("hunter2".to_owned()),
            },
            ..LambdaConfig::new("US East", || 0)
        };
        let errors = config.check().await.err().expect("mistakes");
        let fields: Vec<_> = errors.iter().map(|error| error.field).collect();
        let all = [
            "region",
            "account",
            "role_arn",
            "endpoint_url",
            "sts_endpoint_url",
            "whole_timeout",
            "connect_timeout",
            "max_connections",
        ];
        assert_eq!(fields, all);
        let shown = format!("{errors} {:?}", config.credentials);
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn roles_and_urls_as_aws_writes_them_are_taken() {
        let role = |arn: &str| is_role(arn);
        assert!(role("arn:aws-cn:iam::123456789012:role/path/merit"));
        assert!(!role("arn:aws:iam::123456789012:user/merit") && !role("merit"));
        for url in ["http://127.0.0.1:9001", "https://vpce-1.lambda.eu-west-1.vpce.amazonaws.com/prod/"] {
            check_url(url, "x").expect(url);
        }
    }
}
