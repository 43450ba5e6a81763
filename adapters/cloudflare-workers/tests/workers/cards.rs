//! The conformance cards.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use merit_venue::conformance::server::echo;
use merit_venue::conformance::{Behaviour, Fixture, Reached, Reaching, Running, SECRET};
use merit_venue_cloudflare_workers::Secret;

use crate::server::{Answer, Received, TestServer, head, reply, target, venue_at};

struct Workers;

impl Fixture for Workers {
    fn start(&self, behaviour: Behaviour) -> BoxFuture<'_, Running> {
        start(behaviour).boxed()
    }

    fn tells_meters(&self) -> bool {
        false
    }
}

impl Reaching for Workers {
    fn reach<'f>(&'f self, url: &'f str, retry: Duration) -> BoxFuture<'f, Reached> {
        async move {
            let venue = venue_at(url, |config| {
                config.reach.unreachable_retry = retry;
                config.reach.connect_timeout = Duration::from_secs(10);
            });
            Reached { venue, target: target("card") }
        }
        .boxed()
    }
}

async fn start(behaviour: Behaviour) -> Running {
    let max_body = if let Behaviour::TakesAtMost(max) = behaviour { max } else { usize::MAX };
    let played = behaviour.clone();
    let server = TestServer::start_with(max_body, move |request| play(&played, request)).await;
    let venue = venue_at(&server.url(), |config| {
        config.bearer_token = Some(Secret(SECRET.to_owned()));
        match behaviour {
            Behaviour::SendsMoreThan(max) => config.max_reply_bytes = max,
            Behaviour::NotAccepting => config.reach.max_connections = 1,
            _ => {}
        }
    });
    server.running(venue, target("card"), &behaviour).await
}

fn play(behaviour: &Behaviour, request: &Received) -> Answer {
    let half = || [head(200, &[], 100), vec![b'x'; 50]].concat();
    match behaviour {
        Behaviour::Echo | Behaviour::TakesAtMost(_) => echo(request),
        // A Worker has no name for its errors but the status.
        Behaviour::FunctionError { message, .. } => Answer::Send(reply(422, &[], message)),
        Behaviour::Throttle { retry_after } => {
            let wait = retry_after.as_secs().to_string();
            Answer::Send(reply(429, &[("retry-after", &wait)], "error code: 1015"))
        }
        Behaviour::NotAccepting | Behaviour::Silent => Answer::Silence,
        Behaviour::SendsMoreThan(max) => Answer::Send(reply(200, &[], vec![b'x'; max + 1])),
        Behaviour::RefusesCredentials => {
            Answer::Send(reply(403, &[("content-type", "text/html")], "<html>Forbidden</html>"))
        }
        Behaviour::Garbage => Answer::Last(b"\x00\x01<html>what?</html>\r\n\r\n".to_vec()),
        Behaviour::ErrorPage => {
            Answer::Send(reply(502, &[("content-type", "text/html")], "<html><h1>Bad Gateway</h1></html>"))
        }
        Behaviour::CutMidReply => Answer::Last(half()),
        Behaviour::CutOnce if request.call == 0 => Answer::Last(half()),
        Behaviour::CutOnce => echo(request),
        Behaviour::Metered(usage) => {
            Answer::After(usage.duration.saturating_add(usage.init).to_std(), reply(200, &[], "metered"))
        }
        Behaviour::UnknownFunction => Answer::Send(reply(404, &[], "There is nothing here yet")),
    }
}

merit_venue::conformance_cards!(Workers;
    card_01_success card_03_throttle card_04_timeout_before_start card_05_timeout_after_start card_06_oversize_payload
    card_07_oversize_reply card_08_bad_credentials card_09_malformed_reply card_10_error_page card_11_connection_cut
    card_12_billed_meters card_13_unknown_function card_14_after_a_failure
);

/// Card 2 with the name that a Worker can give an error: its status.
#[tokio::test]
async fn card_02_function_error() {
    let running = start(Behaviour::FunctionError { kind: "Http422", message: "not a picture" }).await;
    let reply = running.venue.invoke(running.call("x")).await.expect("it ran");
    let error = reply.function_error.expect("the function's error");
    assert_eq!((error.kind.as_str(), error.message.as_str()), ("Http422", "not a picture"));
    assert!(reply.usage.duration.get() > 0, "it is billed");
}

mod unreachable {
    use super::Workers;

    merit_venue::conformance_cards!(Workers; card_15_no_such_name card_16_untrusted_certificate);
}
