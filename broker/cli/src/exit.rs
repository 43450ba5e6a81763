//! Exit codes, documented in one table that `--help` shows too.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did what was asked.
    Ok,
    /// The call failed: at every venue, or in the broker.
    Failed,
    /// The command line, a file or the configuration is mistaken.
    Usage,
    /// Refused: budget, limits or terms.
    Refused,
    /// The broker does not answer.
    Unreachable,
    /// The key is missing, wrong, or may not do this.
    Forbidden,
    /// There is no such function, venue, invocation, event, account or key.
    NotFound,
    /// The function ran and reported an error itself.
    FunctionError,
    /// A signal such as Ctrl-C ended it before it was done. The code is that of shells.
    Stopped,
}

impl Exit {
    /// Every way to end, with its code and meaning.
    pub const TABLE: [(Self, u8, &'static str); 9] = [
        (Self::Ok, 0, "it did what was asked"),
        (Self::Failed, 1, "the call failed: at every venue, or in the broker"),
        (Self::Usage, 2, "the command line, a file or the configuration is mistaken"),
        (Self::Refused, 3, "refused: budget, limits or terms"),
        (Self::Unreachable, 4, "the broker does not answer"),
        (Self::Forbidden, 5, "the key is missing, wrong, or may not do this"),
        (Self::NotFound, 6, "there is no such function, venue, invocation, event, account or key"),
        (Self::FunctionError, 7, "the function ran and reported an error itself"),
        (Self::Stopped, 130, "a signal such as Ctrl-C ended it before it was done"),
    ];

    /// The table as text, for the end of `--help`.
    pub const HELP: &'static str = "\
Exit codes:
  0  it did what was asked
  1  the call failed: at every venue, or in the broker
  2  the command line, a file or the configuration is mistaken
  3  refused: budget, limits or terms
  4  the broker does not answer
  5  the key is missing, wrong, or may not do this
  6  there is no such function, venue, invocation, event, account or key
  7  the function ran and reported an error itself
  130  a signal such as Ctrl-C ended it before it was done";

    /// The code a shell sees.
    #[must_use]
    pub fn code(self) -> u8 {
        let found = Self::TABLE.iter().find(|(exit, _, _)| *exit == self);
        found.map(|(_, code, _)| *code).expect("invariant: the table has every way to end")
    }

    /// What an HTTP status of the broker means here.
    pub(crate) const fn of_status(status: u16) -> Self {
        match status {
            400 | 405 | 415 => Self::Usage,
            401 | 403 => Self::Forbidden,
            404 => Self::NotFound,
            402 | 409 | 413 | 422 | 429 | 503 => Self::Refused,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_is_the_table() {
        let lines = Exit::TABLE.map(|(exit, code, meaning)| {
            assert_eq!(exit.code(), code);
            format!("  {code}  {meaning}")
        });
        assert_eq!(Exit::HELP, format!("Exit codes:\n{}", lines.join("\n")));
    }
}
