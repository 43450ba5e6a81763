//! Extensions: other processes, or threads, of an instance that are told of calls and of its end.
//!
//! As far as register, next, errors and shutdown; there is no telemetry.

use std::collections::VecDeque;

use serde_json::{Value, json};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::desk::Work;

/// AWS Lambda's limit.
const EXTENSIONS_MAX: usize = 10;
/// Events kept for an extension that is slower than its function; older ones are dropped.
const QUEUED_MAX: usize = 16;

/// The extensions of an instance.
#[derive(Debug, Default)]
pub(super) struct Extensions(Vec<Extension>);

#[derive(Debug)]
struct Extension {
    id: String,
    invoke: bool,
    shutdown: bool,
    asked: bool,
    poller: Option<oneshot::Sender<Value>>,
    queued: VecDeque<Value>,
}

impl Extension {
    fn tell(&mut self, event: Value) {
        let unheard = match self.poller.take() {
            Some(poller) => poller.send(event).err(),
            None => Some(event),
        };
        self.queued.extend(unheard);
        if self.queued.len() > QUEUED_MAX {
            self.queued.pop_front();
        }
    }
}

impl Extensions {
    /// Registers one for these events; its identifier, or why not.
    pub(super) fn register(&mut self, events: &[String]) -> Result<String, &'static str> {
        if self.0.len() == EXTENSIONS_MAX {
            return Err("an instance has at most 10 extensions");
        }
        if events.iter().any(|event| event != "INVOKE" && event != "SHUTDOWN") {
            return Err("there are events INVOKE and SHUTDOWN");
        }
        let id = uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid();
        let id = Uuid::to_string(&id);
        self.0.push(Extension {
            id: id.clone(),
            invoke: events.iter().any(|event| event == "INVOKE"),
            shutdown: events.iter().any(|event| event == "SHUTDOWN"),
            asked: false,
            poller: None,
            queued: VecDeque::new(),
        });
        Ok(id)
    }

    /// One asks for its next event; `None` when there is no such extension.
    pub(super) fn ask(&mut self, id: &str) -> Option<oneshot::Receiver<Value>> {
        let extension = self.0.iter_mut().find(|extension| extension.id == id)?;
        extension.asked = true;
        let (poller, event) = oneshot::channel();
        extension.poller = Some(poller);
        if let Some(queued) = extension.queued.pop_front() {
            extension.tell(queued);
        }
        Some(event)
    }

    /// Whether there is one of that identifier.
    pub(super) fn has(&self, id: &str) -> bool {
        self.0.iter().any(|extension| extension.id == id)
    }

    /// Whether all have asked for their first event.
    pub(super) fn all_asked(&self) -> bool {
        self.0.iter().all(|extension| extension.asked)
    }

    /// The event of a call; `None` when nobody wants it.
    pub(super) fn invoke(&self, work: &Work, function: &str) -> Option<Value> {
        self.0.iter().any(|extension| extension.invoke).then(|| {
            json!({
                "eventType": "INVOKE",
                "deadlineMs": work.deadline_ms,
                "requestId": work.id,
                "invokedFunctionArn": super::server::arn(function),
                "tracing": { "type": "X-Amzn-Trace-Id", "value": work.trace_id.clone().unwrap_or_default() },
            })
        })
    }

    /// Tells those who want to know of calls.
    pub(super) fn tell(&mut self, event: Option<Value>) {
        let Some(event) = event else { return };
        for extension in self.0.iter_mut().filter(|extension| extension.invoke) {
            extension.tell(event.clone());
        }
    }

    /// Tells those who want to know of the end; whether there are any.
    pub(super) fn shut_down(&mut self, deadline_ms: u64) -> bool {
        let event = json!({ "eventType": "SHUTDOWN", "shutdownReason": "spindown", "deadlineMs": deadline_ms });
        let mut any = false;
        for extension in self.0.iter_mut().filter(|extension| extension.shutdown) {
            extension.tell(event.clone());
            any = true;
        }
        any
    }
}
