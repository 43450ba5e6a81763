//! The conformance cards of calls by the queue of OpenFaaS. All of them apply: where a card's server answers with the
//! function's reply, the queue worker brings it; where it does not let a call begin, or is broken, it is the gateway that
//! does so when the call is submitted. Card 11 ends the connection within the gateway's answer: a reply that is brought is a
//! request of its own, which is whole or is none.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue};
use merit_pricing::Usage;
use merit_venue::Meters;
use merit_venue::conformance::calls::target;
use merit_venue::conformance::{Behaviour, Fixture, Reached, Reaching, Running, SECRET};
use merit_venue_http::{Callback, CallbackDoor, Callbacks, HttpConfig, OpenFaas, Preset};

use crate::server::{Answer, Received, TestServer, reply, venue_at};

const DOOR: &str = "http://merit.example.com/v1/callbacks/";

struct Queue;

impl Fixture for Queue {
    fn start(&self, behaviour: Behaviour) -> BoxFuture<'_, Running> {
        start(behaviour).boxed()
    }

    fn tells_meters(&self) -> bool {
        true
    }

    /// The queue worker tells the duration only.
    fn told_of(&self, usage: Usage) -> Usage {
        Usage { duration: usage.duration, ..Usage::default() }
    }
}

impl Reaching for Queue {
    fn reach<'f>(&'f self, url: &'f str, retry: Duration) -> BoxFuture<'f, Reached> {
        async move {
            let venue = venue_at(url, |config| {
                by_queue(config, &Callbacks::new(10));
                config.credentials_retry = retry;
                config.connect_timeout = Duration::from_secs(10);
            });
            Reached { venue, target: target("async/card") }
        }
        .boxed()
    }
}

fn by_queue(config: &mut HttpConfig, callbacks: &Arc<Callbacks>) {
    config.preset = Some(Preset::OpenFaas(OpenFaas::default()));
    config.callbacks = Some(CallbackDoor { url: DOOR.to_owned(), callbacks: Arc::clone(callbacks) });
}

async fn start(behaviour: Behaviour) -> Running {
    let max_body = if let Behaviour::TakesAtMost(max) = behaviour { max } else { usize::MAX };
    let (played, callbacks) = (behaviour.clone(), Callbacks::new(10));
    // A process's first random bytes take longer than the deadlines of some cards.
    drop(callbacks.expect(0));
    let door = Arc::clone(&callbacks);
    let server = TestServer::start_with(max_body, move |request| submit(&played, request, &door)).await;
    let venue = server.venue(|config| {
        by_queue(config, &callbacks);
        config.meters = Meters::Reported;
        config.headers.push(("authorization".to_owned(), format!("Bearer {SECRET}")));
        match behaviour {
            Behaviour::SendsMoreThan(max) => config.max_reply_bytes = max,
            Behaviour::NotAccepting => config.max_connections = 1,
            _ => {}
        }
    });
    server.0.running(venue, target("async/card"), &behaviour).await
}

/// What the gateway answers; what it takes is run at once.
fn submit(behaviour: &Behaviour, request: &Received, door: &Arc<Callbacks>) -> Answer {
    assert!(request.request_line().starts_with("POST /async-function/card "), "{}", request.head);
    let cut = || Answer::Last(b"HTTP/1.1 202 Accepted\r\nx-call-".to_vec());
    match behaviour {
        Behaviour::Throttle { retry_after } => {
            return Answer::Send(reply(429, &[("retry-after", &retry_after.as_secs().to_string())], "busy"));
        }
        Behaviour::NotAccepting => return Answer::Silence,
        Behaviour::RefusesCredentials => return Answer::Send(reply(401, &[], "no")),
        Behaviour::Garbage => return Answer::Last(b"\x00\x01<html>what?</html>\r\n\r\n".to_vec()),
        Behaviour::ErrorPage => {
            return Answer::Send(reply(502, &[("content-type", "text/html")], "<html><h1>Bad Gateway</h1></html>"));
        }
        Behaviour::CutMidReply => return cut(),
        Behaviour::CutOnce if request.call == 0 => return cut(),
        // It is taken, and its reply never brought.
        Behaviour::Silent => {}
        _ => {
            let place = request.header("x-callback-url").expect("a place");
            let token = place.strip_prefix(DOOR).expect("the door").to_owned();
            let (door, (work, callback)) = (Arc::clone(door), run(behaviour, request));
            tokio::spawn(async move {
                tokio::time::sleep(work).await;
                assert!(door.bring(&token, callback), "it is waited for");
            });
        }
    }
    Answer::Send(reply(202, &[("x-call-id", request.header("x-call-id").unwrap_or_default())], ""))
}

/// How long the function takes, and what is brought then.
fn run(behaviour: &Behaviour, request: &Received) -> (Duration, Callback) {
    let whole = |status: &'static str, seconds: String, body: Bytes| {
        let mut headers = HeaderMap::new();
        let mut put =
            |name, value| headers.insert(HeaderName::from_static(name), HeaderValue::try_from(value).expect("text"));
        put("x-function-status", status.to_owned());
        put("x-duration-seconds", seconds);
        put("content-type", request.header("content-type").unwrap_or("application/octet-stream").to_owned());
        Callback::Whole { headers, body }
    };
    let soon = |status, body| (Duration::ZERO, whole(status, "0.000001".to_owned(), body));
    match behaviour {
        Behaviour::FunctionError { kind, message } => {
            soon("500", format!(r#"{{"errorType":"{kind}","errorMessage":"{message}"}}"#).into())
        }
        Behaviour::UnknownFunction => soon("404", Bytes::from_static(b"error finding function card")),
        // The door takes no more than is waited for.
        Behaviour::SendsMoreThan(_) => (Duration::ZERO, Callback::TooLarge),
        Behaviour::Metered(usage) => {
            let seconds = format!("{:.6}", usage.duration.to_std().as_secs_f64());
            (usage.duration.to_std() + usage.init.to_std(), whole("200", seconds, Bytes::from_static(b"metered")))
        }
        _ => soon("200", request.body.clone().into()),
    }
}

merit_venue::conformance_cards!(Queue);
merit_venue::conformance_cards!(Queue; card_15_no_such_name card_16_untrusted_certificate);
