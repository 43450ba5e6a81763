//! Settings as they were given, for `merit config show`.

use std::fmt;
use std::path::PathBuf;

use crate::Place;

/// Where the configuration was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// There is no file: defaults and the environment only.
    Defaults,
    /// A file.
    File(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defaults => f.write_str("the built-in defaults"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of the file.
    Line(usize),
    /// An environment variable.
    Environment(String),
}

impl From<Place> for Origin {
    fn from(place: Place) -> Self {
        match place {
            Place::Whole => Self::Default,
            Place::Line { line, .. } => Self::Line(line),
            Place::Environment(name) => Self::Environment(name),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Line(line) => write!(f, "line {line}"),
            Self::Environment(name) => f.write_str(name),
        }
    }
}

/// One scalar setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its path, such as `server.max_in_flight`.
    pub key: String,
    /// Its value as text; `[redacted]` for secrets.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}
