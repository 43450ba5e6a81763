//! Rust files: each says what it is for, stays short enough to be read in one go, and lies where
//! its module's name says.

use crate::tree::{self, File};

/// Lines a file may have.
const LIMIT: usize = 500;

/// Files that may be longer: path, the most lines it may have, and why it is not split.
///
/// The list only shrinks: an entry whose file has come under the limit must go.
const LONGER: [(&str, usize, &str); 0] = [];

/// Complaints about length.
fn too_long(files: &[File], longer: &[(&str, usize, &str)]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|f| f.is("rs")) {
        let lines = file.text.lines().count();
        let most = longer.iter().find(|(path, ..)| *path == file.path).map_or(LIMIT, |(_, most, _)| *most);
        if lines > most {
            complaints.push(format!("{}: {lines} lines, more than {most}; split it", file.path));
        }
    }
    for (path, _, reason) in longer {
        let lines = files.iter().find(|f| f.path == *path).map_or(0, |f| f.text.lines().count());
        if lines <= LIMIT {
            complaints.push(format!("{path}: {lines} lines; take it off the list of longer files"));
        }
        if reason.len() < 20 {
            complaints.push(format!("{path}: on the list of longer files without a reason"));
        }
    }
    complaints
}

/// Complaints about files that don't open by saying what they are for.
fn without_header(files: &[File]) -> Vec<String> {
    let silent = files.iter().filter(|f| f.is("rs") && !f.text.starts_with("//! "));
    silent.map(|f| format!("{}: open it with `//!` and what it is for", f.path)).collect()
}

/// Complaints about `mod.rs`: twenty tabs of that name tell nobody where they are.
fn named_mod(files: &[File]) -> Vec<String> {
    let named = files.iter().filter(|f| f.name() == "mod.rs");
    named.map(|f| format!("{}: use `folder.rs` beside `folder/`", f.path)).collect()
}

/// Complaints about `#[ignore]`: what needs an outside server starts it, or is a suite with a name.
fn ignored_tests(files: &[File]) -> Vec<String> {
    let mark = concat!("#[", "ignore");
    let marked = files.iter().filter(|f| f.is("rs") && f.text.lines().any(|line| line.trim_start().starts_with(mark)));
    marked.map(|f| format!("{}: a test that is ignored tells nothing; fix it or remove it", f.path)).collect()
}

#[test]
fn files_are_short_enough() {
    crate::assert_none(&too_long(&tree::files(), &LONGER));
}

#[test]
fn files_say_what_they_are_for() {
    crate::assert_none(&without_header(&tree::files()));
}

#[test]
fn no_file_is_called_mod() {
    crate::assert_none(&named_mod(&tree::files()));
}

#[test]
fn no_test_is_ignored() {
    crate::assert_none(&ignored_tests(&tree::files()));
}

#[test]
fn a_long_file_is_refused_unless_listed_with_a_reason() {
    let long = [File::sample("units/src/a.rs", &"//! x\n".repeat(LIMIT + 1))];
    crate::assert_some(&too_long(&long, &[]), "501 lines, more than 500");
    crate::assert_none(&too_long(&long, &[("units/src/a.rs", 501, "one table, which reads better whole")]));
    crate::assert_some(&too_long(&long, &[("units/src/a.rs", 501, "")]), "without a reason");
    let short = [File::sample("units/src/a.rs", &"//! x\n".repeat(LIMIT))];
    crate::assert_none(&too_long(&short, &[]));
    crate::assert_some(&too_long(&short, &[("units/src/a.rs", 900, "one table")]), "take it off the list");
    crate::assert_some(&too_long(&[], &[("units/src/gone.rs", 900, "one table")]), "take it off the list");
}

#[test]
fn a_file_without_a_header_is_refused() {
    crate::assert_some(&without_header(&[File::sample("a.rs", "use std::fs;\n")]), "a.rs: open it");
    crate::assert_some(&without_header(&[File::sample("a.rs", "")]), "a.rs: open it");
    crate::assert_none(&without_header(&[File::sample("a.rs", "//! What it is for.\n"), File::sample("a.md", "A")]));
}

#[test]
fn a_mod_file_and_an_ignored_test_are_refused() {
    crate::assert_some(&named_mod(&[File::sample("market/src/book/mod.rs", "//! x")]), "market/src/book/mod.rs");
    let ignored = concat!("#[test]\n#[", "ignore = \"slow\"]\nfn f() {}");
    crate::assert_some(&ignored_tests(&[File::sample("a.rs", ignored)]), "a.rs");
}
