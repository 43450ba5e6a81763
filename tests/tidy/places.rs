//! Nothing in the project knows the machine it was written on.
//!
//! A path from one person's disk works nowhere else, so none is written down; and files that a
//! program reads are found from the checkout, not from a neighbouring one.

use crate::tree::{self, File};

/// Beginnings of paths that exist on one machine only. Put together here so that this file has none.
const PLACES: [&str; 6] = [
    concat!("/", "work/"),
    concat!("/tmp/", "team"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("../sha", "red"),
];

/// Whether the path begins at this place and is not the tail of another, as in `.config/work/`.
fn begins(before: Option<char>, place: &str) -> bool {
    !place.starts_with('/') || !before.is_some_and(|c| c.is_alphanumeric() || "_-.}~)".contains(c))
}

/// Complaints about places.
fn places(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            for place in PLACES {
                let mut hits = line.match_indices(place);
                if hits.any(|(at, _)| begins(line[..at].chars().next_back(), place)) {
                    complaints.push(format!("{}:{}: {place:?} is a place on one machine", file.path, index + 1));
                }
            }
        }
    }
    complaints
}

#[test]
fn no_file_names_a_place_on_one_machine() {
    crate::assert_none(&places(&tree::files()));
}

#[test]
fn a_place_on_one_machine_is_refused() {
    for place in PLACES {
        crate::assert_some(&places(&[File::sample("a.toml", &format!("x = 1\ny = \"{place}x\"\n"))]), "a.toml:2:");
        crate::assert_some(&places(&[File::sample("docs/a.md", place)]), "docs/a.md:1:");
    }
}

#[test]
fn a_path_inside_the_checkout_or_an_url_is_left_alone() {
    let inside = format!("x = \"tests{0}x\"\ny = \"https://example.org{0}x\"\nz = \"$HOME{1}\"\n", PLACES[0], "/x");
    crate::assert_none(&places(&[File::sample("a.toml", &inside)]));
}
