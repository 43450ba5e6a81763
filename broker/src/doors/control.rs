//! The control API: everything but invocations. Served by axum; described by its own OpenAPI document.
//!
//! Every error is a problem document, also axum's own. Keys see what their role allows: `invoke`
//! its own account's receipts and budget, `finance` everybody's money, `admin` everything.

mod callbacks;
mod catalog;
mod discovery;
mod equivalence;
mod events;
mod feed;
mod functions;
mod keys;
mod money;
mod operations;
mod providers;
mod quotes;
mod receipts;
mod reconciliations;
mod venues;

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Broker;
use crate::doors::problem;
use crate::guest;
use crate::keys::{Key, Role};
use crate::refusal::Refusal;

/// Bytes of a control request's body: a function with 128 deployments has about 40 kB.
const MAX_BODY_BYTES: usize = 1 << 20;

type Shared = Arc<Broker>;

/// All routes with their documentation.
pub(super) fn documented() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(operations::livez))
        .routes(routes!(operations::readyz))
        .routes(routes!(operations::metrics))
        .routes(routes!(callbacks::bring))
        .routes(routes!(quotes::quote))
        .routes(routes!(quotes::book))
        .routes(routes!(feed::connect))
        .routes(routes!(receipts::show))
        .routes(routes!(receipts::repriced))
        .routes(routes!(events::list))
        .routes(routes!(events::show))
        .routes(routes!(events::redrive))
        .routes(routes!(events::forget))
        .routes(routes!(functions::list))
        .routes(routes!(functions::show, functions::put, functions::delete))
        .routes(routes!(functions::put_deployment, functions::delete_deployment))
        .routes(routes!(equivalence::vouch, equivalence::unvouch))
        .routes(routes!(equivalence::samples, equivalence::record, equivalence::delete_samples))
        .routes(routes!(equivalence::replay))
        .routes(routes!(equivalence::quarantines))
        .routes(routes!(equivalence::quarantine, equivalence::lift))
        .routes(routes!(venues::list))
        .routes(routes!(venues::show))
        .routes(routes!(venues::check))
        .routes(routes!(venues::price_sheet, venues::put_price_sheet))
        .routes(routes!(reconciliations::list, reconciliations::import))
        .routes(routes!(providers::offers, providers::put_offers, providers::delete_offers))
        .routes(routes!(providers::delete_offer))
        .routes(routes!(providers::confirm_offer))
        .routes(routes!(providers::put_endpoint))
        .routes(routes!(providers::caps, providers::put_caps))
        .routes(routes!(providers::kill))
        .routes(routes!(providers::statement))
        .routes(routes!(providers::open_session))
        .routes(routes!(discovery::discover))
        .routes(routes!(catalog::show))
        .routes(routes!(catalog::refresh))
        .routes(routes!(catalog::accept))
        .routes(routes!(catalog::import))
        .routes(routes!(catalog::sheet))
        .routes(routes!(catalog::history))
        .routes(routes!(money::spend))
        .routes(routes!(money::alternatives))
        .routes(routes!(money::budget, money::put_budget))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
}

/// The router, ready to serve.
pub fn router(broker: Shared) -> Router {
    let (router, _) = documented().split_for_parts();
    router
        .route("/openapi.json", axum::routing::get(operations::openapi))
        // A POST of it comes to another door.
        .route("/v1/functions/{function}/invocations", MethodRouter::new().fallback(not_posted))
        .fallback(no_such_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(broker)
}

async fn no_such_path(request: Request) -> Denied {
    let (method, path) = (request.method(), request.uri().path());
    Denied(Refusal::Unknown { kind: "path", name: format!("{method} {path}"), near: Vec::new() })
}

async fn not_posted(request: Request) -> Response {
    let mut answer = wrong_method(request).await.into_response();
    answer.headers_mut().insert(http::header::ALLOW, http::HeaderValue::from_static("POST"));
    answer
}

async fn wrong_method(request: Request) -> Denied {
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    Denied(Refusal::MethodNotAllowed { method, path })
}

/// A refusal as a response.
pub(super) struct Denied(pub(super) Refusal);

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl From<merit_store::StoreError> for Denied {
    fn from(error: merit_store::StoreError) -> Self {
        Self(Refusal::Internal(error.to_string()))
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let at = crate::clock::Clock::system().now();
        let request = merit_units::InvocationId::v7(at.micros() / 1000, fastrand::u128(..));
        if let Refusal::Internal(message) = &self.0 {
            tracing::error!(%request, message, "a control request failed");
        }
        problem::response(&self.0, request).map(axum::body::Body::new)
    }
}

/// A JSON answer.
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// A JSON body, refused with what is wrong and where.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Shared> for Body<T> {
    type Rejection = Denied;

    async fn from_request(request: Request, state: &Shared) -> Result<Self, Denied> {
        let text = Text::from_request(request, state).await?.0;
        let text = if text.trim().is_empty() { "{}" } else { &text };
        let body =
            serde_json::from_str(text).map_err(|error| Refusal::BadRequest(format!("the JSON body: {error}")))?;
        Ok(Self(body))
    }
}

/// A body of text.
pub(super) struct Text(pub(super) String);

impl FromRequest<Shared> for Text {
    type Rejection = Denied;

    async fn from_request(request: Request, _: &Shared) -> Result<Self, Denied> {
        let bytes = axum::body::to_bytes(request.into_body(), MAX_BODY_BYTES)
            .await
            .map_err(|_| Refusal::PayloadTooLarge { named: "the control API's fixed limit", limit: MAX_BODY_BYTES })?;
        String::from_utf8(bytes.into())
            .map(Self)
            .map_err(|_| Refusal::BadRequest("the body is not UTF-8".to_owned()).into())
    }
}

/// Query parameters, refused with what is wrong.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Shared> for Query<T> {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Denied> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(error) => {
                let told = error.body_text();
                let told = told.strip_prefix("Failed to deserialize query string: ").unwrap_or(&told);
                Err(Refusal::BadRequest(format!("the query: {told}")).into())
            }
        }
    }
}

/// Who is asking.
pub(super) struct Caller(pub(super) Arc<Key>);

impl Caller {
    /// Refuses a caller without the role.
    fn require(&self, role: Role) -> Result<(), Denied> {
        self.0.require(role).map_err(Denied)
    }

    /// Refuses a caller that asks about another's money, unless it may see everybody's.
    fn may_see(&self, account: &str) -> Result<(), Denied> {
        if self.0.account.id.as_str() == account { Ok(()) } else { self.require(Role::Finance) }
    }

    fn sees_all_money(&self) -> bool {
        self.0.roles.allow(Role::Finance)
    }
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, broker: &Shared) -> Result<Self, Denied> {
        let authorization = parts.headers.get(http::header::AUTHORIZATION).map(http::HeaderValue::as_bytes);
        let key = broker.keys.authenticate(authorization)?;
        guest::known(&parts.extensions);
        key.take_call()?;
        Ok(Self(key))
    }
}

/// Runs a query that reads the disk without holding up the calls.
pub(super) async fn blocking<T: Send + 'static>(
    query: impl FnOnce() -> Result<T, merit_store::StoreError> + Send + 'static,
) -> Result<T, Denied> {
    match tokio::task::spawn_blocking(query).await {
        Ok(answer) => answer.map_err(Denied::from),
        Err(error) => Err(Refusal::Internal(error.to_string()).into()),
    }
}
