//! Invoke and InvokeAsync: one call, waited for, queued, or only asked about.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{Either, Full};
use merit_lambda_wire::invoke::{EXECUTED_VERSION, InvocationType, MOST_ASYNC_BYTES, MOST_SYNC_BYTES};

use super::head::Head;
use super::payload::Unread;
use super::reply::Form;
use super::sign::Signed;
use super::{Answer, Asked, Denied, function, terms};
use crate::admit::{self, Admitted, Arrived, Ticket};
use crate::body::Limit;
use crate::dispatch::PassedOn;
use crate::idempotent::Door as _;
use crate::{guest, idempotent, quote};

/// Lambda's events are JSON, whatever media type a client gives them: the JavaScript SDK says octets.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Serves Invoke.
pub(super) async fn invoke(asked: &Asked<'_>, segment: &str, body: Unread) -> Result<Answer, Denied> {
    let head = Head::of(&asked.parts.headers)?;
    let admitted = admitted(asked, segment, &head, body).await?;
    match head.kind {
        InvocationType::RequestResponse | InvocationType::Event => answered(asked, &head, admitted).await,
        InvocationType::DryRun => {
            quote::check(asked.broker, &admitted)?;
            Ok(empty(StatusCode::NO_CONTENT))
        }
    }
}

/// Serves InvokeAsync, the forerunner of Invoke with the type `Event`.
pub(super) async fn invoke_async(asked: &Asked<'_>, segment: &str, body: Unread) -> Result<Answer, Denied> {
    let head = Head { kind: InvocationType::Event, ..Head::default() };
    let admitted = admitted(asked, segment, &head, body).await?;
    answered(asked, &head, admitted).await
}

/// Checks everything that can be before the payload is read, reads it, and checks the rest.
pub(super) async fn admitted(
    asked: &Asked<'_>,
    segment: &str,
    head: &Head,
    body: Unread,
) -> Result<Box<Admitted>, Denied> {
    let ticket = admit::enter(asked.broker)?;
    let signed = Signed::of_head(asked, &body)?;
    let name = function::name(segment, asked.parts.uri.query())?;
    let limit = limit(asked, head.kind);
    body.check_declared(limit)?;
    if signed.is_verified() {
        let admission = admit(asked, head, &name, ticket, &signed)?;
        let payload = body.read(asked.broker, &signed, limit).await?;
        return Ok(admission.with_payload(payload));
    }
    let payload = body.read(asked.broker, &signed, limit).await?;
    Ok(admit(asked, head, &name, ticket, &signed)?.with_payload(payload))
}

fn admit(
    asked: &Asked<'_>,
    head: &Head,
    name: &str,
    ticket: Ticket,
    signed: &Signed,
) -> Result<admit::Admission, Denied> {
    guest::known(&asked.parts.extensions);
    let headers = &asked.parts.headers;
    let arrived = Arrived { ticket, id: asked.id, stopwatch: asked.stopwatch, key: signed.key() };
    let passed_on = PassedOn { lambda: head.lambda.clone(), ..PassedOn::traced(Some(JSON), headers) };
    let stated = |at, max_tags| terms::stated(headers, head.custom.as_ref(), at, max_tags);
    Ok(admit::admit_key(asked.broker, arrived, name, passed_on, stated)?.waiting_for_the_function(asked.broker))
}

fn limit(asked: &Asked<'_>, kind: InvocationType) -> Limit {
    let settings = asked.broker.settings.load();
    let (lambdas, named, own) = match kind {
        InvocationType::Event => (
            MOST_ASYNC_BYTES,
            "Lambda's limit for events",
            ("events.max_payload_bytes", settings.events.max_payload_bytes),
        ),
        InvocationType::RequestResponse | InvocationType::DryRun => {
            (MOST_SYNC_BYTES, "Lambda's limit for calls", ("server.max_payload_bytes", settings.max_payload_bytes))
        }
    };
    if own.1 < lambdas { Limit { bytes: own.1, named: own.0 } } else { Limit { bytes: lambdas, named } }
}

/// Runs it, or accepts it as an event, once for the name of a durable execution.
async fn answered(asked: &Asked<'_>, head: &Head, admitted: Box<Admitted>) -> Result<Answer, Denied> {
    let Some(name) = &head.durable else {
        return Ok(Form::plain(head).run(Arc::clone(asked.broker), admitted).await?.map(Either::Left));
    };
    let form = Form::durable(head, function::arn_of(asked.parts), name);
    // No header can hold this: names of durable executions and idempotency keys never meet.
    let key = format!("\u{1}durable/{}/{name}", admitted.function.id);
    Ok(idempotent::run(asked.broker, admitted, key, form).await?.map(Either::Left))
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(Bytes::new())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(EXECUTED_VERSION, HeaderValue::from_static("$LATEST"));
    answer
}
