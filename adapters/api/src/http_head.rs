//! A request of plain HTTP, as the caller of `ANY /fn/{function}/...` sent it and a venue is to get it.
//!
//! Invariants: no header of it belongs to one connection (RFC 9110, 7.6.1), is Merit's own, or names a host. The path
//! below the function's own has no `.` and `..`, so that it leads nowhere else.

use http::{HeaderMap, Method};

/// What a request of plain HTTP carries besides its payload.
#[derive(Clone, Debug)]
pub struct HttpHead {
    /// The method.
    pub method: Method,
    /// The path below the deployment's own: nothing, or one that begins with a slash; percent-encoded as it came.
    pub below: Box<str>,
    /// The query, without its question mark.
    pub query: Option<Box<str>>,
    /// End-to-end headers, in order.
    pub headers: HeaderMap,
}
