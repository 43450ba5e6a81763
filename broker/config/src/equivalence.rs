//! The section `[equivalence]`: how it is found out that a function's deployments are not equal, and what that may cost.

use std::path::{Path, PathBuf};

use merit_units::AccountId;

use crate::reader::{Kind, Section};

/// Share of a function's calls that are repeated at another deployment, in ppm.
pub const SHADOW_PPM: std::ops::RangeInclusive<u64> = 0..=1_000_000;

/// Bytes that a digest may have.
const DIGEST_BYTES: usize = 200;

/// How replies are compared, replays bounded, and deployments that differ kept away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equivalence {
    /// The account that samples, replays and shadow calls are charged to.
    pub account: AccountId,
    /// Sample calls that a function may have.
    pub max_samples: usize,
    /// Bytes that a sample's payload and its reply may have each, and what is kept of a reply that differed.
    pub max_sample_bytes: usize,
    /// Share of the calls of idempotent functions that are repeated at another deployment, in ppm.
    pub shadow_ppm: u32,
    /// Shadow calls at once.
    pub max_shadows: usize,
    /// Shadow calls with other replies that put a deployment in quarantine.
    pub quarantine_after: u32,
    /// Replies that differed, kept for each deployment.
    pub max_divergences: u32,
    /// The program that compares replies for functions that say `command`.
    pub compare_command: Option<PathBuf>,
    /// Milliseconds it may take.
    pub compare_timeout_ms: u64,
}

impl Equivalence {
    pub(crate) fn read(mut section: Section<'_, '_>, folder: &Path) -> Self {
        let program = |text: &str| Ok::<_, String>((!text.is_empty()).then(|| folder.join(text)));
        Self {
            account: section.value("account", &[Kind::String], AccountId::try_new),
            max_samples: section.number("max_samples", 1..=1000),
            max_sample_bytes: section.number("max_sample_bytes", 1..=1 << 18),
            shadow_ppm: section.number("shadow_ppm", SHADOW_PPM),
            max_shadows: section.number("max_shadows", 1..=10_000),
            quarantine_after: section.number("quarantine_after", 1..=1000),
            max_divergences: section.number("max_divergences", 1..=1000),
            compare_command: section.value("compare_command", &[Kind::String], program),
            compare_timeout_ms: section.number("compare_timeout_ms", 10..=600_000),
        }
    }
}

/// What a function demands of its deployments before they take its calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Demand {
    /// That somebody says they are its own: whoever registers or offers them.
    Declared,
    /// That they are proven equal: by digest, by samples, or by the operator's word.
    #[default]
    Proven,
}

impl Demand {
    /// The word it is written as.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Proven => "proven",
        }
    }
}

impl std::str::FromStr for Demand {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "declared" => Ok(Self::Declared),
            "proven" => Ok(Self::Proven),
            _ => Err(format!("must be `declared` or `proven`, got `{word}`")),
        }
    }
}

/// How two replies of a function are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compare {
    /// As JSON when both are JSON, and byte by byte otherwise.
    #[default]
    Json,
    /// Byte by byte.
    Exact,
    /// By `equivalence.compare_command`.
    Command,
}

impl Compare {
    /// The word it is written as.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Exact => "exact",
            Self::Command => "command",
        }
    }
}

impl std::str::FromStr for Compare {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "json" => Ok(Self::Json),
            "exact" => Ok(Self::Exact),
            "command" => Ok(Self::Command),
            _ => Err(format!("must be `json`, `exact` or `command`, got `{word}`")),
        }
    }
}

/// A digest of an artefact, as the provider or the build tells it: `sha256:...`.
///
/// # Errors
/// What is wrong with it.
pub fn digest(text: &str) -> Result<String, String> {
    let good = (1..=DIGEST_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    good.then(|| text.to_owned())
        .ok_or_else(|| format!("must have 1 to {DIGEST_BYTES} visible ASCII characters, such as sha256:9f86..."))
}
