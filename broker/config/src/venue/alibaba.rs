//! What only a venue at Alibaba Function Compute needs: whose functions they are, and who calls them.
//!
//! Known limitation: whether credentials are good is known only when they are used.

use http::Uri;

use super::keys::{self, CloudKeys, Names};
use crate::reader::{Kind, Section};
use crate::server::one_of;

/// One region of one account; the region is the venue's.
#[derive(Clone, Debug)]
pub struct AlibabaFc {
    /// The number of the account.
    pub account: Option<String>,
    /// Who calls; without, only anonymous HTTP triggers can be called.
    pub keys: Option<CloudKeys>,
    /// Another address than Alibaba Cloud's own.
    pub endpoint_url: Option<Uri>,
    /// Hosts of HTTP triggers besides `*.fcapp.run`.
    pub trigger_hosts: Vec<String>,
    /// Whether calls of HTTP triggers are signed.
    pub sign_triggers: bool,
    /// Whether asynchronous calls are replied to with what the function returned, or with nothing; without a word on it no
    /// function is called asynchronously.
    pub async_payloads: Option<bool>,
    /// Milliseconds that credentials which were refused are not tried again.
    pub credentials_retry_ms: u64,
}

const NAMES: Names = Names {
    id: ("access_key_id", "ALIBABA_CLOUD_ACCESS_KEY_ID"),
    secret: ("access_key_secret", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
    token: ("security_token", "ALIBABA_CLOUD_SECURITY_TOKEN"),
};

pub(super) fn read(section: &mut Section<'_, '_>) -> AlibabaFc {
    let text = &[Kind::String];
    let replies = [("payload", true), ("none", false)];
    AlibabaFc {
        keys: keys::read(section, &NAMES),
        account: section.given("account", text, account),
        endpoint_url: section.given("endpoint_url", text, super::url),
        trigger_hosts: section.list("trigger_hosts", super::target_host),
        sign_triggers: section
            .given("sign_triggers", &[Kind::Boolean], str::parse::<bool>)
            .unwrap_or_else(|| section.fall_back("sign_triggers", true)),
        async_payloads: section.given("async_replies", text, |text| one_of(text, &replies)),
        credentials_retry_ms: section.number_or("credentials_retry_ms", 100..=3_600_000, 10_000),
    }
}

fn account(text: &str) -> Result<String, String> {
    let good = (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    good.then(|| text.to_owned()).ok_or_else(|| format!("must be the 16 digits of an account, got `{text}`"))
}
