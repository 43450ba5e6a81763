//! The docs name only commands that exist: every `make target` they show is a target of the
//! Makefile, and `make help` explains each one.

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

/// The words after `make` wherever a text shows a command: in backticks or in a fenced block.
fn shown(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let spans: Vec<&str> = if fenced { vec![line] } else { line.split('`').skip(1).step_by(2).collect() };
        for span in spans {
            let command = span.trim_start_matches(['$', ' ']);
            let target = command.strip_prefix("make ").and_then(|rest| rest.split_whitespace().next());
            found.extend(target.map(|target| (index + 1, target)));
        }
    }
    found
}

/// Complaints about targets that are shown but don't exist, or exist without an explanation.
fn unknown(files: &[File], makefile: &str) -> Vec<String> {
    let targets = targets(makefile);
    let mute = targets.iter().filter(|target| target.explanation.is_empty());
    let mut complaints: Vec<String> =
        mute.map(|target| format!("Makefile: {} has no `## explanation`", target.name)).collect();
    for file in files.iter().filter(|f| f.is("md")) {
        let gone = shown(&file.text).into_iter().filter(|(_, name)| targets.iter().all(|t| t.name != *name));
        complaints.extend(gone.map(|(line, name)| format!("{}:{line}: there is no `make {name}`", file.path)));
    }
    complaints
}

#[test]
fn commands_in_the_docs_exist() {
    let files = tree::files();
    let makefile = files.iter().find(|f| f.path == "Makefile").expect("the workspace has a Makefile");
    assert!(targets(&makefile.text).iter().any(|target| target.name == "test"));
    crate::assert_none(&unknown(&files, &makefile.text));
}

#[test]
fn a_command_that_does_not_exist_is_refused() {
    let makefile = "X := 1\n.PHONY: a\ntest: setup ## Runs the tests.\n\tcargo test\n";
    for text in ["Say `make tset`.", "```sh\n$ make tset\n```"] {
        crate::assert_some(&unknown(&[File::sample("README.md", text)], makefile), "there is no `make tset`");
    }
    let fine = "Say `make test ONCE=1` to make sure.\n```\nmake test\n```\n";
    crate::assert_none(&unknown(&[File::sample("README.md", fine)], makefile));
}

#[test]
fn a_target_without_an_explanation_is_refused() {
    crate::assert_some(&unknown(&[], "test: setup\n\tcargo test\n"), "test has no");
}
