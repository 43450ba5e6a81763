//! HTTP/2 against real sockets with TLS: servers of the h2 crate, frames by hand, and Node's own server.

mod client;
mod failures;
mod flow;
mod frames;
mod node;
mod server;
mod sharing;
