//! Price sheets that the configuration names: of the catalogue, or in a file of their own.

use std::path::Path;
use std::sync::Arc;

use merit_pricing::{Catalogue, PriceSheet};
use merit_units::SheetName;

use crate::mistake::near;
use crate::reader::{Kind, Section};
use crate::server::path;

/// The sheet of a venue: `sheet` or `sheet_file`, not both.
pub(crate) fn of_venue(section: &mut Section<'_, '_>, folder: &Path) -> Option<Arc<PriceSheet>> {
    let named = section.given("sheet", &[Kind::String], |text| known(text).cloned());
    let file = section.given("sheet_file", &[Kind::String], |text| read(&folder.join(path(text)?)));
    if named.is_some() && file.is_some() {
        section.mistake("sheet_file", "cannot be given beside `sheet`; leave one of them out");
    }
    named.or(file)
}

/// The name of a sheet of the catalogue.
pub(crate) fn known_name(text: &str) -> Result<SheetName, String> {
    known(text)?;
    SheetName::try_new(text).map_err(|error| error.to_string())
}

fn known(text: &str) -> Result<&'static Arc<PriceSheet>, String> {
    let catalogue = Catalogue::builtin();
    catalogue.get(text).ok_or_else(|| {
        let hint = match near(text, catalogue.names().map(SheetName::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`merit catalog list` lists it".to_owned(),
        };
        format!("`{text}` is not in the catalogue; {hint}")
    })
}

fn read(file: &Path) -> Result<Arc<PriceSheet>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let sheet = PriceSheet::parse_toml(&text).map_err(|errors| format!("{}: {errors}", file.display()))?;
    Ok(Arc::new(sheet))
}
