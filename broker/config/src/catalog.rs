//! The section `[catalog]`: live prices, where they are fetched and what is believed of them.
//!
//! Invariant: addresses are shown to every key, so none has a secret in it; the one secret here is never shown.

use http::Uri;

use crate::Secret;
use crate::reader::{Kind, Section};

/// Live prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    /// Hours between two looks at the price lists; 0: only when asked to.
    pub refresh_hours: u64,
    /// Percent a price may move by itself.
    pub max_move_percent: u32,
    /// Days after which prices that nobody has confirmed are called old.
    pub warn_after_days: u32,
    /// Bytes a price list may have over all its pages, packed and unpacked.
    pub max_file_bytes: usize,
    /// Pages a price list may have.
    pub max_pages: usize,
    /// Milliseconds between two requests for pages of one list.
    pub page_pause_ms: u64,
    /// Milliseconds that fetching one may take.
    pub timeout_ms: u64,
    /// AWS Lambda's price list, with `{region}` for each region in use.
    pub aws_lambda_url: Option<String>,
    /// AWS's API in place of its files.
    pub aws_products: Option<AwsProducts>,
    /// Azure's, paged.
    pub azure_functions_url: Option<String>,
    /// Google Cloud Run's, paged.
    pub google_run_url: Option<String>,
    /// The key that Google wants with it.
    pub google_api_key: Option<Secret>,
}

/// AWS's Price List Query API, and who asks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsProducts {
    /// Its address.
    pub url: String,
    /// The access key's id.
    pub access_key_id: Secret,
    /// Its secret.
    pub secret_access_key: Secret,
    /// The token of temporary keys.
    pub session_token: Option<Secret>,
}

impl AwsProducts {
    fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        let env = section.reader.env;
        let secret = |text: &str| match text {
            "" => Ok(None),
            text => Secret::read(text, env).map(Some),
        };
        let url = section.value("aws_products_url", &[Kind::String], list_address);
        let access_key_id = section.secret_value("aws_access_key_id", secret);
        let secret_access_key = section.secret_value("aws_secret_access_key", secret);
        let session_token = section.secret_value("aws_session_token", secret);
        let url = url?;
        if url.starts_with("http:") && !is_loopback(&url) {
            section.mistake("aws_products_url", "must be https: it is asked with a key");
        }
        let (Some(access_key_id), Some(secret_access_key)) = (access_key_id, secret_access_key) else {
            let message = "wants aws_access_key_id and aws_secret_access_key, of a key that may pricing:GetProducts";
            section.mistake("aws_products_url", message);
            return None;
        };
        Some(Self { url, access_key_id, secret_access_key, session_token })
    }
}

impl Catalog {
    /// What stands for the region in an address.
    pub const REGION: &str = "{region}";

    pub(crate) fn read(mut section: Section<'_, '_>) -> Self {
        let text = &[Kind::String];
        let env = section.reader.env;
        let read = Self {
            refresh_hours: section.number("refresh_hours", 0..=8760),
            max_move_percent: section.number("max_move_percent", 0..=10_000),
            warn_after_days: section.number("warn_after_days", 1..=3650),
            max_file_bytes: section.number("max_file_bytes", 1024..=1 << 30),
            max_pages: section.number("max_pages", 1..=10_000),
            page_pause_ms: section.number("page_pause_ms", 0..=60_000),
            timeout_ms: section.number("timeout_ms", 100..=3_600_000),
            aws_lambda_url: section.value("aws_lambda_url", text, address),
            aws_products: AwsProducts::read(&mut section),
            azure_functions_url: section.value("azure_functions_url", text, list_address),
            google_run_url: section.value("google_run_url", text, list_address),
            google_api_key: section.secret_value("google_api_key", |text| match text {
                "" => Ok(None),
                text => Secret::read(text, env).map(Some),
            }),
        };
        let clear = |url: &String| url.starts_with("http:") && !is_loopback(url);
        if read.google_api_key.is_some() && read.google_run_url.as_ref().is_some_and(clear) {
            section.mistake("google_run_url", "must be https: google_api_key would be sent in clear");
        }
        read
    }
}

fn is_loopback(url: &str) -> bool {
    let host = url.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// The address of a list that is one for all regions; nothing when it is empty.
pub(crate) fn list_address(text: &str) -> Result<Option<String>, String> {
    let whole = !text.contains(Catalog::REGION);
    if whole { address(text) } else { Err("has all regions in it: leave {region} out".to_owned()) }
}

/// An address, checked with a region put in; nothing when it is empty.
fn address(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let uri: Result<Uri, _> = text.replace(Catalog::REGION, "us-east-1").parse();
    let usable = |uri: &Uri| uri.host().is_some() && matches!(uri.scheme_str(), Some("http" | "https"));
    let secret = |uri: &Uri| uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    let key = |uri: &Uri| uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("key=")));
    match uri {
        // Every key may see where prices come from.
        Ok(uri) if secret(&uri) => Err("must not have a user or password in it: the address is shown".to_owned()),
        Ok(uri) if key(&uri) => {
            Err("must not have a key in it, since the address is shown: give google_api_key".to_owned())
        }
        Ok(uri) if usable(&uri) => Ok(Some(text.to_owned())),
        _ => Err(format!("must be an http or https URL, with or without {{region}}, or empty, got `{text}`")),
    }
}
