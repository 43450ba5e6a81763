//! The sections `[venues.NAME]`: where functions can run.

mod alibaba;
mod aws;
mod azure_functions;
mod cloudflare;
mod google_run;
mod headers;
mod http2;
mod keys;
mod kind;
mod preset;
mod provider;
mod secret;
mod tencent;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::uri::Authority;
use http::{HeaderName, HeaderValue, Uri};
use ipnet::IpNet;
use merit_pricing::{Architecture, Meter, PriceSheet};
use merit_units::{Quantity, RegionId, SheetName, VenueId};

use crate::function::{CONCURRENCY, DEFAULT_CONCURRENCY};
use crate::reader::{Kind, Reader, Section};
use crate::server::{one_of, path};
use crate::sheets;

use kind::{WORDS, Word};

pub use alibaba::AlibabaFc;
pub use aws::{AwsKeys, AwsLambda};
pub use azure_functions::{AzureEntra, AzureFunctions, AzureIdentity};
pub use cloudflare::{CloudflareWorkers, WorkersTokens};
pub use google_run::GoogleRun;
pub use http2::Http2;
pub use keys::CloudKeys;
pub use preset::{Knative, OpenFaas, Preset};
pub use provider::ProviderVenue;
pub use secret::Secret;
pub use tencent::TencentScf;

/// A place where functions can run.
#[derive(Clone, Debug)]
pub struct Venue {
    /// The adapter that reaches it.
    pub kind: VenueKind,
    /// The region.
    pub region: RegionId,
    /// How its guests are kept apart.
    pub isolation: Isolation,
    /// What its deployments run on unless they say otherwise.
    pub architecture: Architecture,
    /// Its prices; without, it is ineligible until a sheet is put through the API.
    pub sheet: Option<Arc<PriceSheet>>,
    /// In its place, the name of a sheet of the catalogue whose prices are not built in: a known family in another
    /// region. It is ineligible until a price feed or an import brings them.
    pub awaits: Option<SheetName>,
    /// Calls it can run at once, over all functions.
    pub concurrency: u32,
    /// Milliseconds to connect.
    pub connect_timeout_ms: u64,
    /// Milliseconds to the first byte of the reply.
    pub first_byte_timeout_ms: u64,
    /// Milliseconds for the whole call.
    pub timeout_ms: u64,
    /// Connections kept to it at most.
    pub max_connections: usize,
    /// Whose word on a call's usage counts.
    pub meters: Meters,
    /// Whose free grants and volume tiers its calls use up: venues of one account share them. Empty unless told.
    pub billing_account: String,
    /// What was already used this month before Merit counted; each meter once.
    pub month_to_date: Vec<(Meter, Quantity)>,
}

/// The adapter of a venue, with what only it needs.
#[derive(Clone, Debug)]
pub enum VenueKind {
    /// Any function behind HTTP.
    Http(Box<Http>),
    /// AWS Lambda: one region of one account.
    AwsLambda(Box<AwsLambda>),
    /// Alibaba Function Compute: one region of one account.
    AlibabaFc(Box<AlibabaFc>),
    /// Google Cloud Run: one region of one project.
    GoogleRun(Box<GoogleRun>),
    /// Azure Functions: the function apps of one subscription in one region.
    AzureFunctions(Box<AzureFunctions>),
    /// Tencent SCF: one region of one account.
    TencentScf(Box<TencentScf>),
    /// Cloudflare Workers of one account.
    CloudflareWorkers(Box<CloudflareWorkers>),
    /// A provider, which says itself what it runs and at what price.
    Provider(Box<ProviderVenue>),
}

/// What a venue behind HTTP needs.
#[derive(Clone, Debug)]
pub struct Http {
    /// Deployments' targets are paths under it. Always http or https, without user, query or fragment.
    pub url: Uri,
    /// Headers sent with each call. The values are marked sensitive, so `Debug` does not show them.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Networks it may be in although Merit refuses their addresses otherwise.
    pub allow_addresses: Vec<IpNet>,
    /// Whether loopback and private networks may be called.
    pub private_addresses: bool,
    /// Hosts besides the URL's that targets may name: `resize-abc.a.run.app`, or `*.a.run.app` for all below.
    pub target_hosts: Vec<String>,
    /// A file with certificates (PEM) to trust besides the system's; relative to the configuration file's folder.
    pub ca_file: Option<PathBuf>,
    /// The Host header, when it differs from the URL's.
    pub host: Option<Authority>,
    /// HTTP/2 where the server offers it.
    pub http2: Option<Http2>,
    /// Whether 401 and 403 are always its gateway's, and never a function's own answer.
    pub gateway_checks_credentials: bool,
    /// How long refused credentials, a name that does not resolve and a certificate that is not trusted are left alone.
    pub credentials_retry_ms: u64,
    /// The platform it is, if it is one that is known by name.
    pub preset: Option<Preset>,
}

impl VenueKind {
    /// The word in the configuration.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::AwsLambda(_) => "aws-lambda",
            Self::AlibabaFc(_) => "alibaba-fc",
            Self::GoogleRun(_) => "google-run",
            Self::AzureFunctions(_) => "azure-functions",
            Self::TencentScf(_) => "tencent-scf",
            Self::CloudflareWorkers(_) => "cloudflare-workers",
            Self::Provider(_) => "provider",
        }
    }

    /// The kinds that the program was built with: features of this crate.
    #[must_use]
    pub fn built_in() -> Vec<&'static str> {
        WORDS.iter().filter(|(_, word)| word.is_built_in()).map(|(text, _)| *text).collect()
    }
}

/// How a venue's guests are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// WebAssembly.
    Wasm,
    /// Linux namespaces.
    Namespace,
    /// gVisor.
    Gvisor,
    /// A virtual machine each.
    Microvm,
    /// Whatever the provider does.
    Provider,
}

const ISOLATIONS: [(&str, Isolation); 5] = [
    ("wasm", Isolation::Wasm),
    ("namespace", Isolation::Namespace),
    ("gvisor", Isolation::Gvisor),
    ("microvm", Isolation::Microvm),
    ("provider", Isolation::Provider),
];

impl Isolation {
    /// The word in the configuration and on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        let found = ISOLATIONS.iter().find(|(_, isolation)| *isolation == self);
        found.map(|(word, _)| *word).expect("invariant: every class has a word")
    }
}

/// Whose word on a call's usage counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meters {
    /// The venue's where it reports, else Merit's own clock.
    Reported,
    /// Always Merit's own clock.
    OwnClock,
}

pub(crate) fn read_all(reader: &mut Reader<'_>, folder: &Path) -> BTreeMap<VenueId, Venue> {
    reader.section("venues").named(|section| read(section, folder))
}

fn read(mut section: Section<'_, '_>, folder: &Path) -> Option<Venue> {
    let word = section.required("kind", &[Kind::String], kind::read);
    if let Some(left_out) = word.and_then(|word| kind::left_out(word, Word::is_built_in)) {
        section.mistake("kind", left_out);
    }
    let kind = match word {
        Some(Word::AwsLambda) => aws::read(&mut section).map(|own| VenueKind::AwsLambda(Box::new(own))),
        Some(Word::AlibabaFc) => Some(VenueKind::AlibabaFc(Box::new(alibaba::read(&mut section)))),
        Some(Word::GoogleRun) => Some(VenueKind::GoogleRun(Box::new(google_run::read(&mut section, folder)))),
        Some(Word::AzureFunctions) => {
            Some(VenueKind::AzureFunctions(Box::new(azure_functions::read(&mut section, folder))))
        }
        Some(Word::TencentScf) => Some(VenueKind::TencentScf(Box::new(tencent::read(&mut section)))),
        Some(Word::CloudflareWorkers) => {
            Some(VenueKind::CloudflareWorkers(Box::new(cloudflare::read(&mut section, folder))))
        }
        Some(Word::Provider) => Some(VenueKind::Provider(Box::new(provider::read(&mut section)))),
        // A kind that is missing or misspelt is most likely the common one: its keys are checked too.
        Some(Word::Http) | None => read_http(&mut section, folder).map(|own| VenueKind::Http(Box::new(own))),
    };
    let region = section.required("region", &[Kind::String], RegionId::try_new);
    let isolation = section.given("isolation", &[Kind::String], |text| one_of(text, &ISOLATIONS));
    let given_architecture = section.given("architecture", &[Kind::String], str::parse);
    let meters = [("reported", Meters::Reported), ("own-clock", Meters::OwnClock)];
    let meters = section.given("meters", &[Kind::String], |text| one_of(text, &meters));
    let sheets::OfVenue { sheet, awaits } = sheets::of_venue(&mut section, folder);
    let billing_account = section.given("billing_account", &[Kind::String], account_name).unwrap_or_default();
    let month_to_date = section.child("month_to_date").map(read_month_to_date).unwrap_or_default();
    let venue = Venue {
        isolation: isolation.unwrap_or(Isolation::Provider),
        architecture: given_architecture.unwrap_or(Architecture::X86_64),
        concurrency: section.number_or("concurrency", CONCURRENCY, DEFAULT_CONCURRENCY),
        connect_timeout_ms: section.number_or("connect_timeout_ms", 1..=60_000, 2000),
        first_byte_timeout_ms: section.number_or("first_byte_timeout_ms", 1..=900_000, 900_000),
        timeout_ms: section.number_or("timeout_ms", 1..=900_000, 900_000),
        max_connections: section.number_or("max_connections", 1..=100_000, 1024),
        meters: meters.unwrap_or(Meters::Reported),
        billing_account,
        month_to_date,
        sheet,
        awaits,
        kind: kind.filter(|_| word.is_some())?,
        region: region?,
    };
    Some(venue)
}

fn read_http(section: &mut Section<'_, '_>, folder: &Path) -> Option<Http> {
    let url = section.required("url", &[Kind::String], url);
    let own = Http {
        headers: section.child("headers").map(headers::read).unwrap_or_default(),
        allow_addresses: section.list("allow_addresses", network),
        private_addresses: section
            .given("private_addresses", &[Kind::Boolean], str::parse::<bool>)
            .unwrap_or_else(|| section.fall_back("private_addresses", true)),
        target_hosts: section.list("target_hosts", target_host),
        ca_file: section.given("ca_file", &[Kind::String], |text| existing(&folder.join(path(text)?))),
        host: section.given("host", &[Kind::String], host),
        http2: http2::read(section, false),
        gateway_checks_credentials: section
            .given("credentials_checked_by", &[Kind::String], |text| {
                one_of(text, &[("function", false), ("gateway", true)])
            })
            .unwrap_or(false),
        credentials_retry_ms: section.number_or("credentials_retry_ms", 100..=3_600_000, 10_000),
        preset: preset::read(section),
        url: url?,
    };
    Some(own)
}

/// Visible characters only: a line break of a file that was pasted would make a header wrong.
fn plain(text: &str) -> Result<String, String> {
    let good = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    good.then(|| text.to_owned()).ok_or_else(|| "must have visible characters only, and at least one".to_owned())
}

pub(crate) fn url(text: &str) -> Result<Uri, String> {
    let refuse = |why| format!("must be a URL such as https://functions.example.com/, got `{text}`: {why}");
    let uri: Uri = text.parse().map_err(|error: http::uri::InvalidUri| refuse(error.to_string()))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(refuse("begin it with http:// or https://".to_owned()));
    }
    let authority = uri.authority().map_or("", Authority::as_str);
    if authority.contains('@') {
        return Err("must not hold a user or password; send them in [venues.NAME.headers]".to_owned());
    }
    if authority.is_empty() || authority.starts_with(':') {
        return Err(refuse("it has no host".to_owned()));
    }
    if uri.query().is_some() {
        return Err(refuse("leave out the query".to_owned()));
    }
    Ok(uri)
}

fn host(text: &str) -> Result<Authority, String> {
    text.parse().map_err(|_| format!("must be a host such as functions.internal:8080, got `{text}`"))
}

fn target_host(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let refuse = || format!("must be a host such as resize-abc.a.run.app, or *.a.run.app for all below, got `{text}`");
    let authority: Authority = name.parse().map_err(|_| refuse())?;
    let plain = authority.host() == name && !name.is_empty() && !name.contains('*');
    if plain { Ok(text.to_owned()) } else { Err(refuse()) }
}

fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse().map(|address: std::net::IpAddr| IpNet::from(address));
    text.parse().or_else(|_| address()).map_err(|_| format!("must be a network such as 169.254.10.0/24, got `{text}`"))
}

fn existing(file: &Path) -> Result<PathBuf, String> {
    if file.is_file() { Ok(file.to_owned()) } else { Err(format!("there is no file {}", file.display())) }
}

pub(crate) fn account_name(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let valid = (1..=64).contains(&text.len()) && text.bytes().all(allowed);
    if valid {
        Ok(text.to_owned())
    } else {
        Err(format!("must be 1 to 64 letters, digits, `-`, `_` or `.`, got `{text}`"))
    }
}

fn read_month_to_date(mut section: Section<'_, '_>) -> Vec<(Meter, Quantity)> {
    let mut seeds: Vec<(Meter, Quantity)> = Vec::new();
    for name in section.other_keys() {
        let quantity = section.given(name, crate::account::MONEY, |text| {
            text.parse::<Quantity>().map_err(|error| format!("`{text}` {error}"))
        });
        match name.parse::<Meter>() {
            Err(error) => section.mistake(name, error.to_string()),
            Ok(meter) if seeds.iter().any(|(seen, _)| *seen == meter) => {
                section.mistake(name, format!("names the meter {meter} a second time"));
            }
            Ok(meter) => seeds.extend(quantity.map(|quantity| (meter, quantity))),
        }
    }
    seeds
}
