//! A link in the docs leads somewhere: every relative link of a Markdown file names a file or
//! folder of the checkout. Addresses elsewhere are not asked, for a test needs no network.

use crate::tree::{self, File};

/// The targets of `[text](target)` on one line.
fn targets(line: &str) -> Vec<&str> {
    line.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next()).collect()
}

/// Joins a file's folder and a relative target, resolving `..`.
fn resolve(path: &str, target: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// Complaints about links that lead nowhere; `exists` tells whether a path from the root does.
fn dead(files: &[File], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|f| f.is("md")) {
        for (index, line) in file.text.lines().enumerate() {
            let relative = targets(line).into_iter().filter(|t| !t.is_empty() && !t.contains("://"));
            for target in relative.filter(|target| !exists(&resolve(&file.path, target))) {
                complaints.push(format!("{}:{}: {target} is not there", file.path, index + 1));
            }
        }
    }
    complaints
}

#[test]
fn links_lead_somewhere() {
    let root = tree::root();
    crate::assert_none(&dead(&tree::files(), |path| root.join(path).exists()));
}

#[test]
fn a_dead_link_is_refused() {
    let sample =
        [File::sample("docs/adr/a.md", "x\nsee [that](../b.md#part), [this](./c.md) and [web](https://a.b/c)")];
    crate::assert_some(&dead(&sample, |path| path == "docs/adr/c.md"), "docs/adr/a.md:2: ../b.md is not there");
    crate::assert_none(&dead(&sample, |path| path == "docs/b.md" || path == "docs/adr/c.md"));
}
