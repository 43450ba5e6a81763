//! The Lambda adapter against real sockets: the conformance cards, and what only Lambda can get wrong.

mod captured;
mod cards;
mod check;
mod credentials;
mod discover;
mod errors;
mod replies;
mod requests;
mod server;
mod streams;
