//! The clouds of `merit demo`: three hyperscalers with two offerings each, Alibaba, Tencent and
//! Workers, all by their real price sheets, and platforms on machines of one's own: OpenFaaS and Knative.
//!
//! AWS, Azure and Google are there in two regions each. The clouds of AWS, Alibaba and Tencent speak their own protocols, for AWS's example
//! key pair; so do Google's, with a metadata server that gives tokens, Azure's, with keys and Entra tokens, and Workers,
//! with an example token, and OpenFaaS and Knative, with an example secret for what they list by.
//! Azure's second offering is the Flex plan. Alibaba is billed in dollars (Singapore), Tencent in yuan (Guangzhou), so one
//! venue needs an exchange rate.

use merit_pricing::Catalogue;
use merit_units::{MemoryMb, Micros, VenueId};

use super::{
    AzureApp, CloudConfig, DEFAULT_SEED, EntraClient, FaasGateway, FcAccount, GoogleProject, KeyPair, KnativeIngress,
    LambdaAccount, Protocol, Provider, ScfAccount, SimConfig, TimeScale, WorkersGate,
};

/// A cloud, its sheet, the round trip in ms, memory in MB and vCPU in thousandths where chosen.
type Row = (&'static str, &'static str, u64, u64, Option<u32>);

/// Round trips are assumptions: a broker on the east coast of the United States and the usual
/// distances from there. The rest of the overhead is measured.
const ROWS: [Row; 11] = [
    ("aws-us-east-1", "aws-lambda/us-east-1/x86_64", 4, 512, None),
    ("aws-eu-central-1", "aws-lambda/eu-central-1/arm64", 90, 512, None),
    ("azure-eastus", "azure-consumption/eastus", 6, 1536, None),
    ("azure-flex-eastus2", "azure-flex/eastus2", 7, 512, None),
    ("google-us-central1", "google-run/tier1", 32, 512, None),
    ("google-southamerica-east1", "google-run/tier2", 120, 512, None),
    ("alibaba-ap-southeast-1", "alibaba-fc/intl", 220, 512, Some(350)),
    ("tencent-ap-guangzhou", "tencent-scf/cn", 230, 512, None),
    ("cloudflare-workers", "cloudflare-workers", 5, 128, None),
    ("openfaas-dc1", "own/default", 3, 128, None),
    ("knative-dc1", "own/default", 3, 128, None),
];

/// Calls at once on machines of one's own: few, so that the exchange has something to choose.
const OWN_SLOTS: u32 = 1;

impl SimConfig {
    /// The clouds of `merit demo`. Any function the executor knows can be called at each of them.
    ///
    /// # Panics
    /// Never: the catalogue is part of the program, and a test opens the demo.
    #[must_use]
    pub fn demo() -> Self {
        Self { seed: DEFAULT_SEED, time_scale: TimeScale::REAL, clouds: ROWS.iter().map(cloud).collect() }
    }
}

fn cloud(&(name, sheet, round_trip_ms, memory_mb, vcpu_milli): &Row) -> CloudConfig {
    let name = VenueId::try_new(name).expect("invariant: the demo's names are names");
    let sheet = Catalogue::builtin().get(sheet).expect("invariant: the catalogue has the demo's sheets");
    let provider = Provider::of_sheet(sheet).expect("invariant: the demo's sheets are of known providers");
    let mut cloud = CloudConfig::new(name, sheet.clone(), provider);
    cloud.round_trip = Some(Micros::from_millis(round_trip_ms));
    cloud.size.memory = MemoryMb::try_new(memory_mb).expect("invariant: the demo's sizes are sizes");
    cloud.size.vcpu_milli = vcpu_milli;
    cloud.protocol = match provider {
        Provider::AwsLambda => {
            let region =
                cloud.name.as_str().strip_prefix("aws-").expect("invariant: the demo's AWS clouds are called so");
            Protocol::Lambda(account(region))
        }
        Provider::AlibabaFc => Protocol::Fc(FcAccount { keys: vec![example_key()], return_payload: true }),
        Provider::TencentScf => Protocol::Scf(ScfAccount { keys: vec![example_key()], gateway_events: true }),
        Provider::CloudflareWorkers => {
            let bearer_token = Some("merit-demo-bearer-token".to_owned());
            Protocol::Workers(WorkersGate { bearer_token, access: None })
        }
        Provider::Own => {
            cloud.concurrency = OWN_SLOTS;
            own(cloud.name.as_str())
        }
        _ => match cloud.name.as_str().split_once('-') {
            Some(("google", region)) => Protocol::Google(GoogleProject::new("merit-demo", region)),
            Some(("azure", _)) => Protocol::Azure(app(cloud.name.as_str())),
            _ => Protocol::Native,
        },
    };
    cloud
}

/// Platforms on machines of one's own, with one secret for both.
fn own(name: &str) -> Protocol {
    let secret = "merit-demo-cluster-secret".to_owned();
    if name.starts_with("openfaas-") {
        let credentials = Some((FaasGateway::USER.to_owned(), secret));
        return Protocol::OpenFaas(FaasGateway { namespace: FaasGateway::NAMESPACE.to_owned(), credentials });
    }
    Protocol::Knative(KnativeIngress {
        namespace: KnativeIngress::NAMESPACE.to_owned(),
        domain: KnativeIngress::DOMAIN.to_owned(),
        queue_depth: None,
        api_token: Some(secret),
        cloudevents: true,
    })
}

/// A function app that is called with a key and an Entra token both.
fn app(name: &str) -> AzureApp {
    AzureApp {
        function_key: Some("merit-demo-function-key".to_owned()),
        entra: Some(EntraClient {
            tenant: "11111111-1111-1111-1111-111111111111".to_owned(),
            client_id: "22222222-2222-2222-2222-222222222222".to_owned(),
            client_secret: "merit-demo-client-secret".to_owned(),
            audience: "api://33333333-3333-3333-3333-333333333333".to_owned(),
        }),
        ..AzureApp::new(name)
    }
}

/// An account with the key pair of AWS's documentation. The samples take pictures and texts, so payloads that
/// are no JSON are taken too.
fn account(region: &str) -> LambdaAccount {
    let account = "123456789012".to_owned();
    LambdaAccount { region: region.to_owned(), account, keys: vec![example_key()], json_payloads: false }
}

/// One pair for all clouds: that of AWS's documentation.
fn example_key() -> KeyPair {
    KeyPair {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
        session_token: None,
    }
}
