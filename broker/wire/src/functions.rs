//! Functions and their deployments.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::EqualView;

/// A logical function, as put by an administrator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FunctionSpec {
    /// Whether running it twice does no harm. Only then is a call repeated after an unknown outcome.
    #[serde(default)]
    pub idempotent: bool,
    /// The longest one run may take, in milliseconds; bounds what a call can cost. 1 to 900,000; 30,000 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Dollars a second of waiting is worth, unless the caller says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_of_time: Option<String>,
    /// What it is a kind of, such as `python3.13`: providers' offers for this class are offers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// What it demands of its deployments before they take its calls: `proven` (default), that they are proven equal, or
    /// `declared`, that somebody says they are its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equivalence: Option<String>,
    /// The digest of its artefact, such as `sha256:...`: a deployment of this digest is equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// How two replies of it are compared: `json` (default), `exact` or `command`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare: Option<String>,
    /// Share of its calls that are repeated at another deployment, in ppm; as the broker's configuration says when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow_ppm: Option<u32>,
    /// How its events are delivered. When absent it stays as it was.
    #[serde(rename = "async", default, skip_serializing_if = "Option::is_none")]
    pub events: Option<EventSpec>,
    /// Deployments by name. When present it replaces them all; when absent they stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployments: Option<BTreeMap<String, DeploymentSpec>>,
}

/// How a function's events are delivered. What it leaves out is as the broker's configuration says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventSpec {
    /// Retries after an error of the function's own; 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
    /// Seconds before the first of them, 1 to 3,600; the n-th waits n times as long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_delay_s: Option<u64>,
    /// Seconds that an event is tried before it becomes a dead letter; 1 to 1,209,600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_s: Option<u64>,
    /// Who is told of each delivered event: a function's name or an http or https URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_success: Option<String>,
    /// Who is told of each event that was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<String>,
}

/// A function's code at one venue with one size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeploymentSpec {
    /// The venue it is installed at.
    pub venue: String,
    /// Where the venue finds it: a path under the venue's URL, a whole URL, or the provider's name for it.
    pub target: String,
    /// Configured memory in MB.
    pub memory_mb: u64,
    /// Configured vCPUs as a decimal, such as `0.583`, for venues that bill them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcpu: Option<String>,
    /// `x86_64` (default) or `arm64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// Calls it can run at once; 1 to 1,000,000, and 1,000 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Calls that one of its instances takes at once, 1 to 1,000; 1 when absent. Where instances are billed for their time
    /// (Google Cloud Run, Azure Flex and Premium), calls that run at the same time share their price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_concurrency: Option<u16>,
    /// Instances that are kept for it whether calls come or not, 1 to 10,000 (minimum instances, provisioned concurrency,
    /// always ready ones). What they cost is told with the venue, as `committed`; no call is charged for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_instances: Option<u32>,
    /// A price sheet of the catalogue when the venue's own does not apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// The digest of the artefact that is installed there, as the provider tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// A function as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FunctionView {
    /// Its name.
    pub name: String,
    /// Whether it may be run twice.
    pub idempotent: bool,
    /// Longest run in milliseconds.
    pub timeout_ms: u64,
    /// Dollars a second of waiting is worth.
    pub value_of_time: String,
    /// What it is a kind of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// What it demands of its deployments: `declared` or `proven`.
    #[serde(default)]
    pub equivalence: String,
    /// The digest of its artefact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// How two replies of it are compared.
    #[serde(default)]
    pub compare: String,
    /// Share of its calls that are repeated at another deployment, in ppm.
    #[serde(default)]
    pub shadow_ppm: u32,
    /// How its events are delivered, as far as it says.
    #[serde(rename = "async", default)]
    pub events: EventSpec,
    /// Where it is deployed, by name.
    pub deployments: BTreeMap<String, DeploymentView>,
}

/// A deployment as stored, with what has been learned of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentView {
    /// What was put.
    #[serde(flatten)]
    pub spec: DeploymentSpec,
    /// `healthy`, `ejected` or `probation`.
    pub health: String,
    /// Calls its usage profile has seen.
    pub samples: u64,
    /// Calls running now.
    pub in_flight: u32,
    /// On what grounds it is taken for equal to the others.
    #[serde(default)]
    pub equal: EqualView,
    /// Why it is in quarantine, when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<String>,
}

/// All functions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FunctionList {
    /// In order of name.
    pub functions: Vec<FunctionView>,
}
