//! Price sheets that the configuration names: of the catalogue, or in a file of their own.
//!
//! Invariant: a name without built-in prices is taken only where a provider's price list could have it, a known family in
//! another region; it stands for no price until one is brought.

use std::path::Path;
use std::sync::Arc;

use merit_pricing::{Catalogue, PriceSheet};
use merit_units::SheetName;

use crate::mistake::near;
use crate::reader::{Kind, Section};
use crate::server::path;

/// What a venue is billed by.
#[derive(Default)]
pub(crate) struct OfVenue {
    pub(crate) sheet: Option<Arc<PriceSheet>>,
    /// In place of a sheet, when its prices are not built in.
    pub(crate) awaits: Option<SheetName>,
}

/// The sheet of a venue: `sheet` or `sheet_file`, not both.
pub(crate) fn of_venue(section: &mut Section<'_, '_>, folder: &Path) -> OfVenue {
    let named = section.given("sheet", &[Kind::String], |text| {
        let name = known_name(text)?;
        let sheet = Catalogue::builtin().get(text).cloned();
        let awaits = sheet.is_none().then_some(name);
        Ok::<_, String>(OfVenue { sheet, awaits })
    });
    let file = section.given("sheet_file", &[Kind::String], |text| read(&folder.join(path(text)?)));
    if named.is_some() && file.is_some() {
        section.mistake("sheet_file", "cannot be given beside `sheet`; leave one of them out");
    }
    named.unwrap_or(OfVenue { sheet: file, awaits: None })
}

/// The name of a sheet of the catalogue, or of one that a price list could bring.
pub(crate) fn known_name(text: &str) -> Result<SheetName, String> {
    let catalogue = Catalogue::builtin();
    if catalogue.like(text).is_some() {
        return SheetName::try_new(text).map_err(|error| error.to_string());
    }
    let hint = match near(text, catalogue.names().map(SheetName::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`merit catalog list` lists it".to_owned(),
    };
    Err(format!("`{text}` is not in the catalogue; {hint}"))
}

fn read(file: &Path) -> Result<Arc<PriceSheet>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let sheet = PriceSheet::parse_toml(&text).map_err(|errors| format!("{}: {errors}", file.display()))?;
    Ok(Arc::new(sheet))
}
