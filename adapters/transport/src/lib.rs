//! One hop of HTTP to a venue: what every adapter needs that calls its cloud by plain requests.
//!
//! ```text
//! Transport::admit (a place among the connections) -> send (the head of the answer) -> Arriving::whole
//! ```
//!
//! What an answer means is each adapter's to say; what a broken exchange means is in [`failure`]. Connections
//! are hyper's own, kept in a bounded pool per venue and driven by the very task that makes the call. Where HTTP/2
//! is configured and a server offers it, calls share connections instead (`shared`).
//!
//! Invariants:
//! - Nothing is sent twice, except a request that hyper hands back as never begun, and one of which an HTTP/2
//!   server says that it did not begin it.
//! - A venue never has more connections open than its configuration allows.
//! - The address is checked after the name is resolved, at every connect; redirects are not followed and
//!   proxies of the environment not used. A reply cannot steer a call elsewhere.
//!
//! Known limitation: HTTP/2 over TLS only, where it can be negotiated.

mod address;
mod answer;
mod connect;
mod connection;
pub mod failure;
pub mod following;
pub mod headers;
pub mod hosts;
mod look;
mod offered;
mod pool;
mod reach;
mod route;
mod shared;
mod tls;
pub mod tokens;
mod transport;
mod unreachable;

pub use answer::{Answer, Arriving, Unread, excerpt, retry_after};
pub use reach::{Http2, Reach};
pub use route::{Origin, Route};
pub use transport::{Place, Transport, before};
