//! `merit completions`: a completion script for a shell.

use clap::Args;
use clap_complete::Shell;

use crate::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// Options of `completions`.
#[derive(Args, Clone, Debug)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

/// Prints the script.
pub(crate) fn completions(
    args: &CompletionsArgs,
    mut app: clap::Command,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let name = app.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut app, name, &mut script);
    output.bytes(&script)?;
    Ok(Exit::Ok)
}
