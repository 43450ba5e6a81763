//! The adapter against real sockets: the conformance cards, and what only Workers can get wrong.

mod cards;
mod check;
mod pages;
mod requests;
mod server;
