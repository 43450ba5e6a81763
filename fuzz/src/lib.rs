//! What the fuzz targets have in common: their list, and writing their seeds.

#![expect(dead_code, reason = "files of other crates are taken whole for the little of them that reads bytes")]

pub mod targets;

// The readers of what Azure and Google answer need nothing of the crates they are in, and those bring the providers'
// libraries.
#[path = "../../adapters/azure-functions/src"]
mod azure_functions {
    pub(crate) mod arm;
    pub(crate) mod poll;
}
#[path = "../../adapters/google-run/src"]
mod google_run {
    pub(crate) mod exchange;
    pub(crate) mod jwt;
    pub(crate) mod quantity;
}
// Likewise the reader of bills, and the broker's clock, which reads and writes times.
#[path = "../../broker/src/clock.rs"]
mod clock;
#[path = "../../broker/src/reconcile"]
mod reconcile {
    pub(crate) mod bill;
}

use std::path::Path;

use azure_functions::{arm, poll};
use google_run::{exchange, jwt, quantity};
use merit_price_lists::{Reading, aws, azure, google, rates};

pub use targets::{ALL, Target};

/// Writes the seeds of a target into the folder that `MERIT_FUZZ_SEEDS` names, if it names one. Called before
/// the fuzzer reads its corpus.
///
/// # Panics
/// When the folder can't be written.
pub fn write_seeds(name: &str) {
    let Some(folder) = std::env::var_os("MERIT_FUZZ_SEEDS") else { return };
    let target = ALL.iter().find(|target| target.name == name).expect("a target of the list");
    for (number, seed) in (target.seeds)().iter().enumerate() {
        let file = Path::new(&folder).join(format!("seed-{number:03}"));
        std::fs::write(&file, seed).unwrap_or_else(|error| panic!("writing {}: {error}", file.display()));
    }
}
