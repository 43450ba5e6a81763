//! What only a venue at Google Cloud Run needs: whose services they are, and as whom they are called.
//!
//! Known limitation: whether the identity may invoke is known only when it does.

use std::path::{Path, PathBuf};

use http::Uri;

use super::Http2;
use crate::reader::{Kind, Section};
use crate::server::path;

/// One region of one project; the region is the venue's.
#[derive(Clone, Debug)]
pub struct GoogleRun {
    /// The project whose services are listed; without, there is no discovery.
    pub project: Option<String>,
    /// A file of credentials; Application Default Credentials without. Relative to the configuration file's folder.
    pub credentials_file: Option<PathBuf>,
    /// Another address than its own for the metadata server, which is then asked for tokens.
    pub metadata_url: Option<Uri>,
    /// What tokens are made out to, in place of a service's own URL.
    pub audience: Option<String>,
    /// Another address than each service's own; targets are paths below it.
    pub endpoint_url: Option<Uri>,
    /// Another address than Google's own for the interfaces that list services.
    pub api_endpoint_url: Option<Uri>,
    /// Hosts besides Google's that targets may name.
    pub target_hosts: Vec<String>,
    /// A file with certificates (PEM) to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// HTTP/2 where the server offers it.
    pub http2: Option<Http2>,
    /// Milliseconds there and back, taken off the own clock.
    pub round_trip_ms: u64,
    /// Milliseconds that a token which can't be had, or was refused, is not tried again.
    pub credentials_retry_ms: u64,
}

pub(super) fn read(section: &mut Section<'_, '_>, folder: &Path) -> GoogleRun {
    let text = &[Kind::String];
    let credentials_file = section.given("credentials_file", text, |text| path(text).map(|path| folder.join(path)));
    let metadata_url = section.given("metadata_url", text, super::url);
    if credentials_file.is_some() && metadata_url.is_some() {
        section.mistake("metadata_url", "names credentials a second time: leave out it or credentials_file");
    }
    GoogleRun {
        project: section.given("project", text, super::plain),
        audience: section.given("audience", text, super::plain),
        endpoint_url: section.given("endpoint_url", text, super::url),
        api_endpoint_url: section.given("api_endpoint_url", text, super::url),
        target_hosts: section.list("target_hosts", super::target_host),
        ca_file: section.given("ca_file", text, |text| super::existing(&folder.join(path(text)?))),
        http2: super::http2::read(section, true),
        round_trip_ms: section.number_or("round_trip_ms", 0..=60_000, 0),
        credentials_retry_ms: section.number_or("credentials_retry_ms", 100..=3_600_000, 10_000),
        credentials_file,
        metadata_url,
    }
}
