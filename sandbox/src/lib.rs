//! Runs functions on your own machines: WebAssembly commands and HTTP components, isolated and metered.
//!
//! A function is a WASI command module: it reads the payload from standard input, writes the
//! reply to standard output and exits with status 0. It sees no files, no network, no arguments
//! and no environment; clocks and random numbers are real. Each call gets a fresh instance with
//! zeroed memory from a pool, so calls of one function share nothing.
//!
//! Or it is a component that exports `wasi:http/incoming-handler`: it gets the request, and its response is the
//! reply. It sees no more of the world than a command does, and makes no requests of its own.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use merit_sandbox::{Limits, Sandbox, SandboxConfig};
//!
//! let sandbox = Sandbox::try_new(SandboxConfig::default())?;
//! let primes = sandbox.load(&"primes".parse()?, &std::fs::read("primes.wasm")?)?;
//! let run = sandbox.run(&primes, "100000".into(), Limits::default()).await?;
//! assert_eq!(run.outcome?.as_ref(), b"{\"limit\":100000,\"primes\":9592}\n");
//! # Ok(())
//! # }
//! ```
//!
//! Invariants:
//! - A call that ran is always metered, whether it succeeded or not ([`Run::usage`]); a call that
//!   did not start is a [`NotStarted`] and used nothing.
//! - Guests run on threads of their own ([`SandboxConfig::workers`]) as fibers that give way every
//!   millisecond. A waiting guest holds no thread, and a spinning one delays nobody's timer; after 10 ms of CPU time
//!   it runs behind all short ones.
//! - The process that holds a [`Sandbox`] is not the broker's.
//!
//! Known limitation: a host call (writing 100 MB to standard error, say) is not interrupted
//! half-way; wasmtime bounds what one call may copy, and the limits are checked right after it.

mod compile;
mod config;
mod directory;
mod error;
mod execute;
mod guest;
mod handler;
mod observe;
mod sandbox;
mod stream;
mod threads;
mod ticker;

pub use compile::{Function, LoadError};
pub use config::{Allocation, Limits, OnThread, SandboxConfig, SandboxError};
pub use directory::DirectoryError;
pub use error::{GuestError, NotStarted};
pub use execute::{Head, Run, Usage};
pub use sandbox::Sandbox;
