//! Imports run one way, and siblings never import siblings.
//!
//! The table below is the architecture in one place: what each crate may import of the others.
//! It holds for every kind of dependency, so that a test can't pull the wrong way either.
//! The pure crates (units, pricing, market, ledger) also stay free of I/O, clocks and randomness,
//! which is checked by name against the libraries that would bring them.

use std::collections::BTreeMap;

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

use crate::tree;

/// What a crate may import of the others.
enum May {
    /// These and no more.
    Import(&'static [&'static str]),
    /// The top of the pyramid: all but the tests and benches.
    ImportProduct,
    /// The tests and benches: anything.
    ImportAll,
}

/// What adapters of clouds without an SDK of their own import.
const CLOUD: &[&str] = &["merit-units", "merit-pricing", "merit-venue", "merit-transport", "merit-cloud-wire"];

/// One line per crate, bottom up.
const EDGES: [(&str, May); 31] = [
    ("merit-units", May::Import(&[])),
    ("merit-pricing", May::Import(&["merit-units"])),
    ("merit-market", May::Import(&["merit-units", "merit-pricing"])),
    ("merit-ledger", May::Import(&["merit-units"])),
    ("merit-venue", May::Import(&["merit-units", "merit-pricing"])),
    ("merit-webhooks", May::Import(&[])),
    ("merit-transport", May::Import(&["merit-units", "merit-venue"])),
    (
        "merit-venue-http",
        May::Import(&["merit-units", "merit-pricing", "merit-venue", "merit-webhooks", "merit-transport"]),
    ),
    ("merit-lambda-wire", May::Import(&["merit-units"])),
    (
        "merit-venue-aws-lambda",
        May::Import(&["merit-units", "merit-pricing", "merit-venue", "merit-transport", "merit-lambda-wire"]),
    ),
    ("merit-cloud-wire", May::Import(&["merit-units"])),
    ("merit-price-lists", May::Import(&["merit-units", "merit-pricing"])),
    ("merit-venue-google-run", May::Import(CLOUD)),
    ("merit-venue-azure-functions", May::Import(CLOUD)),
    ("merit-venue-alibaba-fc", May::Import(CLOUD)),
    ("merit-venue-tencent-scf", May::Import(CLOUD)),
    ("merit-venue-cloudflare-workers", May::Import(CLOUD)),
    (
        "merit-sim",
        May::Import(&["merit-units", "merit-pricing", "merit-venue", "merit-lambda-wire", "merit-cloud-wire"]),
    ),
    ("merit-sandbox", May::Import(&["merit-units"])),
    ("merit-programs", May::Import(&["merit-units"])),
    ("merit-linger", May::Import(&[])),
    ("merit-wire", May::Import(&[])),
    (
        "merit-pool",
        May::Import(&[
            "merit-units",
            "merit-webhooks",
            "merit-sandbox",
            "merit-programs",
            "merit-linger",
            "merit-wire",
        ]),
    ),
    ("merit-join", May::Import(&["merit-wire"])),
    ("merit-store", May::Import(&["merit-units", "merit-ledger"])),
    ("merit-config", May::Import(&["merit-units", "merit-pricing"])),
    ("merit-cli", May::Import(&["merit-units", "merit-pricing", "merit-config", "merit-wire"])),
    ("merit-demo", May::Import(&["merit-units", "merit-wire"])),
    ("merit", May::ImportProduct),
    ("merit-tests", May::ImportAll),
    ("merit-benches", May::ImportAll),
];

/// Crates that only compute.
const PURE: [&str; 4] = ["merit-units", "merit-pricing", "merit-market", "merit-ledger"];

/// Crates that also know no serialised form; `pricing` reads its catalogue.
const UNWRITTEN: [&str; 3] = ["merit-units", "merit-market", "merit-ledger"];

/// Libraries for serialised forms.
const FORMATS: [&str; 3] = ["serde", "serde_json", "toml"];

/// Libraries that would bring I/O, a clock or randomness into a pure crate.
const IMPURE: [&str; 14] = [
    "axum",
    "chrono",
    "fastrand",
    "getrandom",
    "governor",
    "hyper",
    "hyper-util",
    "jiff",
    "rand",
    "reqwest",
    "rusqlite",
    "tokio",
    "tracing",
    "uuid",
];

/// A package and what it depends on, reduced to what the rules need.
struct Crate {
    name: String,
    imports: Vec<(String, DependencyKind)>,
}

impl From<&Package> for Crate {
    fn from(package: &Package) -> Self {
        let imports = package.dependencies.iter().map(|d| (d.name.clone(), d.kind)).collect();
        Self { name: package.name.to_string(), imports }
    }
}

fn workspace() -> Vec<Crate> {
    let metadata = MetadataCommand::new().current_dir(tree::root()).no_deps().exec().expect("cargo metadata runs");
    metadata.workspace_packages().into_iter().map(Crate::from).collect()
}

/// Complaints about imports against the table.
fn wrong_way(crates: &[Crate]) -> Vec<String> {
    let edges: BTreeMap<&str, &May> = EDGES.iter().map(|(name, may)| (*name, may)).collect();
    let mut complaints = Vec::new();
    for krate in crates {
        let Some(may) = edges.get(krate.name.as_str()) else {
            complaints
                .push(format!("{}: not in the table of imports; add a line to tests/tidy/imports.rs", krate.name));
            continue;
        };
        for (import, _) in krate.imports.iter().filter(|(import, _)| crates.iter().any(|c| c.name == *import)) {
            let allowed = match may {
                May::Import(names) => names.contains(&import.as_str()),
                May::ImportProduct => !matches!(edges.get(import.as_str()), Some(May::ImportAll)),
                May::ImportAll => true,
            };
            if !allowed {
                complaints.push(format!("{} imports {import}, which runs the wrong way (ARCHITECTURE.md)", krate.name));
            }
        }
    }
    let listed = crates.iter().map(|c| c.name.as_str()).collect::<Vec<_>>();
    let gone = edges.keys().filter(|name| !listed.contains(name));
    complaints.extend(gone.map(|name| format!("{name}: in the table of imports, but not in the workspace; remove it")));
    complaints
}

/// Complaints about pure crates that import what isn't, except for their tests.
fn impure(crates: &[Crate]) -> Vec<String> {
    let mut complaints = Vec::new();
    for Crate { name, imports } in crates {
        let shipped = imports.iter().filter(|(_, kind)| *kind != DependencyKind::Development);
        for (import, _) in shipped {
            if PURE.contains(&name.as_str()) && IMPURE.contains(&import.as_str()) {
                complaints
                    .push(format!("{name} is pure and imports {import}: take the time or the draw as a parameter"));
            }
            if UNWRITTEN.contains(&name.as_str()) && FORMATS.contains(&import.as_str()) {
                complaints.push(format!("{name} imports {import}: serialised forms live at the edges"));
            }
        }
    }
    complaints
}

#[test]
fn imports_run_one_way() {
    crate::assert_none(&wrong_way(&workspace()));
}

#[test]
fn pure_crates_stay_pure() {
    crate::assert_none(&impure(&workspace()));
}

/// The workspace with one import added.
fn with_import(name: &str, import: &str, kind: DependencyKind) -> Vec<Crate> {
    let mut crates: Vec<Crate> =
        EDGES.iter().map(|(name, _)| Crate { name: (*name).to_owned(), imports: Vec::new() }).collect();
    crates.iter_mut().find(|c| c.name == name).expect("listed").imports.push((import.to_owned(), kind));
    crates
}

#[test]
fn an_import_of_a_higher_layer_or_a_sibling_is_refused() {
    for (name, import) in [
        ("merit-units", "merit-pricing"),
        ("merit-pricing", "merit-market"),
        ("merit-market", "merit-ledger"),
        ("merit-venue-http", "merit-sim"),
        ("merit-sandbox", "merit-venue"),
        ("merit-wire", "merit-units"),
        ("merit-store", "merit-market"),
        ("merit-demo", "merit"),
        ("merit", "merit-tests"),
    ] {
        for kind in [DependencyKind::Normal, DependencyKind::Development] {
            crate::assert_some(&wrong_way(&with_import(name, import, kind)), &format!("{name} imports {import}"));
        }
    }
    crate::assert_none(&wrong_way(&with_import("merit-market", "merit-pricing", DependencyKind::Normal)));
    crate::assert_none(&wrong_way(&with_import("merit", "merit-cli", DependencyKind::Normal)));
    crate::assert_none(&wrong_way(&with_import("merit-tests", "merit", DependencyKind::Development)));
}

#[test]
fn a_crate_that_is_not_in_the_table_or_only_there_is_refused() {
    let mut crates = with_import("merit", "merit-cli", DependencyKind::Normal);
    crates.push(Crate { name: "merit-new".to_owned(), imports: Vec::new() });
    crates.retain(|c| c.name != "merit-demo");
    let complaints = wrong_way(&crates);
    crate::assert_some(&complaints, "merit-new: not in the table");
    crate::assert_some(&complaints, "merit-demo: in the table of imports, but not in the workspace");
}

#[test]
fn a_clock_or_socket_in_a_pure_crate_is_refused_outside_its_tests() {
    crate::assert_some(&impure(&with_import("merit-ledger", "tokio", DependencyKind::Normal)), "merit-ledger is pure");
    crate::assert_none(&impure(&with_import("merit-ledger", "fastrand", DependencyKind::Development)));
    crate::assert_none(&impure(&with_import("merit-store", "rusqlite", DependencyKind::Normal)));
    crate::assert_some(&impure(&with_import("merit-units", "serde", DependencyKind::Normal)), "live at the edges");
    crate::assert_none(&impure(&with_import("merit-pricing", "serde", DependencyKind::Normal)));
}
