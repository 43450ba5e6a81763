//! Shadow calls: some of a function's calls are repeated at another deployment, and the replies are compared.
//!
//! Only calls of idempotent functions by their payload alone (not requests of plain HTTP), whose reply was whole, and
//! only to deployments that the caller's terms allow: the payload goes nowhere it could not have gone. A shadow call
//! begins [`AFTERWARDS`] after its call was settled, on the broker's own threads, and nobody waits for it; when there are
//! too many at once, or the queue is full, it is left out and counted.
//!
//! A reply that differs counts against the deployment of the weaker standing (see [`Ground`]); between equals against
//! the one that was shadowed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use merit_market::Terms;
use merit_store::record::DivergenceRow;
use merit_units::{InvocationId, KeyId};
use merit_venue::Reply;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::compare::{Answer, Program, Verdict, compare};
use super::samples::answered;
use super::{OwnCall, Purpose};
use crate::Broker;
use crate::dispatch::Flight;
use crate::function::{Deployment, Function, View};

/// How long after its call was settled a shadow call begins: by then the reply has left.
const AFTERWARDS: Duration = Duration::from_millis(20);

/// How often it is seen that the broker drains.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Calls that may wait to be taken up: more than come in the time a thread may be busy.
const QUEUED: usize = 1024;

const WHOLE_PPM: u32 = 1_000_000;

/// What is to be compared.
pub(crate) struct Job {
    function: Arc<Function>,
    view: Arc<View>,
    /// The caller's, with what it has tried.
    terms: Terms,
    deployment: Arc<Deployment>,
    payload: Bytes,
    content_type: Option<HeaderValue>,
    given: Answer,
    invocation: InvocationId,
    key: KeyId,
}

/// Where calls hand over what is to be compared.
pub(crate) struct Queue {
    sender: mpsc::Sender<Job>,
    receiver: Mutex<Option<mpsc::Receiver<Job>>>,
}

impl Default for Queue {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(QUEUED);
        Self { sender, receiver: Mutex::new(Some(receiver)) }
    }
}

impl Queue {
    /// Calls that wait to be taken up.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.sender.max_capacity() - self.sender.capacity()
    }
}

/// What is to be compared with this reply, if it is one of those that are.
pub(crate) fn of(flight: &Flight, reply: &Reply) -> Option<Job> {
    let admitted = &flight.admitted;
    let function = &admitted.function;
    if !function.idempotent || admitted.kind != Purpose::Call || admitted.headers.http.is_some() {
        return None;
    }
    let share = function.equality.shadow_ppm.unwrap_or_else(|| flight.broker.settings.load().equivalence.shadow_ppm);
    if share == 0 || fastrand::u32(..WHOLE_PPM) >= share {
        return None;
    }
    let row = flight.attempts.last()?.row;
    Some(Job {
        function: Arc::clone(function),
        view: Arc::clone(&flight.view),
        terms: flight.terms,
        deployment: Arc::clone(flight.view.deployment(row)),
        payload: admitted.payload.clone(),
        content_type: admitted.headers.content_type.clone(),
        given: Answer::of(reply),
        invocation: admitted.id,
        key: admitted.key.id.clone(),
    })
}

impl Broker {
    /// Takes over what is to be compared; never waits.
    pub(crate) fn shadow(&self, job: Job) {
        if self.equivalence.shadows.sender.try_send(job).is_err() {
            self.metrics.equivalence.shadowed("left-out");
        }
    }
}

/// Makes shadow calls until the broker drains, and waits for those under way.
pub async fn run(broker: Arc<Broker>) {
    let receiver = broker.equivalence.shadows.receiver.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut jobs) = receiver else { return };
    let mut running = JoinSet::new();
    while !broker.is_draining() {
        tokio::select! {
            job = jobs.recv() => {
                let Some(job) = job else { break };
                while running.try_join_next().is_some() {}
                if running.len() >= broker.settings.load().equivalence.max_shadows {
                    broker.metrics.equivalence.shadowed("left-out");
                    continue;
                }
                let broker = Arc::clone(&broker);
                running.spawn(async move {
                    let call = async {
                        tokio::time::sleep(AFTERWARDS).await;
                        let result = one(&broker, job).await;
                        broker.metrics.equivalence.shadowed(result);
                    };
                    tokio::select! {
                        () = call => {}
                        // A call that is dropped is settled as an abandoned one.
                        () = broker.cut() => {}
                    }
                });
            }
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
    while running.join_next().await.is_some() {}
}

/// Repeats one call elsewhere, and compares. Returns what came of it in a word.
async fn one(broker: &Arc<Broker>, job: Job) -> &'static str {
    let Some(shadowed) = elsewhere(broker, &job) else { return "nowhere" };
    let call = OwnCall {
        purpose: Purpose::Shadow,
        function: Arc::clone(&job.function),
        deployment: shadowed.id.clone(),
        payload: job.payload.clone(),
        content_type: job.content_type.clone(),
        key: job.key.clone(),
        of: Some(job.invocation),
    };
    let (shadow, answer) = match call.run(broker).await {
        Ok((shadow, settled)) => match answered(settled) {
            Ok((answer, _)) => (shadow, answer),
            Err(_) => return "failed",
        },
        Err(refusal) => {
            tracing::debug!(function = %job.function.id, deployment = %shadowed.id, %refusal, "no shadow call");
            return "left-out";
        }
    };
    let program = Program::of(&broker.settings.load().equivalence);
    let function = &job.function;
    let pair = Pair::of(&job, &shadowed, &answer);
    match compare(function.equality.compare, program, function.id.as_str(), pair.right, pair.judged).await {
        Verdict::Equal => "equal",
        Verdict::Unknown(why) => {
            tracing::warn!(function = %function.id, deployment = %shadowed.id, why, "replies could not be compared");
            "unknown"
        }
        Verdict::Differs(difference) => {
            let row = pair.divergence(broker, &job, shadow, difference);
            if let Err(error) = broker.diverged(function, row).await {
                tracing::error!(function = %function.id, %error, "replies that differ could not be stored");
            }
            "differs"
        }
    }
}

/// Another deployment that could have taken the call, by chance.
fn elsewhere(broker: &Broker, job: &Job) -> Option<Arc<Deployment>> {
    let now = broker.clock.now();
    let others = job.view.book.verdicts(&job.terms, now).filter(|(_, verdict)| verdict.is_ok());
    let others = others.map(|(row, _)| job.view.deployment(row)).filter(|other| other.id != job.deployment.id);
    let others: Vec<_> = others.filter(|other| !other.equality.is_quarantined()).collect();
    fastrand::choice(others).map(Arc::clone)
}

/// Two replies: of the deployment that is believed, and of the one that is judged.
struct Pair<'a> {
    right: &'a Answer,
    believed: &'a Deployment,
    judged: &'a Answer,
    suspect: &'a Deployment,
}

impl<'a> Pair<'a> {
    fn of(job: &'a Job, shadowed: &'a Deployment, answer: &'a Answer) -> Self {
        let answering = &*job.deployment;
        if shadowed.equality.ground() <= answering.equality.ground() {
            Self { right: &job.given, believed: answering, judged: answer, suspect: shadowed }
        } else {
            Self { right: answer, believed: shadowed, judged: &job.given, suspect: answering }
        }
    }

    fn divergence(&self, broker: &Broker, job: &Job, shadow: InvocationId, difference: String) -> DivergenceRow {
        let max = broker.settings.load().equivalence.max_sample_bytes;
        let cut = |bytes: &[u8]| bytes[..bytes.len().min(max)].to_vec();
        let kept = |answer: &Answer| match &answer.error {
            Some(error) if answer.payload.is_empty() => format!("the function's error `{error}`").into_bytes(),
            _ => cut(&answer.payload),
        };
        DivergenceRow {
            function: job.function.id.clone(),
            deployment: self.suspect.id.clone(),
            number: 0,
            at: broker.clock.now(),
            invocation: job.invocation,
            shadow,
            other: self.believed.id.clone(),
            difference,
            payload: cut(&job.payload),
            given: kept(self.right),
            reply: kept(self.judged),
        }
    }
}
