//! The providers that can be played.

use std::fmt;
use std::str::FromStr;

use merit_pricing::PriceSheet;

use super::data::{self, ProviderEntry};

/// A provider with a model of its own. The names are the first part of its price sheets' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// AWS Lambda.
    AwsLambda,
    /// Azure Functions, Consumption plan.
    AzureConsumption,
    /// Azure Functions, Flex Consumption plan.
    AzureFlex,
    /// Google Cloud Run functions.
    GoogleRun,
    /// Alibaba Function Compute 3.0.
    AlibabaFc,
    /// Tencent Serverless Cloud Function.
    TencentScf,
    /// Cloudflare Workers.
    CloudflareWorkers,
    /// Machines of one's own.
    Own,
}

/// A name that is no provider's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no provider that can be simulated; use one of {list}", list = Provider::names())]
pub struct ProviderError(String);

impl Provider {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::AwsLambda,
        Self::AzureConsumption,
        Self::AzureFlex,
        Self::GoogleRun,
        Self::AlibabaFc,
        Self::TencentScf,
        Self::CloudflareWorkers,
        Self::Own,
    ];

    /// The name, as price sheets begin with it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AwsLambda => "aws-lambda",
            Self::AzureConsumption => "azure-consumption",
            Self::AzureFlex => "azure-flex",
            Self::GoogleRun => "google-run",
            Self::AlibabaFc => "alibaba-fc",
            Self::TencentScf => "tencent-scf",
            Self::CloudflareWorkers => "cloudflare-workers",
            Self::Own => "own",
        }
    }

    /// The provider whose sheet this is, by the first part of its name.
    #[must_use]
    pub fn of_sheet(sheet: &PriceSheet) -> Option<Self> {
        sheet.name().as_str().split('/').next()?.parse().ok()
    }

    fn names() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }

    pub(crate) fn entry(self) -> &'static ProviderEntry {
        data::provider(self.as_str())
    }
}

impl FromStr for Provider {
    type Err = ProviderError;

    fn from_str(name: &str) -> Result<Self, ProviderError> {
        Self::ALL
            .into_iter()
            .find(|provider| provider.as_str() == name)
            .ok_or_else(|| ProviderError(name.chars().take(80).collect()))
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
