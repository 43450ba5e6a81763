//! The load harness: what it takes to say how much time Merit adds to a call.
//!
//! The generator is **open loop**: send times are planned before the run, and a latency counts
//! from the planned time, not from when the generator got round to it. A server that stalls is
//! charged for every call that should have been sent meanwhile (no coordinated omission).
//! Merit and its baseline, a pass-through that does nothing, are measured in turns in one run,
//! since figures of two different runs on a shared machine can't be compared.
//!
//! Known limitations: generator, proxy and upstream share the machine's cores, so saturated
//! throughput is lower than with a client elsewhere; compare ratios and CPU time per call.
//! Only loopback addresses are accepted, and every run ends by itself. Linux only (`timerfd`, `/proc`).

pub mod client;
pub mod clock;
pub mod connection;
pub mod cpu;
pub mod functions;
pub mod merit;
mod open_loop;
mod pace;
pub mod process;
pub mod report;
pub mod request;
pub mod sample;
mod saturate;
pub mod server;
pub mod tally;
