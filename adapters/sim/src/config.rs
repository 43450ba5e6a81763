//! Which clouds are played, and how.

mod azure;
mod clouds;
mod demo;
mod google;
mod lambda;
mod own;
mod read;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use merit_pricing::{Architecture, PriceSheet, Size};
use merit_units::{FunctionId, MemoryMb, Micros, VenueId};

pub use crate::model::Provider;
use crate::model::{Model, data::measured};
pub use azure::{AzureApp, EntraClient};
pub use clouds::{FcAccount, ScfAccount, WorkersGate};
pub use google::{GoogleProject, ServiceAccount};
pub use lambda::{KeyPair, LambdaAccount, LambdaFunction, Protocol};
pub use own::{FaasGateway, KnativeIngress};
pub use read::{ConfigErrors, ConfigMistake};

/// The seed where none is given.
pub(crate) const DEFAULT_SEED: u64 = 42;

/// The simulated clouds of one process.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// Every random draw follows from it.
    pub seed: u64,
    /// How fast modelled time passes.
    pub time_scale: TimeScale,
    /// The clouds, each under its own path.
    pub clouds: Vec<CloudConfig>,
}

/// One simulated cloud: one provider in one region.
#[derive(Clone, Debug)]
pub struct CloudConfig {
    /// Its name and the first part of its path.
    pub name: VenueId,
    /// The sheet it bills by, and which says what kind of machine it has.
    pub sheet: Arc<PriceSheet>,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// Whose latency it has.
    pub provider: Provider,
    /// The runtime whose start its cold starts take, such as `rust` or `python3.13`.
    pub runtime: String,
    /// The way to the region and back; without it, that of the client that measured it.
    pub round_trip: Option<Micros>,
    /// Calls at once, over all its functions.
    pub concurrency: u32,
    /// Whether the books open with the free grants used up, in the first paid tier.
    pub past_grant: bool,
    /// The size of functions without one of their own.
    pub size: FunctionSize,
    /// Functions with a size or name of their own. Any other name is asked of the executor as it is.
    pub functions: Vec<FunctionConfig>,
}

/// What a function is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionSize {
    /// Configured memory.
    pub memory: MemoryMb,
    /// Configured share of CPU, where the provider has that; otherwise it follows from the memory.
    pub vcpu_milli: Option<u32>,
    /// After how long a call is ended, in modelled time and without initialisation.
    pub timeout: Micros,
}

/// A function deployed under a name and size of its own.
#[derive(Clone, Debug)]
pub struct FunctionConfig {
    /// The second part of its path.
    pub name: FunctionId,
    /// What the executor knows it as.
    pub runs: String,
    /// Its size.
    pub size: FunctionSize,
    /// What Lambda's API says of it, where that is spoken.
    pub lambda: LambdaFunction,
}

/// How much real time a modelled second takes, from 0 (replies go out as soon as they are ready) to 1.
///
/// The simulated clock runs by it too: at 0.1, keep-alive periods pass ten times as fast. At 0 the
/// clock is the real one. What is metered and billed is modelled time, whatever the scale; so below 1 a
/// caller that holds meters against its own clock, as Merit does, finds them too long to be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeScale {
    ppm: u32,
}

/// A time scale that is not 0 to 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time scale is 0 to 1, with at most six decimals")]
pub struct TimeScaleError;

impl TimeScale {
    /// Modelled time passes as real time does.
    pub const REAL: Self = Self { ppm: 1_000_000 };
    /// No waiting.
    pub const INSTANT: Self = Self { ppm: 0 };

    /// From parts per million.
    ///
    /// # Errors
    /// [`TimeScaleError`] above 1,000,000.
    pub const fn from_ppm(ppm: u32) -> Result<Self, TimeScaleError> {
        if ppm <= 1_000_000 { Ok(Self { ppm }) } else { Err(TimeScaleError) }
    }

    /// How long a modelled time really takes.
    pub(crate) fn real(self, modelled: Micros) -> Micros {
        let real = u128::from(modelled.get()) * u128::from(self.ppm) / 1_000_000;
        Micros::new(u64::try_from(real).unwrap_or(u64::MAX))
    }

    /// How much modelled time has passed in a real time.
    pub(crate) fn modelled(self, real: Micros) -> Micros {
        if self.ppm == 0 {
            return real;
        }
        let modelled = u128::from(real.get()) * 1_000_000 / u128::from(self.ppm);
        Micros::new(u64::try_from(modelled).unwrap_or(u64::MAX))
    }
}

impl std::fmt::Display for TimeScale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{}.{:06}", self.ppm / 1_000_000, self.ppm % 1_000_000);
        f.pad(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl std::str::FromStr for TimeScale {
    type Err = TimeScaleError;

    fn from_str(text: &str) -> Result<Self, TimeScaleError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.len() <= 6 && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return Err(TimeScaleError);
        }
        let whole: u32 = whole.parse().map_err(|_| TimeScaleError)?;
        let fraction: u32 = format!("{fraction:0<6}").parse().map_err(|_| TimeScaleError)?;
        whole
            .checked_mul(1_000_000)
            .and_then(|ppm| ppm.checked_add(fraction))
            .map_or(Err(TimeScaleError), Self::from_ppm)
    }
}

/// What keeps clouds from being opened; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to open the simulated clouds: {}", problems.join("; "))]
pub struct SimError {
    /// Each names its cloud.
    pub problems: Vec<String>,
}

impl SimConfig {
    /// Reads a TOML file:
    ///
    /// ```toml
    /// seed = 42                  # optional
    /// time_scale = 0.1           # optional; real seconds for a modelled one, 0 to 1, 1 without it
    ///
    /// [[cloud]]
    /// name = "aws-us-east-1"     # its path
    /// price_sheet = "aws-lambda/us-east-1/x86_64"
    /// # All others are optional.
    /// provider = "aws-lambda"    # whose latency; follows from the sheet
    /// runtime = "python3.13"     # whose cold starts
    /// round_trip_ms = 20         # the way there and back
    /// concurrency = 1000
    /// past_grant = true          # whether the books open with the free grants used up
    /// memory_mb = 512            # of functions not listed below
    /// vcpu_milli = 350           # where the provider sells vCPU
    /// timeout_ms = 30000
    ///
    /// [[cloud.function]]         # only for names and sizes of their own
    /// name = "thumbnail-large"
    /// runs = "thumbnail"
    /// memory_mb = 2048
    /// ```
    ///
    /// A cloud may speak AWS Lambda's own protocol instead; calls to it are signed:
    ///
    /// ```toml
    /// [[cloud]]
    /// name = "aws-us-east-1"     # the endpoint URL is http://ADDRESS/aws-us-east-1
    /// price_sheet = "aws-lambda/us-east-1/x86_64"
    /// protocol = "lambda"
    /// region = "us-east-1"       # optional; follows from the sheet
    /// account = "123456789012"   # optional
    /// json_payloads = true       # optional; false takes payloads that are no JSON, which Lambda refuses
    ///
    /// [[cloud.key]]              # at least one
    /// access_key_id = "AKIAIOSFODNN7EXAMPLE"
    /// secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    /// session_token = "..."      # optional
    ///
    /// [[cloud.function]]
    /// name = "thumbnail"
    /// # All others are optional.
    /// versions = 2               # published versions, from 1
    /// aliases = { prod = "2" }
    /// tags = { "merit:function" = "thumbnail" }
    /// reserved_concurrency = 10  # calls at once, of this function alone
    /// provisioned_concurrency = { prod = 2 }
    /// ```
    ///
    /// With `protocol = "fc"` or `"scf"` a cloud speaks the API of Alibaba Function Compute or Tencent SCF, for the
    /// `[[cloud.key]]` of the same shape; `versions`, `aliases` and `tags` of functions are those above. With
    /// `gateway_events = true`, functions at SCF take a gateway's events, so that payloads need not be JSON. With
    /// `return_payload = true`, an account at Function Compute is told what asynchronous calls returned, which others are not.
    ///
    /// With `protocol = "workers"` a cloud answers as Cloudflare Workers do: `bearer_token`, and `access_client_id` with
    /// `access_client_secret`, are what callers must send, where they are given.
    ///
    /// With `protocol = "openfaas"` it is a gateway of OpenFaaS, and with `"knative"` an ingress of Knative with the Kubernetes
    /// API beside it, usually with `price_sheet = "own/default"`:
    ///
    /// ```toml
    /// [[cloud]]
    /// name = "faas-dc1"            # the gateway's URL is http://ADDRESS/faas-dc1/
    /// price_sheet = "own/default"
    /// protocol = "openfaas"
    /// # All others are optional.
    /// namespace = "openfaas-fn"
    /// gateway_user = "admin"
    /// gateway_password = "..."     # of the /system paths, which are open without it
    ///
    /// [[cloud]]
    /// name = "knative-dc1"         # the ingress is http://ADDRESS/knative-dc1/, and so is the Kubernetes API
    /// price_sheet = "own/default"
    /// protocol = "knative"
    /// # All others are optional.
    /// domain = "example.com"
    /// namespace = "default"
    /// queue_depth = 100            # calls that wait; ten times the concurrency without it
    /// api_token = "..."            # without it services are listed to nobody
    /// cloudevents = true           # every call must be a CloudEvent in binary mode
    /// ```
    ///
    /// Or Google's: services of Cloud Run that check ID tokens, and the places that give them:
    ///
    /// ```toml
    /// [[cloud]]
    /// name = "google-us-central1"  # the endpoint URL is http://ADDRESS/google-us-central1
    /// price_sheet = "google-run/tier1"
    /// protocol = "google"
    /// # All others are optional.
    /// project = "merit-sim"
    /// region = "us-central1"       # follows from a name that begins with google-
    /// custom_audiences = ["orders"]
    ///
    /// [[cloud.service_account]]    # who may invoke; without one, merit@PROJECT.iam.gserviceaccount.com
    /// email = "merit@merit-sim.iam.gserviceaccount.com"
    /// public_key = "-----BEGIN PUBLIC KEY-----..."  # of the key its assertions are signed with
    /// ```
    ///
    /// Or Azure's: a function app that checks keys and Entra tokens, and the places that give tokens:
    ///
    /// ```toml
    /// [[cloud]]
    /// name = "azure-eastus"        # the endpoint URL is http://ADDRESS/azure-eastus/api
    /// price_sheet = "azure-consumption/eastus"
    /// protocol = "azure"
    /// function_key = "..."         # this, or [[cloud.entra]], or both
    /// # All others are optional.
    /// app = "azure-eastus"
    /// cut_after_ms = 230000        # when a request without an answer is ended, in real time; its function runs on
    /// subscription = "00000000-0000-0000-0000-000000000000"
    /// resource_group = "merit-sim"
    ///
    /// [[cloud.entra]]              # the app registration that may call, and list
    /// tenant = "11111111-1111-1111-1111-111111111111"
    /// client_id = "22222222-2222-2222-2222-222222222222"
    /// client_secret = "..."
    /// audience = "api://33333333-3333-3333-3333-333333333333"
    /// ```
    ///
    /// # Errors
    /// [`ConfigErrors`] with every mistake and its line.
    pub fn parse(toml: &str) -> Result<Self, ConfigErrors> {
        read::read(toml)
    }

    /// The clouds' models, in order.
    pub(crate) fn models(&self) -> Result<Vec<Model>, SimError> {
        let mut problems = Vec::new();
        let mut models = Vec::new();
        for (index, cloud) in self.clouds.iter().enumerate() {
            problems.extend(cloud.problems().into_iter().map(|problem| format!("{}: {problem}", cloud.name)));
            if self.clouds[..index].iter().any(|other| other.name == cloud.name) {
                problems.push(format!("{}: is there twice", cloud.name));
            }
            models.extend(cloud.model());
        }
        if problems.is_empty() { Ok(models) } else { Err(SimError { problems }) }
    }
}

impl CloudConfig {
    /// A cloud with its provider's defaults and every function the executor knows.
    #[must_use]
    pub fn new(name: VenueId, sheet: Arc<PriceSheet>, provider: Provider) -> Self {
        let entry = provider.entry();
        Self {
            name,
            sheet,
            protocol: Protocol::Native,
            provider,
            runtime: entry.runtime.clone(),
            round_trip: None,
            concurrency: entry.concurrency,
            past_grant: true,
            size: FunctionSize::of(provider),
            functions: Vec::new(),
        }
    }

    /// What its machines are.
    pub(crate) fn architecture(&self) -> Architecture {
        self.sheet.architecture().unwrap_or_default()
    }

    /// A function's size as the sheet prices it.
    pub(crate) fn priced_size(&self, size: FunctionSize) -> Size {
        let priced = Size::new(size.memory).with_architecture(self.architecture());
        size.vcpu_milli.map_or(priced, |vcpu_milli| priced.with_vcpu_milli(vcpu_milli))
    }

    /// Its latency model; `None` when its runtime was not measured.
    fn model(&self) -> Option<Model> {
        Model::of(self.provider, &self.runtime, &self.architecture().to_string(), self.round_trip)
    }

    /// Everything that keeps it from being played.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.model().is_none() {
            let known: Vec<&str> = measured().runtimes().collect();
            problems.push(format!("runtime `{}` was not measured; use one of {}", self.runtime, known.join(", ")));
        }
        let listed = self.functions.iter().map(|function| (Some(&function.name), function.size));
        for (name, size) in std::iter::once((None, self.size)).chain(listed) {
            if let Err(error) = self.sheet.check(&self.priced_size(size)) {
                problems.push(name.map_or(error.to_string(), |name| format!("function {name}: {error}")));
            }
        }
        problems
    }
}

impl FunctionSize {
    /// Half a minute: longer than any sample function, shorter than a caller's patience.
    const TIMEOUT: Micros = Micros::from_secs(30);

    /// A provider's default.
    fn of(provider: Provider) -> Self {
        let memory = MemoryMb::try_new(provider.entry().memory_mb).expect("invariant: default sizes are sizes");
        Self { memory, vcpu_milli: provider.entry().vcpu_milli, timeout: Self::TIMEOUT }
    }

    /// Something to go on with when the provider is not known, so that more mistakes are found.
    fn fallback() -> Self {
        Self::of(Provider::AwsLambda)
    }
}
