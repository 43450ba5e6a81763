//! The error pages in front of Workers, over the wire.

use std::time::Duration;

use merit_cloud_wire::workers::PageError;
use merit_venue::ErrorKind::{self, BadCredentials, Misconfigured, Throttled};
use merit_venue::Outcome::{self, NotStarted, Ran, Unknown};
use merit_venue::Venue;

use crate::server::{Answer, TestServer, invoke, reply, venue_at};

fn page(error: PageError) -> Vec<u8> {
    reply(
        error.status(),
        &[("content-type", "text/plain"), ("cf-ray", "8f1c2d3e4f5a6b7c-FRA")],
        format!("error code: {}", error.number()),
    )
}

/// Each page, and what it means; `None` is the Worker's own error.
const TABLE: [(PageError, Option<(Outcome, ErrorKind)>); 7] = [
    (PageError::RateLimited, Some((NotStarted, Throttled))),
    (PageError::Loop, Some((Ran, Misconfigured))),
    (PageError::FeatureMissing, Some((NotStarted, Misconfigured))),
    (PageError::DailyLimit, Some((NotStarted, Throttled))),
    (PageError::SameZone, Some((Unknown, Misconfigured))),
    (PageError::Exception, None),
    (PageError::CpuLimit, None),
];

#[tokio::test]
async fn each_page_means_what_the_table_says() {
    for (error, expected) in TABLE {
        let server = TestServer::start(move |_| Answer::Send(page(error))).await;
        match (invoke(&venue_at(&server.url(), |_| {})).await, expected) {
            (Ok(reply), None) => {
                let failed = reply.function_error.expect("an error of the Worker");
                assert!(failed.kind.starts_with("Worker") && failed.message.contains("CF-Ray 8f1c2d3e4f5a6b7c-FRA"));
                assert!(reply.usage.duration.get() > 0 && reply.meters.is_estimated(), "it is billed, by an estimate");
            }
            (Err(failed), Some(meant)) => {
                assert_eq!((failed.outcome, failed.kind), meant, "{failed}");
                assert!(
                    failed.message.contains(error.words()) && failed.message.contains("8f1c2d3e4f5a6b7c"),
                    "{failed}"
                );
                assert_eq!(failed.usage.is_some(), failed.outcome == Ran, "{failed}");
            }
            (other, _) => panic!("{error:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_workers_own_words_are_not_taken_for_a_page() {
    let server = TestServer::start(|_| Answer::Send(reply(500, &[], "upstream said error code: 1015"))).await;
    let failed = invoke(&venue_at(&server.url(), |_| {})).await.expect("it ran").function_error.expect("its own error");
    assert_eq!(failed.kind, "Http500");
}

#[tokio::test]
async fn a_refused_token_and_a_day_that_is_used_up_make_the_venue_unready_for_a_while() {
    let login = "https://team.cloudflareaccess.com/cdn-cgi/access/login/worker";
    for (answer, kind, words) in [
        (reply(302, &[("location", login)], ""), BadCredentials, "Access service token"),
        (reply(403, &[], "no"), BadCredentials, "bearer token"),
        (page(PageError::DailyLimit), Throttled, "midnight UTC"),
    ] {
        let server = TestServer::start(move |request| match request.call {
            0 => Answer::Send(answer.clone()),
            _ => Answer::Send(reply(200, &[], "well")),
        })
        .await;
        let venue = venue_at(&server.url(), |config| config.credentials_retry = Duration::from_millis(200));
        let error = invoke(&venue).await.expect_err("refused");
        assert_eq!((error.outcome, error.kind), (NotStarted, kind));
        assert!(venue.unready().expect("why").contains(words), "{:?}", venue.unready());
        assert_eq!(invoke(&venue).await.expect_err("not tried").outcome, NotStarted);
        assert_eq!(server.calls(), 1, "nothing was sent");
        while venue.unready().is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(invoke(&venue).await.expect("mended").payload, "well");
    }
}
