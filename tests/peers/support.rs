//! What these tests share with the scenarios: processes, a configuration to write, a client.

#![expect(dead_code, reason = "the scenarios use the rest")]

#[path = "../scenarios/support/client.rs"]
mod client;
#[path = "../scenarios/support/process.rs"]
mod process;
#[path = "../scenarios/support/setup.rs"]
mod setup;
#[path = "../scenarios/support/wait.rs"]
mod wait;

pub(crate) use client::{Client, Reply};
pub(crate) use process::{Process, merit_command};
pub(crate) use setup::{KEY, Setup};
pub(crate) use wait::{PATIENCE, until, until_within};
