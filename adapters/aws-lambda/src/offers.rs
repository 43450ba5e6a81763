//! Lambda's prices as AWS publishes them, read into price sheets.
//!
//! Two forms carry the same figures: the *bulk offer file* (`index.json` of one region or of all, public) and
//! pages of the *`GetProducts`* API, whose products are JSON texts inside JSON. Both name a product by `group`,
//! such as `AWS-Lambda-Duration-ARM`, in a `regionCode`, with its rates by range in `terms.OnDemand`. Nothing
//! else of the file is kept: the all-regions file has 13 MB and the prices in it a few kB.
//!
//! ```text
//! bytes -> Offers::read_file | Offers::read_page -> Offers::sheets -> a sheet for each region and architecture
//! ```
//!
//! Invariants: a product that is not understood (a unit that is not known, a gap between ranges, two SKUs that
//! disagree) is never guessed at; it makes its sheet an error and leaves the others alone. Products of other
//! groups (Lambda@Edge, `SnapStart`, managed instances) are passed over. Known limitation: egress is no product of
//! the AWSLambda offer, so it stays as the built-in sheet has it, and the sheets say so.

mod file;
mod meters;
mod page;
#[cfg(any(test, feature = "samples"))]
pub mod sample;
mod sheets;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use merit_pricing::{Architecture, Date};
use merit_units::{Quantity, RegionId};

use meters::{Priced, Tiers};
pub use sheets::{Reading, SheetOffer};

/// The prices of one offer file, or of pages of one answer.
#[derive(Clone, Debug, Default)]
pub struct Offers {
    version: String,
    published: Option<Date>,
    regions: BTreeMap<RegionId, Region>,
    free: BTreeMap<Priced, Offered<Quantity>>,
    /// Whether what is not here is not offered. Pages come filtered, by region for one.
    whole: bool,
}

type Region = BTreeMap<(Priced, Architecture), Offered<Tiers>>;

#[derive(Clone, Debug)]
struct Offered<T> {
    /// Whether its usage type is the plain one of its group.
    plain: bool,
    price: Result<T, String>,
}

/// Why a file or a page is of no use at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// Not JSON of the right shape: cut off, an HTML page, another format.
    #[error("it is not {wanted}: {problem}{}", begins(.start))]
    Unreadable {
        /// What it should have been.
        wanted: &'static str,
        /// What the reader met, with line and column.
        problem: String,
        /// How the text begins.
        start: String,
    },
    /// The prices of another service.
    #[error("it is the offer `{0}`, not AWSLambda; check the address")]
    OtherOffer(String),
    /// A version of the format that is not known.
    #[error("its format is `{0}`; v1.0 and aws_v1 are known; an upgrade of Merit may know it")]
    OtherFormat(String),
    /// Well-formed, but no price of Lambda is in it.
    #[error("it has no price of Lambda in any region")]
    Empty,
}

fn begins(start: &str) -> String {
    if start.is_empty() { "; it is empty".to_owned() } else { format!("; it begins with `{start}`") }
}

impl OfferError {
    fn unreadable(wanted: &'static str, bytes: &[u8], error: &serde_json::Error) -> Self {
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(160)]);
        let start: String = start.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(40).collect();
        Self::Unreadable { wanted, problem: error.to_string(), start }
    }
}

impl Offers {
    /// The version the prices have, such as `20260521184754`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The regions with a price, in order of name.
    pub fn regions(&self) -> impl Iterator<Item = &RegionId> {
        self.regions.keys()
    }
}
