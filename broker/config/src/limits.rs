//! The section `[limits]`: what callers are held to.

use crate::reader::Section;

/// What callers are held to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls per second and key, averaged.
    pub per_key_per_second: u32,
    /// Calls a key may make at once on top of it.
    pub per_key_burst: u32,
    /// Calls per second and account, averaged.
    pub per_account_per_second: u32,
    /// Calls an account may make at once on top of it.
    pub per_account_burst: u32,
    /// Milliseconds a call may take when the caller sets no deadline.
    pub default_timeout_ms: u64,
    /// The longest deadline a caller may set, in milliseconds.
    pub max_timeout_ms: u64,
    /// Functions there may be.
    pub max_functions: usize,
    /// Deployments a function may have.
    pub max_deployments_per_function: usize,
    /// Hours that the reply to an idempotency key is kept.
    pub idempotency_ttl_hours: u64,
    /// Tags a call may have.
    pub max_tags: usize,
}

impl Limits {
    pub(crate) fn read(mut section: Section<'_, '_>) -> Self {
        let limits = Self {
            per_key_per_second: section.number("per_key_per_second", 1..=10_000_000),
            per_key_burst: section.number("per_key_burst", 1..=10_000_000),
            per_account_per_second: section.number("per_account_per_second", 1..=10_000_000),
            per_account_burst: section.number("per_account_burst", 1..=10_000_000),
            default_timeout_ms: section.number("default_timeout_ms", 1..=900_000),
            max_timeout_ms: section.number("max_timeout_ms", 1..=900_000),
            max_functions: section.number("max_functions", 1..=1_000_000),
            max_deployments_per_function: section.number("max_deployments_per_function", 1..=128),
            idempotency_ttl_hours: section.number("idempotency_ttl_hours", 1..=168),
            max_tags: section.number("max_tags", 0..=64),
        };
        if limits.default_timeout_ms > limits.max_timeout_ms {
            let (default, max) = (limits.default_timeout_ms, limits.max_timeout_ms);
            section.mistake("default_timeout_ms", format!("must be at most max_timeout_ms ({max}), got {default}"));
        }
        limits
    }
}
