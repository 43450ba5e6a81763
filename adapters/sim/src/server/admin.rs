//! `/_sim`: what the clouds are doing, what they bill, and what is to go wrong.
//!
//! | request | answer |
//! |---|---|
//! | `GET /_sim/clouds`, `GET /_sim/clouds/{cloud}` | state, controls, and what of the model is not measured |
//! | `GET /_sim/clouds/{cloud}/invoice` | the month so far as the provider bills it |
//! | `GET /_sim/clouds/{cloud}/price-sheet` | the sheet now billed by, as TOML |
//! | `POST /_sim/clouds/{cloud}/control` | changes what is wrong with the cloud, answers its state |

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use merit_units::Micros;
use serde_json::{Value, json};

use super::{Sim, unknown_cloud};
use crate::cloud::Cloud;
use crate::config::Protocol;
use crate::controls::Patch;
use crate::model::data::measured;
use crate::protocol::native::refusal;

/// A control has ten fields; this is plenty.
const MOST_CONTROL_BYTES: usize = 16 * 1024;

pub(super) async fn serve(sim: &Sim, path: &[&str], request: Request<Incoming>) -> Response<Bytes> {
    let (cloud, what) = match path {
        ["clouds"] => return get(&request, || Ok(json_response(&all(sim)))),
        ["clouds", cloud] => (*cloud, ""),
        ["clouds", cloud, what] => (*cloud, *what),
        _ => return refusal(StatusCode::NOT_FOUND, "NotFound", "there is /_sim/clouds"),
    };
    let Some(cloud) = sim.clouds.get(cloud) else { return unknown_cloud(sim, cloud) };
    match what {
        "" => get(&request, || Ok(json_response(&state(cloud)))),
        "invoice" => {
            get(&request, || cloud.books().invoice(cloud.config.name.as_str()).map(|bill| json_response(&bill)))
        }
        "price-sheet" => get(&request, || Ok(toml_response(cloud.books().sheet().to_toml()))),
        "control" => control(cloud, request).await,
        _ => refusal(StatusCode::NOT_FOUND, "NotFound", "a cloud has invoice, price-sheet and control"),
    }
}

fn get(request: &Request<Incoming>, answer: impl FnOnce() -> Result<Response<Bytes>, String>) -> Response<Bytes> {
    if request.method() != Method::GET {
        return refusal(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "read this with GET");
    }
    answer().unwrap_or_else(|message| refusal(StatusCode::INTERNAL_SERVER_ERROR, "Failed", &message))
}

async fn control(cloud: &Arc<Cloud>, request: Request<Incoming>) -> Response<Bytes> {
    if request.method() != Method::POST {
        return refusal(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "change controls with POST");
    }
    let Ok(body) = Limited::new(request.into_body(), MOST_CONTROL_BYTES).collect().await else {
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLarge", "a control has at most 16 KiB");
    };
    match Patch::parse(&body.to_bytes()) {
        Ok(patch) => {
            cloud.control(&patch);
            json_response(&state(cloud))
        }
        Err(message) => refusal(StatusCode::BAD_REQUEST, "BadControl", &message),
    }
}

fn all(sim: &Sim) -> Value {
    let clouds: Vec<Value> = sim.clouds.values().map(|cloud| state(cloud)).collect();
    json!({
        "seed": sim.seed,
        "time_scale": sim.time_scale.to_string(),
        "clouds": clouds,
        "sources": measured().source,
        "measurements": measured().provenance(),
    })
}

fn state(cloud: &Cloud) -> Value {
    let config = &cloud.config;
    let entry = config.provider.entry();
    let (mut lambda, mut google, mut azure, mut openfaas, mut knative) = Default::default();
    match &config.protocol {
        Protocol::Lambda(account) => {
            let keys: Vec<&str> = account.keys.iter().map(|key| key.access_key_id.as_str()).collect();
            lambda = json!({ "region": account.region, "account": account.account, "access_key_ids": keys });
        }
        Protocol::Azure(app) => {
            let place =
                json!({ "app": app.app, "subscription": app.subscription, "resource_group": app.resource_group });
            azure = place;
        }
        Protocol::Google(project) => google = json!({ "region": project.region, "project": project.project }),
        Protocol::OpenFaas(gateway) => openfaas = json!({ "namespace": gateway.namespace }),
        Protocol::Knative(ingress) => {
            knative = json!({ "namespace": ingress.namespace, "domain": ingress.domain });
        }
        Protocol::Native | Protocol::Fc(_) | Protocol::Scf(_) | Protocol::Workers(_) => {}
    }
    let keys: Vec<&str> = config.protocol.keys().iter().map(|key| key.access_key_id.as_str()).collect();
    json!({
        "name": config.name.as_str(),
        "protocol": config.protocol.word(),
        "access_key_ids": keys,
        "lambda": lambda,
        "google": google,
        "azure": azure,
        "openfaas": openfaas,
        "knative": knative,
        "round_trip_ms": config.round_trip.map(Micros::millis_ceil),
        "path": format!("/{}", config.name),
        "provider": config.provider.as_str(),
        "price_sheet": config.sheet.name().as_str(),
        "currency": config.sheet.currency().as_str(),
        "runtime": config.runtime,
        "concurrency": config.concurrency,
        "architecture": config.architecture().to_string(),
        "memory_mb": config.size.memory.megabytes(),
        "vcpu_milli": config.size.vcpu_milli,
        "counts": cloud.counts(),
        "billed_calls": cloud.books().calls(),
        "controls": *cloud.controls(),
        "stand_ins": entry.stand_ins,
        "assumptions": entry.assumptions,
    })
}

fn json_response(value: &Value) -> Response<Bytes> {
    typed(value.to_string().into(), "application/json")
}

fn toml_response(text: String) -> Response<Bytes> {
    typed(text.into(), "application/toml")
}

fn typed(body: Bytes, content_type: &'static str) -> Response<Bytes> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
