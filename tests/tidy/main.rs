//! The shape of the workspace, kept by tests instead of by memory.
//!
//! Each module holds one rule as a pure function from what it looks at to a list of complaints,
//! one test that the workspace has none, and tests on made-up samples that show the rule can fail.
//! A complaint names the place and says what to do. The rules themselves, with their reasons,
//! are in `docs/STYLE.md`.
//!
//! Known limitation: the whole checkout is looked at, not only what git tracks, so a stray scratch
//! file fails the test too. That is a reminder to remove it.

mod commands;
mod files;
mod floats;
mod imports;
mod links;
mod manifests;
mod places;
mod tree;
mod words;

/// Fails with every complaint on its own line.
#[track_caller]
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "{} complaint(s):\n{}", complaints.len(), complaints.join("\n"));
}

/// Fails unless some complaint contains `wanted`: how a rule shows on a sample that it can fail.
#[track_caller]
fn assert_some(complaints: &[String], wanted: &str) {
    assert!(complaints.iter().any(|c| c.contains(wanted)), "no complaint says {wanted:?}: {complaints:?}");
}
