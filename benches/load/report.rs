//! Where the harness prints, and how: plain tables with their conditions above them.

use std::io::{self, Write as _};

use crate::process;

/// Prints a line to stdout.
///
/// # Errors
/// When stdout is closed.
pub fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Prints progress to stderr, where it does not mix with the result.
///
/// # Errors
/// When stderr is closed.
pub fn progress(text: &str) -> io::Result<()> {
    writeln!(io::stderr().lock(), "{text}")
}

/// How this program, and the broker built beside it, was built.
#[must_use]
pub const fn build() -> &'static str {
    if cfg!(debug_assertions) { "debug build: figures mean nothing" } else { "release build" }
}

/// Prints what is measured, with what goal and on what, above a micro bench's table.
///
/// # Panics
/// When stdout is closed.
pub fn conditions(what: &str) {
    let version = env!("CARGO_PKG_VERSION");
    line(&format!("{what}\nmerit {version}, {}; {}", build(), hardware())).expect("stdout takes the conditions");
}

/// The machine, in one line, for what is measured over connections.
#[must_use]
pub fn machine() -> String {
    format!("{}; generator, proxy and upstream share them", hardware())
}

fn hardware() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let cpu = process::fact("/proc/cpuinfo", "model name");
    let kernel = process::fact("/proc/sys/kernel/osrelease", "");
    format!("{cores} cores ({cpu}), Linux {kernel}")
}

/// Rows in columns as wide as their widest cell, the first aligned left and the others right.
#[must_use]
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let cell = |(column, text): (usize, &String)| match column {
        0 => format!("{text:<0$}", widths[column]),
        _ => format!("{text:>0$}", widths[column]),
    };
    let rows = rows.iter().map(|row| row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  "));
    rows.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(table(&[row(["name", "p50"]), row(["a", "1"])]), "name  p50\na       1");
    }
}
