//! The conformance cards.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use merit_pricing::Usage;
use merit_units::Micros;
use merit_venue::Meters;
use merit_venue::conformance::{Behaviour, Fixture, Reached, Reaching, Running, SECRET};

use crate::server::{Answer, Received, TestServer, head, keys, ok, refused, reply, target, venue_at};

struct Fc {
    meters: Meters,
    trigger: bool,
}

impl Fixture for Fc {
    fn start(&self, behaviour: Behaviour) -> BoxFuture<'_, Running> {
        start(self.meters, self.trigger, behaviour).boxed()
    }

    fn tells_meters(&self) -> bool {
        self.meters == Meters::Reported
    }

    /// Initialisation is in the duration, CPU time nowhere.
    fn told_of(&self, usage: Usage) -> Usage {
        let duration = usage.duration.saturating_add(usage.init);
        Usage { duration, init: Micros::ZERO, cpu: None, ..usage }
    }

    fn carries_media_types(&self) -> bool {
        self.trigger
    }
}

impl Reaching for Fc {
    fn reach<'f>(&'f self, url: &'f str, retry: Duration) -> BoxFuture<'f, Reached> {
        async move {
            let venue = venue_at(url, |config| {
                config.reach.unreachable_retry = retry;
                config.reach.connect_timeout = Duration::from_secs(10);
            });
            Reached { venue, target: target("card:live") }
        }
        .boxed()
    }
}

async fn start(meters: Meters, trigger: bool, behaviour: Behaviour) -> Running {
    let max_body = if let Behaviour::TakesAtMost(max) = behaviour { max } else { usize::MAX };
    let played = behaviour.clone();
    let server = TestServer::start_with(max_body, move |request| play(&played, request)).await;
    let venue = venue_at(&server.url(), |config| {
        config.meters = meters;
        config.keys = keys(SECRET);
        match behaviour {
            Behaviour::SendsMoreThan(max) => config.max_reply_bytes = max,
            Behaviour::NotAccepting => config.reach.max_connections = 1,
            _ => {}
        }
    });
    let target = if trigger { target(&format!("{}/card", server.url())) } else { target("card:live") };
    server.running(venue, target, &behaviour).await
}

fn play(behaviour: &Behaviour, request: &Received) -> Answer {
    let half = || [head(200, &[("x-fc-request-id", "1")], 100), vec![b'x'; 50]].concat();
    match behaviour {
        Behaviour::Echo | Behaviour::TakesAtMost(_) => Answer::Send(echo(request)),
        Behaviour::FunctionError { kind, message } => {
            let body = format!(r#"{{"errorType":"{kind}","errorMessage":"{message}","stackTrace":[]}}"#);
            Answer::Send(ok(&[("x-fc-error-type", "UnhandledInvocationError")], body))
        }
        Behaviour::Throttle { retry_after } => {
            let wait = retry_after.as_secs().to_string();
            Answer::Send(refused(429, "ResourceExhausted", &[("retry-after", &wait)]))
        }
        Behaviour::NotAccepting | Behaviour::Silent => Answer::Silence,
        Behaviour::SendsMoreThan(max) => Answer::Send(ok(&[], vec![b'x'; max + 1])),
        Behaviour::RefusesCredentials => {
            Answer::Send(refused(403, "SignatureNotMatch", &[("x-fc-error-type", "FcCommonError")]))
        }
        Behaviour::Garbage => Answer::Last(b"\x00\x01<html>what?</html>\r\n\r\n".to_vec()),
        Behaviour::ErrorPage => {
            Answer::Send(reply(502, &[("content-type", "text/html")], "<html><h1>Bad Gateway</h1></html>"))
        }
        Behaviour::CutMidReply => Answer::Last(half()),
        Behaviour::CutOnce if request.call == 0 => Answer::Last(half()),
        Behaviour::CutOnce => Answer::Send(echo(request)),
        Behaviour::Metered(usage) => {
            let took = usage.duration.saturating_add(usage.init);
            let (millis, memory) =
                (took.millis_ceil().to_string(), usage.memory_peak.map_or(1, |size| size.megabytes()));
            let memory = format!("{}.25", memory - 1);
            let meters = [("x-fc-invocation-duration", millis.as_str()), ("x-fc-max-memory-usage", &memory)];
            Answer::After(took.to_std(), ok(&meters, "metered"))
        }
        Behaviour::UnknownFunction => {
            Answer::Send(refused(404, "FunctionNotFound", &[("x-fc-error-type", "FcCommonError")]))
        }
    }
}

/// The payload with its media type, which an API's caller sends as octets.
fn echo(request: &Received) -> Vec<u8> {
    let content_type = request.header("content-type").unwrap_or("application/octet-stream");
    reply(200, &[("content-type", content_type), ("x-fc-request-id", "1")], &request.body)
}

merit_venue::conformance_cards!(Fc { meters: Meters::Reported, trigger: false });

mod triggers {
    use super::{Fc, Meters};

    merit_venue::conformance_cards!(Fc { meters: Meters::Reported, trigger: true });
}

mod without_meters {
    use super::{Fc, Meters};

    merit_venue::conformance_cards!(Fc { meters: Meters::OwnClock, trigger: false }; card_12_billed_meters);
}

mod unreachable {
    use super::{Fc, Meters};

    merit_venue::conformance_cards!(Fc { meters: Meters::Reported, trigger: false }; card_15_no_such_name card_16_untrusted_certificate);
}
