//! One call: what it asks for, a permit, its payload, the run.

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use merit_units::Micros;
use tokio::time::{Instant, timeout_at};

use crate::door::Door;
use crate::reply::{self, DEADLINE_MS, Refusal, Reply};
use merit_sandbox::{NotStarted, Run};

impl Door {
    pub(crate) async fn call(&self, request: Request<Incoming>) -> Result<Reply, Refusal> {
        let function = self.sandbox.function(&request.uri().path()[1..]).map_err(|error| self.not_started(&error))?;
        let wall = self.limits.wall.min(deadline(request.headers())?.unwrap_or(Micros::MAX));
        let deadline = Instant::now() + wall.to_std();
        let _call = self.calls.try_acquire().map_err(|_| Refusal::TooManyRequests { running: self.concurrency })?;
        let payload = self.payload(request.into_body(), deadline).await?;
        let mut limits = self.limits;
        limits.wall = Micros::from_std(deadline.saturating_duration_since(Instant::now()));
        let run = self.sandbox.run(&function, payload, limits).await.map_err(|error| self.not_started(&error))?;
        log_failure(function.name().as_str(), &run);
        Ok(reply::ran(run))
    }

    async fn payload(&self, body: Incoming, deadline: Instant) -> Result<Bytes, Refusal> {
        let limit = self.payload_bytes;
        if body.size_hint().lower() > limit as u64 {
            return Err(Refusal::PayloadTooLarge { limit });
        }
        match timeout_at(deadline, Limited::new(body, limit).collect()).await {
            Ok(Ok(payload)) => Ok(payload.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::PayloadTooLarge { limit }),
            Ok(Err(error)) => Err(Refusal::BadRequest(format!("failed to read the payload: {error}"))),
            Err(_elapsed) => Err(Refusal::RequestTimeout),
        }
    }

    fn not_started(&self, error: &NotStarted) -> Refusal {
        match error {
            NotStarted::Busy { .. } => Refusal::TooManyRequests { running: self.concurrency },
            NotStarted::UnknownFunction { .. } => Refusal::NotFound(error.to_string()),
        }
    }
}

fn deadline(headers: &HeaderMap) -> Result<Option<Micros>, Refusal> {
    let Some(value) = headers.get(DEADLINE_MS) else { return Ok(None) };
    let millis = value.to_str().ok().and_then(|text| text.parse().ok()).filter(|millis| *millis > 0);
    let refuse = || Refusal::BadRequest(format!("`{DEADLINE_MS}` is {value:?}; send whole milliseconds from 1"));
    millis.map(|millis| Some(Micros::from_millis(millis))).ok_or_else(refuse)
}

/// The log tail stays in the pool's own log: callers may not be meant to read it.
fn log_failure(function: &str, run: &Run) {
    if let Err(error) = &run.outcome {
        tracing::info!(function, kind = error.kind(), %error, log = run.log_tail, "a function failed");
    }
}
