//! The written form of a sheet, the same in TOML and in JSON.
//!
//! Amounts are decimal strings, because a float cannot hold 0.0000166667. What is missing reads as
//! empty here and is reported by the check, so that all mistakes come together; an unknown key or a
//! wrong type stops the reading, with its line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawSheet {
    pub(crate) name: String,
    pub(crate) currency: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) valid_from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) valid_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) architecture: Option<String>,
    /// The source of every price that names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    /// Per month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) base_fee: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
    pub(crate) rule: RawRule,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hourly: Option<RawHourly>,
    pub(crate) lines: Vec<RawLine>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) standing: Vec<RawStanding>,
    pub(crate) sources: BTreeMap<String, RawSource>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawSource {
    pub(crate) title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    pub(crate) retrieved: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) second_hand: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawRule {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    pub(crate) granularity_us: u64,
    pub(crate) minimum_us: u64,
    pub(crate) cpu_granularity_us: u64,
    /// `billed` or `free`.
    pub(crate) init: String,
    /// How long the provider lets an initialisation run; only with `init = "billed"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_init_us: Option<u64>,
    /// `exclusive` or `instance`.
    pub(crate) sharing: String,
    pub(crate) max_reply_mb: u64,
    pub(crate) ephemeral_free_mb: u32,
    pub(crate) ephemeral_max_mb: u32,
    pub(crate) memory: RawMemory,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) vcpu: Option<RawVcpu>,
}

impl Default for RawRule {
    /// Milliseconds rounded up, warm and exclusive instances, 6 MB replies, 512 MB of free disk.
    fn default() -> Self {
        Self {
            source: None,
            granularity_us: 1000,
            minimum_us: 0,
            cpu_granularity_us: 1000,
            init: "free".to_owned(),
            max_init_us: None,
            sharing: "exclusive".to_owned(),
            max_reply_mb: 6,
            ephemeral_free_mb: 512,
            ephemeral_max_mb: 10_240,
            memory: RawMemory::default(),
            vcpu: None,
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawMemory {
    /// `configured` or `observed`.
    pub(crate) basis: String,
    pub(crate) min_mb: u32,
    pub(crate) max_mb: u32,
    pub(crate) step_mb: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) sizes_mb: Vec<u32>,
    /// `refuse` or `round-up`: what happens to a size between two that are sold.
    pub(crate) between: String,
}

impl Default for RawMemory {
    /// Any configured size from 1 MB to 1 TB.
    fn default() -> Self {
        Self {
            basis: "configured".to_owned(),
            min_mb: 1,
            max_mb: 1 << 20,
            step_mb: 1,
            sizes_mb: Vec::new(),
            between: "refuse".to_owned(),
        }
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawVcpu {
    pub(crate) min_milli: u32,
    pub(crate) max_milli: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) step_milli: Option<u32>,
    /// The least and the most GB for each vCPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gb_per_vcpu: Option<(u32, u32)>,
    /// `[memory_mb, vcpu_milli]`, ascending. Without it a deployment must say its vCPU.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) by_memory: Vec<(u32, u32)>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawHourly {
    /// Whether each function's quantities of an hour are rounded up to whole units.
    pub(crate) ceil_to_units: bool,
    /// The least charge for a function that was called in an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) floor: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawLine {
    pub(crate) meter: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    /// The one rate, when there are no tiers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<String>,
    /// Who fills the tiers together; the sheet's own name when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tier_scope: Option<String>,
    /// What is counted, when it is not what the meter's name says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) of: Vec<RawPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) grant: Option<RawGrant>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tiers: Vec<RawTier>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawPart {
    pub(crate) part: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) weight: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawGrant {
    pub(crate) quantity: String,
    /// Who uses it up together.
    pub(crate) scope: String,
    /// How much of the pool one billed unit takes; 1 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) weight: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawTier {
    /// Left out in the last tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) up_to: Option<String>,
    pub(crate) rate: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawStanding {
    pub(crate) meter: String,
    /// Left out with `billed = "lifetime"`, where it is that of the meter's line.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) rate: String,
    /// `always` (when left out), `idle` or `lifetime`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) billed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
}
