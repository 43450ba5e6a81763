//! The clients that speak Lambda's protocol, signatures included.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::ensure;
use aws_sdk_lambda::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::LogType;
use bytes::Bytes;
use http::HeaderValue;
use merit_transport::Reach;
use merit_venue::{Call, MeterBasis, Target, Venue};
use merit_venue_aws_lambda::{CredentialsFrom, LambdaConfig, LambdaVenue};
use tokio::time::{Instant, timeout};

use crate::clients::{Client, DEADLINE, INVOCATION, TRACEPARENT};

const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const REGION: &str = "us-east-1";

/// Seconds since 1970 on 2026-11-21: nobody here checks how old a signature is.
const NOW_S: u64 = 1_795_235_256;

/// The adapter: bounded connections, deadline, outcome of every failure, the REPORT line.
pub(crate) struct Lambda {
    venue: LambdaVenue,
    call: Call,
}

impl Lambda {
    pub(crate) async fn new(address: SocketAddr, connections: usize) -> anyhow::Result<Self> {
        let config = LambdaConfig {
            endpoint_url: Some(format!("http://{address}")),
            credentials: CredentialsFrom::Keys {
                access_key_id: ACCESS_KEY_ID.to_owned(),
                secret_access_key: SECRET.to_owned(),
                session_token: None,
            },
            reach: Reach { max_connections: u32::try_from(connections)?, ..Reach::default() },
            ..LambdaConfig::new(REGION, || NOW_S)
        };
        let call = Call {
            invocation: INVOCATION.parse()?,
            attempt: 1,
            function: "bench".parse()?,
            target: Arc::new(Target::try_new("fn")?),
            payload: Bytes::new(),
            content_type: None,
            traceparent: Some(HeaderValue::from_static(TRACEPARENT)),
            tracestate: None,
            deadline: Instant::now(),
            lambda: None,
            http: None,
        };
        Ok(Self { venue: LambdaVenue::try_new(config).await?, call })
    }
}

impl Client for Lambda {
    async fn call(&self, payload: Bytes) -> anyhow::Result<usize> {
        let call = Call { payload, deadline: Instant::now() + DEADLINE, ..self.call.clone() };
        let reply = self.venue.invoke(call).await?;
        ensure!(reply.meters == MeterBasis::Reported, "the REPORT line was not taken");
        Ok(reply.payload.len())
    }
}

/// The SDK with fixed keys and nothing else set.
pub(crate) struct Sdk {
    client: aws_sdk_lambda::Client,
}

impl Sdk {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let config = aws_sdk_lambda::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(format!("http://{address}"))
            .credentials_provider(Credentials::new(ACCESS_KEY_ID, SECRET, None, None, "bench"))
            .build();
        Self { client: aws_sdk_lambda::Client::from_conf(config) }
    }
}

impl Client for Sdk {
    async fn call(&self, payload: Bytes) -> anyhow::Result<usize> {
        let invoke = self.client.invoke().function_name("fn").log_type(LogType::Tail);
        let reply = timeout(DEADLINE, invoke.payload(Blob::new(payload)).send()).await??;
        Ok(reply.payload.map_or(0, |payload| payload.as_ref().len()))
    }
}
