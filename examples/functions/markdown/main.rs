//! Renders Markdown: CommonMark with tables, footnotes, task lists and strikethrough on standard
//! input, HTML on standard output. Raw HTML in the text is passed through, as CommonMark says.
//!
//! The parser is pulldown-cmark (Debian: librust-pulldown-cmark-dev).

use std::io::{self, Read, Write};
use std::process::ExitCode;

use pulldown_cmark::{html, Options, Parser};

fn main() -> ExitCode {
    match render() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("markdown: {message}");
            ExitCode::FAILURE
        }
    }
}

fn render() -> Result<(), String> {
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes).map_err(|error| format!("failed to read the payload: {error}"))?;
    let text = String::from_utf8(bytes)
        .map_err(|error| format!("the payload is not UTF-8 text: {}", error.utf8_error()))?;
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_STRIKETHROUGH;
    let mut page = String::with_capacity(text.len() * 3 / 2);
    html::push_html(&mut page, Parser::new_ext(&text, options));
    io::stdout().write_all(page.as_bytes()).map_err(|error| format!("failed to write the page: {error}"))
}
