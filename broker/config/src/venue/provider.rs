//! What only a provider's venue has: what it may offer, and where its endpoint may be.

use ipnet::IpNet;

use crate::reader::{Kind, Section};

/// A venue that says itself what it runs and at what price.
#[derive(Clone, Debug)]
pub struct ProviderVenue {
    /// Functions and classes it may offer; `*` stands for all.
    pub offers: Vec<String>,
    /// Whether the operator gives their word that what it offers is the function's own.
    pub vouch: bool,
    /// Networks its endpoint may be in although Merit refuses their addresses otherwise.
    pub allow_addresses: Vec<IpNet>,
    /// Whether its endpoint may be on loopback and private networks.
    pub private_addresses: bool,
    /// Calls of its trial, when they are not those of `[providers]`.
    pub trial_calls: Option<u64>,
    /// The longest its offers may stand, in milliseconds, when it is not that of `[providers]`.
    pub max_ttl_ms: Option<u64>,
}

pub(super) fn read(section: &mut Section<'_, '_>) -> ProviderVenue {
    ProviderVenue {
        offers: section.list("offers", name),
        vouch: section
            .given("vouch", &[Kind::Boolean], str::parse::<bool>)
            .unwrap_or_else(|| section.fall_back("vouch", false)),
        allow_addresses: section.list("allow_addresses", super::network),
        private_addresses: section
            .given("private_addresses", &[Kind::Boolean], str::parse::<bool>)
            .unwrap_or_else(|| section.fall_back("private_addresses", false)),
        trial_calls: section.given("trial_calls", &[Kind::Integer], calls),
        max_ttl_ms: section.given("max_ttl_ms", &[Kind::Integer], ttl),
    }
}

fn name(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if text == "*" || (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    Err(format!("must be a function, a class, or `*` for all, got `{text}`"))
}

fn calls(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|calls| *calls <= 1_000_000).ok_or_else(|| format!("must be 0 to 1000000, got {text}"))
}

fn ttl(text: &str) -> Result<u64, String> {
    let allowed = 1000..=86_400_000;
    text.parse()
        .ok()
        .filter(|millis| allowed.contains(millis))
        .ok_or_else(|| format!("must be 1000 to 86400000, got {text}"))
}
