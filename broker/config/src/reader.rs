//! Reads a parsed TOML document section by section and collects mistakes instead of stopping at the first.
//!
//! A value is looked for in the environment, then in the file, then in the template, whose values
//! are the defaults. Whoever reads a key thereby makes it known; what is left over at the end of a
//! section is an unknown key. A mistaken value reads as the default, so that the reading goes on;
//! the configuration is given out only when there was no mistake.

mod lines;
mod scalar;
mod section;

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub(crate) use lines::Lines;
pub(crate) use scalar::{Kind, in_range};
pub(crate) use section::Section;

use crate::mistake::near;
use crate::{Env, Mistake, Place, Setting};

type Key<'a> = Spanned<Cow<'a, str>>;

/// What the sections share.
pub(crate) struct Reader<'a> {
    /// The environment.
    pub(crate) env: &'a Env,
    /// The file, possibly empty.
    root: &'a DeTable<'a>,
    /// The template.
    defaults: &'a DeTable<'a>,
    lines: Lines,
    /// Whether a missing key may be due to a line that is no TOML.
    damaged: bool,
    /// What was wrong so far.
    mistakes: Vec<Mistake>,
    /// What was read so far.
    settings: Vec<Setting>,
    /// Every environment variable that would have been used.
    overrides: Vec<String>,
    /// Sections that were read.
    known: Vec<&'static str>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(root: &'a DeTable<'a>, defaults: &'a DeTable<'a>, lines: Lines, env: &'a Env) -> Self {
        Self {
            env,
            root,
            defaults,
            lines,
            damaged: false,
            mistakes: Vec::new(),
            settings: Vec::new(),
            overrides: Vec::new(),
            known: Vec::new(),
        }
    }

    /// Takes over the mistakes of the TOML parser.
    pub(crate) fn syntax(&mut self, errors: &[toml::de::Error]) {
        for error in errors {
            let place = error.span().map_or(Place::Whole, |span| self.lines.place(span.start));
            self.mistake(place, "", error.message());
            self.damaged = true;
        }
    }

    /// Opens a section of the file. One that the template has too takes its defaults from there and
    /// overrides from the environment.
    pub(crate) fn section(&mut self, name: &'static str) -> Section<'_, 'a> {
        self.known.push(name);
        let defaults = self.defaults.get(name).and_then(|value| value.get_ref().as_table());
        let Some((key, value)) = self.root.get_key_value(name) else {
            return Section::new(self, name.to_owned(), Place::Whole, None, defaults);
        };
        let place = self.place(key);
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.mistake(place.clone(), name, format!("must be a section; write [{name}] above its keys"));
        }
        Section::new(self, name.to_owned(), place, table, defaults)
    }

    /// The keys of a section of the file, right or wrong.
    pub(crate) fn names(&self, section: &str) -> Vec<&'a str> {
        let table = self.root.get(section).and_then(|value| value.get_ref().as_table());
        table.into_iter().flatten().map(|(key, _)| key.get_ref().as_ref()).collect()
    }

    /// Records a mistake at the end of a path of keys, such as `functions`, `thumbnail`.
    pub(crate) fn mistake_at(&mut self, path: &[&str], message: impl Into<String>) {
        let mut table = Some(self.root);
        let mut place = Place::Whole;
        for key in path {
            let Some((name, value)) = table.and_then(|table| table.get_key_value(*key)) else { break };
            let inner = value.get_ref().as_table();
            place = self.lines.place(if inner.is_some() { name.span().start } else { value.span().start });
            table = inner;
        }
        self.mistake(place, &path.join("."), message);
    }

    /// Records a mistake.
    pub(crate) fn mistake(&mut self, place: Place, key: &str, message: impl Into<String>) {
        self.mistakes.push(Mistake { place, key: key.to_owned(), message: message.into() });
    }

    /// Refuses sections that were not read and environment variables that are nearly an override, and
    /// ends the reading.
    pub(crate) fn finish(mut self) -> (Vec<Mistake>, Vec<Setting>) {
        for (key, value) in self.root {
            let name: &str = key.get_ref();
            let hint = self.belongs(name, &self.known);
            // Below a broken header, keys end up here that are right where they stand.
            if self.known.contains(&name) || self.damaged && hint.contains("belongs") {
                continue;
            }
            let what = if value.get_ref().is_table() { "unknown section" } else { "unknown key" };
            self.mistake(self.place(key), name, format!("{what}{hint}"));
        }
        self.check_overrides();
        self.drop_echoes();
        (self.mistakes, self.settings)
    }

    /// Variables such as `MERIT_SERVICE_HOST` are set by others (Kubernetes does for a service called
    /// `merit`), so only near misses are refused.
    fn check_overrides(&mut self) {
        let known = |name: &str| self.overrides.iter().any(|known| known == name);
        let missed: Vec<(String, String)> = self
            .env
            .names()
            .filter(|name| name.starts_with("MERIT_") && !known(name))
            .filter_map(|name| {
                let near = near(name, self.overrides.iter().map(String::as_str))?;
                Some((name.to_owned(), format!("overrides no setting; did you mean `{near}`?")))
            })
            .collect();
        for (name, message) in missed {
            self.mistake(Place::Environment(name), "", message);
        }
    }

    /// A line that is no TOML leaves odd values behind: what follows from them on that line is no news.
    fn drop_echoes(&mut self) {
        let line = |place: &Place| match place {
            Place::Line { line, .. } => Some(*line),
            _ => None,
        };
        let broken: Vec<usize> = self
            .mistakes
            .iter()
            .filter(|mistake| mistake.key.is_empty())
            .filter_map(|mistake| line(&mistake.place))
            .collect();
        self.mistakes.retain(|mistake| {
            mistake.key.is_empty() || line(&mistake.place).is_none_or(|line| !broken.contains(&line))
        });
    }

    /// A hint for an unknown key: a near match, the section it belongs in, or what is known.
    fn belongs(&self, name: &str, known: &[&str]) -> String {
        if let Some(near) = near(name, known.iter().copied()) {
            return format!("; did you mean `{near}`?");
        }
        let holds = |(section, value): (&'a Key<'a>, &'a Spanned<DeValue<'a>>)| {
            value.get_ref().as_table()?.contains_key(name).then(|| section.get_ref())
        };
        match self.defaults.iter().find_map(holds) {
            Some(section) => format!("; it belongs in [{section}]"),
            None => format!("; known here: {}", known.join(", ")),
        }
    }

    fn place(&self, key: &Key<'_>) -> Place {
        self.lines.place(key.span().start)
    }
}
