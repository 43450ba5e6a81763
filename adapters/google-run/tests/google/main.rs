//! The adapter against real sockets: the conformance cards, and what only Cloud Run can get wrong.

mod cards;
mod check;
mod credentials;
mod discover;
mod http2;
mod requests;
mod server;
