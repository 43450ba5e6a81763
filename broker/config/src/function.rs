//! The sections `[functions.NAME]` and `[functions.NAME.deployments.NAME]`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use merit_pricing::{Architecture, Size};
use merit_units::{DeploymentId, FunctionId, MemoryMb, Money, SheetName, VenueId, parse_vcpu};

use crate::account::{MONEY, dollars};
use crate::equivalence::{SHADOW_PPM, digest};
use crate::mistake::did_you_mean;
use crate::reader::{Kind, Reader, Section, in_range};
use crate::{Compare, Demand, FunctionEvents, Venue};

/// Milliseconds a function's run may take at most. 900 s is the longest that any provider in the catalogue allows
/// a plain synchronous call on AWS Lambda.
pub const FUNCTION_TIMEOUT_MS: RangeInclusive<u64> = 1..=900_000;
/// What holds when a function sets no timeout.
pub const DEFAULT_FUNCTION_TIMEOUT_MS: u64 = 30_000;
/// Calls a deployment or venue can run at once.
pub const CONCURRENCY: RangeInclusive<u64> = 1..=1_000_000;
/// What holds when a deployment or venue sets none; AWS Lambda's default for an account and region.
pub const DEFAULT_CONCURRENCY: u32 = 1000;

/// Calls one instance of a deployment takes at once. Cloud Run's most is 1,000 (Google's docs, "Set maximum concurrent
/// requests per instance", 2026-11-22), which no other provider exceeds.
pub const INSTANCE_CONCURRENCY: RangeInclusive<u64> = 1..=1_000;

/// Instances of a deployment that are kept whether calls come or not; far above what any provider keeps unasked.
pub const KEPT_INSTANCES: RangeInclusive<u64> = 0..=10_000;

/// A logical function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Whether running it twice does no harm.
    pub idempotent: bool,
    /// The longest one run may take, in milliseconds.
    pub timeout_ms: u64,
    /// Dollars a second of waiting is worth.
    pub value_of_time: Money,
    /// What it is a kind of, for providers' offers.
    pub class: Option<String>,
    /// What it demands of its deployments before they take its calls.
    pub equivalence: Demand,
    /// The digest of its artefact: a deployment of this digest is equal.
    pub digest: Option<String>,
    /// How two replies of it are compared.
    pub compare: Compare,
    /// Share of its calls that are repeated at another deployment, in ppm; none means what `[equivalence]` says.
    pub shadow_ppm: Option<u32>,
    /// How its events are delivered, as far as it says.
    pub events: FunctionEvents,
    /// Where it is deployed.
    pub deployments: BTreeMap<DeploymentId, Deployment>,
}

/// A function's code at one venue with one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The venue; it exists in the same configuration.
    pub venue: VenueId,
    /// Where the venue finds it.
    pub target: String,
    /// Configured memory.
    pub memory: MemoryMb,
    /// Configured thousandths of a vCPU.
    pub vcpu_milli: Option<u32>,
    /// What it runs on; none means what its venue says.
    pub architecture: Option<Architecture>,
    /// Calls it can run at once.
    pub concurrency: u32,
    /// Calls that one of its instances takes at once.
    pub instance_concurrency: u16,
    /// Instances that are kept for it whether calls come or not.
    pub kept_instances: u32,
    /// A sheet of the catalogue when the venue's own does not apply.
    pub sheet: Option<SheetName>,
    /// The digest of the artefact that is installed there.
    pub digest: Option<String>,
}

impl Deployment {
    /// Its size at its venue, as price sheets meter it.
    #[must_use]
    pub fn size(&self, venue: &Venue) -> Size {
        let size = Size::new(self.memory).with_architecture(self.architecture.unwrap_or(venue.architecture));
        Size { vcpu_milli: self.vcpu_milli, ..size.with_concurrency(self.instance_concurrency) }
    }
}

pub(crate) fn read_all(reader: &mut Reader<'_>) -> BTreeMap<FunctionId, Function> {
    reader.section("functions").named(|section| Some(read(section)))
}

fn read(mut section: Section<'_, '_>) -> Function {
    let idempotent = section.given("idempotent", &[Kind::Boolean], str::parse::<bool>);
    Function {
        idempotent: idempotent.unwrap_or_else(|| section.fall_back("idempotent", false)),
        timeout_ms: section.number_or("timeout_ms", FUNCTION_TIMEOUT_MS, DEFAULT_FUNCTION_TIMEOUT_MS),
        value_of_time: section
            .given("value_of_time", MONEY, dollars)
            .unwrap_or_else(|| section.fall_back("value_of_time", Money::ZERO)),
        class: section.given("class", &[Kind::String], class),
        equivalence: section.given("equivalence", &[Kind::String], str::parse).unwrap_or_default(),
        digest: section.given("digest", &[Kind::String], digest),
        compare: section.given("compare", &[Kind::String], str::parse).unwrap_or_default(),
        shadow_ppm: section.given("shadow_ppm", &[Kind::Integer], |text| in_range(text, &SHADOW_PPM)),
        events: section.child("async").map(FunctionEvents::read).unwrap_or_default(),
        deployments: section.child("deployments").map(|mut section| section.named(read_deployment)).unwrap_or_default(),
    }
}

fn read_deployment(mut section: Section<'_, '_>) -> Option<Deployment> {
    let venues = section.reader.names("venues");
    let venue = section.required("venue", &[Kind::String], |text| existing(text, &venues));
    let target = section.required("target", &[Kind::String], target);
    let memory = section.required("memory_mb", &[Kind::Integer], megabytes);
    let deployment = Deployment {
        vcpu_milli: section.given("vcpu", MONEY, parse_vcpu),
        architecture: section.given("architecture", &[Kind::String], str::parse),
        concurrency: section.number_or("concurrency", CONCURRENCY, DEFAULT_CONCURRENCY),
        instance_concurrency: section.number_or("instance_concurrency", INSTANCE_CONCURRENCY, 1),
        kept_instances: section.number_or("kept_instances", KEPT_INSTANCES, 0),
        sheet: section.given("sheet", &[Kind::String], crate::sheets::known_name),
        digest: section.given("digest", &[Kind::String], digest),
        venue: venue?,
        target: target?,
        memory: memory?,
    };
    Some(deployment)
}

fn class(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let good = (1..=64).contains(&text.len()) && text.bytes().all(allowed);
    good.then(|| text.to_owned()).ok_or_else(|| format!("use 1 to 64 letters, digits, `-`, `_` and `.`, got `{text}`"))
}

/// A venue that the file has, mistaken or not.
pub(crate) fn existing(text: &str, venues: &[&str]) -> Result<VenueId, String> {
    let name = VenueId::try_new(text).map_err(|error| error.to_string())?;
    if venues.contains(&text) {
        return Ok(name);
    }
    let hint = did_you_mean(text, venues.iter().copied());
    Err(format!("there is no venue `{text}`{hint}; add [venues.{text}]"))
}

fn target(text: &str) -> Result<String, &'static str> {
    let bad = text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control());
    if bad {
        Err("must be a path, a URL or the provider's name of the function, without blanks")
    } else {
        Ok(text.to_owned())
    }
}

fn megabytes(text: &str) -> Result<MemoryMb, String> {
    let number: u64 = text.parse().map_err(|_| format!("must be 1 to 1048576, got {text}"))?;
    MemoryMb::try_new(number).map_err(|error| error.to_string())
}
