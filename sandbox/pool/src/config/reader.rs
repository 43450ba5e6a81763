//! Reads TOML tables key by key and collects every mistake, with its line, instead of stopping at the first.

use std::fmt::{self, Display};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file.
    pub file: PathBuf,
    /// Its line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// The setting, such as `machine.vcpu`; may be empty.
    pub key: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        f.write_str(": ")?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// All mistakes of a configuration, one a line; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<Mistake>);

impl Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for ConfigErrors {}

/// A file that is read.
pub(super) struct Reader<'t> {
    file: &'t Path,
    text: &'t str,
    pub(super) mistakes: Vec<Mistake>,
}

/// A table of it, with the keys that were asked for.
pub(super) struct Table<'a, 't> {
    /// `None` stands for a section that is not there, whose defaults hold.
    table: Option<&'a DeTable<'t>>,
    at: String,
    line: usize,
    known: Vec<&'static str>,
}

impl<'t> Reader<'t> {
    pub(super) const fn new(file: &'t Path, text: &'t str) -> Self {
        Self { file, text, mistakes: Vec::new() }
    }

    /// The file as TOML; a mistake when it is none.
    pub(super) fn parse(&mut self) -> Option<DeTable<'t>> {
        match DeTable::parse(self.text) {
            Ok(document) => Some(document.into_inner()),
            Err(error) => {
                let line = error.span().map_or(0, |span| self.line(span.start));
                self.mistake(line, "", error.message());
                None
            }
        }
    }

    pub(super) fn root<'a>(&self, table: &'a DeTable<'t>) -> Table<'a, 't> {
        Table { table: Some(table), at: String::new(), line: 0, known: Vec::new() }
    }

    /// A section of a table. One that is not there has no keys.
    pub(super) fn section<'a>(&mut self, table: &mut Table<'a, 't>, key: &'static str) -> Table<'a, 't> {
        let at = table.path(key);
        let Some(value) = table.find(key) else {
            return Table { table: None, at, line: table.line, known: Vec::new() };
        };
        let line = self.line(value.span().start);
        let inner = value.get_ref().as_table();
        if inner.is_none() {
            self.mistake(line, &at, format!("must be a section; write [{at}] above its keys"));
        }
        Table { table: inner, at, line, known: Vec::new() }
    }

    /// A text, as `parse` understands it.
    pub(super) fn text<T, E: Display>(
        &mut self,
        table: &mut Table<'_, 't>,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let value = table.find(key)?;
        let line = self.line(value.span().start);
        let Some(text) = value.get_ref().as_str() else {
            self.mistake(
                line,
                &table.path(key),
                format!("must be a text in quotes, not {}", value.get_ref().type_str()),
            );
            return None;
        };
        parse(text).map_err(|error| self.mistake(line, &table.path(key), error)).ok()
    }

    /// A whole number within a range, or its default.
    pub(super) fn number<T: TryFrom<u64>>(
        &mut self,
        table: &mut Table<'_, 't>,
        key: &'static str,
        range: RangeInclusive<u64>,
        default: T,
    ) -> T {
        let Some(value) = table.find(key) else { return default };
        let whole = value.get_ref().as_integer();
        let number = whole.and_then(|whole| u64::from_str_radix(whole.as_str(), whole.radix()).ok());
        let number = number.filter(|number| range.contains(number)).and_then(|number| T::try_from(number).ok());
        number.unwrap_or_else(|| {
            let line = self.line(value.span().start);
            let message = format!("must be a whole number from {} to {}", range.start(), range.end());
            self.mistake(line, &table.path(key), message);
            default
        })
    }

    /// A list of texts; empty where absent.
    pub(super) fn texts(&mut self, table: &mut Table<'_, 't>, key: &'static str) -> Vec<String> {
        let Some(value) = table.find(key) else { return Vec::new() };
        let items = value.get_ref().as_array().map(|items| {
            items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
        });
        items.flatten().unwrap_or_else(|| {
            let line = self.line(value.span().start);
            self.mistake(line, &table.path(key), "must be a list of texts, such as [\"python3\", \"app.py\"]");
            Vec::new()
        })
    }

    /// All keys of a table, whose values are texts.
    pub(super) fn pairs(&mut self, table: &Table<'_, 't>) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for (key, value) in table.table.into_iter().flatten() {
            match value.get_ref().as_str() {
                Some(text) => pairs.push((key.get_ref().to_string(), text.to_owned())),
                None => {
                    let line = self.line(value.span().start);
                    self.mistake(line, &table.path(key.get_ref()), "must be a text in quotes");
                }
            }
        }
        pairs
    }

    /// Refuses the keys that were not asked for.
    pub(super) fn finish(&mut self, table: &Table<'_, 't>) {
        for (key, _) in table.table.into_iter().flatten() {
            let name: &str = key.get_ref();
            if !table.known.contains(&name) {
                let near = table.known.iter().max_by(|a, b| likeness(a, name).total_cmp(&likeness(b, name)));
                let hint = match near.filter(|near| likeness(near, name) > 0.8) {
                    Some(near) => format!("; did you mean `{near}`?"),
                    None => format!("; known here: {}", table.known.join(", ")),
                };
                let line = self.line(key.span().start);
                self.mistake(line, &table.path(name), format!("unknown key{hint}"));
            }
        }
    }

    /// A mistake at a key of a table, or at the table where the key is missing.
    pub(super) fn mistake_at(&mut self, table: &Table<'_, 't>, key: &str, message: impl Display) {
        let value = table.table.and_then(|table| table.get(key)).map(Spanned::span);
        let line = value.map_or(table.line, |span| self.line(span.start));
        self.mistake(line, &table.path(key), message);
    }

    fn mistake(&mut self, line: usize, key: &str, message: impl Display) {
        let message = message.to_string();
        self.mistakes.push(Mistake { file: self.file.to_owned(), line, key: key.to_owned(), message });
    }

    fn line(&self, offset: usize) -> usize {
        let before = self.text.get(..offset).unwrap_or_default();
        before.bytes().filter(|byte| *byte == b'\n').count() + 1
    }
}

impl<'a, 't> Table<'a, 't> {
    pub(super) const fn is_there(&self) -> bool {
        self.table.is_some()
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    fn find(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'t>>> {
        self.known.push(key);
        self.table?.get(key)
    }

    fn path(&self, key: &str) -> String {
        if self.at.is_empty() { key.to_owned() } else { format!("{}.{key}", self.at) }
    }
}

fn likeness(a: &str, b: &str) -> f64 {
    strsim::jaro_winkler(a, b)
}
