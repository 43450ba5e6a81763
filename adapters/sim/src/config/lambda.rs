//! What a cloud that speaks AWS Lambda's protocol needs beside what every cloud has.

use std::collections::BTreeMap;
use std::fmt;

use super::azure::AzureApp;
use super::clouds::{FcAccount, ScfAccount, WorkersGate};
use super::google::GoogleProject;
use super::own::{FaasGateway, KnativeIngress};

/// How a cloud is spoken to.
#[derive(Clone, Debug, Default)]
pub enum Protocol {
    /// `POST /{cloud}/{function}`, meters in the reply's headers.
    #[default]
    Native,
    /// AWS Lambda's API under `/{cloud}`.
    Lambda(LambdaAccount),
    /// Alibaba Function Compute's API under `/{cloud}`.
    Fc(FcAccount),
    /// Google's protocols under `/{cloud}`.
    Google(GoogleProject),
    /// Azure's protocols under `/{cloud}`.
    Azure(AzureApp),
    /// Tencent SCF's API under `/{cloud}`.
    Scf(ScfAccount),
    /// Cloudflare Workers: `POST /{cloud}/{function}` behind a gate, no meters.
    Workers(WorkersGate),
    /// An OpenFaaS gateway under `/{cloud}`.
    OpenFaas(FaasGateway),
    /// A Knative ingress under `/{cloud}`, and the Kubernetes API.
    Knative(KnativeIngress),
}

impl Protocol {
    /// The word in the configuration.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Lambda(_) => "lambda",
            Self::Fc(_) => "fc",
            Self::Google(_) => "google",
            Self::Azure(_) => "azure",
            Self::Scf(_) => "scf",
            Self::Workers(_) => "workers",
            Self::OpenFaas(_) => "openfaas",
            Self::Knative(_) => "knative",
        }
    }

    /// The keys that are known, where there are such.
    pub(crate) fn keys(&self) -> &[KeyPair] {
        match self {
            Self::Lambda(account) => &account.keys,
            Self::Fc(account) => &account.keys,
            Self::Scf(account) => &account.keys,
            _ => &[],
        }
    }
}

/// An account in a region of AWS.
#[derive(Clone, Debug)]
pub struct LambdaAccount {
    /// The region calls must be signed for.
    pub region: String,
    /// The account's number, twelve digits.
    pub account: String,
    /// Who may call.
    pub keys: Vec<KeyPair>,
    /// Whether a payload must be JSON, as Lambda demands.
    pub json_payloads: bool,
}

/// An access key that is known.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// Its id.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// For temporary credentials, the token that goes with them.
    pub session_token: Option<String>,
}

/// What Lambda's API says of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LambdaFunction {
    /// How many versions are published, from 1.
    pub versions: u32,
    /// Aliases with the version each stands for.
    pub aliases: BTreeMap<String, String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Calls at once that are reserved for it, and are its limit.
    pub reserved_concurrency: Option<u32>,
    /// Instances kept warm, by version or alias.
    pub provisioned_concurrency: BTreeMap<String, u32>,
}

impl LambdaFunction {
    /// The version that a qualifier stands for; `None` for one that is not there.
    pub(crate) fn version<'v>(&'v self, qualifier: Option<&'v str>) -> Option<&'v str> {
        match qualifier {
            None | Some("$LATEST") => Some("$LATEST"),
            Some(name) => self.aliases.get(name).map(String::as_str).or_else(|| self.is_version(name).then_some(name)),
        }
    }

    fn is_version(&self, text: &str) -> bool {
        let number: Option<u32> = text.parse().ok().filter(|number: &u32| number.to_string() == text);
        number.is_some_and(|number| (1..=self.versions).contains(&number))
    }

    /// What can't be: aliases of versions, and instances of qualifiers, that are not there.
    pub(super) fn problems(&self) -> Vec<String> {
        let aliases = self.aliases.iter().filter(|(_, version)| *version != "$LATEST" && !self.is_version(version));
        let aliases = aliases.map(|(alias, version)| {
            format!("alias `{alias}` stands for version `{version}`, and there are {} versions", self.versions)
        });
        let kept = self.provisioned_concurrency.keys().filter(|name| self.version(Some(name)).is_none());
        let kept = kept.map(|name| format!("provisioned_concurrency names `{name}`, which is no version and no alias"));
        aliases.chain(kept).collect()
    }
}

/// Leaves the secrets out.
impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}
