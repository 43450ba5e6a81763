//! What a look at a venue finds, step by step: could a call be made there now?

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use merit_units::InvocationId;
use tokio::time::Instant;

use crate::{Call, Discovered, ErrorKind, Target, VenueError};

/// The name of the step that asks what is deployed.
const LIST: &str = "listing";
/// Targets that are looked at one by one, each at a place of its own: more would take minutes.
const MOST: usize = 20;
/// A function that nobody has, unless to be called by this.
const ABSENT: &str = "merit-venues-doctor-finds-no-such-function";

/// What came of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepResult {
    /// It is as it should be.
    Ok,
    /// It is not, and calls fail by it.
    Failed,
    /// There is no such thing at this venue, or a step before it failed.
    None,
}

impl StepResult {
    /// The stable word: `ok`, `failed` or `none`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::None => "none",
        }
    }
}

impl fmt::Display for StepResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// One step of a look at a venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is looked at, in a word or two: `credentials`, `name`, `connection`, `tls`, `dry invocation`.
    pub name: &'static str,
    /// What came of it.
    pub result: StepResult,
    /// What was found, without any secret.
    pub found: String,
    /// What to do about it; empty unless it failed.
    pub todo: String,
}

impl Step {
    /// A step that is as it should be.
    #[must_use]
    pub fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, result: StepResult::Ok, found: found.into(), todo: String::new() }
    }

    /// A step that calls fail by.
    #[must_use]
    pub fn failed(name: &'static str, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { name, result: StepResult::Failed, found: found.into(), todo: todo.into() }
    }

    /// A step there is not, and why.
    #[must_use]
    pub fn none(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, result: StepResult::None, found: found.into(), todo: String::new() }
    }
}

/// Steps that several venues have.
impl Step {
    /// The name of the step that would be a call.
    pub const DRY: &str = "dry invocation";

    /// A step that ended with an error, and what is usually done about such.
    #[must_use]
    pub fn of_error(name: &'static str, error: &VenueError) -> Self {
        Self::failed(name, error.message.clone(), todo(error.kind))
    }

    /// The targets to look at one by one, and a word on the others.
    #[must_use]
    pub fn first_of(targets: &[Arc<Target>]) -> (&[Arc<Target>], Option<Self>) {
        let (first, rest) = targets.split_at(targets.len().min(MOST));
        let left_out = || Self::none("targets", format!("{} more were not looked at", rest.len()));
        (first, (!rest.is_empty()).then(left_out))
    }

    /// A venue that has no way to try a call without making it.
    #[must_use]
    pub fn no_dry_run(why: impl Into<String>) -> Self {
        Self::none(Self::DRY, why)
    }

    /// Whether what the venue lists by answers, and takes the credentials.
    #[must_use]
    pub fn of_list(listed: &Result<Option<Vec<Discovered>>, VenueError>) -> Self {
        match listed {
            Ok(None) => Self::none(LIST, "nothing is configured to list functions by"),
            Ok(Some(found)) => Self::ok(LIST, format!("{} found", functions(found.len()))),
            Err(error) => Self::of_error(LIST, error),
        }
    }

    /// The same where calls need no right to list: being refused it is no failure. Of `named`, the functions that
    /// deployments are of, each has to be there.
    #[must_use]
    pub fn deployed(listed: &Result<Option<Vec<Discovered>>, VenueError>, named: &[&str]) -> Self {
        match listed {
            Ok(Some(found)) => match named.iter().find(|name| found.iter().all(|one| one.target != **name)) {
                Some(name) => {
                    let there = functions(found.len());
                    Self::failed(LIST, format!("`{name}` is not among the {there} there"), todo(ErrorKind::NotFound))
                }
                None => Self::of_list(listed),
            },
            Err(error) if error.kind == ErrorKind::BadCredentials => {
                Self::none(LIST, format!("not allowed, which calls do not need: {}", error.message))
            }
            other => Self::of_list(other),
        }
    }

    /// What a call of [`absent`] tells: a venue that looks for the function has taken the credentials. Where it refuses
    /// them for this function only (`refuses_key` is false), they may still be good for others.
    #[must_use]
    pub fn of_absent<T>(answer: &Result<T, VenueError>, place: &str, refuses_key: bool) -> Self {
        match answer {
            Err(error) if error.kind == ErrorKind::NotFound => {
                Self::ok(Self::DRY, format!("{place} takes the signature; a function that is not there was asked for"))
            }
            Err(error) if error.kind == ErrorKind::BadCredentials && !refuses_key => {
                let found = format!("{place} takes the signature, and a function of any name may not be tried");
                Self::none(Self::DRY, format!("{found}: {}", error.message))
            }
            Err(error) => Self::of_error(Self::DRY, error),
            Ok(_) => Self::failed(
                Self::DRY,
                format!("{place} answers for a function that is not there"),
                "see what answers at that address",
            ),
        }
    }
}

/// A call of a function that is not there, for venues whose protocol has no dry run.
///
/// # Panics
/// Never: the names are right.
#[must_use]
pub fn absent(invocation: InvocationId, deadline: Instant) -> Call {
    Call {
        invocation,
        attempt: 1,
        function: ABSENT.parse().expect("invariant: it is a function's name"),
        target: Arc::new(Target::try_new(ABSENT).expect("invariant: a name is a target")),
        payload: Bytes::from_static(b"{}"),
        content_type: None,
        traceparent: None,
        tracestate: None,
        deadline,
        lambda: None,
        http: None,
    }
}

fn functions(count: usize) -> String {
    if count == 1 { "1 function".to_owned() } else { format!("{count} functions") }
}

/// What is usually done about an error of this kind.
const fn todo(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Dns => "check the venue's region and URL, and this machine's name servers",
        ErrorKind::Connect => "check that it runs and listens there, and the firewalls between",
        ErrorKind::AddressForbidden => "set private_addresses or allow_addresses, if the venue is really there",
        ErrorKind::Tls => "name the PEM file of its authority in ca_file, or mend its certificate or the clocks",
        ErrorKind::BadCredentials => "mend the venue's credentials, what they may do there, or this machine's clock",
        ErrorKind::NotFound => "deploy it there, or mend the deployment's target",
        ErrorKind::Throttled | ErrorKind::Burst | ErrorKind::Unavailable => "wait, and look again",
        ErrorKind::Timeout | ErrorKind::ConnectionCut => "see whether it answers at all, and what stands between",
        ErrorKind::MalformedReply | ErrorKind::UnsignedReply => {
            "see what answers there, such as a proxy or a page to sign in at, and mend the venue's URL"
        }
        ErrorKind::Misconfigured => "mend the deployment's target, or the venue's keys in merit.toml",
        ErrorKind::PayloadTooLarge | ErrorKind::PayloadRefused | ErrorKind::ReplyTooLarge => "see what it says",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(targets: &[&str]) -> Result<Option<Vec<Discovered>>, VenueError> {
        let one = |target: &&str| Discovered { target: (*target).to_owned(), ..Discovered::default() };
        Ok(Some(targets.iter().map(one).collect()))
    }

    #[test]
    fn what_is_not_listed_is_not_deployed_and_what_may_not_be_listed_may_be_called() {
        let step = Step::deployed(&listed(&["resize", "blur"]), &["resize", "zoom"]);
        assert_eq!(
            (step.result, step.found.as_str()),
            (StepResult::Failed, "`zoom` is not among the 2 functions there")
        );
        assert!(step.todo.contains("deploy it"), "{step:?}");
        assert_eq!(Step::deployed(&listed(&["resize"]), &["resize"]), Step::ok("listing", "1 function found"));
        let denied = Err(VenueError::not_started(ErrorKind::BadCredentials, "no right"));
        assert_eq!(Step::deployed(&denied, &["resize"]).result, StepResult::None);
        assert_eq!(Step::of_list(&denied).result, StepResult::Failed);
        let page = Err(VenueError::not_started(ErrorKind::MalformedReply, "it is none"));
        assert!(Step::deployed(&page, &["resize"]).todo.contains("a page to sign in"));
    }

    #[test]
    fn a_function_that_is_not_there_shows_that_the_signature_is_taken() {
        let of = |kind, refuses_key| {
            let answer = Err::<(), _>(VenueError::not_started(kind, "so it is"));
            Step::of_absent(&answer, "the region", refuses_key)
        };
        assert_eq!(of(ErrorKind::NotFound, false).result, StepResult::Ok);
        let refused = of(ErrorKind::BadCredentials, true);
        assert!(refused.result == StepResult::Failed && refused.todo.contains("credentials"), "{refused:?}");
        assert_eq!(of(ErrorKind::BadCredentials, false).result, StepResult::None, "other functions may be allowed");
        assert_eq!(Step::of_absent(&Ok(()), "the region", false).result, StepResult::Failed);
    }
}
