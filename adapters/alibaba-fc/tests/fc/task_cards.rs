//! The conformance cards of functions that are called asynchronously, as far as they apply.
//!
//! Three do not. 1: replies of tasks are texts, and the card's payload is every byte there is. 11 and 14: a submission
//! whose answer was lost is made again, with an id by which it runs once, so that there is no failure to look at.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use merit_pricing::Usage;
use merit_venue::conformance::{Behaviour, Fixture, Reached, Reaching, Running, SECRET, Server};
use merit_venue_alibaba_fc::AsyncReplies;

use crate::server::{Answer, Received, TestServer, keys, refused, reply, target, venue_at};

struct Tasks;

/// Of what arrives at the server, only submissions are calls.
struct Submissions {
    arrived: Box<dyn Server>,
    questions: Arc<AtomicUsize>,
}

impl Server for Submissions {
    fn calls(&self) -> usize {
        self.arrived.calls() - self.questions.load(Ordering::SeqCst)
    }
}

impl Fixture for Tasks {
    fn start(&self, behaviour: Behaviour) -> BoxFuture<'_, Running> {
        start(behaviour).boxed()
    }

    fn tells_meters(&self) -> bool {
        true
    }

    /// The whole time, and nothing else.
    fn told_of(&self, usage: Usage) -> Usage {
        Usage { duration: usage.duration.saturating_add(usage.init), ..Usage::default() }
    }
}

impl Reaching for Tasks {
    fn reach<'f>(&'f self, url: &'f str, retry: Duration) -> BoxFuture<'f, Reached> {
        async move {
            let venue = venue_at(url, |config| {
                config.async_replies = Some(AsyncReplies::Payload);
                config.reach.unreachable_retry = retry;
                config.reach.connect_timeout = Duration::from_secs(10);
            });
            Reached { venue, target: target("async/card") }
        }
        .boxed()
    }
}

async fn start(behaviour: Behaviour) -> Running {
    let max_body = if let Behaviour::TakesAtMost(max) = behaviour { max } else { usize::MAX };
    let (played, submitted, questions) = (behaviour.clone(), Mutex::new(Vec::new()), Arc::new(AtomicUsize::new(0)));
    let asked = Arc::clone(&questions);
    let server = TestServer::start_with(max_body, move |request| {
        if request.request_line().starts_with("GET ") {
            asked.fetch_add(1, Ordering::SeqCst);
            return Answer::Send(told(&played, &submitted.lock().expect("nobody panicked")));
        }
        submitted.lock().expect("nobody panicked").clone_from(&request.body);
        submission(&played, request)
    })
    .await;
    let venue = venue_at(&server.url(), |config| {
        config.keys = keys(SECRET);
        config.async_replies = Some(AsyncReplies::Payload);
        match behaviour {
            Behaviour::SendsMoreThan(max) => config.max_reply_bytes = max,
            Behaviour::NotAccepting => config.reach.max_connections = 1,
            _ => {}
        }
    });
    let Running { venue, target, server } = server.running(venue, target("async/card"), &behaviour).await;
    Running { venue, target, server: Box::new(Submissions { arrived: server, questions }) }
}

/// What a submission is answered.
fn submission(behaviour: &Behaviour, request: &Received) -> Answer {
    assert_eq!(request.header("x-fc-invocation-type"), Some("Async"));
    match behaviour {
        Behaviour::Throttle { retry_after } => {
            let wait = retry_after.as_secs().to_string();
            Answer::Send(refused(429, "ResourceExhausted", &[("retry-after", &wait)]))
        }
        Behaviour::NotAccepting | Behaviour::Silent => Answer::Silence,
        Behaviour::RefusesCredentials => Answer::Send(refused(403, "SignatureNotMatch", &[])),
        Behaviour::Garbage => Answer::Last(b"\x00\x01<html>what?</html>\r\n\r\n".to_vec()),
        Behaviour::ErrorPage => {
            Answer::Send(reply(502, &[("content-type", "text/html")], "<html><h1>Bad Gateway</h1></html>"))
        }
        Behaviour::UnknownFunction => Answer::Send(refused(404, "FunctionNotFound", &[])),
        _ => Answer::Send(reply(202, &[("x-fc-request-id", "1-673f-abc")], "")),
    }
}

/// How the task has ended.
fn told(behaviour: &Behaviour, submitted: &[u8]) -> Vec<u8> {
    let (mut status, mut millis, mut payload) = ("Succeeded", 1, String::from_utf8_lossy(submitted).into_owned());
    match behaviour {
        Behaviour::FunctionError { kind, message } => {
            status = "Failed";
            payload = serde_json::json!({ "errorType": kind, "errorMessage": message }).to_string();
        }
        Behaviour::SendsMoreThan(max) => payload = "x".repeat(max + 1),
        Behaviour::Metered(usage) => millis = usage.duration.saturating_add(usage.init).millis_ceil(),
        _ => {}
    }
    let task = serde_json::json!({
        "status": status, "startedTime": 1, "durationMs": millis, "alreadyRetriedTimes": 0,
        "taskErrorMessage": "UnhandledInvocationError", "returnPayload": payload,
    });
    reply(200, &[("x-fc-request-id", "1"), ("content-type", "application/json")], task.to_string())
}

merit_venue::conformance_cards!(Tasks;
    card_02_function_error card_03_throttle card_04_timeout_before_start card_05_timeout_after_start
    card_06_oversize_payload card_07_oversize_reply card_08_bad_credentials card_09_malformed_reply card_10_error_page
    card_12_billed_meters card_13_unknown_function card_15_no_such_name card_16_untrusted_certificate
);
