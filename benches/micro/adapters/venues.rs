//! Every adapter as a venue at the bench's server.

use std::net::SocketAddr;
use std::sync::Arc;

use merit_transport::Reach;
use merit_venue::Venue;
use merit_venue_alibaba_fc::{FcConfig, FcVenue};
use merit_venue_aws_lambda::{CredentialsFrom, LambdaConfig, LambdaVenue};
use merit_venue_azure_functions::{AzureConfig, AzureVenue};
use merit_venue_cloudflare_workers::{Secret, WorkersConfig, WorkersVenue};
use merit_venue_google_run::{GoogleRunConfig, GoogleRunVenue};
use merit_venue_http::{HttpConfig, HttpVenue, OpenFaas, Preset};
use merit_venue_tencent_scf::{ScfConfig, ScfVenue};

/// Seconds since 1970 on 2026-11-21: nobody here checks how old a signature is.
const NOW_S: u64 = 1_795_235_256;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// By name, the http adapter first.
pub(crate) async fn all(address: SocketAddr, connections: u32) -> anyhow::Result<Vec<(&'static str, Arc<dyn Venue>)>> {
    let url = format!("http://{address}");
    let reach = || Reach { max_connections: connections, max_idle: connections, ..Reach::default() };
    let http = |preset| HttpConfig { max_connections: connections, preset, ..HttpConfig::new(url.as_str()) };
    let openfaas = Preset::OpenFaas(OpenFaas { gateway: None, namespace: None });
    let lambda = LambdaConfig {
        endpoint_url: Some(url.clone()),
        credentials: CredentialsFrom::Keys {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: SECRET.to_owned(),
            session_token: None,
        },
        reach: reach(),
        ..LambdaConfig::new("us-east-1", || NOW_S)
    };
    let alibaba = FcConfig {
        endpoint_url: Some(url.clone()),
        keys: Some(merit_venue_alibaba_fc::Keys {
            access_key_id: "LTAIEXAMPLE".to_owned(),
            access_key_secret: SECRET.to_owned(),
            security_token: None,
        }),
        reach: reach(),
        ..FcConfig::new("cn-hangzhou", || NOW_S)
    };
    let tencent = ScfConfig {
        endpoint_url: Some(url.clone()),
        keys: Some(merit_venue_tencent_scf::Keys {
            secret_id: "AKIDEXAMPLE".to_owned(),
            secret_key: SECRET.to_owned(),
            token: None,
        }),
        reach: reach(),
        ..ScfConfig::new("ap-guangzhou", || NOW_S)
    };
    let azure = AzureConfig {
        endpoint_url: Some(format!("{url}/api")),
        function_key: Some(SECRET.to_owned()),
        max_connections: connections,
        ..AzureConfig::new("eastus")
    };
    let workers = WorkersConfig {
        base_url: Some(url.clone()),
        bearer_token: Some(Secret(SECRET.to_owned())),
        reach: reach(),
        ..WorkersConfig::new()
    };
    Ok(vec![
        (super::HTTP, Arc::new(HttpVenue::try_new(http(None))?)),
        ("http, openfaas", Arc::new(HttpVenue::try_new(http(Some(openfaas)))?)),
        ("aws-lambda", Arc::new(LambdaVenue::try_new(lambda).await?)),
        ("google-run", Arc::new(google(address, connections)?)),
        ("azure-functions", Arc::new(AzureVenue::try_new(azure)?)),
        ("alibaba-fc", Arc::new(FcVenue::try_new(alibaba)?)),
        ("tencent-scf", Arc::new(ScfVenue::try_new(tencent)?)),
        ("cloudflare-workers", Arc::new(WorkersVenue::try_new(workers)?)),
    ])
}

/// Cloud Run, with the server as the metadata server too.
pub(crate) fn google(address: SocketAddr, connections: u32) -> anyhow::Result<GoogleRunVenue> {
    let url = format!("http://{address}");
    Ok(GoogleRunVenue::try_new(GoogleRunConfig {
        endpoint_url: Some(url.clone()),
        credentials: merit_venue_google_run::CredentialsFrom::Metadata { endpoint_url: Some(url) },
        max_connections: connections,
        ..GoogleRunConfig::new("us-central1")
    })?)
}
