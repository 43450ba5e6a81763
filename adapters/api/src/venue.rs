//! The trait every adapter implements.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use merit_pricing::{Architecture, PriceSheet};
use merit_units::MemoryMb;

use tokio::time::Instant;

use crate::{Call, ErrorKind, Reply, Step, Streamed, Target, VenueError};

/// One venue, reached through the protocol of its kind.
///
/// Futures may be dropped at any moment; a call that is dropped may have run.
pub trait Venue: Send + Sync {
    /// The kind of venue, as written in the configuration: `http`, `aws-lambda`.
    fn kind(&self) -> &'static str;

    /// Makes one attempt.
    ///
    /// An error the function itself reports is a [`Reply`] with `function_error`, because it ran
    /// and is billed.
    ///
    /// # Errors
    /// [`VenueError`] with what the failure means for money. A call whose deadline has passed is
    /// refused as `NotStarted` before anything is sent.
    fn invoke(&self, call: Call) -> BoxFuture<'_, Result<Reply, VenueError>>;

    /// Makes one attempt whose reply is passed on while it arrives.
    ///
    /// A venue that has no such way makes the call whole and hands it on in one piece, which is
    /// what this default does.
    ///
    /// # Errors
    /// As [`Self::invoke`], for failures before the reply began; later ones are in the stream.
    fn stream(&self, call: Call) -> BoxFuture<'_, Result<Streamed, VenueError>> {
        Box::pin(async move { self.invoke(call).await.map(Streamed::whole) })
    }

    /// Lists what is deployed there, or `None` where the venue has no way to tell.
    ///
    /// # Errors
    /// [`VenueError`] when the venue could tell and did not.
    fn discover(&self) -> BoxFuture<'_, Result<Option<Vec<Discovered>>, VenueError>>;

    /// The price sheet the venue publishes itself, or `None` where it publishes none.
    ///
    /// # Errors
    /// [`VenueError`] when it should have one and the sheet can't be had or read.
    fn price_sheet(&self) -> BoxFuture<'_, Result<Option<PriceSheet>, VenueError>>;

    /// What the venue takes.
    fn limits(&self) -> Limits;

    /// Whether calls of that target may be requests of plain HTTP, with a method, a path and headers of the caller's:
    /// [`Call::http`]. The default takes none.
    fn takes_http(&self, target: &Target) -> bool {
        let _ = target;
        false
    }

    /// Why no call can be made there now, such as credentials that expired; `None` when one can.
    ///
    /// The broker takes the venue's asks out of the books while it lasts, and asks again every
    /// second. Answers at once, from what is known; the default has nothing to say.
    fn unready(&self) -> Option<Arc<str>> {
        None
    }

    /// Looks, step by step, whether calls of these targets could be made now: credentials, the way there, a dry
    /// invocation where the protocol has one. Runs no function, and ends at the first step that makes the next ones
    /// idle. The default has no steps of its own.
    fn check(&self, targets: Vec<Arc<Target>>) -> BoxFuture<'_, Vec<Step>> {
        drop(targets);
        Box::pin(std::future::ready(Vec::new()))
    }
}

/// What a venue takes. The broker checks payloads against it before it picks the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest payload, in bytes.
    pub request_bytes: u64,
    /// The largest reply, in bytes.
    pub reply_bytes: u64,
    /// The longest a call may take.
    pub duration: Duration,
    /// The most calls at once, where there is a bound on this side; more wait, within their deadline.
    pub in_flight: Option<u32>,
}

impl Limits {
    /// When a call that begins now must have ended.
    ///
    /// # Errors
    /// A payload that is too large, or a deadline that has passed; nothing was sent.
    pub fn admit(&self, call: &Call, begun: Instant, shown: impl fmt::Display) -> Result<Instant, VenueError> {
        let (size, max) = (call.payload.len() as u64, self.request_bytes);
        if size > max {
            let message = format!("the payload has {size} bytes, more than the {max} this venue takes");
            return Err(VenueError::not_started(ErrorKind::PayloadTooLarge, message));
        }
        let ends = call.deadline.min(begun + self.duration);
        if ends <= begun {
            let message = format!("time ran out before calling `{shown}`");
            return Err(VenueError::not_started(ErrorKind::Timeout, message));
        }
        Ok(ends)
    }
}

/// A deployment found at a venue. What a venue does not tell is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovered {
    /// The function's name there.
    pub name: String,
    /// What to write as the deployment's target.
    pub target: String,
    /// Its configured memory, if told.
    pub memory: Option<MemoryMb>,
    /// Its configured share of CPU in thousandths of a vCPU, if told.
    pub vcpu_milli: Option<u32>,
    /// The instruction set it is built for, if told.
    pub architecture: Option<Architecture>,
    /// After how long the venue ends a call, if told.
    pub timeout: Option<Duration>,
    /// The labels it carries there.
    pub tags: BTreeMap<String, String>,
    /// Names that stand for one of its versions.
    pub aliases: Vec<Alias>,
    /// Calls it may run at once, where that is set for it alone.
    pub reserved: Option<u32>,
    /// Calls one of its instances takes at once, if told.
    pub instance_concurrency: Option<u16>,
    /// Instances kept warm for it over all its versions and aliases.
    pub provisioned: Option<u32>,
    /// The digest of the artefact that `target` runs, such as `sha256:...`, if told: equal digests, equal code.
    pub digest: Option<String>,
}

/// A name that stands for a version of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The name.
    pub name: String,
    /// The version it stands for.
    pub version: String,
    /// What to write as a deployment's target to call it.
    pub target: String,
}
