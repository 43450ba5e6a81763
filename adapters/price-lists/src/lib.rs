//! Price lists as AWS, Azure and Google Cloud publish them, read into price sheets; and lists of exchange rates.
//!
//! ```text
//! one file -> Offers::read_file -> sheets() -> a sheet for each region and architecture
//! pages -> Offers::read_page | RetailPrices::read_page | CloudSkus::read_page -> sheets()
//! one file -> RateList::read -> dollars for each currency
//! ```
//!
//! This crate only computes. Who fetches the pages, in which order and how many of them, is the broker's business, as
//! is judging what they say (`merit_pricing::Change`).
//!
//! Invariants: a meter that is not understood (a unit that is not known, two prices for one thing, none for small
//! quantities) is never guessed at; it makes its sheet an error with the reason and leaves the others alone. No number goes
//! through a float. A price for a unit that does not divide evenly (an hour into seconds) is rounded to 10^-18, which is
//! the one rounding here.
//!
//! Known limitation: a list has rates and no rounding rule, no sizes and often no egress. Those come from the built-in
//! sheet of the same plan, and the sheets say so in a note.

pub mod aws;
pub mod azure;
#[cfg(test)]
#[expect(unreachable_pub, reason = "the targets are the library of the fuzzer too")]
mod fuzz;
pub mod google;
mod ladder;
#[cfg(test)]
mod mutate;
mod number;
pub mod rates;
#[cfg(test)]
mod real;

use merit_pricing::{Date, PriceSheet};
use merit_units::SheetName;

/// When and where a list was read.
#[derive(Clone, Debug)]
pub struct Reading<'a> {
    /// The address, as a person could open it.
    pub url: &'a str,
    /// The day.
    pub day: Date,
}

/// A sheet as a list has it.
#[derive(Clone, Debug)]
pub struct SheetOffer {
    /// Its name, such as `azure-flex/westeurope` or `google-run/europe-west1`.
    pub name: SheetName,
    /// The sheet with the sequence number of the built-in one, or everything that speaks against making it.
    pub sheet: Result<PriceSheet, Vec<String>>,
}

/// Why a page or a file is of no use at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
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
    /// Well-formed, but nothing of use is in it.
    #[error("it has {0}; check the address")]
    Empty(&'static str),
    /// Well-formed, but what it says can't be so.
    #[error("{0}")]
    Wrong(String),
}

fn begins(start: &str) -> String {
    if start.is_empty() { "; it is empty".to_owned() } else { format!("; it begins with `{start}`") }
}

impl ListError {
    fn unreadable(wanted: &'static str, bytes: &[u8], error: &serde_json::Error) -> Self {
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(160)]);
        let start: String = start.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(40).collect();
        Self::Unreadable { wanted, problem: error.to_string(), start }
    }
}

/// What a message shows of a text that may be anything.
fn shown(text: &str) -> String {
    text.chars().take(40).map(|char| if char.is_control() { ' ' } else { char }).collect()
}

/// The day that a time such as `2024-12-01T00:00:00Z` is on.
fn day(time: &str) -> Option<Date> {
    time.get(..10)?.parse().ok()
}
