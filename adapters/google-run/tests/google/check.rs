//! A look at the venue, step by step.

use merit_venue::StepResult::{Failed, None as Not, Ok as Well};
use merit_venue::{Step, StepResult, Venue};

use crate::server::{Answer, TestServer, echo, reply, target, venue_at, venue_with};

fn results(steps: &[Step]) -> Vec<(&'static str, StepResult)> {
    steps.iter().map(|step| (step.name, step.result)).collect()
}

#[tokio::test]
async fn a_token_for_each_service_and_the_way_there() {
    let server = TestServer::start(echo).await;
    let steps = venue_at(&server.url(), |_| {}).await.check(vec![target("resize"), target("blur")]).await;
    let expected = [
        ("credentials", Well),
        ("credentials", Well),
        ("name", Well),
        ("connection", Well),
        ("tls", Not),
        ("listing", Not),
        ("dry invocation", Not),
    ];
    assert_eq!(results(&steps), expected, "{steps:?}");
    assert_eq!(server.calls(), 0, "nothing is run");
    let many: Vec<_> = (0..21).map(|number| target(&format!("f{number}"))).collect();
    let steps = venue_at(&server.url(), |_| {}).await.check(many).await;
    assert!(steps.iter().any(|step| step.found == "1 more were not looked at"), "{steps:?}");
}

#[tokio::test]
async fn what_is_in_the_way_ends_the_look_with_what_to_do() {
    let page = TestServer::start(|_| Answer::Send(reply(200, &[("content-type", "text/html")], "<html>"))).await;
    let venue = venue_with("http://127.0.0.1:1", &page.url(), |_| {});
    let steps = venue.check(vec![target("resize")]).await;
    assert_eq!(results(&steps), [("credentials", Failed)], "{steps:?}");
    assert!(steps[0].todo.contains("metadata server"), "{steps:?}");
    let steps =
        venue_at("http://127.0.0.1:1", |_| {}).await.check(vec![target("resize"), target("http://elsewhere/")]).await;
    assert_eq!(
        results(&steps),
        [("target", Failed), ("credentials", Well), ("name", Well), ("connection", Failed)],
        "{steps:?}"
    );
    let listed = venue_at("http://127.0.0.1:1", |config| {
        (config.project, config.api_endpoint_url) = (Some("p".to_owned()), Some(page.url()));
    });
    let steps = listed.await.check(Vec::new()).await;
    let list = steps.iter().find(|step| step.name == "listing").expect("a step");
    assert_eq!(list.result, Failed, "a page in place of the list: {steps:?}");
}
