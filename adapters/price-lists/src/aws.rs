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
//! Files of single regions are named by an index ([`region_files`]).
//!
//! Invariants: a product that is not understood (a unit that is not known, a gap between ranges, two SKUs that
//! disagree) is never guessed at; it makes its sheet an error and leaves the others alone. Products of other
//! groups (Lambda@Edge, `SnapStart`, managed instances) are passed over. Known limitation: egress is no product of
//! the AWSLambda offer, so it stays as the built-in sheet has it, and the sheets say so.

mod file;
mod index;
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

use crate::{ListError, shown};
pub use index::region_files;
use meters::{Priced, Tiers};

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

const NO_PRICE: ListError = ListError::Empty("no price of Lambda in any region");

fn other_offer(code: &str) -> ListError {
    ListError::Wrong(format!("it is the offer `{}`, not AWSLambda; check the address", shown(code)))
}

fn other_format(format: &str) -> ListError {
    let format = shown(format);
    ListError::Wrong(format!("its format is `{format}`; v1.0 and aws_v1 are known; an upgrade of Merit may know it"))
}
