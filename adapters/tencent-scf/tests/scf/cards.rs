//! The conformance cards, with events of both shapes as far as they can carry what the cards send.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use merit_cloud_wire::scf::{CallResult, GatewayEvent, GatewayReply, InvokeFunction};
use merit_pricing::Usage;
use merit_units::Micros;
use merit_venue::Meters;
use merit_venue::conformance::{Behaviour, Fixture, Reached, Reaching, Running, SECRET};
use merit_venue_tencent_scf::Events;

use crate::server::{Answer, Received, TestServer, ended, head, keys, refused, reply, result, target, venue_at};

struct Scf {
    meters: Meters,
}

impl Fixture for Scf {
    fn start(&self, behaviour: Behaviour) -> BoxFuture<'_, Running> {
        start(self.meters, behaviour).boxed()
    }

    fn tells_meters(&self) -> bool {
        self.meters == Meters::Reported
    }

    /// Initialisation is not billed, CPU time nowhere told.
    fn told_of(&self, usage: Usage) -> Usage {
        Usage { init: Micros::ZERO, cpu: None, ..usage }
    }
}

impl Reaching for Scf {
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

async fn start(meters: Meters, behaviour: Behaviour) -> Running {
    let played = behaviour.clone();
    // An event of 1,000 bytes is larger by base64 and what is around it; the next card's is far larger.
    let max_body = if let Behaviour::TakesAtMost(_) = behaviour { 100_000 } else { usize::MAX };
    let server = TestServer::start_with(max_body, move |request| play(&played, request)).await;
    let venue = venue_at(&server.url(), |config| {
        config.meters = meters;
        config.keys = keys(SECRET);
        config.events = Events::Gateway;
        match behaviour {
            Behaviour::SendsMoreThan(max) => config.max_reply_bytes = max,
            Behaviour::TakesAtMost(max) => config.max_request_bytes = max,
            Behaviour::NotAccepting => config.reach.max_connections = 1,
            _ => {}
        }
    });
    server.running(venue, target("prod/card:live"), &behaviour).await
}

fn play(behaviour: &Behaviour, request: &Received) -> Answer {
    let half = || [head(200, &[], 100), vec![b'x'; 50]].concat();
    match behaviour {
        Behaviour::Echo | Behaviour::TakesAtMost(_) => Answer::Send(echo(request)),
        Behaviour::FunctionError { kind, message } => {
            let err_msg =
                serde_json::json!({ "errorType": kind, "errorMessage": message, "statusCode": 430 }).to_string();
            let bill_duration = 1;
            Answer::Send(result(CallResult {
                err_msg,
                invoke_result: 1,
                bill_duration,
                mem_usage: 1,
                ..CallResult::default()
            }))
        }
        Behaviour::Throttle { retry_after } => {
            let wait = retry_after.as_secs().to_string();
            Answer::Send(reply(429, &[("retry-after", &wait)], "too many requests"))
        }
        Behaviour::NotAccepting | Behaviour::Silent => Answer::Silence,
        Behaviour::SendsMoreThan(max) => Answer::Send(gateway(&vec![b'x'; max + 1], None, CallResult::default())),
        Behaviour::RefusesCredentials => Answer::Send(refused("AuthFailure.SignatureFailure")),
        Behaviour::Garbage => Answer::Last(b"\x00\x01<html>what?</html>\r\n\r\n".to_vec()),
        Behaviour::ErrorPage => {
            Answer::Send(reply(502, &[("content-type", "text/html")], "<html><h1>Bad Gateway</h1></html>"))
        }
        Behaviour::CutMidReply => Answer::Last(half()),
        Behaviour::CutOnce if request.call == 0 => Answer::Last(half()),
        Behaviour::CutOnce => Answer::Send(echo(request)),
        Behaviour::Metered(usage) => {
            let took = usage.duration.saturating_add(usage.init);
            let mem_usage = usage.memory_peak.map_or(0, |size| u64::from(size.megabytes()) << 20) - 5;
            let bill_duration = usage.duration.millis_ceil();
            let told = CallResult { bill_duration, mem_usage, ..CallResult::default() };
            Answer::After(took.to_std(), gateway(b"metered", None, told))
        }
        Behaviour::UnknownFunction => Answer::Send(ended(435, "no such function")),
    }
}

fn gateway(body: &[u8], content_type: Option<&str>, told: CallResult) -> Vec<u8> {
    let ret_msg = serde_json::to_string(&GatewayReply::of(200, body, content_type)).expect("JSON");
    result(CallResult { ret_msg, ..told })
}

fn echo(request: &Received) -> Vec<u8> {
    let call: InvokeFunction<'_> = serde_json::from_slice(&request.body).expect("a call");
    let event: GatewayEvent = serde_json::from_str(&call.event.expect("an event")).expect("a gateway's event");
    gateway(&event.body().expect("base64"), event.content_type(), CallResult::default())
}

merit_venue::conformance_cards!(Scf { meters: Meters::Reported });

mod without_meters {
    use super::{Meters, Scf};

    merit_venue::conformance_cards!(Scf { meters: Meters::OwnClock }; card_12_billed_meters);
}

mod unreachable {
    use super::{Meters, Scf};

    merit_venue::conformance_cards!(Scf { meters: Meters::Reported }; card_15_no_such_name card_16_untrusted_certificate);
}
