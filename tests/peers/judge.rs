//! A vendor's own library in Python as the judge of what adapters send: lines of JSON in, lines of text out.
//!
//! Shared by the tests of several crates, each of which takes this file as a module of its own.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What the script, named from this folder, says to these lines.
///
/// # Errors
/// What it wrote to standard error, when it failed.
///
/// # Panics
/// When it is not installed, or ends well without having read all.
pub(crate) fn judged(script: &str, arguments: &[&str], lines: &[Value]) -> Result<Vec<String>, String> {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers");
    let python = peers.join(".venv/bin/python");
    assert!(python.exists(), "{} is not installed: run `make setup`", python.display());
    let mut command = Command::new(python);
    command.arg(peers.join(script)).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().expect("it starts");
    let mut stdin = process.stdin.take().expect("a pipe");
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = process.wait_with_output().expect("it ends");
    let written = writer.join().expect("no panic");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    written.expect("all of it was read");
    Ok(String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect())
}
