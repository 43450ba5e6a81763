//! The adapter against real sockets: the conformance cards, and what only Cloud Run can get wrong.

mod cards;
mod check;
mod credentials;
mod discover;
mod requests;
mod server;
