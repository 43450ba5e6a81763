//! One call: what goes in, what comes out, and what it used.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use merit_units::Micros;

use crate::Failure;

/// A call.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Names the call; printable ASCII without spaces, at most 128 characters. No two calls of an instance share one.
    pub id: String,
    /// The payload, or the request's body.
    pub payload: Bytes,
    /// Wall time it has from now on; at most [`crate::Limits::timeout`] is given.
    pub timeout: Micros,
    /// How an HTTP program is asked; programs of the Runtime API don't see it.
    pub http: HttpHead,
    /// `Lambda-Runtime-Client-Context`; JSON.
    pub client_context: Option<String>,
    /// `Lambda-Runtime-Trace-Id`.
    pub trace_id: Option<String>,
}

impl Invocation {
    /// A call with a payload, as `POST /` where the program speaks HTTP.
    #[must_use]
    pub fn new(id: &str, payload: impl Into<Bytes>, timeout: Micros) -> Self {
        Self {
            id: id.to_owned(),
            payload: payload.into(),
            timeout,
            http: HttpHead::default(),
            client_context: None,
            trace_id: None,
        }
    }
}

/// The head of the request an HTTP program gets.
#[derive(Clone, Debug)]
pub struct HttpHead {
    /// The method.
    pub method: Method,
    /// Path and query, beginning with `/`.
    pub path_and_query: String,
    /// Headers; those that belong to one connection are not passed on.
    pub headers: HeaderMap,
}

impl Default for HttpHead {
    /// `POST /` without headers.
    fn default() -> Self {
        Self { method: Method::POST, path_and_query: "/".to_owned(), headers: HeaderMap::new() }
    }
}

/// A reply of the function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP program's status; 200 for programs of the Runtime API.
    pub status: StatusCode,
    /// The HTTP program's headers; of the Runtime API only `Content-Type`.
    pub headers: HeaderMap,
    /// The body; empty when its parts went to the channel given with the call.
    pub body: Bytes,
}

/// A reply that is complete, and how long it was.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) reply: Reply,
    pub(crate) bytes: u64,
}

/// A piece of a reply while the call goes on, for callers that pass it on as it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Comes first, once.
    Head {
        /// As in [`Reply::status`].
        status: StatusCode,
        /// As in [`Reply::headers`].
        headers: HeaderMap,
    },
    /// Some of the body.
    Data(Bytes),
}

/// A call that has ended.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The reply, or why there is none. After parts have been sent, a failure means that the reply was cut off.
    pub outcome: Result<Reply, Failure>,
    /// What it used, also when it failed.
    pub usage: Usage,
}

/// What a call used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// From handing it to the program until its reply was complete, or it failed.
    pub wall: Micros,
    /// CPU time of all processes of the instance in that time. Calls at once in one instance share it:
    /// what is used while n calls run is charged to each with an n-th.
    pub cpu: Micros,
    /// The most memory the instance held so far in this call, in bytes.
    pub memory_peak_bytes: u64,
    /// Bytes of the reply.
    pub bytes_out: u64,
    /// What the start used; only in the first call of an instance, which is thereby a cold one.
    pub init: Option<Init>,
}

impl Usage {
    /// Whether the call was the first of its instance.
    #[must_use]
    pub const fn is_cold(&self) -> bool {
        self.init.is_some()
    }
}

/// What an instance used before it could take a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Init {
    /// From the start until it could take a call.
    pub wall: Micros,
    /// CPU time of all its processes.
    pub cpu: Micros,
}
