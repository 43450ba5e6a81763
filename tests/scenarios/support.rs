//! What all scenarios stand on: processes, a configuration to write, a client, an upstream to
//! script, and an auditor.

mod audit;
mod client;
pub(crate) mod feed;
mod process;
pub(crate) mod provider;
mod raw;
mod setup;
mod upstream;
mod wait;

pub(crate) use audit::Audit;
pub(crate) use client::{Client, Reply, dollars};
pub(crate) use process::{Process, merit_command, run_to_end};
pub(crate) use raw::Raw;
pub(crate) use setup::{FIRST_ACCOUNT, KEY, Setup, Worth, flat_sheet};
pub(crate) use upstream::{Gate, Script, Seen, Upstream, script};
pub(crate) use wait::{PATIENCE, until, until_within};
