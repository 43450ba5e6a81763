//! A look at the venue, step by step.

use merit_venue::StepResult::{Failed, None as Not, Ok as Well};
use merit_venue::{Step, StepResult, Venue};

use crate::server::{Answer, TestServer, echo, entra, invoke, reply, target, venue_at};

fn results(steps: &[Step]) -> Vec<(&'static str, StepResult)> {
    steps.iter().map(|step| (step.name, step.result)).collect()
}

const WAY: [(&str, StepResult); 3] = [("name", Well), ("connection", Well), ("tls", Not)];

#[tokio::test]
async fn keys_and_the_way_there() {
    let server = TestServer::start(echo).await;
    let end = [("listing", Not), ("dry invocation", Not)];
    let keyed = venue_at(&server.url(), |config| config.function_key = Some("hunter2".to_owned()));
    let steps = keyed.check(vec![target("resize"), target("blur")]).await;
    assert_eq!(results(&steps), [&[("credentials", Well)][..], &WAY, &end].concat(), "{steps:?}");
    assert!(!format!("{steps:?}").contains("hunter2"));
    let open = venue_at(&server.url(), |config| config.function_key = None);
    let steps = open.check(vec![target("resize"), target("resize?code=hunter2")]).await;
    assert_eq!(results(&steps[..2]), [("credentials", Not), ("credentials", Well)], "{steps:?}");
    assert!(!format!("{steps:?}").contains("hunter2"));
    assert_eq!(server.calls(), 0, "nothing is run");
}

#[tokio::test]
async fn what_was_refused_and_what_can_not_be_had_is_told() {
    let server = TestServer::start(|_| Answer::Send(reply(401, &[], ""))).await;
    let venue = venue_at(&server.url(), |config| config.function_key = Some("hunter2".to_owned()));
    invoke(&venue, "{}").await.expect_err("refused");
    let steps = venue.check(vec![target("resize")]).await;
    assert_eq!(results(&steps), [("credentials", Failed)], "{steps:?}");
    assert!(steps[0].found.contains("401") && steps[0].todo.contains("function_key"), "{steps:?}");
    let page = TestServer::start(|_| Answer::Send(reply(200, &[("content-type", "text/html")], "<html>"))).await;
    let venue = venue_at("http://127.0.0.1:1", |config| {
        (config.subscription, config.resource_group) = (Some("s".to_owned()), Some("g".to_owned()));
        config.apps = vec!["orders".to_owned()];
        config.arm_url = Some(page.url());
        config.entra = Some(entra(&page.url(), "secret"));
    });
    let steps = venue.check(vec![target("resize")]).await;
    assert_eq!(results(&steps), [("credentials", Failed)], "{steps:?}");
    assert!(steps[0].todo.contains("Entra"), "{steps:?}");
}
