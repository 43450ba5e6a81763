//! What only a venue at Tencent SCF needs: who calls, and how payloads become events.
//!
//! Known limitation: whether credentials are good is known only when they are used.

use http::Uri;
use merit_units::RegionId;

use super::keys::{self, CloudKeys, Names};
use crate::reader::{Kind, Section};
use crate::server::one_of;

/// One region of one account; the region is the venue's.
#[derive(Clone, Debug)]
pub struct TencentScf {
    /// Who calls; nothing can be called without.
    pub keys: Option<CloudKeys>,
    /// Another address than Tencent Cloud's own.
    pub endpoint_url: Option<Uri>,
    /// Whether calls are made by the older action `Invoke`.
    pub older_action: bool,
    /// Whether payloads are sent as the bodies of a gateway's events.
    pub gateway_events: bool,
    /// Milliseconds that credentials which were refused are not tried again.
    pub credentials_retry_ms: u64,
    /// Megabytes that calls in flight in the region may take together, each those of its function; unless told, what
    /// every account has ([`Self::memory_quota_mb`]).
    pub memory_quota_mb: Option<u64>,
}

impl TencentScf {
    /// The quota of memory in a region: what was configured, or what an account has that did not ask for more.
    ///
    /// Source: cloud.tencent.com/document/product/583/11637, read 2026-11-22.
    #[must_use]
    pub fn memory_quota_mb(&self, region: &RegionId) -> u64 {
        let large = ["ap-guangzhou", "ap-shanghai", "ap-beijing", "ap-chengdu", "ap-hongkong"];
        self.memory_quota_mb.unwrap_or(if large.contains(&region.as_str()) { 128_000 } else { 64_000 })
    }
}

const NAMES: Names = Names {
    id: ("secret_id", "TENCENTCLOUD_SECRET_ID"),
    secret: ("secret_key", "TENCENTCLOUD_SECRET_KEY"),
    token: ("token", "TENCENTCLOUD_TOKEN"),
};

pub(super) fn read(section: &mut Section<'_, '_>) -> TencentScf {
    let text = &[Kind::String];
    let actions = [("InvokeFunction", false), ("Invoke", true)];
    let events = [("json", false), ("gateway", true)];
    TencentScf {
        keys: keys::read(section, &NAMES),
        endpoint_url: section.given("endpoint_url", text, super::url),
        older_action: section.given("action", text, |text| one_of(text, &actions)).unwrap_or(false),
        gateway_events: section.given("events", text, |text| one_of(text, &events)).unwrap_or(false),
        credentials_retry_ms: section.number_or("credentials_retry_ms", 100..=3_600_000, 10_000),
        memory_quota_mb: section.given("memory_quota_mb", &[Kind::Integer], megabytes),
    }
}

fn megabytes(text: &str) -> Result<u64, String> {
    let given = text.parse().ok().filter(|given| (128..=1_000_000_000).contains(given));
    given.ok_or_else(|| format!("must be 128 to 1000000000, got {text}"))
}
