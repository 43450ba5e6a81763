//! The cut of Azure's load balancer after 230 seconds, while the function runs on.

use std::time::Duration;

use merit_venue::{Call, ErrorKind, Outcome, Venue};
use tokio::time::{Instant, advance};

use crate::server::{Answer, TestServer, call, reply, venue_at};

const CUT: Duration = Duration::from_secs(230);

/// Time stands still but where the test lets it pass.
#[tokio::test(start_paused = true)]
async fn a_call_that_meets_the_cut_is_in_doubt_and_is_told_what_to_do() {
    // While a blocking task runs, tokio does not advance a paused clock by itself.
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let holder = tokio::task::spawn_blocking(move || held.recv());
    let page = reply(502, &[("content-type", "text/html")], "<html><h1>502 Bad Gateway</h1></html>");
    // The load balancer answers then; or nobody does, and Merit waits five seconds longer.
    for (answer, waits, kind) in [
        (Answer::After(CUT, page), CUT, ErrorKind::Unavailable),
        (Answer::Silence, CUT + Duration::from_secs(5), ErrorKind::Timeout),
    ] {
        let server = TestServer::start(move |_| answer.clone()).await;
        let venue = venue_at(&server.url(), |_| {});
        let call = Call { deadline: Instant::now() + Duration::from_secs(600), ..call("x") };
        let invoked = tokio::spawn(async move { venue.invoke(call).await });
        server.until_calls(1).await;
        advance(waits - Duration::from_millis(10)).await;
        assert!(!invoked.is_finished(), "it waits as long as it may be answered");
        advance(Duration::from_millis(20)).await;
        let error = invoked.await.expect("it ends").expect_err("cut");
        assert_eq!((error.outcome, error.kind), (Outcome::Unknown, kind), "{error}");
        if kind == ErrorKind::Unavailable {
            assert!(error.message.contains("230 s") && error.message.contains("Durable Functions"), "{error}");
        }
        assert_eq!(server.calls(), 1, "it is not repeated here");
    }
    drop(hold);
    assert!(holder.await.expect("it ends").is_err());
}
