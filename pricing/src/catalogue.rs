//! The price sheets that come with Merit, read from the TOML files of `pricing/catalogue/`.
//!
//! A catalogue file has the sources of its provider, its sheets, and tables. A sheet with
//! `for_each = "table"` stands for one sheet for each row of that table: `{column}` in any of its texts
//! is replaced by the row's cell. So Lambda's 24 regions are 48 rows, not 96 sheets.
//!
//! Known limitation: the prices are those of the files' retrieval dates. Nothing here notices that a
//! provider has changed one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use merit_units::{RegionId, SheetName};
use serde::Deserialize;
use toml::{Table, Value};

use crate::sheet::{PriceSheet, RawSheet, SheetErrors, SheetMistake};

const FILES: [(&str, &str); 7] = [
    ("aws-lambda.toml", include_str!("../catalogue/aws-lambda.toml")),
    ("azure.toml", include_str!("../catalogue/azure.toml")),
    ("google-run.toml", include_str!("../catalogue/google-run.toml")),
    ("alibaba-fc.toml", include_str!("../catalogue/alibaba-fc.toml")),
    ("tencent-scf.toml", include_str!("../catalogue/tencent-scf.toml")),
    ("cloudflare-workers.toml", include_str!("../catalogue/cloudflare-workers.toml")),
    ("own.toml", include_str!("../catalogue/own.toml")),
];

/// What providers' price lists have for each region: a sheet's name before and after the region, and the built-in sheet
/// that has its billing rule.
const BY_REGION: [(&str, &str, &str); 9] = [
    ("aws-lambda/", "/x86_64", "aws-lambda/us-east-1/x86_64"),
    ("aws-lambda/", "/arm64", "aws-lambda/us-east-1/arm64"),
    ("aws-lambda/", "/x86_64/provisioned", "aws-lambda/us-east-1/x86_64/provisioned"),
    ("aws-lambda/", "/arm64/provisioned", "aws-lambda/us-east-1/arm64/provisioned"),
    ("azure-consumption/", "", "azure-consumption/eastus"),
    ("azure-flex/", "", "azure-flex/eastus"),
    ("azure-flex/", "/always-ready", "azure-flex/eastus/always-ready"),
    ("azure-premium/", "", "azure-premium/eastus"),
    ("google-run/", "", "google-run/tier1"),
];

static BUILTIN: LazyLock<Catalogue> = LazyLock::new(|| {
    let mut catalogue = Catalogue::default();
    for (file, text) in FILES {
        if let Err(error) = catalogue.add_file(text) {
            panic!("invariant: the built-in catalogue is valid, but {file}: {error}");
        }
    }
    catalogue
});

/// Price sheets by name.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    sheets: BTreeMap<SheetName, Arc<PriceSheet>>,
}

/// Why a catalogue file was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// Not a catalogue file.
    #[error("the catalogue file is refused: {0}")]
    File(String),
    /// One of its sheets is wrong.
    #[error(transparent)]
    Sheet(#[from] SheetErrors),
    /// A name is taken.
    #[error("the catalogue has two sheets named `{0}`; rename one")]
    Duplicate(SheetName),
}

impl Catalogue {
    /// The sheets that come with Merit. The first call reads them, in a few milliseconds.
    #[must_use]
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// The sheet of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<PriceSheet>> {
        self.sheets.get(name)
    }

    /// A sheet with the billing rule that the sheet of this name has, or would have: of a region that is not built in, the
    /// one of another region. Such a sheet has no prices before a price list or somebody brings them. `None` for a name
    /// that no provider's list could have.
    #[must_use]
    pub fn like(&self, name: &str) -> Option<&Arc<PriceSheet>> {
        let elsewhere = || {
            let of = |(before, after, like): &(&str, &str, &'static str)| {
                let region = name.strip_prefix(before)?.strip_suffix(after)?;
                is_region(region, !before.starts_with("azure")).then_some(*like)
            };
            BY_REGION.iter().find_map(of)
        };
        self.get(name).or_else(|| self.get(elsewhere()?))
    }

    /// The names of all sheets, sorted.
    pub fn names(&self) -> impl Iterator<Item = &SheetName> {
        self.sheets.keys()
    }

    /// All sheets, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<PriceSheet>> {
        self.sheets.values()
    }

    /// Adds the sheets of a catalogue file.
    ///
    /// # Errors
    /// [`CatalogueError`] for the first sheet that is wrong, with all of its mistakes.
    pub fn add_file(&mut self, text: &str) -> Result<(), CatalogueError> {
        for sheet in CatalogueFile::read(text)?.expand()? {
            if self.sheets.contains_key(sheet.name()) {
                return Err(CatalogueError::Duplicate(sheet.name().clone()));
            }
            self.sheets.insert(sheet.name().clone(), Arc::new(sheet));
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CatalogueFile {
    sources: Table,
    sheets: Vec<Table>,
    /// The first row of each names its columns.
    #[serde(default)]
    tables: BTreeMap<String, Vec<Vec<String>>>,
}

impl CatalogueFile {
    fn read(text: &str) -> Result<Self, CatalogueError> {
        toml::from_str(text).map_err(|error| refuse(&error))
    }

    fn expand(mut self) -> Result<Vec<PriceSheet>, CatalogueError> {
        let mut sheets = Vec::new();
        for mut template in std::mem::take(&mut self.sheets) {
            template.insert("sources".to_owned(), Value::Table(self.sources.clone()));
            match template.remove("for_each") {
                None => sheets.push(check(template)?),
                Some(Value::String(table)) => {
                    for row in self.rows(&table)? {
                        let mut sheet = template.clone();
                        sheet.iter_mut().for_each(|(_, value)| fill(value, &row));
                        sheets.push(check(sheet)?);
                    }
                }
                Some(other) => return Err(refuse(&format_args!("for_each = {other} is not the name of a table"))),
            }
        }
        Ok(sheets)
    }

    /// Each row as pairs of `{column}` and cell.
    fn rows(&self, table: &str) -> Result<Vec<Vec<(String, &str)>>, CatalogueError> {
        let rows = self.tables.get(table).map_or([].as_slice(), Vec::as_slice);
        let [columns, rows @ ..] = rows else {
            return Err(refuse(&format_args!("`tables.{table}` is missing or empty")));
        };
        let named = |row: &'_ Vec<String>| row.len() == columns.len();
        if let Some(odd) = rows.iter().find(|row| !named(row)) {
            let found = format_args!("the row {odd:?} of `tables.{table}` has not {} cells", columns.len());
            return Err(refuse(&found));
        }
        let names = || columns.iter().map(|column| format!("{{{column}}}"));
        Ok(rows.iter().map(|row| names().zip(row.iter().map(String::as_str)).collect()).collect())
    }
}

/// Whether a provider might call a region so: `eu-south-2` and `us-central1` where names have hyphens, else `westeurope`.
fn is_region(text: &str, hyphens: bool) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let first = text.starts_with(|first: char| first.is_ascii_lowercase());
    let shape = text.contains('-') == hyphens && (!hyphens || text.ends_with(|last: char| last.is_ascii_digit()));
    plain && first && shape && RegionId::try_new(text).is_ok()
}

fn refuse(problem: &impl fmt::Display) -> CatalogueError {
    CatalogueError::File(problem.to_string().trim_end().to_owned())
}

fn check(sheet: Table) -> Result<PriceSheet, CatalogueError> {
    let name = sheet.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let raw = RawSheet::deserialize(Value::Table(sheet)).map_err(|error| {
        let mistake = SheetMistake { at: String::new(), problem: error.to_string().trim_end().to_owned() };
        SheetErrors { sheet: name, mistakes: vec![mistake] }
    })?;
    Ok(PriceSheet::try_from_raw(&raw)?)
}

/// Replaces `{column}` in every text under `value`.
fn fill(value: &mut Value, row: &[(String, &str)]) {
    match value {
        Value::String(text) => {
            for (placeholder, cell) in row.iter().filter(|(placeholder, _)| !placeholder.is_empty()) {
                if text.contains(placeholder.as_str()) {
                    *text = text.replace(placeholder.as_str(), cell);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| fill(value, row)),
        Value::Table(table) => table.iter_mut().for_each(|(_, value)| fill(value, row)),
        _ => {}
    }
}
