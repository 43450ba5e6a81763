//! The adapter against real sockets: the conformance cards, and what only Function Compute can get wrong.

mod captured;
mod cards;
mod check;
mod discover;
mod errors;
mod requests;
mod server;
mod task_cards;
mod tasks;
