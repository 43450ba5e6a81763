//! Venues that nobody can call until an operator mends something: they are out of the books with a reason that says what
//! to do, calls go on elsewhere, and they come back by themselves.

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use merit_wire::{QuoteRequest, VenueList};

use crate::support::{Client, Script, Setup, Upstream, Worth, script, until};

/// What Function Compute answers.
fn fc(status: u16, body: &'static str) -> Script {
    script::of(move |_| async move {
        let answer = Response::builder().status(status).header("x-fc-request-id", "1-673f-abc");
        let answer = answer.header("x-fc-invocation-duration", "1").header("x-fc-max-memory-usage", "20");
        Some(answer.body(Full::new(Bytes::from_static(body.as_bytes()))).expect("a response"))
    })
}

async fn why_ineligible(client: &Client, venue: &str) -> Option<String> {
    let list: VenueList = client.get("/v1/venues").await;
    list.venues.into_iter().find(|view| view.name == venue).expect("the venue is listed").ineligible
}

#[tokio::test]
async fn a_cloud_that_refuses_its_key_and_a_name_that_leads_nowhere_are_out_of_the_books() {
    let refusal = r#"{"Code":"InvalidAccessKeyID","Message":"The AccessKey ID is not found.","RequestId":"1"}"#;
    let (cloud, own) = (Upstream::start(fc(403, refusal)).await, Upstream::start(script::replies("own")).await);
    let setup = Setup::new()
        .text("venues.cloud", "kind", "alibaba-fc")
        .text("venues.cloud", "region", "ap-southeast-1")
        .text("venues.cloud", "sheet", "alibaba-fc/intl")
        .text("venues.cloud", "endpoint_url", cloud.url())
        .set("venues.cloud", "credentials_retry_ms", 3000)
        .text("venues.cloud.credentials", "access_key_id", "LTAIEXAMPLE")
        .text("venues.cloud.credentials", "access_key_secret", "sesame")
        .flat("nowhere", "http://functions.merit.invalid", "0.0000001")
        .set("venues.nowhere", "credentials_retry_ms", 3_600_000)
        .flat("own", &own.url(), "0.01")
        .function("f", Worth::Once, &["nowhere", "own"])
        .deployment("f", "cloud", 512)
        .text("functions.f.deployments.cloud", "vcpu", "0.35");
    let (_broker, client) = setup.start_with_client().await;

    let first = client.invoke("f", "{}").await.expect(200);
    assert_eq!((first.venue(), first.header("merit-attempts")), ("own", "3"), "the other two did not start");
    for (venue, says) in [("cloud", "check the access key's id"), ("nowhere", "check the venue's URL")] {
        let why = until("the venue is ineligible", async || why_ineligible(&client, venue).await).await;
        assert!(why.contains(says) && !why.contains("sesame"), "{venue}: {why}");
        let excluded = until("it is out of the quotes", async || {
            let quote = client.quote("f", &QuoteRequest::default()).await;
            quote.excluded.into_iter().find(|excluded| excluded.venue == venue)
        })
        .await;
        assert_eq!(excluded.reason, "venue-unready", "{venue}");
    }

    let tried = cloud.count();
    for _ in 0..5 {
        let next = client.invoke("f", "{}").await.expect(200);
        assert_eq!(next.venue(), "own");
    }
    assert!(cloud.count() <= tried + 1, "at most the one call that finds out whether it was mended");

    cloud.play(fc(200, "mended"));
    until("calls go there again", async || {
        let reply = client.invoke("f", "{}").await.expect(200);
        (reply.venue() == "cloud").then_some(())
    })
    .await;
    assert_eq!(why_ineligible(&client, "cloud").await, None);
    assert!(why_ineligible(&client, "nowhere").await.is_some(), "nobody has mended that one");
}
