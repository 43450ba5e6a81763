//! The fuzz targets: what is done with bytes, what must hold, and the seeds to begin with.
//!
//! The same code runs in two places: under the fuzzer, guided by coverage (`make fuzz`), and in the ordinary
//! tests of the crates they are about, on the seeds and a few thousand mutations of them (`smoke.rs`). A target panics when something that
//! must hold does not.
//!
//! To add one: a module with `run` and `seeds`, a line in [`ALL`], a file in `fuzz/bin/` and its `[[bin]]`, and a
//! test beside the code.

pub mod acs3;
pub mod azure_answers;
pub mod event_stream;
pub mod exchange_rates;
pub mod function_reference;
pub mod google_skus;
pub mod google_token;
pub mod offer_file;
pub mod price_sheet;
pub mod provider_bill;
pub mod report_line;
pub mod retail_prices;
pub mod sigv4;
pub mod tc3;

/// Something that takes bytes from outside.
pub struct Target {
    /// Its name, which is that of its module and of its binary.
    pub name: &'static str,
    /// Does with the bytes what is done with them in earnest, and checks what must hold.
    pub run: fn(&[u8]),
    /// Inputs of every kind, made by code.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target.
pub const ALL: [Target; 14] = [
    Target { name: "sigv4", run: sigv4::run, seeds: sigv4::seeds },
    Target { name: "acs3", run: acs3::run, seeds: acs3::seeds },
    Target { name: "tc3", run: tc3::run, seeds: tc3::seeds },
    Target { name: "function_reference", run: function_reference::run, seeds: function_reference::seeds },
    Target { name: "report_line", run: report_line::run, seeds: report_line::seeds },
    Target { name: "event_stream", run: event_stream::run, seeds: event_stream::seeds },
    Target { name: "offer_file", run: offer_file::run, seeds: offer_file::seeds },
    Target { name: "retail_prices", run: retail_prices::run, seeds: retail_prices::seeds },
    Target { name: "google_skus", run: google_skus::run, seeds: google_skus::seeds },
    Target { name: "exchange_rates", run: exchange_rates::run, seeds: exchange_rates::seeds },
    Target { name: "google_token", run: google_token::run, seeds: google_token::seeds },
    Target { name: "azure_answers", run: azure_answers::run, seeds: azure_answers::seeds },
    Target { name: "price_sheet", run: price_sheet::run, seeds: price_sheet::seeds },
    Target { name: "provider_bill", run: provider_bill::run, seeds: provider_bill::seeds },
];
