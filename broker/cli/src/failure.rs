//! Why a command failed, and how that is told.

use std::io;

use merit_wire::Problem;

use crate::Exit;
use crate::command::{attempt_table, exclusion_table};
use crate::output::Output;
use crate::values::dollars;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The broker answered with a problem document.
    #[error("{0:?}")]
    Problem(Box<Problem>),
    /// Something other than a broker answered, or a broker of another version.
    #[error("{url} answered {status} with {what}; is it a merit broker?")]
    Strange {
        /// Where the request went.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What is strange.
        what: String,
    },
    /// Nobody answered.
    #[error("cannot reach {url}: {reason}; start it with `merit serve`, or name another with --url or MERIT_URL")]
    Unreachable {
        /// Where the request went.
        url: String,
        /// The innermost error.
        reason: String,
    },
    /// The connection ended before the answer was there.
    #[error(
        "the connection to {url} broke: {reason}; whether the request was carried out is not known{}",
        payload_hint(*.sent)
    )]
    Broken {
        /// Where the request went.
        url: String,
        /// The innermost error.
        reason: String,
        /// Bytes of payload that were to be sent.
        sent: usize,
    },
    /// Market data ended.
    #[error("market data ended: {0}")]
    Feed(String),
    /// A subscription was refused.
    #[error("{message}")]
    Subscription {
        /// A stable word.
        reason: String,
        /// What is wrong, in words.
        message: String,
    },
    /// The command line or a file is mistaken.
    #[error("{0}")]
    Usage(String),
    /// The configuration is mistaken.
    #[error("{0}")]
    Config(#[from] merit_config::ConfigErrors),
    /// Output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// Whether the broker does not know what was asked for.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self, Self::Problem(problem) if problem.status == 404)
    }

    /// Whether it may pass by itself: nobody answers, or the broker has no room for now.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Problem(problem) => problem.retryable,
            Self::Strange { status, .. } => *status >= 500,
            Self::Unreachable { .. } | Self::Broken { .. } | Self::Feed(_) => true,
            Self::Subscription { .. } | Self::Usage(_) | Self::Config(_) | Self::Output(_) => false,
        }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    /// The code to end with. A reader that closed the pipe has seen enough, which is no error.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Problem(problem) => Exit::of_status(problem.status),
            Self::Strange { .. } | Self::Broken { .. } | Self::Feed(_) => Exit::Failed,
            Self::Subscription { reason, .. } if reason == "unknown_function" => Exit::NotFound,
            Self::Subscription { .. } => Exit::Refused,
            Self::Unreachable { .. } => Exit::Unreachable,
            Self::Usage(_) | Self::Config(_) => Exit::Usage,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
            Self::Output(_) => Exit::Failed,
        }
    }

    /// Tells it on stderr.
    pub(crate) fn report(&self, output: &mut Output<'_>) -> io::Result<()> {
        match self {
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Self::Problem(problem) if output.json() => output.json_message(problem),
            Self::Problem(problem) => report_problem(problem, output),
            Self::Config(errors) => output.message(&errors.to_string()),
            other => output.error(&other.to_string()),
        }
    }
}

/// A broker that refuses a large payload may end the connection before its answer is read.
fn payload_hint(sent: usize) -> String {
    const LARGE: usize = 1 << 20;
    match sent {
        0..LARGE => String::new(),
        sent => format!(". The payload has {sent} bytes: it may be over the broker's server.max_payload_bytes"),
    }
}

fn report_problem(problem: &Problem, output: &mut Output<'_>) -> io::Result<()> {
    output.error(&format!("{} ({})", problem.title, problem.status))?;
    if !problem.detail.is_empty() {
        output.message(&format!("  {}", problem.detail))?;
    }
    if let Some(budget) = &problem.budget {
        output.message(&format!(
            "  account {} in {}: budget {}, spent {}, held {}, this call needs {}",
            budget.account,
            budget.month,
            dollars(&budget.budget),
            dollars(&budget.spent),
            dollars(&budget.held),
            dollars(&budget.needed)
        ))?;
    }
    let told = problem.near.iter().all(|near| problem.detail.contains(near.as_str()));
    if !told {
        output.message(&format!("  did you mean {}?", problem.near.join(" or ")))?;
    }
    if !problem.exclusions.is_empty() {
        output.message_table("not eligible:", &exclusion_table(&problem.exclusions))?;
    }
    if !problem.attempts.is_empty() {
        output.message_table("attempts:", &attempt_table(&problem.attempts))?;
    }
    if problem.status == 401 {
        output.message("  the key is what --key gives, or MERIT_KEY")?;
    }
    if problem.retryable {
        output.message("  the same request may succeed later")?;
    }
    if !problem.request_id.is_empty() {
        output.message(&format!("  request {}", problem.request_id))?;
    }
    Ok(())
}
