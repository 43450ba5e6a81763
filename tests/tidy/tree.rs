//! The files of the checkout, read once per test: what every rule looks at.
//!
//! Only text is read; built things, packages of other ecosystems and git's own store are skipped.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders in which nothing is written by hand.
const SKIPPED: [&str; 5] = ["target", ".git", ".venv", "node_modules", "__pycache__"];

/// A text file of the checkout.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// Its path from the root, with `/` between folders.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
}

impl File {
    /// A made-up sample.
    pub(crate) fn sample(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Whether its name ends in `.{extension}`.
    pub(crate) fn is(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }

    /// Its name without the folders.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the tests package lies in the workspace").to_owned()
}

/// All text files, in order of path.
pub(crate) fn files() -> Vec<File> {
    let root = root();
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<File>) {
    let entries = fs::read_dir(folder).expect("a folder of the checkout can be listed");
    for entry in entries.map(|entry| entry.expect("an entry can be read")) {
        let name = entry.file_name();
        if SKIPPED.iter().any(|skipped| name == *skipped) {
            continue;
        }
        // A link is skipped: what it points to is either in the checkout anyway or none of ours.
        let kind = entry.file_type().expect("an entry has a type");
        if kind.is_dir() {
            collect(root, &entry.path(), found);
        } else if kind.is_file()
            && let Ok(text) = fs::read_to_string(entry.path())
        {
            let path = entry.path();
            let relative = path.strip_prefix(root).expect("the entry lies under the root");
            found.push(File { path: relative.to_string_lossy().replace('\\', "/"), text });
        }
    }
}

#[test]
fn this_file_is_found_and_built_things_are_not() {
    let files = files();
    assert!(files.iter().any(|f| f.path == "tests/tidy/tree.rs" && f.is("rs") && f.name() == "tree.rs"));
    assert!(!files.iter().any(|f| f.path.starts_with("target/") || f.path.starts_with(".git/")));
}
