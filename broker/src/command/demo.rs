//! `merit demo`.

use clap::Args;
use merit_cli::{Exit, Globals};

use super::Failure;

#[derive(Args)]
pub(crate) struct DemoArgs {}

pub(crate) fn demo(_args: DemoArgs, _globals: &Globals) -> Result<Exit, Failure> {
    Err(anyhow::anyhow!("being built").into())
}
