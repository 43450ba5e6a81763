//! The conformance cards.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use merit_venue::conformance::{Behaviour, Fixture, Running, SECRET};
use merit_venue::{Meters, Target, meter_header};
use merit_venue_http::HttpConfig;

use crate::server::{Answer, Received, TestServer, echo, head, reply};

struct Http {
    meters: Meters,
}

impl Fixture for Http {
    fn start(&self, behaviour: Behaviour) -> BoxFuture<'_, Running> {
        start(self.meters, behaviour).boxed()
    }

    fn tells_meters(&self) -> bool {
        self.meters == Meters::Reported
    }
}

async fn start(meters: Meters, behaviour: Behaviour) -> Running {
    let max_body = if let Behaviour::TakesAtMost(max) = behaviour { max } else { usize::MAX };
    let played = behaviour.clone();
    let server = TestServer::start_with(max_body, move |request| play(&played, request)).await;
    let venue = server.venue(|config: &mut HttpConfig| {
        config.meters = meters;
        config.headers.push(("authorization".to_owned(), format!("Bearer {SECRET}")));
        match behaviour {
            Behaviour::SendsMoreThan(max) => config.max_reply_bytes = max,
            Behaviour::NotAccepting => config.max_connections = 1,
            _ => {}
        }
    });
    server.0.running(venue, target(), &behaviour).await
}

fn target() -> Arc<Target> {
    Arc::new(Target::try_new("/functions/card").expect("a target"))
}

fn play(behaviour: &Behaviour, request: &Received) -> Answer {
    match behaviour {
        Behaviour::Echo | Behaviour::TakesAtMost(_) => echo(request),
        Behaviour::FunctionError { kind, message } => {
            let body = format!(r#"{{"errorType":"{kind}","errorMessage":"{message}"}}"#);
            Answer::Send(reply(500, &[(meter_header::FUNCTION_ERROR, kind)], body))
        }
        Behaviour::Throttle { retry_after } => {
            Answer::Send(reply(429, &[("retry-after", &retry_after.as_secs().to_string())], "busy"))
        }
        Behaviour::NotAccepting | Behaviour::Silent => Answer::Silence,
        Behaviour::SendsMoreThan(max) => Answer::Send(reply(200, &[], vec![b'x'; max + 1])),
        Behaviour::RefusesCredentials => Answer::Send(reply(401, &[("www-authenticate", "Bearer")], "no")),
        Behaviour::Garbage => Answer::Last(b"\x00\x01<html>what?</html>\r\n\r\n".to_vec()),
        Behaviour::ErrorPage => {
            Answer::Send(reply(502, &[("content-type", "text/html")], "<html><h1>Bad Gateway</h1></html>"))
        }
        Behaviour::CutMidReply => Answer::Last([head(200, &[], 100), vec![b'x'; 50]].concat()),
        Behaviour::CutOnce if request.call == 0 => Answer::Last([head(200, &[], 100), vec![b'x'; 50]].concat()),
        Behaviour::CutOnce => echo(request),
        Behaviour::Metered(usage) => {
            let work = usage.duration.to_std() + usage.init.to_std();
            let memory = usage.memory_peak.map_or(1, |size| size.megabytes()).to_string();
            let headers = [
                (meter_header::DURATION_US, usage.duration.get().to_string()),
                (meter_header::INIT_US, usage.init.get().to_string()),
                (meter_header::CPU_US, usage.cpu.get().to_string()),
                (meter_header::MEMORY_MB, memory),
            ];
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            Answer::After(work, reply(200, &headers, "metered"))
        }
        Behaviour::UnknownFunction => Answer::Send(reply(404, &[], "no such function")),
    }
}

merit_venue::conformance_cards!(Http { meters: Meters::Reported });

mod without_meters {
    use super::{Http, Meters};

    merit_venue::conformance_cards!(Http { meters: Meters::OwnClock }; card_12_billed_meters);
}
