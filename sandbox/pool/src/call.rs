//! One call: what it asks for, a place, its payload, the run.
//!
//! Without a signature to verify, a call has its place before its payload is read, so that one that will not run
//! costs nothing. With one, the payload comes first: nobody but Merit gets a place.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use merit_linger::Stranger;
use merit_units::Micros;
use tokio::time::{Instant, timeout_at};

use crate::door::{Door, Function};
use crate::driver::Lease;
use crate::reply::{self, DEADLINE_MS, Refusal, Reply};
use crate::runner::{Call, Ran};
use crate::schedule::Refused;
use crate::sign::{self, Given, Signer};

/// Merit's name of the invocation, by which the function's own log can be found.
const INVOCATION_ID: &str = "merit-invocation-id";
/// How long a signed payload may take that names no deadline of its own.
const PAYLOAD_WAIT: Micros = Micros::from_secs(30);

/// Places a call is tried in whose instances turn out to have ended.
const PLACES: usize = 3;

/// What a request's head asks for.
struct Order<'a> {
    function: &'a Function,
    head: Parts,
    path: String,
    deadline: Instant,
}

impl Door {
    pub(crate) async fn call(&self, request: Request<Incoming>, stranger: &Stranger) -> Result<Reply, Refusal> {
        let (head, body) = request.into_parts();
        if let Some(signer) = &self.signer {
            return self.signed(head, body, signer, stranger).await;
        }
        let order = self.order(head)?;
        let lease = self.place(&order).await?;
        match self.payload(body, order.deadline).await {
            Ok(payload) => self.run(order, lease, payload).await,
            Err(refusal) => {
                lease.end(false);
                Err(refusal)
            }
        }
    }

    /// Verifies the request, runs it, and signs whatever the answer is.
    async fn signed(
        &self,
        head: Parts,
        body: Incoming,
        signer: &Signer,
        stranger: &Stranger,
    ) -> Result<Reply, Refusal> {
        let given = Given::read(&head.headers, (self.clock)()).map_err(Refusal::Unsigned)?;
        let arrives = Instant::now() + deadline(&head.headers)?.unwrap_or(PAYLOAD_WAIT).min(PAYLOAD_WAIT).to_std();
        let payload = self.unverified_payload(body, arrives, stranger).await?;
        signer.verify(&given, &payload, (self.clock)()).map_err(Refusal::Unsigned)?;
        if !stranger.introduce() {
            return Err(Refusal::Crowded);
        }
        let answered = async {
            let order = self.order(head)?;
            let lease = self.place(&order).await?;
            self.run(order, lease, payload).await
        };
        let reply = answered.await.unwrap_or_else(|refusal| reply::refused(&refusal));
        let (mut head, body) = reply.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        signer.sign(&given.id, &body, (self.clock)(), &mut head.headers);
        Ok(Reply::from_parts(head, Full::new(body)))
    }

    /// `/{function}`, and for those that speak HTTP any method and any path below.
    fn order(&self, head: Parts) -> Result<Order<'_>, Refusal> {
        if self.is_closed() {
            return Err(Refusal::Draining);
        }
        let path = head.uri.path().strip_prefix('/').unwrap_or_default();
        let (name, below) = path.split_once('/').map_or((path, None), |(name, below)| (name, Some(below)));
        let function = self.function(name).ok_or_else(|| self.unknown(name))?;
        if !function.runner.speaks_http() {
            if head.method != Method::POST {
                return Err(Refusal::MethodNotAllowed("POST"));
            }
            if below.is_some() {
                return Err(Refusal::NotFound(format!("`{name}` is not a function of paths; post to /{name}")));
            }
        }
        let query = head.uri.query().map_or_else(String::new, |query| format!("?{query}"));
        let path = format!("/{}{query}", below.unwrap_or_default());
        let longest = function.runner.timeout();
        let deadline = Instant::now() + deadline(&head.headers)?.unwrap_or(longest).min(longest).to_std();
        Ok(Order { function, head, path, deadline })
    }

    async fn place(&self, order: &Order<'_>) -> Result<Lease, Refusal> {
        let placed = self.driver.enter(order.function.index, order.deadline).await;
        placed.map_err(|refused| match refused {
            Refused::StartFailed => Refusal::NotStarted(refused.to_string()),
            Refused::QueueFull | Refused::Expired => Refusal::TooManyRequests(refused),
        })
    }

    /// Runs the call; in another place if the instance had ended before the call reached it.
    async fn run(&self, order: Order<'_>, mut lease: Lease, payload: Bytes) -> Result<Reply, Refusal> {
        let head = &order.head;
        let id = head.headers.get(sign::ID).or_else(|| head.headers.get(INVOCATION_ID));
        let id = id.and_then(|id| id.to_str().ok()).map_or_else(|| lease.number().to_string(), str::to_owned);
        let (method, headers) = (head.method.clone(), below_the_pool(head.headers.clone()));
        let mut call = Call { id, method, path: order.path.clone(), headers, payload, timeout: Micros::ZERO };
        for _ in 0..PLACES {
            call.timeout = Micros::from_std(order.deadline.saturating_duration_since(Instant::now()));
            let ran = lease.instance.invoke(call.clone()).await;
            log_failure(&order.function.name, &ran);
            let cold = lease.cold;
            lease.end(ran.gone);
            match &ran.outcome {
                Err(failed) if failed.not_started => lease = self.place(&order).await?,
                _ => return Ok(reply::ran(ran, cold)),
            }
        }
        lease.end(false);
        Err(Refusal::NotStarted(format!("`{}` has no instance that lives; see the pool's log", order.function.name)))
    }

    /// Reads a payload that anybody may have sent.
    async fn unverified_payload(
        &self,
        body: Incoming,
        deadline: Instant,
        stranger: &Stranger,
    ) -> Result<Bytes, Refusal> {
        let (arrival, given_up) = self.unverified.begin();
        let counted = body.map_frame(|frame| {
            arrival.grew(frame.data_ref().map_or(0, Bytes::len));
            frame
        });
        tokio::select! {
            read = self.payload(counted, deadline) => read,
            Ok(()) = given_up => Err(Refusal::Crowded),
            () = stranger.sent_away() => Err(Refusal::Crowded),
        }
    }

    async fn payload<B>(&self, body: B, deadline: Instant) -> Result<Bytes, Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
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
}

/// A request's headers as the function sees them: without what is between the caller and the pool.
fn below_the_pool(mut headers: HeaderMap) -> HeaderMap {
    let connection = [AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING, UPGRADE];
    for name in connection.iter().chain(&[sign::ID, sign::TIMESTAMP, sign::SIGNATURE]) {
        headers.remove(name);
    }
    headers
}

fn deadline(headers: &HeaderMap) -> Result<Option<Micros>, Refusal> {
    let Some(value) = headers.get(DEADLINE_MS) else { return Ok(None) };
    let millis = value.to_str().ok().and_then(|text| text.parse().ok()).filter(|millis| *millis > 0);
    let refuse = || Refusal::BadRequest(format!("`{DEADLINE_MS}` is {value:?}; send whole milliseconds from 1"));
    millis.map(|millis| Some(Micros::from_millis(millis))).ok_or_else(refuse)
}

/// The log tail stays in the pool's own log: callers may not be meant to read it.
fn log_failure(function: &str, ran: &Ran) {
    if let Err(failed) = &ran.outcome {
        tracing::info!(function, kind = failed.kind, error = failed.message, log = ran.log, "a function failed");
    }
}
