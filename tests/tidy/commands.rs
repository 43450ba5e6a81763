//! The docs name only commands that exist: every `make target` they show is a target of the
//! Makefile, which `make help` explains, and every `merit command` is one of the command line's.
//!
//! Known limitation: a command's options are not looked at.

use crate::tree::{self, File};

/// A target with its explanation, the text after `##`.
struct Target<'a> {
    name: &'a str,
    explanation: &'a str,
}

/// The targets of a Makefile: `name: needs ## explanation`.
fn targets(makefile: &str) -> Vec<Target<'_>> {
    let rules = makefile.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
    let rules = rules.filter_map(|line| line.split_once(':')).filter(|(_, rest)| !rest.starts_with('='));
    rules
        .map(|(name, rest)| Target { name: name.trim(), explanation: rest.split_once("## ").map_or("", |(_, e)| e) })
        .collect()
}

/// The variants of `enum Command` in a source file, as clap names them; not those that stand for another enum.
fn variants(source: &str) -> Vec<String> {
    let body = source.split_once("enum Command {").map_or("", |(_, rest)| rest.split("\n}").next().unwrap_or(rest));
    let mut flattened = false;
    let mut names = Vec::new();
    for line in body.lines().filter_map(|line| line.strip_prefix("    ")) {
        if line.starts_with(|c: char| c.is_ascii_uppercase()) && !std::mem::take(&mut flattened) {
            names.push(line.split(['(', ',', ' ']).next().unwrap_or_default().to_lowercase());
        }
        flattened |= line == "#[command(flatten)]";
    }
    names
}

/// The words after `program` wherever a text shows it as a command: in backticks or in a fenced block,
/// at the beginning or behind a pipe.
fn shown<'a>(text: &'a str, program: &str) -> Vec<(usize, &'a str)> {
    let mut fenced = false;
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let spans: Vec<&str> = if fenced { vec![line] } else { line.split('`').skip(1).step_by(2).collect() };
        for command in spans.iter().flat_map(|span| span.split(" | ")) {
            let mut words = command.trim_start_matches(['$', ' ']).split_whitespace();
            let name = words.next().map(|path| path.rsplit('/').next().unwrap_or(path));
            if name == Some(program) {
                found.extend(words.next().filter(|word| !word.starts_with('-')).map(|word| (index + 1, word)));
            }
        }
    }
    found
}

/// Complaints about targets without an explanation.
fn mute(makefile: &str) -> Vec<String> {
    let mute = targets(makefile).into_iter().filter(|target| target.explanation.is_empty());
    mute.map(|target| format!("Makefile: {} has no `## explanation`", target.name)).collect()
}

/// Complaints about commands of `program` that are shown but are none of `known`.
fn unknown<S: AsRef<str>>(files: &[File], program: &str, known: &[S]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|f| f.is("md")) {
        let shown = shown(&file.text, program).into_iter();
        let gone = shown.filter(|(_, name)| known.iter().all(|known| known.as_ref() != *name));
        complaints.extend(gone.map(|(line, name)| format!("{}:{line}: there is no `{program} {name}`", file.path)));
    }
    complaints
}

fn text<'a>(files: &'a [File], path: &str) -> &'a str {
    &files.iter().find(|f| f.path == path).unwrap_or_else(|| panic!("{path} is there")).text
}

#[test]
fn make_targets_in_the_docs_exist() {
    let files = tree::files();
    let makefile = text(&files, "Makefile");
    let names: Vec<&str> = targets(makefile).iter().map(|target| target.name).collect();
    assert!(names.contains(&"test"), "the Makefile was not read: {names:?}");
    crate::assert_none(&mute(makefile));
    crate::assert_none(&unknown(&files, "make", &names));
}

#[test]
fn merit_commands_in_the_docs_exist() {
    let files = tree::files();
    let sources = ["broker/src/main.rs", "broker/cli/src/lib.rs"].map(|path| text(&files, path));
    let names: Vec<String> = sources.into_iter().flat_map(variants).collect();
    for known in ["serve", "explain"] {
        assert!(names.iter().any(|name| name == known), "the commands were not read: {names:?}");
    }
    crate::assert_none(&unknown(&files, "merit", &names));
}

#[test]
fn a_command_that_does_not_exist_is_refused() {
    for text in ["Say `make tset`.", "```sh\n$ make tset\n```", "```\necho | bin/make tset -x\n```"] {
        crate::assert_some(&unknown(&[File::sample("README.md", text)], "make", &["test"]), "there is no `make tset`");
    }
    let fine = "Say `make test ONCE=1` to make sure, or `make --help`, in `make`.\n```\nmake test\nwe make it\n```\n";
    crate::assert_none(&unknown(&[File::sample("README.md", fine)], "make", &["test"]));
}

#[test]
fn a_target_without_an_explanation_is_refused() {
    crate::assert_some(&mute("X := 1\n.PHONY: a\ntest: setup\n\tcargo test\n"), "test has no");
    crate::assert_none(&mute("test: setup ## Runs the tests.\n"));
}

#[test]
fn commands_are_read_from_their_enum() {
    let source = "enum Other {\n    A,\n}\nenum Command {\n    /// Doc\n    #[command(x)]\n    Invoke(Box<A>),\n    Quote,\n    #[command(flatten)]\n    More(B),\n}\n";
    assert_eq!(variants(source), ["invoke", "quote"]);
}
