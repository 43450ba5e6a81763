//! What is wrong with a configuration: every mistake with its place, what was found and what to do.

use std::fmt;

/// Where a setting was given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The file as a whole: it cannot be read.
    Whole,
    /// A line and a column of the file, both from 1; columns count characters.
    Line {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// An environment variable.
    Environment(String),
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it is.
    pub place: Place,
    /// The setting, such as `server.max_in_flight`; empty when the text is no TOML there.
    pub key: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// All mistakes of a configuration, in the order of the file, those of the environment last.
///
/// Displayed as one line each: `merit.toml:14:17: server.max_in_flight: must be 1 to 1000000, got 0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    file: String,
    mistakes: Vec<Mistake>,
}

impl ConfigErrors {
    pub(crate) fn new(file: String, mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by(|a, b| (&a.place, &a.key).cmp(&(&b.place, &b.key)));
        mistakes.dedup();
        Self { file, mistakes }
    }

    /// The file that has them, or what stands for it.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The mistakes; at least one.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }
}

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            match &mistake.place {
                Place::Whole => write!(f, "{}: ", self.file)?,
                Place::Line { line, column } => write!(f, "{}:{line}:{column}: ", self.file)?,
                Place::Environment(name) => write!(f, "{name}: ")?,
            }
            if !mistake.key.is_empty() {
                write!(f, "{}: ", mistake.key)?;
            }
            f.write_str(&mistake.message)?;
        }
        Ok(())
    }
}

/// The name among `known` that `name` was probably meant to be: at most a third of it is wrong.
pub fn near<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.len() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// `; did you mean X?` where a near match exists, else nothing.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    near(name, known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_matches_are_near() {
        let known = ["max_in_flight", "max_connections", "listen"];
        assert_eq!(near("max_inflight", known), Some("max_in_flight"));
        assert_eq!(near("lisent", known), Some("listen"));
        assert_eq!(near("port", known), None);
    }
}
