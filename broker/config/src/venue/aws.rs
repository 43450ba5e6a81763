//! What only a venue at AWS Lambda needs: whose functions they are, and who calls them.
//!
//! Known limitation: whether credentials are good is known only when they are used.

use http::Uri;

use super::plain;
use super::secret::Secret;
use crate::reader::{Kind, Section};

/// One region of one account; the region is the venue's.
#[derive(Clone, Debug)]
pub struct AwsLambda {
    /// The account the functions belong to, 12 digits.
    pub account: Option<String>,
    /// A profile of the shared AWS files; the default credential chain without.
    pub profile: Option<String>,
    /// Keys of its own, instead of a profile or the chain.
    pub keys: Option<AwsKeys>,
    /// A role to assume with those credentials.
    pub role_arn: Option<String>,
    /// What the role asks for against confused deputies.
    pub external_id: Option<String>,
    /// Another address than AWS's own.
    pub endpoint_url: Option<Uri>,
    /// Another address than AWS's own for STS.
    pub sts_endpoint_url: Option<Uri>,
    /// Whether streamed calls are streamed from Lambda too.
    pub streaming: bool,
    /// Milliseconds that credentials which can't be had, or were refused, are not tried again.
    pub credentials_retry_ms: u64,
}

/// An access key.
#[derive(Clone, Debug)]
pub struct AwsKeys {
    /// Its id, which is no secret but is not shown either.
    pub access_key_id: Secret,
    /// Its secret.
    pub secret_access_key: Secret,
    /// The token of temporary keys.
    pub session_token: Option<Secret>,
}

pub(super) fn read(section: &mut Section<'_, '_>) -> Option<AwsLambda> {
    let text = &[Kind::String];
    let keys = section.child("credentials").map(read_keys);
    let profile = section.given("profile", text, plain);
    if profile.is_some() && keys.is_some() {
        section.mistake("profile", "names credentials a second time: leave out it or [venues.NAME.credentials]");
    }
    let role_arn = section.given("role_arn", text, role);
    let external_id = section.given("external_id", text, plain);
    let sts_endpoint_url = section.given("sts_endpoint_url", text, super::url);
    for (key, given) in [("external_id", external_id.is_some()), ("sts_endpoint_url", sts_endpoint_url.is_some())] {
        if given && role_arn.is_none() {
            section.mistake(key, "is only for a role: give role_arn too, or leave it out");
        }
    }
    let own = AwsLambda {
        account: section.given("account", text, account),
        endpoint_url: section.given("endpoint_url", text, super::url),
        streaming: section
            .given("streaming", &[Kind::Boolean], str::parse::<bool>)
            .unwrap_or_else(|| section.fall_back("streaming", true)),
        credentials_retry_ms: section.number_or("credentials_retry_ms", 100..=3_600_000, 10_000),
        keys: match keys {
            Some(keys) => Some(keys?),
            None => None,
        },
        profile,
        role_arn,
        external_id,
        sts_endpoint_url,
    };
    Some(own)
}

fn read_keys(section: Section<'_, '_>) -> Option<AwsKeys> {
    let mut section = section.secret();
    let env = section.reader.env;
    let value = |text: &str| Secret::read(text, env);
    let access_key_id = section.required("access_key_id", &[Kind::String], value);
    let secret_access_key = section.required("secret_access_key", &[Kind::String], value);
    let session_token = section.given("session_token", &[Kind::String], value);
    Some(AwsKeys { access_key_id: access_key_id?, secret_access_key: secret_access_key?, session_token })
}

fn account(text: &str) -> Result<String, String> {
    let good = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    good.then(|| text.to_owned()).ok_or_else(|| format!("must be the 12 digits of an account, got `{text}`"))
}

fn role(text: &str) -> Result<String, String> {
    let refuse = || format!("must be a role such as arn:aws:iam::123456789012:role/merit, got `{text}`");
    let rest = text.strip_prefix("arn:aws").and_then(|rest| rest.split_once(":iam::")).map(|(_, rest)| rest);
    let (owner, name) = rest.and_then(|rest| rest.split_once(":role/")).ok_or_else(refuse)?;
    if name.is_empty() || account(owner).is_err() { Err(refuse()) } else { Ok(text.to_owned()) }
}
