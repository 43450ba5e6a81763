//! The conformance cards.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use merit_venue::conformance::{Behaviour, Fixture, Reached, Reaching, Running, SECRET};

use crate::server::{Answer, Received, TestServer, echo, head, reply, target, venue_at};

struct Azure;

impl Fixture for Azure {
    fn start(&self, behaviour: Behaviour) -> BoxFuture<'_, Running> {
        start(behaviour).boxed()
    }

    fn tells_meters(&self) -> bool {
        false
    }
}

impl Reaching for Azure {
    fn reach<'f>(&'f self, url: &'f str, retry: Duration) -> BoxFuture<'f, Reached> {
        async move {
            let venue = venue_at(url, |config| {
                config.credentials_retry = retry;
                config.connect_timeout = Duration::from_secs(10);
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
        config.function_key = Some(SECRET.to_owned());
        match behaviour {
            Behaviour::SendsMoreThan(max) => config.max_reply_bytes = max,
            Behaviour::NotAccepting => config.max_connections = 1,
            _ => {}
        }
    });
    server.running(venue, target("card"), &behaviour).await
}

fn play(behaviour: &Behaviour, request: &Received) -> Answer {
    match behaviour {
        Behaviour::Echo | Behaviour::TakesAtMost(_) => echo(request),
        Behaviour::FunctionError { kind, message } => {
            let body = format!(r#"{{"errorType":"{kind}","errorMessage":"{message}"}}"#);
            Answer::Send(reply(500, &[("content-type", "application/json")], body))
        }
        Behaviour::Throttle { retry_after } => {
            Answer::Send(reply(429, &[("retry-after", &retry_after.as_secs().to_string())], ""))
        }
        Behaviour::NotAccepting | Behaviour::Silent => Answer::Silence,
        Behaviour::SendsMoreThan(max) => Answer::Send(reply(200, &[], vec![b'x'; max + 1])),
        Behaviour::RefusesCredentials => Answer::Send(reply(401, &[], "")),
        Behaviour::Garbage => Answer::Last(b"\x00\x01<html>what?</html>\r\n\r\n".to_vec()),
        Behaviour::ErrorPage => {
            Answer::Send(reply(502, &[("content-type", "text/html")], "<html><h1>Bad Gateway</h1></html>"))
        }
        Behaviour::CutMidReply => Answer::Last([head(200, &[], 100), vec![b'x'; 50]].concat()),
        Behaviour::CutOnce if request.call == 0 => Answer::Last([head(200, &[], 100), vec![b'x'; 50]].concat()),
        Behaviour::CutOnce => echo(request),
        Behaviour::Metered(usage) => {
            Answer::After(usage.duration.to_std() + usage.init.to_std(), reply(200, &[], "metered"))
        }
        Behaviour::UnknownFunction => Answer::Send(reply(404, &[], "")),
    }
}

merit_venue::conformance_cards!(Azure);

mod unreachable {
    use super::Azure;

    merit_venue::conformance_cards!(Azure; card_15_no_such_name card_16_untrusted_certificate);
}
