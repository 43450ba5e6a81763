//! What a venue has deployed, against what Merit knows of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::DeploymentSpec;

/// What was found at a venue, and what would change, or has changed, by it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DiscoveryView {
    /// The venue.
    pub venue: String,
    /// Whether the changes were made.
    pub applied: bool,
    /// What is deployed there, in order of name.
    pub found: Vec<FoundView>,
    /// What differs from what Merit knows, in order of function and deployment.
    pub changes: Vec<ChangeView>,
}

/// A function found at a venue. What the venue does not tell is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FoundView {
    /// Its name there.
    pub name: String,
    /// The function of Merit it is taken for; absent when nothing says which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Configured memory in MB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mb: Option<u64>,
    /// `x86_64` or `arm64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// After how many milliseconds the venue ends a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Calls at once that are reserved for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved_concurrency: Option<u32>,
    /// Instances that are kept warm for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioned_concurrency: Option<u32>,
    /// Aliases, each with the version it stands for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, String>,
    /// Its labels there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Why it is not proposed although something says which function it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// One deployment that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChangeView {
    /// `added`, `changed` or `gone`.
    pub change: String,
    /// The function.
    pub function: String,
    /// The deployment.
    pub deployment: String,
    /// As Merit has it; absent when it is added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<DeploymentSpec>,
    /// As it is found; absent when it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<DeploymentSpec>,
    /// How it went: `planned`, `applied`, `kept` for one that is gone and not pruned, or why it was refused.
    pub result: String,
}
