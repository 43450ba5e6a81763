//! One table of the file: typed access to its keys.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use merit_units::NameError;
use toml::de::DeTable;

use super::Reader;
use super::scalar::{Kind, Scalar, in_range};
use crate::{Origin, Place, Setting};

/// One table of the file.
pub(crate) struct Section<'r, 'a> {
    pub(crate) reader: &'r mut Reader<'a>,
    /// Such as `server` or `venues.aws.headers`.
    path: String,
    /// Where its name stands; what is missing is reported there.
    place: Place,
    table: Option<&'a DeTable<'a>>,
    defaults: Option<&'a DeTable<'a>>,
    known: Vec<&'a str>,
    secret: bool,
}

impl<'r, 'a> Section<'r, 'a> {
    pub(super) fn new(
        reader: &'r mut Reader<'a>,
        path: String,
        place: Place,
        table: Option<&'a DeTable<'a>>,
        defaults: Option<&'a DeTable<'a>>,
    ) -> Self {
        Self { reader, path, place, table, defaults, known: Vec::new(), secret: false }
    }

    /// The values of this section are not to be shown.
    pub(crate) fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// A whole number within a range; the default is the template's.
    pub(crate) fn number<T: TryFrom<u64>>(&mut self, key: &'a str, range: RangeInclusive<u64>) -> T {
        self.value(key, &[Kind::Integer], |text| in_range(text, &range))
    }

    /// A whole number within a range; the default is the code's.
    pub(crate) fn number_or<T>(&mut self, key: &'a str, range: RangeInclusive<u64>, default: T) -> T
    where
        T: TryFrom<u64> + Display,
    {
        let given = self.given(key, &[Kind::Integer], |text| in_range(text, &range));
        given.unwrap_or_else(|| self.fall_back(key, default))
    }

    /// An environment variable that is read elsewhere, and so is no misspelt one.
    pub(crate) fn also_known(&mut self, variable: &str) {
        self.reader.overrides.push(variable.to_owned());
    }

    /// What `parse` understands; the default is the template's.
    pub(crate) fn value<T, E: Display>(
        &mut self,
        key: &'a str,
        kinds: &[Kind],
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> T {
        if let Some(value) = self.given(key, kinds, &parse) {
            return value;
        }
        let value = self.defaults.and_then(|table| table.get(key)).expect("invariant: the template has every setting");
        let text = Scalar::of_toml(value.get_ref()).text;
        let parsed = parse(&text).ok().expect("invariant: the template's values are right");
        self.fall_back(key, text);
        parsed
    }

    /// As [`Self::value`], of something that is not shown.
    pub(crate) fn secret_value<T>(&mut self, key: &'a str, parse: impl Fn(&str) -> Result<T, String>) -> T {
        let open = std::mem::replace(&mut self.secret, true);
        let value = self.value(key, &[Kind::String], parse);
        self.secret = open;
        value
    }

    /// What `parse` understands; a mistake when it is not given.
    pub(crate) fn required<T, E: Display>(
        &mut self,
        key: &'a str,
        kinds: &[Kind],
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        if self.find(key).is_none() && !self.reader.damaged {
            self.mistake(key, "is missing; it is required");
        }
        self.given(key, kinds, parse)
    }

    /// What `parse` understands, if it is given.
    pub(crate) fn given<T, E: Display>(
        &mut self,
        key: &'a str,
        kinds: &[Kind],
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.known.push(key);
        if self.defaults.is_some() {
            self.reader.overrides.push(self.variable(key));
        }
        let (place, scalar) = self.find(key)?;
        let text =
            scalar.of_kind(kinds).map_err(|message| if self.secret { "must be a string".into() } else { message });
        match text.and_then(|text| parse(text).map_err(|error| error.to_string())) {
            Ok(value) => {
                self.record(key, scalar.text, place.into());
                Some(value)
            }
            Err(message) => {
                self.mistake(key, message);
                None
            }
        }
    }

    /// Records that a value is the code's default.
    pub(crate) fn fall_back<T: Display>(&mut self, key: &str, default: T) -> T {
        self.record(key, default.to_string(), Origin::Default);
        default
    }

    /// An array of texts; empty when absent.
    pub(crate) fn list<T, E: Display>(&mut self, key: &'a str, parse: impl Fn(&str) -> Result<T, E>) -> Vec<T> {
        self.known.push(key);
        let Some(value) = self.table.and_then(|table| table.get(key)) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.mistake(key, "must be an array of strings, such as [\"...\"]");
            return Vec::new();
        };
        let mut values = Vec::new();
        for item in array.iter() {
            let place = self.reader.lines.place(item.span().start);
            let scalar = Scalar::of_toml(item.get_ref());
            match scalar.of_kind(&[Kind::String]).and_then(|text| parse(text).map_err(|error| error.to_string())) {
                Ok(value) => {
                    values.push(value);
                    self.record(key, scalar.text, place.into());
                }
                Err(message) => self.reader.mistake(place, &self.path_of(key), message),
            }
        }
        values
    }

    /// A table within this one, if it is given.
    pub(crate) fn child(&mut self, key: &'a str) -> Option<Section<'_, 'a>> {
        self.known.push(key);
        let (name, value) = self.table?.get_key_value(key)?;
        let (path, place) = (self.path_of(key), self.reader.place(name));
        let Some(table) = value.get_ref().as_table() else {
            self.reader.mistake(place, &path, format!("must be a table; write [{path}] above its keys"));
            return None;
        };
        Some(Section::new(self.reader, path, place, Some(table), None))
    }

    /// All tables within this one by name, for sections whose keys are names. Anything else in it is a mistake.
    pub(crate) fn named<N, T>(&mut self, read: impl Fn(Section<'_, 'a>) -> Option<T>) -> BTreeMap<N, T>
    where
        N: FromStr<Err = NameError> + Ord,
    {
        let mut found = BTreeMap::new();
        for (key, value) in self.table.into_iter().flatten() {
            self.known.push(key.get_ref());
            let (path, place) = (self.path_of(key.get_ref()), self.reader.place(key));
            let Some(table) = value.get_ref().as_table() else {
                let message = format!("must be a table; write [{}.NAME] above its keys", self.path);
                self.reader.mistake(place, &path, message);
                continue;
            };
            let name = key.get_ref().parse::<N>();
            if let Err(error) = &name {
                self.reader.mistake(place.clone(), &path, error.to_string());
            }
            let entry = read(Section::new(self.reader, path, place, Some(table), None));
            found.extend(name.ok().zip(entry));
        }
        found
    }

    /// Whether a key holds a table.
    pub(crate) fn is_table(&self, key: &str) -> bool {
        self.table.and_then(|table| table.get(key)).is_some_and(|value| value.get_ref().is_table())
    }

    /// Whether a key is given.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Makes a key known that is not read further.
    pub(crate) fn know(&mut self, key: &'a str) {
        self.known.push(key);
    }

    /// All keys that have not been read yet.
    pub(crate) fn other_keys(&self) -> Vec<&'a str> {
        let keys = self.table.into_iter().flatten().map(|(key, _)| key.get_ref().as_ref());
        keys.filter(|key| !self.known.contains(key)).collect()
    }

    /// Records a mistake of a key, or of the whole section for the empty key.
    pub(crate) fn mistake(&mut self, key: &str, message: impl Into<String>) {
        let place = self.find(key).map_or_else(|| self.place.clone(), |(place, _)| place);
        let path = if key.is_empty() { self.path.clone() } else { self.path_of(key) };
        self.reader.mistake(place, &path, message);
    }

    fn find(&self, key: &str) -> Option<(Place, Scalar)> {
        if self.defaults.is_some() {
            let name = self.variable(key);
            if let Some(text) = self.reader.env.get(&name) {
                return Some((Place::Environment(name), Scalar::of_environment(text)));
            }
        }
        let value = self.table?.get(key)?;
        Some((self.reader.lines.place(value.span().start), Scalar::of_toml(value.get_ref())))
    }

    fn record(&mut self, key: &str, value: String, origin: Origin) {
        let value = if self.secret && !value.is_empty() { "[redacted]".to_owned() } else { value };
        self.reader.settings.push(Setting { key: self.path_of(key), value, origin });
    }

    fn path_of(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    fn variable(&self, key: &str) -> String {
        format!("MERIT_{}_{}", self.path, key).to_ascii_uppercase()
    }
}

impl Drop for Section<'_, '_> {
    /// Refuses the keys that were not read, however the reading ended.
    fn drop(&mut self) {
        for (key, _) in self.table.into_iter().flatten() {
            let name: &str = key.get_ref();
            if !self.known.contains(&name) {
                let message = format!("unknown key{}", self.reader.belongs(name, &self.known));
                self.reader.mistake(self.reader.place(key), &self.path_of(name), message);
            }
        }
    }
}
