//! The adapter against real sockets: the conformance cards, and what only Azure Functions can get wrong.

mod cards;
mod check;
mod credentials;
mod cut;
mod discover;
mod durable;
mod requests;
mod server;
