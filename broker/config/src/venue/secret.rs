//! A value that is not shown.

use std::fmt;

use crate::Env;
use crate::reader::{Kind, Section};

/// A secret from the configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret as the file has it: itself, or `env:NAME` for the value of an environment variable.
    pub(crate) fn read(text: &str, env: &Env) -> Result<Self, String> {
        let text = match text.strip_prefix("env:") {
            Some(name) => env.get(name).ok_or_else(|| format!("the environment variable `{name}` is not set"))?,
            None => text,
        };
        // A line break of a file that was pasted would make it wrong wherever it is sent.
        let good = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let refuse = || "must have visible characters only, and at least one".to_owned();
        good.then(|| Self(text.to_owned())).ok_or_else(refuse)
    }

    /// The secret itself, for whoever sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<'a> Section<'_, 'a> {
    /// A secret: its text, or for `env:NAME` the variable's.
    pub(super) fn given_secret(&mut self, key: &'a str) -> Option<Secret> {
        let env = self.reader.env;
        self.given(key, &[Kind::String], |text| Secret::read(text, env))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
