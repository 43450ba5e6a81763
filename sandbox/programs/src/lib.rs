//! Runs ordinary programs as functions, isolated: by the Lambda Runtime API, or over HTTP.
//!
//! A [`Machine`] is opened once and prepares each [`Program`] once; an [`Instance`] of it is started as often
//! as needed, takes calls while it lives, and leaves nothing behind. [`doctor`] says what a machine lacks.
//! What each isolation class promises, and doesn't, is in `docs/PROGRAMS.md`.
//!
//! Invariants:
//! - No program runs less isolated than it asks for, and none with more than its [`Limits`].
//! - All of an instance's processes end with it, and with this process, however it ends.
//! - A misbehaving program fails its own call, by name, and harms no other instance.
//!
//! Known limitations: Linux on x86-64 and ARM64; the pool must be root, or root of a user namespace.

mod cage;
mod call;
mod cgroup;
mod doctor;
mod ending;
mod error;
mod gvisor;
mod http_program;
mod instance;
mod log;
mod machine;
mod meter;
mod namespace;
mod netns;
mod prepared;
mod processes;
mod program;
mod ranks;
mod runtime_api;
mod seccomp;
mod spawner;
mod standing;
mod unpack;

pub use call::{HttpHead, Init, Invocation, Part, Ran, Reply, Usage};
pub use doctor::{Finding, doctor};
pub use error::{Failure, PrepareError, StartError, Violation};
pub use instance::Instance;
pub use machine::{Machine, MachineConfig};
pub use prepared::Prepared;
pub use program::{Isolation, Kind, Limits, Network, Program, Source};
pub use ranks::Ranks;
