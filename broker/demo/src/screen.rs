//! Where the demo's text goes: lines that stay and, on a terminal, a part below them that is
//! drawn anew again and again.

use std::io::{self, Write};

use comfy_table::{CellAlignment, Table, presets};

use crate::DemoError;

/// The output of the demo.
pub struct Output {
    /// Where text for people goes.
    pub text: Box<dyn Write + Send>,
    /// Whether that is a terminal, on which a live table can be drawn.
    pub terminal: bool,
    /// Whether to use colour.
    pub color: bool,
    /// Where the final figures go as JSON, if they are wanted.
    pub json: Option<Box<dyn Write + Send>>,
}

/// Columns of a terminal that doesn't tell.
const COLUMNS: usize = 100;

/// What is drawn.
pub(crate) struct Screen {
    output: Output,
    /// Lines of the live part that are on the terminal.
    drawn: usize,
}

/// How a piece of text stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Heading,
    Faint,
    /// Something happens.
    Event,
}

impl Style {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Heading => "\x1b[1m",
            Self::Faint => "\x1b[2m",
            Self::Event => "\x1b[1;33m",
        }
    }
}

impl Screen {
    pub(crate) const fn new(output: Output) -> Self {
        Self { output, drawn: 0 }
    }

    /// Whether there is a live part at all.
    pub(crate) const fn is_live(&self) -> bool {
        self.output.terminal
    }

    /// Writes text that stays, above the live part.
    ///
    /// # Errors
    /// When the output can't be written.
    pub(crate) fn say(&mut self, style: Style, text: &str) -> Result<(), DemoError> {
        let erase = self.erase();
        self.write(&(erase + &self.styled(style, text) + "\n"))
    }

    /// Draws the live part anew under an empty line, its first line as a heading.
    ///
    /// # Errors
    /// When the output can't be written.
    pub(crate) fn draw(&mut self, lines: &[String]) -> Result<(), DemoError> {
        let mut text = self.erase() + "\n";
        let columns = columns();
        for (index, line) in lines.iter().enumerate() {
            // A line that wraps would take two rows, and erasing would go wrong.
            let cut: String = line.chars().take(columns.saturating_sub(1)).collect();
            let style = if index == 0 { Style::Heading } else { Style::Plain };
            text.push_str(&self.styled(style, &cut));
            text.push('\n');
        }
        self.drawn = lines.len() + 1;
        self.write(&text)
    }

    /// Writes the figures for programs, if they are wanted.
    ///
    /// # Errors
    /// When the output can't be written.
    pub(crate) fn json<T: serde::Serialize>(&mut self, value: &T) -> Result<(), DemoError> {
        let Some(out) = &mut self.output.json else { return Ok(()) };
        let text = serde_json::to_string_pretty(value).expect("invariant: figures have string keys");
        writeln!(out, "{text}").and_then(|()| out.flush()).map_err(DemoError::io("writing the figures"))
    }

    fn erase(&mut self) -> String {
        match std::mem::take(&mut self.drawn) {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\x1b[J"),
        }
    }

    fn styled(&self, style: Style, text: &str) -> String {
        if self.output.color && style != Style::Plain {
            format!("{}{text}\x1b[0m", style.code())
        } else {
            text.to_owned()
        }
    }

    fn write(&mut self, text: &str) -> Result<(), DemoError> {
        let out = &mut self.output.text;
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(DemoError::io("writing the output"))
    }
}

fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stdout()).or_else(|_| rustix::termios::tcgetwinsize(io::stderr()));
    size.map(|size| usize::from(size.ws_col)).ok().filter(|columns| *columns > 0).unwrap_or(COLUMNS)
}

/// Which way the cells of a column lean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lean {
    Left,
    Right,
}

/// Rows as aligned lines, indented, the headings first.
pub(crate) fn table<const N: usize>(headings: [(&str, Lean); N], rows: Vec<[String; N]>) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(headings.map(|(heading, _)| heading));
    table.add_rows(rows);
    for (column, (_, lean)) in table.column_iter_mut().zip(headings) {
        column.set_padding((2, 0));
        column.set_cell_alignment(if lean == Lean::Left { CellAlignment::Left } else { CellAlignment::Right });
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A writer whose text can be read.
    #[derive(Clone, Default)]
    pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn screen(color: bool) -> (Screen, Written) {
        let written = Written::default();
        let text = Box::new(written.clone());
        (Screen::new(Output { text, terminal: true, color, json: None }), written)
    }

    #[test]
    fn the_live_part_is_erased_before_anything_else_is_written() {
        let (mut screen, written) = screen(false);
        screen.draw(&["a".to_owned(), "b".to_owned()]).unwrap();
        screen.say(Style::Event, "it happened").unwrap();
        screen.draw(&["c".to_owned()]).unwrap();
        assert_eq!(written.text(), "\na\nb\n\x1b[3A\x1b[Jit happened\n\nc\n");
    }

    #[test]
    fn colour_is_used_when_wanted() {
        let (mut screen, written) = screen(true);
        screen.say(Style::Event, "it happened").unwrap();
        assert_eq!(written.text(), "\x1b[1;33mit happened\x1b[0m\n");
    }

    #[test]
    fn cells_are_aligned() {
        let rows = vec![["a".to_owned(), "1.5".to_owned()], ["long".to_owned(), "12.25".to_owned()]];
        let lines = table([("name", Lean::Left), ("figure", Lean::Right)], rows);
        assert_eq!(lines, ["  name  figure", "  a        1.5", "  long   12.25"]);
    }
}
