//! Everything that is wrong with a sheet, at once.

use std::fmt;

/// One mistake in a sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SheetMistake {
    /// Where, such as `lines[1].tiers[0].rate`.
    pub at: String,
    /// What is wrong and what to write instead.
    pub problem: String,
}

impl fmt::Display for SheetMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at.is_empty() { f.write_str(&self.problem) } else { write!(f, "{}: {}", self.at, self.problem) }
    }
}

/// All mistakes found in a sheet; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SheetErrors {
    /// The sheet's name as written, cut to 80 characters; empty when it could not be read.
    pub sheet: String,
    /// In the order of the text.
    pub mistakes: Vec<SheetMistake>,
}

impl fmt::Display for SheetErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the price sheet `{}` is refused", self.sheet)?;
        for mistake in &self.mistakes {
            write!(f, "\n  {mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SheetErrors {}

/// Gathers mistakes while a sheet is checked.
#[derive(Default)]
pub(super) struct Mistakes(pub(super) Vec<SheetMistake>);

impl Mistakes {
    pub(super) fn add(&mut self, at: impl fmt::Display, problem: impl fmt::Display) {
        self.0.push(SheetMistake { at: at.to_string(), problem: problem.to_string() });
    }

    /// The value, or its mistake noted.
    pub(super) fn check<T, E: fmt::Display>(&mut self, at: impl fmt::Display, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(at, error)).ok()
    }
}
