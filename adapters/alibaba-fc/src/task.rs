//! An attempt that is an asynchronous task: submitted, then asked about until it has ended.
//!
//! | what happens | outcome |
//! |---|---|
//! | the submission is refused | as any call's |
//! | whether it was taken is in doubt | it is submitted again, with the id that keeps it from running twice; then `Unknown` |
//! | 409: a task of that id is there already | it is this call's, from an attempt before, and is asked about |
//! | `Succeeded`, `Failed` | the function's reply, or its error |
//! | `Expired`, `Invalid` | `NotStarted`: Function Compute gave it up before it ran |
//! | `Stopped`, or nobody answers, or time runs out | `Ran` if it was seen to have begun, else `Unknown` |
//!
//! Known limitations: a task goes on when its caller's time is over. Function Compute itself runs one that failed up to
//! three times more unless its asynchronous configuration says otherwise; such a call is metered by the own clock. A
//! reply that is empty can't be told from one that is not told.

use merit_cloud_wire::fc::{self, AsyncTask, ErrorBody, ErrorCode, TaskStatus};
use merit_pricing::Usage;
use merit_transport::following::Pace;
use merit_transport::{Answer, Route, failure};
use merit_units::Micros;
use merit_venue::{Call, ErrorKind, Measured, MeterBasis, Meters, Outcome, Reply, VenueError};
use tokio::time::Instant;

use crate::config::AsyncReplies;
use crate::reply;
use crate::target::Task;
use crate::venue::{FcVenue, is_ours};

/// Submissions and questions in a row that may fail and are made again.
const MOST_SUBMISSIONS: u32 = 3;
const MOST_FAILURES: u32 = 10;

/// The largest answer about a task, in bytes: a reply of 1 MB as JSON, and the payload.
const MOST_TOLD_BYTES: usize = 8 * 1024 * 1024;

const NO_TASK_MODE: &str = ": switch on the function's asynchronous task mode, which remembers tasks";
const NO_REPLY: &str = "have Alibaba Cloud open `returnPayload` for the account, or set async_replies = \"none\" where \
                        replies are not needed";

/// A task that was submitted.
#[derive(Debug)]
struct Submitted {
    /// Where it is asked how it is doing.
    route: Route,
    /// When it was first sent.
    sent: Instant,
    /// Whether it was there before this attempt, and may have begun before `sent`.
    older: bool,
    /// Whether it was seen to have begun.
    begun: bool,
    ends: Instant,
}

impl FcVenue {
    /// Whether tasks of that function can be called at all, as the venue is configured.
    pub(crate) fn may_be_called(&self, task: &Task) -> Result<AsyncReplies, VenueError> {
        self.config.async_replies.ok_or_else(|| {
            let message = format!(
                "`async/{}` can't be called: Function Compute tells replies of asynchronous calls only to accounts for which \
                 Alibaba Cloud has opened `returnPayload`; say async_replies = \"payload\" if it is, or \"none\" if an empty \
                 reply will do",
                task.name
            );
            VenueError::not_started(ErrorKind::Misconfigured, message)
        })
    }

    /// One attempt.
    pub(crate) async fn run_task(&self, call: &Call, task: &Task, ends: Instant) -> Result<Reply, VenueError> {
        let replies = self.may_be_called(task)?;
        if call.payload.len() > fc::MOST_ASYNC_BYTES {
            let (size, max) = (call.payload.len(), fc::MOST_ASYNC_BYTES);
            let message = format!("the payload has {size} bytes, more than the {max} of an asynchronous call");
            return Err(VenueError::not_started(ErrorKind::PayloadTooLarge, message));
        }
        let sent = Instant::now();
        let older = self.submit(call, task, ends).await?;
        let route = task.status_route(&self.place, &task.id(call.invocation));
        self.follow(Submitted { route, sent, older, begun: false, ends }, replies).await
    }

    /// Submits until it is known that the task is there; whether it was there before.
    async fn submit(&self, call: &Call, task: &Task, ends: Instant) -> Result<bool, VenueError> {
        let (mut pace, mut in_doubt) = (Pace::new(MOST_SUBMISSIONS), false);
        loop {
            let error = match self.submit_once(call, task, ends).await {
                // One that is there after a doubtful submission is most likely that one's.
                Ok(exists) => return Ok(exists && !in_doubt),
                Err(error) if error.outcome == Outcome::NotStarted && !in_doubt => return Err(error),
                Err(error) => VenueError { outcome: Outcome::Unknown, ..error },
            };
            in_doubt = true;
            let final_word =
                matches!(error.kind, ErrorKind::BadCredentials | ErrorKind::NotFound | ErrorKind::Misconfigured);
            if final_word || pace.failed("").is_err() || !pace.next(ends).await {
                return Err(error);
            }
        }
    }

    /// Whether a task of that id was there already.
    async fn submit_once(&self, call: &Call, task: &Task, ends: Instant) -> Result<bool, VenueError> {
        let route = &task.route;
        let _place = self.transport.admit(route, ends).await?;
        let answer = self.transport.send(route, ends, |_| self.request(call, route, Some(task))).await?;
        let Answer { head, body, .. } = answer;
        let said = body.excerpt().await.unwrap_or_default();
        match head.status.as_u16() {
            202 if is_ours(&head.headers) => Ok(false),
            409 if is_ours(&head.headers) && !is_concurrent_update(&said) => Ok(true),
            _ => Err(self.refused(route, head.status, &head.headers, &said)),
        }
    }

    /// Asks until the task has ended.
    async fn follow(&self, mut task: Submitted, replies: AsyncReplies) -> Result<Reply, VenueError> {
        let mut pace = Pace::new(MOST_FAILURES);
        while pace.next(task.ends).await {
            let told = match self.ask(&task, &mut pace).await {
                Ok(told) => told,
                Err(error) if is_final(error.kind) => return Err(self.given_up(&task, error.kind, error.message)),
                Err(error) => {
                    let kind = error.kind;
                    pace.failed(&error.message).map_err(|why| self.given_up(&task, kind, why))?;
                    continue;
                }
            };
            pace.answered();
            task.begun |= told.started_time.is_some_and(|at| at > 0);
            let word = TaskStatus::named(&told.status);
            match word {
                Some(TaskStatus::Enqueued | TaskStatus::Dequeued | TaskStatus::Processed | TaskStatus::Stopping) => {}
                Some(TaskStatus::Running | TaskStatus::Retrying) => task.begun = true,
                Some(TaskStatus::Succeeded) => return self.succeeded(&task, &told, replies),
                Some(TaskStatus::Failed) => return Ok(self.failed(&task, &told)),
                Some(TaskStatus::Expired | TaskStatus::Invalid) => {
                    let message = format!("`{}` is {}: it did not run", task.route.shown(), told.status);
                    return Err(VenueError::not_started(ErrorKind::Unavailable, message));
                }
                Some(TaskStatus::Stopped) => {
                    let message = format!("`{}` was stopped by somebody", task.route.shown());
                    return Err(self.given_up(&task, ErrorKind::Unavailable, message));
                }
                None => {
                    let status: String = told.status.chars().take(40).collect();
                    let message = format!("`{}` has a status that is not known: `{status}`", task.route.shown());
                    return Err(self.given_up(&task, ErrorKind::MalformedReply, message));
                }
            }
        }
        let shown = task.route.shown();
        let late = failure::timed_out(Outcome::Unknown, "waiting for the task", &shown, task.sent.elapsed());
        Err(self.given_up(&task, ErrorKind::Timeout, late.message))
    }

    /// Asks once.
    async fn ask(&self, task: &Submitted, pace: &mut Pace) -> Result<AsyncTask, VenueError> {
        let Submitted { route, ends, .. } = task;
        let unknown = VenueError::unknown;
        let headers = || self.question(route, "GetAsyncTask");
        let asked = self.transport.ask(route, *ends, MOST_TOLD_BYTES, headers).await;
        let told = asked.map_err(|why| unknown(ErrorKind::Unavailable, why))?;
        pace.told(told.wait());
        if told.status != 200 {
            let mut error = self.refused(route, told.status, &told.headers, &told.body);
            error.message.push_str(match error.kind {
                ErrorKind::NotFound => NO_TASK_MODE,
                ErrorKind::BadCredentials => ": it needs fc:GetAsyncTask too",
                _ => "",
            });
            return Err(error);
        }
        serde_json::from_slice(&told.body).map_err(|error| {
            unknown(
                ErrorKind::MalformedReply,
                format!("`{}` does not tell how a task is doing: {error}", route.shown()),
            )
        })
    }

    fn succeeded(&self, task: &Submitted, told: &AsyncTask, replies: AsyncReplies) -> Result<Reply, VenueError> {
        let shown = task.route.shown();
        let payload = match (replies, &told.return_payload) {
            (AsyncReplies::Empty, _) => "",
            (AsyncReplies::Payload, Some(payload)) => payload,
            (AsyncReplies::Payload, None) => {
                let Measured { usage, basis } = self.measure_task(task, told, 0);
                let message = format!("`{shown}` ran well and its reply is not told: {NO_REPLY}");
                return Err(VenueError::ran(ErrorKind::MalformedReply, message, usage, basis));
            }
        };
        let Measured { usage, basis } = self.measure_task(task, told, payload.len());
        let max = self.config.max_reply_bytes;
        if payload.len() > max {
            let message = format!("`{shown}` sent more than the {max} bytes allowed: raise `max_reply_bytes`");
            return Err(VenueError::ran(ErrorKind::ReplyTooLarge, message, usage, basis));
        }
        Ok(reply_of(payload, Measured { usage, basis }))
    }

    fn failed(&self, task: &Submitted, told: &AsyncTask) -> Reply {
        let payload = told.return_payload.as_deref().unwrap_or_default();
        let named = told.task_error_message.as_deref().filter(|named| !named.is_empty()).unwrap_or("Failed");
        let measured = self.measure_task(task, told, payload.len());
        Reply { function_error: Some(reply::function_error(named, payload.as_bytes())), ..reply_of(payload, measured) }
    }

    /// The end of the asking before the task's.
    fn given_up(&self, task: &Submitted, kind: ErrorKind, message: String) -> VenueError {
        if !task.begun {
            return VenueError::unknown(kind, message);
        }
        let Measured { usage, basis } = Measured::own(Micros::from_std(task.sent.elapsed()), 0);
        VenueError::ran(kind, message, usage, basis)
    }

    /// What a task used: what is told of its one run, else the own clock, which has queueing in it.
    fn measure_task(&self, task: &Submitted, told: &AsyncTask, reply_bytes: usize) -> Measured {
        let elapsed = Micros::from_std(task.sent.elapsed());
        let own = |basis| Measured::by_clock(elapsed, reply_bytes, basis);
        let ran_once = told.already_retried_times.unwrap_or(0) == 0;
        let duration = told.duration_ms.filter(|_| ran_once && self.config.meters == Meters::Reported);
        let Some(duration) = duration.map(Micros::from_millis) else { return own(MeterBasis::OwnClock) };
        let longest =
            if task.older { Micros::from_secs(fc::MOST_DURATION_S) } else { Measured::longest_credible(elapsed) };
        if duration > longest {
            tracing::warn!(?duration, ?elapsed, "refused a task's duration: impossible");
            return own(MeterBasis::Refused);
        }
        let usage = Usage { duration, egress_bytes: reply_bytes as u64, ..Usage::default() };
        Measured { usage, basis: MeterBasis::Reported }
    }
}

/// Whether asking again would be answered the same.
const fn is_final(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::BadCredentials | ErrorKind::Misconfigured | ErrorKind::MalformedReply)
}

/// 409 has two reasons; the other one passes.
fn is_concurrent_update(said: &[u8]) -> bool {
    ErrorBody::read(said).is_some_and(|read| ErrorCode::named(&read.code) == Some(ErrorCode::ConcurrentUpdateError))
}

fn reply_of(payload: &str, measured: Measured) -> Reply {
    Reply::plain(200, None, payload.to_owned().into(), measured)
}
