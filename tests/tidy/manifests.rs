//! Every package is a member of the workspace, listed bottom up, and takes its versions, its
//! edition and its lints from the one table.

use cargo_metadata::camino::Utf8Path;

use crate::tree::{self, File};

/// The strings of a list in the root manifest, such as `members = [`.
fn list<'a>(root: &'a str, head: &str) -> Vec<&'a str> {
    let start = root.find(head).map_or(root.len(), |at| at + head.len());
    let inside = root[start..].split(']').next().unwrap_or_default();
    inside.split('"').skip(1).step_by(2).collect()
}

/// Names of a workspace's packages that a manifest imports, by the keys of the shared table.
fn imports(text: &str) -> Vec<&str> {
    let keys = text.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
    keys.filter(|key| key.starts_with("merit")).collect()
}

fn package_name(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
}

/// Complaints about the manifests of packages.
fn manifests(files: &[File]) -> Vec<String> {
    let root = files.iter().find(|f| f.path == "Cargo.toml").map_or("", |f| &f.text);
    let members = list(root, "\nmembers = [");
    let excluded = list(root, "\nexclude = [");
    let ours = |path: &str| path != "Cargo.toml" && !excluded.iter().any(|e| Utf8Path::new(path).starts_with(e));
    let mut complaints = Vec::new();
    for file in files.iter().filter(|f| f.name() == "Cargo.toml" && ours(&f.path)) {
        let folder = Utf8Path::new(&file.path).parent().map_or("", Utf8Path::as_str);
        if !members.contains(&folder) {
            complaints.push(format!("{}: not a member of the workspace; list it in Cargo.toml", file.path));
        }
        for wanted in ["[lints]\nworkspace = true", "version.workspace = true", "edition.workspace = true"] {
            if !file.text.contains(wanted) {
                complaints.push(format!("{}: add {wanted:?}", file.path));
            }
        }
        let versions = file.text.lines().filter(|line| !line.starts_with("version") && line.contains("version = \""));
        complaints
            .extend(versions.map(|line| format!("{}: move {line:?} to the shared table of Cargo.toml", file.path)));
    }
    complaints.extend(upside_down(files, &members));
    complaints
}

/// Complaints about members listed before what they import.
fn upside_down(files: &[File], members: &[&str]) -> Vec<String> {
    let manifest = |member: &&str| files.iter().find(|f| f.path == format!("{member}/Cargo.toml"));
    let mut complaints = Vec::new();
    let mut seen = Vec::new();
    for file in members.iter().filter_map(manifest) {
        let above = imports(&file.text).into_iter().filter(|import| !seen.contains(import));
        complaints.extend(above.map(|import| format!("{}: listed before {import}, which it imports", file.path)));
        seen.extend(package_name(&file.text));
    }
    complaints
}

#[test]
fn packages_follow_the_workspace() {
    crate::assert_none(&manifests(&tree::files()));
}

const GOOD: &str =
    "[package]\nname = \"merit-a\"\nversion.workspace = true\nedition.workspace = true\n\n[lints]\nworkspace = true\n";

/// A workspace of `a` and `b` with these manifests.
fn workspace(a: &str, b: &str) -> Vec<File> {
    let root = "[workspace]\nmembers = [\n    \"a\",\n    \"b\",\n]\n";
    vec![File::sample("Cargo.toml", root), File::sample("a/Cargo.toml", a), File::sample("b/Cargo.toml", b)]
}

#[test]
fn a_package_outside_the_workspace_or_its_tables_is_refused() {
    let b = GOOD.replace("merit-a", "merit-b");
    crate::assert_none(&manifests(&workspace(GOOD, &b)));
    crate::assert_some(&manifests(&[File::sample("c/Cargo.toml", GOOD)]), "c/Cargo.toml: not a member");
    let root = File::sample("Cargo.toml", "[workspace]\nmembers = [\n]\nexclude = [\"c\"]\n");
    crate::assert_none(&manifests(&[root, File::sample("c/d/Cargo.toml", "[package]")]));
    crate::assert_some(&manifests(&workspace(&GOOD.replace("[lints]", "[lint]"), &b)), "a/Cargo.toml: add \"[lints]");
    let pinned = format!("{b}\n[dependencies]\nserde = {{ version = \"1\" }}\n");
    crate::assert_some(&manifests(&workspace(GOOD, &pinned)), "b/Cargo.toml: move");
}

#[test]
fn a_member_listed_before_what_it_imports_is_refused() {
    let b = GOOD.replace("merit-a", "merit-b");
    let upward = format!("{GOOD}\n[dependencies]\nmerit-b.workspace = true\n");
    crate::assert_some(&manifests(&workspace(&upward, &b)), "a/Cargo.toml: listed before merit-b");
    let downward = format!("{b}\n[dependencies]\nmerit-a.workspace = true\n");
    crate::assert_none(&manifests(&workspace(GOOD, &downward)));
}
