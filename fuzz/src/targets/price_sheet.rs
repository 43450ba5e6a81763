//! Price sheets and catalogue files (TOML): sheets that are written and read again the same, or mistakes.

use merit_pricing::{Catalogue, PriceSheet};

/// Reads the bytes both ways, as `merit catalog import` does.
///
/// # Panics
/// When a sheet that was read is written as another, or a refusal says nothing.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match PriceSheet::parse_toml(text) {
        Ok(sheet) => check(&sheet),
        Err(errors) => assert!(!errors.mistakes.is_empty(), "refused without a mistake"),
    }
    let mut catalogue = Catalogue::default();
    match catalogue.add_file(text) {
        Ok(()) => catalogue.iter().for_each(|sheet| check(sheet)),
        Err(error) => assert!(!error.to_string().is_empty(), "refused without a reason"),
    }
}

fn check(sheet: &PriceSheet) {
    let written = sheet.to_toml();
    let again = PriceSheet::parse_toml(&written).expect("what was written can be read");
    assert_eq!(again.to_toml(), written);
    assert!(sheet.prices().all(|price| !price.source.title.is_empty()), "a price without a source:\n{written}");
}

/// A sheet of each shape, and a catalogue file with a table.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let sheets = [
        "aws-lambda/us-east-1/x86_64/provisioned",
        "azure-flex/eastus/always-ready",
        "azure-premium/eastus",
        "google-run/tier2",
        "alibaba-fc/cn",
        "cloudflare-workers",
        "own/default",
    ];
    let sheet = |name: &str| Catalogue::builtin().get(name).expect("in the catalogue").to_toml().into_bytes();
    let mut seeds: Vec<Vec<u8>> = sheets.into_iter().map(sheet).collect();
    let file = "[sources.list]\ntitle = \"a list\"\nretrieved = \"2026-11-22\"\n\n[tables]\nregions = [[\"region\", \"rate\"], \
                [\"here\", \"0.0000002\"], [\"there\", \"0.0000003\"]]\n\n[[sheets]]\nfor_each = \"regions\"\nname = \
                \"own/{region}\"\ncurrency = \"USD\"\nregion = \"{region}\"\nsource = \"list\"\nrule = { source = \"list\", \
                granularity_us = 1_000, init = \"billed\", memory = { min_mb = 128, max_mb = 1_024, step_mb = 128, between = \
                \"round-up\" } }\nlines = [{ meter = \"request\", rate = \"{rate}\" }]\n";
    seeds.push(file.as_bytes().to_vec());
    seeds
}
