//! Whether the broker is alive and ready, what it counts, and what it serves.

use axum::extract::State;
use http::{StatusCode, header};

use super::Shared;

/// Whether the process answers at all.
#[utoipa::path(get, path = "/livez", tag = "operations", responses((status = 200, description = "alive", body = String)))]
pub(super) async fn livez() -> &'static str {
    "ok\n"
}

/// Whether calls are taken: not while draining, and not while the store can't write.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses(
    (status = 200, description = "ready", body = String),
    (status = 503, description = "not ready, with the reason", body = String),
))]
pub(super) async fn readyz(State(broker): State<Shared>) -> (StatusCode, String) {
    if broker.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned());
    }
    match broker.store.trouble() {
        Some(trouble) => (StatusCode::SERVICE_UNAVAILABLE, format!("{trouble}\n")),
        None => (StatusCode::OK, "ready\n".to_owned()),
    }
}

/// What is counted, in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "operations", responses((status = 200, description = "the exposition", body = String)))]
pub(super) async fn metrics(State(broker): State<Shared>) -> ([(header::HeaderName, &'static str); 1], String) {
    let in_flight = broker.in_flight.load(std::sync::atomic::Ordering::Relaxed);
    broker.metrics.in_flight.set(i64::try_from(in_flight).unwrap_or(i64::MAX));
    broker.metrics.callbacks_waiting.set(i64::try_from(broker.callbacks.waiting()).unwrap_or(i64::MAX));
    broker.metrics.events.tell(&broker.events.backlog(broker.clock.now()));
    broker.metrics.adjustments_left(broker.adjustments_left());
    let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, media)], broker.metrics.render())
}

/// This API's OpenAPI document.
pub(super) async fn openapi() -> axum::Json<utoipa::openapi::OpenApi> {
    axum::Json(crate::doors::openapi_document())
}
