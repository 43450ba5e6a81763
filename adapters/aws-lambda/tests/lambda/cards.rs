//! The conformance cards.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use merit_pricing::Usage;
use merit_venue::Meters;
use merit_venue::conformance::{Behaviour, Fixture, Reached, Reaching, Running, SECRET};

use crate::server::{Answer, Received, TestServer, head, keys, log, ok, refused, reply, target, venue_at};

struct Lambda {
    meters: Meters,
}

impl Fixture for Lambda {
    fn start(&self, behaviour: Behaviour) -> BoxFuture<'_, Running> {
        start(self.meters, behaviour).boxed()
    }

    fn tells_meters(&self) -> bool {
        self.meters == Meters::Reported
    }

    fn told_of(&self, usage: Usage) -> Usage {
        Usage { cpu: None, ..usage }
    }

    fn carries_media_types(&self) -> bool {
        false
    }
}

impl Reaching for Lambda {
    fn reach<'f>(&'f self, url: &'f str, retry: Duration) -> BoxFuture<'f, Reached> {
        async move {
            let venue = venue_at(url, |config| {
                config.reach.unreachable_retry = retry;
                config.reach.connect_timeout = Duration::from_secs(10);
            });
            Reached { venue: venue.await, target: target("card") }
        }
        .boxed()
    }
}

async fn start(meters: Meters, behaviour: Behaviour) -> Running {
    let max_body = if let Behaviour::TakesAtMost(max) = behaviour { max } else { usize::MAX };
    let played = behaviour.clone();
    let server = TestServer::start_with(max_body, move |request| play(&played, request)).await;
    let venue = venue_at(&server.url(), |config| {
        config.meters = meters;
        config.credentials = keys(SECRET);
        match behaviour {
            Behaviour::SendsMoreThan(max) => config.max_reply_bytes = max,
            Behaviour::NotAccepting => config.reach.max_connections = 1,
            _ => {}
        }
    })
    .await;
    server.running(venue, target("card:live"), &behaviour).await
}

fn play(behaviour: &Behaviour, request: &Received) -> Answer {
    match behaviour {
        Behaviour::Echo | Behaviour::TakesAtMost(_) => Answer::Send(ok(&[], &request.body)),
        Behaviour::FunctionError { kind, message } => {
            let body = format!(r#"{{"errorType":"{kind}","errorMessage":"{message}"}}"#);
            Answer::Send(ok(&[("x-amz-function-error", "Unhandled")], body))
        }
        Behaviour::Throttle { retry_after } => {
            let body = r#"{"Type":"User","message":"Rate Exceeded.","Reason":"CallerRateLimitExceeded"}"#;
            let wait = retry_after.as_secs().to_string();
            Answer::Send(refused(429, "TooManyRequestsException", &[("retry-after", &wait)], body))
        }
        Behaviour::NotAccepting | Behaviour::Silent => Answer::Silence,
        Behaviour::SendsMoreThan(max) => Answer::Send(ok(&[], vec![b'x'; max + 1])),
        Behaviour::RefusesCredentials => {
            let body = r#"{"message":"The security token included in the request is invalid."}"#;
            Answer::Send(refused(403, "UnrecognizedClientException", &[], body))
        }
        Behaviour::Garbage => Answer::Last(b"\x00\x01<html>what?</html>\r\n\r\n".to_vec()),
        Behaviour::ErrorPage => {
            Answer::Send(reply(502, &[("content-type", "text/html")], "<html><h1>Bad Gateway</h1></html>"))
        }
        Behaviour::CutMidReply => Answer::Last([head(200, &[], 100), vec![b'x'; 50]].concat()),
        Behaviour::CutOnce if request.call == 0 => Answer::Last([head(200, &[], 100), vec![b'x'; 50]].concat()),
        Behaviour::CutOnce => Answer::Send(ok(&[], &request.body)),
        Behaviour::Metered(usage) => {
            let work = usage.duration.to_std() + usage.init.to_std();
            let (duration, init) = (usage.duration.millis_ceil(), usage.init.millis_ceil());
            let memory = usage.memory_peak.map_or(1, |size| size.megabytes());
            let line = format!(
                "Duration: {duration}.00 ms\tBilled Duration: {} ms\tMemory Size: 128 MB\tMax Memory Used: {memory} MB\t\
                 Init Duration: {init}.00 ms",
                duration + init
            );
            Answer::After(work, ok(&[("x-amz-log-result", &log(&line))], "\"metered\""))
        }
        Behaviour::UnknownFunction => {
            let body = r#"{"Type":"User","Message":"Function not found: arn:aws:lambda:eu-west-1:1:function:card"}"#;
            Answer::Send(refused(404, "ResourceNotFoundException", &[], body))
        }
    }
}

merit_venue::conformance_cards!(Lambda { meters: Meters::Reported });

mod without_meters {
    use super::{Lambda, Meters};

    merit_venue::conformance_cards!(Lambda { meters: Meters::OwnClock }; card_12_billed_meters);
}

mod unreachable {
    use super::{Lambda, Meters};

    merit_venue::conformance_cards!(Lambda { meters: Meters::Reported }; card_15_no_such_name card_16_untrusted_certificate);
}
