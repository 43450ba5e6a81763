//! The adapter against real sockets: the conformance cards, and what only SCF can get wrong.

mod captured;
mod cards;
mod check;
mod discover;
mod errors;
mod requests;
mod server;
