//! Why the demo can't go on.

use std::io;

/// Why the demo can't go on.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A process of the demo did not start, or ended on its own.
    #[error("`merit {name}` {what}; the last it wrote:\n{log}")]
    Process {
        /// Its command.
        name: &'static str,
        /// What happened to it.
        what: String,
        /// The end of its log.
        log: String,
    },
    /// A process of the demo did not answer as it should.
    #[error("{request} failed: {reason}")]
    Request {
        /// The method and the URL.
        request: String,
        /// What came instead.
        reason: String,
    },
    /// A file or the output can't be written.
    #[error("{what}: {source}")]
    Io {
        /// What was to be done.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

impl DemoError {
    /// Says what was being done when the system failed.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// Whether whoever read the output has gone.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }
}
