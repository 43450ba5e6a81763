//! The section `[catalog]`: live prices, where they are fetched and what is believed of them.

use http::Uri;

use crate::reader::{Kind, Section};

/// Live prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    /// Hours between two looks at the price lists; 0: only when asked to.
    pub refresh_hours: u64,
    /// Percent a price may move by itself.
    pub max_move_percent: u32,
    /// Bytes a price list may have, packed and unpacked.
    pub max_file_bytes: usize,
    /// Milliseconds that fetching one may take.
    pub timeout_ms: u64,
    /// AWS Lambda's price list, with `{region}` for each region in use.
    pub aws_lambda_url: Option<String>,
}

impl Catalog {
    /// What stands for the region in an address.
    pub const REGION: &str = "{region}";

    pub(crate) fn read(mut section: Section<'_, '_>) -> Self {
        Self {
            refresh_hours: section.number("refresh_hours", 0..=8760),
            max_move_percent: section.number("max_move_percent", 0..=10_000),
            max_file_bytes: section.number("max_file_bytes", 1024..=1 << 30),
            timeout_ms: section.number("timeout_ms", 100..=3_600_000),
            aws_lambda_url: section.value("aws_lambda_url", &[Kind::String], address),
        }
    }
}

/// An address, checked with a region put in; nothing when it is empty.
fn address(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let uri: Result<Uri, _> = text.replace(Catalog::REGION, "us-east-1").parse();
    let usable = |uri: &Uri| uri.host().is_some() && matches!(uri.scheme_str(), Some("http" | "https"));
    let secret = |uri: &Uri| uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    match uri {
        // Every key may see where prices come from.
        Ok(uri) if secret(&uri) => Err("must not have a user or password in it: the address is shown".to_owned()),
        Ok(uri) if usable(&uri) => Ok(Some(text.to_owned())),
        _ => Err(format!("must be an http or https URL, with or without {{region}}, or empty, got `{text}`")),
    }
}
