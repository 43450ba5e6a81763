//! The conformance cards.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use merit_pricing::Usage;
use merit_venue::conformance::calls::target;
use merit_venue::conformance::{Behaviour, Fixture, Reached, Reaching, Running, SECRET};
use merit_venue::{Meters, Target, meter_header};
use merit_venue_http::{HttpConfig, Knative, OpenFaas, Preset};

use crate::server::{Answer, Received, TestServer, echo, head, reply, venue_at};

/// What stands before the functions.
#[derive(Clone, Copy, PartialEq)]
enum Platform {
    Plain,
    OpenFaas,
    Knative,
}

struct Http {
    meters: Meters,
    platform: Platform,
}

const PLAIN: Http = Http { meters: Meters::Reported, platform: Platform::Plain };

impl Fixture for Http {
    fn start(&self, behaviour: Behaviour) -> BoxFuture<'_, Running> {
        start(self.meters, self.platform, behaviour).boxed()
    }

    fn tells_meters(&self) -> bool {
        self.meters == Meters::Reported
    }

    /// OpenFaaS tells the duration only.
    fn told_of(&self, usage: Usage) -> Usage {
        let only = Usage { duration: usage.duration, ..Usage::default() };
        if self.platform == Platform::OpenFaas { only } else { usage }
    }
}

impl Reaching for Http {
    fn reach<'f>(&'f self, url: &'f str, retry: Duration) -> BoxFuture<'f, Reached> {
        async move {
            let venue = venue_at(url, |config| {
                config.preset = self.platform.preset();
                config.credentials_retry = retry;
                config.connect_timeout = Duration::from_secs(10);
            });
            Reached { venue, target: self.platform.target() }
        }
        .boxed()
    }
}

impl Platform {
    fn preset(self) -> Option<Preset> {
        let (namespace, domain) = ("images".to_owned(), "example.com".to_owned());
        match self {
            Self::Plain => None,
            Self::OpenFaas => Some(Preset::OpenFaas(OpenFaas::default())),
            Self::Knative => Some(Preset::Knative(Knative { namespace, domain, events: None, api: None })),
        }
    }

    fn target(self) -> Arc<Target> {
        target(if self == Self::Plain { "/functions/card" } else { "card" })
    }

    /// Whether a call is asked for where its function is.
    fn is_at_the_function(self, request: &Received) -> bool {
        match self {
            Self::Plain => request.request_line().starts_with("POST /functions/card "),
            Self::OpenFaas => request.request_line().starts_with("POST /function/card "),
            Self::Knative => request.header("host") == Some("card.images.example.com"),
        }
    }
}

async fn start(meters: Meters, platform: Platform, behaviour: Behaviour) -> Running {
    let max_body = if let Behaviour::TakesAtMost(max) = behaviour { max } else { usize::MAX };
    let played = behaviour.clone();
    let server = TestServer::start_with(max_body, move |request| {
        assert!(platform.is_at_the_function(request), "{}", request.head);
        play(&played, platform, request)
    })
    .await;
    let venue = server.venue(|config: &mut HttpConfig| {
        config.meters = meters;
        config.preset = platform.preset();
        config.headers.push(("authorization".to_owned(), format!("Bearer {SECRET}")));
        match behaviour {
            Behaviour::SendsMoreThan(max) => config.max_reply_bytes = max,
            Behaviour::NotAccepting => config.max_connections = 1,
            _ => {}
        }
    });
    server.0.running(venue, platform.target(), &behaviour).await
}

fn play(behaviour: &Behaviour, platform: Platform, request: &Received) -> Answer {
    match behaviour {
        Behaviour::Echo | Behaviour::TakesAtMost(_) => echoed(platform, request),
        Behaviour::FunctionError { kind, message } => {
            let body = format!(r#"{{"errorType":"{kind}","errorMessage":"{message}"}}"#);
            let header = match platform {
                Platform::Plain => (meter_header::FUNCTION_ERROR, *kind),
                Platform::OpenFaas => ("x-duration-seconds", "0.001"),
                Platform::Knative => ("server", "envoy"),
            };
            Answer::Send(reply(500, &[header], body))
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
        Behaviour::CutOnce => echoed(platform, request),
        Behaviour::Metered(usage) => {
            let work = usage.duration.to_std() + usage.init.to_std();
            let told = metered(usage, platform);
            let told: Vec<(&str, &str)> = told.iter().map(|(name, value)| (*name, value.as_str())).collect();
            Answer::After(work, reply(200, &told, "metered"))
        }
        Behaviour::UnknownFunction => {
            Answer::Send(reply(404, &[], "error finding function card: server returned non-200 status code (404)"))
        }
    }
}

/// OpenFaaS's gateway says of every answer that it passes on when it began.
fn echoed(platform: Platform, request: &Received) -> Answer {
    let Platform::OpenFaas = platform else { return echo(request) };
    let content_type = request.header("content-type").unwrap_or("text/plain");
    Answer::Send(reply(200, &[("x-start-time", "1763800000000000000"), ("content-type", content_type)], &request.body))
}

/// What a reply tells of its call.
fn metered(usage: &Usage, platform: Platform) -> Vec<(&'static str, String)> {
    let memory = usage.memory_peak.map_or(1, |size| size.megabytes()).to_string();
    match platform {
        Platform::Plain => vec![
            (meter_header::DURATION_US, usage.duration.get().to_string()),
            (meter_header::INIT_US, usage.init.get().to_string()),
            (meter_header::CPU_US, usage.cpu.expect("it is measured").get().to_string()),
            (meter_header::MEMORY_MB, memory),
        ],
        Platform::OpenFaas => vec![("x-duration-seconds", format!("{:.6}", usage.duration.to_std().as_secs_f64()))],
        Platform::Knative => Vec::new(),
    }
}

merit_venue::conformance_cards!(PLAIN);

mod without_meters {
    use super::{Http, Meters, Platform};

    merit_venue::conformance_cards!(Http { meters: Meters::OwnClock, platform: Platform::Plain }; card_12_billed_meters);
}

mod unreachable {
    use super::PLAIN;

    merit_venue::conformance_cards!(PLAIN; card_15_no_such_name card_16_untrusted_certificate);
}

mod openfaas {
    use super::{Http, Meters, Platform};

    const OPENFAAS: Http = Http { meters: Meters::Reported, platform: Platform::OpenFaas };

    merit_venue::conformance_cards!(OPENFAAS);
    merit_venue::conformance_cards!(OPENFAAS; card_15_no_such_name card_16_untrusted_certificate);
}

mod knative {
    use super::{Http, Meters, Platform};

    /// Knative tells no meters.
    const KNATIVE: Http = Http { meters: Meters::OwnClock, platform: Platform::Knative };

    merit_venue::conformance_cards!(KNATIVE);
    merit_venue::conformance_cards!(KNATIVE; card_15_no_such_name card_16_untrusted_certificate);
}
