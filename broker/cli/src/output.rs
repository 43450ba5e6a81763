//! Where output goes and how it looks: data on stdout, messages on stderr, colour when wanted.

mod table;

use std::io::{self, IsTerminal, Read, Write};

use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;

use crate::{Color, Globals};

pub(crate) use table::Table;

/// What a command reads from and writes to.
pub struct Io<'a> {
    /// Standard input.
    pub input: Box<dyn Read + 'a>,
    /// Whether a person would have to type the input.
    pub input_terminal: bool,
    /// Standard output, for data.
    pub out: Box<dyn Write + 'a>,
    /// Whether stdout is read by a person.
    pub out_terminal: bool,
    /// Standard error, for messages.
    pub err: Box<dyn Write + 'a>,
    /// Whether stderr is read by a person.
    pub err_terminal: bool,
    /// The environment.
    pub env: merit_config::Env,
}

impl Io<'static> {
    /// The standard streams and the environment of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self {
            input_terminal: io::stdin().is_terminal(),
            input: Box::new(io::stdin()),
            out_terminal: io::stdout().is_terminal(),
            out: Box::new(io::BufWriter::new(io::stdout())),
            err_terminal: io::stderr().is_terminal(),
            err: Box::new(io::stderr()),
            env: merit_config::Env::of_process(),
        }
    }
}

const STRONG: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const ERROR: Style = AnsiColor::Red.on_default().bold();

/// Writes data and messages the way the global options ask for.
pub(crate) struct Output<'a> {
    io: Io<'a>,
    json: bool,
    color: Color,
    /// Whether there was a heading.
    headed: bool,
}

impl<'a> Output<'a> {
    pub(crate) fn new(io: Io<'a>, globals: &Globals) -> Self {
        let plain = globals.color == Color::Auto && io.env.get("NO_COLOR").is_some();
        Self { io, json: globals.json, color: if plain { Color::Never } else { globals.color }, headed: false }
    }

    /// Whether programs read it.
    pub(crate) const fn json(&self) -> bool {
        self.json
    }

    pub(crate) const fn env(&self) -> &merit_config::Env {
        &self.io.env
    }

    pub(crate) const fn out_terminal(&self) -> bool {
        self.io.out_terminal
    }

    /// All of stdin; nothing when a person would have to type it.
    pub(crate) fn read_input(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if !self.io.input_terminal {
            self.io.input.read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    }

    /// Bytes to stdout, as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.io.out.write_all(bytes)?;
        self.io.out.flush()
    }

    /// A line to stdout.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.io.out, "{text}")?;
        self.io.out.flush()
    }

    /// A heading to stdout, after an empty line unless it is the first.
    pub(crate) fn heading(&mut self, text: &str) -> io::Result<()> {
        if std::mem::replace(&mut self.headed, true) {
            self.line("")?;
        }
        let text = self.styled(STRONG, text, self.io.out_terminal);
        self.line(&text)
    }

    /// Clears a terminal, to draw on it anew.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.headed = false;
        // Home, and clear from there to the end of the screen: what is drawn over does not flicker.
        write!(self.io.out, "\x1b[H\x1b[J")
    }

    /// A table to stdout.
    pub(crate) fn table(&mut self, table: &Table) -> io::Result<()> {
        let color = self.io.out_terminal;
        for (index, line) in table.lines().enumerate() {
            let line = if index == 0 { self.styled(FAINT, &line, color) } else { line };
            writeln!(self.io.out, "{line}")?;
        }
        self.io.out.flush()
    }

    /// A value as JSON to stdout.
    pub(crate) fn json_value<T: Serialize>(&mut self, value: &T) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut self.io.out, value)?;
        self.line("")
    }

    /// A value as one line of JSON to stdout.
    pub(crate) fn json_line<T: Serialize>(&mut self, value: &T) -> io::Result<()> {
        serde_json::to_writer(&mut self.io.out, value)?;
        self.line("")
    }

    /// A message to stderr.
    pub(crate) fn message(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.io.err, "{text}")
    }

    /// A table to stderr, indented under a line that says what it is.
    pub(crate) fn message_table(&mut self, title: &str, table: &Table) -> io::Result<()> {
        writeln!(self.io.err, "  {title}")?;
        for line in table.lines() {
            writeln!(self.io.err, "    {line}")?;
        }
        Ok(())
    }

    /// An error to stderr.
    pub(crate) fn error(&mut self, text: &str) -> io::Result<()> {
        let label = self.styled(ERROR, "error:", self.io.err_terminal);
        writeln!(self.io.err, "{label} {text}")
    }

    /// A value as JSON to stderr.
    pub(crate) fn json_message<T: Serialize>(&mut self, value: &T) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut self.io.err, value)?;
        writeln!(self.io.err)
    }

    fn styled(&self, style: Style, text: &str, terminal: bool) -> String {
        match self.color {
            Color::Never => text.to_owned(),
            Color::Auto if !terminal => text.to_owned(),
            _ => format!("{style}{text}{style:#}"),
        }
    }
}
