//! The HTTP adapter against real sockets: the conformance cards, and what only HTTP can get wrong.

mod addresses;
mod cards;
mod connections;
mod presets;
mod queue_cards;
mod queued;
mod refused;
mod replies;
mod requests;
mod server;
mod sheets;
mod tls;
