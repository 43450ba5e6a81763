//! The commands as a person meets them: a command line in, text and an exit code out.

mod adjustments;
mod broker;
mod calls;
mod compare;
mod discover;
mod equivalence;
mod events;
mod failures;
mod live;
mod manage;
mod offline;
mod providers;
mod reconcile;
mod usage;

use std::io::{self, Write};

use clap::{CommandFactory, Parser};

use crate::{Command, Exit, Globals, Io};

/// The command line that the binary has, as far as it is the client's.
#[derive(Parser)]
#[command(name = "merit", after_help = Exit::HELP)]
struct Line {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// What a command did.
#[derive(Debug)]
struct Outcome {
    out: String,
    err: String,
    exit: Exit,
}

impl Outcome {
    /// All of it, for a snapshot.
    fn shown(&self) -> String {
        format!("{}---\n{}--- {:?}", self.out, self.err, self.exit)
    }
}

/// Around a command: what a terminal and a shell would set.
#[derive(Default)]
struct Setting<'a> {
    stdin: &'a [u8],
    terminal: bool,
    env: Vec<(&'static str, String)>,
}

impl Setting<'_> {
    async fn run(self, line: &[&str]) -> Outcome {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = self.run_into(line, &mut out, &mut err).await;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Outcome { out: text(out), err: text(err), exit }
    }

    async fn run_into(self, line: &[&str], out: &mut dyn Write, err: &mut dyn Write) -> Exit {
        let line = Line::try_parse_from(["merit"].iter().chain(line)).expect("the line is right");
        let io = Io {
            input: Box::new(self.stdin),
            input_terminal: self.terminal,
            out: Box::new(out),
            out_terminal: self.terminal,
            err: Box::new(err),
            err_terminal: self.terminal,
            env: self.env.into_iter().collect(),
        };
        crate::run(line.command, &line.globals, Line::command(), io).await
    }
}

async fn run(line: &[&str]) -> Outcome {
    Setting::default().run(line).await
}

/// What clap says about a command line that it refuses.
fn refused(line: &[&str]) -> String {
    let error = Line::try_parse_from(["merit"].iter().chain(line)).err().expect("the line is mistaken");
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

/// A pipe whose reader is gone.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
