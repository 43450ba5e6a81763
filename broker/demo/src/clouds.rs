//! The simulated clouds, as they describe themselves, and what the demo does to them.

use merit_units::Money;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::DemoError;
use crate::peer::Peer;

/// A simulated cloud, from its own description and its price sheet.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Cloud {
    /// Its name, also as a venue.
    pub name: String,
    /// The sheet of the catalogue it bills by.
    pub price_sheet: String,
    /// The sheet's currency.
    pub currency: String,
    /// What its machines are: `x86_64` or `arm64`.
    pub architecture: String,
    /// Memory of its functions.
    pub memory_mb: u64,
    /// Their share of a CPU, where the provider lets one choose.
    pub vcpu_milli: Option<u32>,
    /// Calls it runs at once.
    pub concurrency: u32,
    /// The protocol it speaks, such as `native` or `fc`.
    #[serde(default)]
    pub protocol: String,
    /// Where it speaks AWS Lambda's own protocol, the account it plays.
    #[serde(default)]
    pub lambda: Option<LambdaAccount>,
    /// Where it speaks Google's protocols, the project it plays.
    #[serde(default)]
    pub google: Option<GoogleProject>,
    /// Where it speaks Azure's protocols, the app it plays.
    #[serde(default)]
    pub azure: Option<AzureApp>,
    /// Where it is a gateway of OpenFaaS, what that is called with.
    #[serde(default)]
    pub openfaas: Option<FaasGateway>,
    /// Where it is an ingress of Knative, what that is called with.
    #[serde(default)]
    pub knative: Option<KnativeIngress>,
    /// The way there and back, in milliseconds, where that is known.
    #[serde(default)]
    pub round_trip_ms: Option<u64>,
    /// Meters of its sheet with what is free of them each month.
    #[serde(skip)]
    pub free_grants: Vec<(String, String)>,
}

/// An account at AWS, as a cloud that speaks Lambda's protocol plays it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct LambdaAccount {
    /// The region it is in.
    pub region: String,
    /// Its number.
    pub account: String,
}

/// A project at Google, as a cloud that speaks its protocols plays it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct GoogleProject {
    /// The region it is in.
    pub region: String,
    /// Its id.
    pub project: String,
}

/// A function app, as a cloud that speaks Azure's protocols plays it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AzureApp {
    /// Its name.
    pub app: String,
    /// The subscription it is in.
    pub subscription: String,
    /// The resource group it is in.
    pub resource_group: String,
}

/// A gateway of OpenFaaS, as a cloud that speaks its protocol plays it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct FaasGateway {
    /// The namespace its functions are in.
    pub namespace: String,
}

/// An ingress of Knative, as a cloud that speaks its protocol plays it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct KnativeIngress {
    /// The namespace its services are in.
    pub namespace: String,
    /// What stands behind name and namespace in their hosts.
    pub domain: String,
}

/// What sheets for machines of one's own begin with.
const OWN_SHEETS: &str = "own/";

impl Cloud {
    /// Whether its protocol tells what a call used. Where it does not, Merit charges an estimate.
    pub(crate) fn tells_meters(&self) -> bool {
        self.google.is_none() && self.azure.is_none() && self.knative.is_none() && self.protocol != "workers"
    }

    /// Whether it stands for machines of one's own, which have few slots and no price list.
    pub(crate) fn is_own(&self) -> bool {
        self.price_sheet.starts_with(OWN_SHEETS)
    }

    /// The region, by which terms can choose it: the name without the provider's.
    pub(crate) fn region(&self) -> &str {
        const PROVIDERS: [&str; 8] =
            ["aws-", "azure-flex-", "azure-", "google-", "alibaba-", "tencent-", "openfaas-", "knative-"];
        PROVIDERS.iter().find_map(|provider| self.name.strip_prefix(provider)).unwrap_or("global")
    }
}

/// What a cloud itself bills.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Invoice {
    /// Calls billed.
    pub(crate) calls: u64,
    /// The sum of what each call is charged, in the sheet's currency.
    pub(crate) charges: String,
    /// Calls that ran and could not be billed.
    pub(crate) unbilled: Option<Value>,
    /// One for each price there was.
    #[serde(default)]
    pub(crate) periods: Vec<InvoicePeriod>,
}

/// What a cloud billed by one price.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct InvoicePeriod {
    /// By hour and function.
    pub(crate) functions: Vec<InvoiceLine>,
}

/// What a cloud billed for one function in one hour.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct InvoiceLine {
    /// The function.
    pub(crate) function: String,
    /// Its calls.
    pub(crate) calls: u64,
    /// Quantities by meter.
    pub(crate) billed: std::collections::BTreeMap<String, String>,
}

impl Invoice {
    /// The sum of the charges, in the sheet's currency.
    ///
    /// # Errors
    /// When the cloud's figure is none.
    pub(crate) fn charges(&self) -> Result<Money, DemoError> {
        let refuse = |error| DemoError::Request {
            request: "a cloud's invoice".to_owned(),
            reason: format!("`{}`: {error}", self.charges),
        };
        self.charges.parse().map_err(refuse)
    }
}

/// The simulated clouds of one `merit sim`.
#[derive(Clone)]
pub struct Clouds {
    peer: Peer,
    /// In order of name.
    pub all: Vec<Cloud>,
}

#[derive(Deserialize)]
struct Sheet {
    lines: Vec<SheetLine>,
}

#[derive(Deserialize)]
struct SheetLine {
    meter: String,
    grant: Option<SheetGrant>,
}

#[derive(Deserialize)]
struct SheetGrant {
    quantity: String,
}

#[derive(Deserialize)]
struct Descriptions {
    clouds: Vec<Cloud>,
}

impl Clouds {
    /// Asks the process at `url` what it plays.
    ///
    /// # Errors
    /// When it does not answer as it should.
    pub async fn discover(url: String) -> Result<Self, DemoError> {
        let peer = Peer::new(url, None)?;
        let Descriptions { clouds } = peer.get("/_sim/clouds").await?;
        let mut discovered = Self { peer, all: Vec::with_capacity(clouds.len()) };
        for cloud in clouds {
            let free_grants = free_grants(&cloud.name, &discovered.price_sheet(&cloud.name).await?)?;
            discovered.all.push(Cloud { free_grants, ..cloud });
        }
        Ok(discovered)
    }

    /// Where they are.
    #[must_use]
    pub fn url(&self) -> &str {
        self.peer.url()
    }

    /// Whether a venue is one of them and a provider's.
    pub(crate) fn sells(&self, venue: &str) -> bool {
        self.all.iter().any(|cloud| cloud.name == venue && !cloud.is_own())
    }

    /// The sheet a cloud bills by now, as TOML.
    ///
    /// # Errors
    /// When it does not answer as it should.
    pub(crate) async fn price_sheet(&self, cloud: &str) -> Result<String, DemoError> {
        self.peer.text(&format!("/_sim/clouds/{cloud}/price-sheet")).await
    }

    /// What a cloud has billed.
    ///
    /// # Errors
    /// When it does not answer as it should.
    pub(crate) async fn invoice(&self, cloud: &str) -> Result<Invoice, DemoError> {
        self.peer.get(&format!("/_sim/clouds/{cloud}/invoice")).await
    }

    /// Makes a cloud bill this percentage of its list prices.
    ///
    /// # Errors
    /// When it does not answer as it should.
    pub(crate) async fn reprice(&self, cloud: &str, percent: u32) -> Result<(), DemoError> {
        self.control(cloud, &json!({ "price_percent": percent })).await
    }

    /// Makes a cloud refuse every call.
    ///
    /// # Errors
    /// When it does not answer as it should.
    pub(crate) async fn kill(&self, cloud: &str) -> Result<(), DemoError> {
        self.control(cloud, &json!({ "outage": "refuse" })).await
    }

    async fn control(&self, cloud: &str, change: &Value) -> Result<(), DemoError> {
        let path = format!("/_sim/clouds/{cloud}/control");
        self.peer.send_body::<Value>(Method::POST, &path, "application/json", change.to_string()).await.map(drop)
    }
}

fn free_grants(cloud: &str, sheet: &str) -> Result<Vec<(String, String)>, DemoError> {
    let sheet: Sheet = toml::from_str(sheet).map_err(|error| DemoError::Request {
        request: format!("the price sheet of {cloud}"),
        reason: error.to_string(),
    })?;
    let granted = sheet.lines.into_iter().filter_map(|line| Some((line.meter, line.grant?.quantity)));
    Ok(granted.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_grants_are_read_from_the_sheet() {
        let sheet = "name = \"x\"\n[[lines]]\nmeter = \"request\"\n[lines.grant]\nquantity = \"1000000\"\nscope = \"x\"\n\
                     [[lines]]\nmeter = \"egress_gb\"\n";
        assert_eq!(free_grants("x", sheet).unwrap(), [("request".to_owned(), "1000000".to_owned())]);
        assert!(free_grants("x", "lines = 1").unwrap_err().to_string().contains("the price sheet of x"));
    }

    #[test]
    fn a_region_is_the_name_without_the_provider() {
        let region = |name: &str| {
            let text = json!({ "name": name, "price_sheet": "", "currency": "", "architecture": "", "memory_mb": 1,
                "vcpu_milli": null, "concurrency": 1 });
            serde_json::from_value::<Cloud>(text).unwrap().region().to_owned()
        };
        assert_eq!(region("aws-eu-central-1"), "eu-central-1");
        assert_eq!(region("azure-flex-eastus2"), "eastus2");
        assert_eq!(region("openfaas-dc1"), "dc1");
        assert_eq!(region("cloudflare-workers"), "global");
    }
}
