//! A look at the venue, step by step.

use merit_venue::StepResult::{Failed, None as Not, Ok as Well};
use merit_venue::{Step, StepResult, Venue};
use merit_venue_cloudflare_workers::{Api, Secret};

use crate::server::{Answer, TestServer, invoke, reply, target, venue_at};

fn results(steps: &[Step]) -> Vec<(&'static str, StepResult)> {
    steps.iter().map(|step| (step.name, step.result)).collect()
}

const WAY: [(&str, StepResult); 3] = [("name", Well), ("connection", Well), ("tls", Not)];

fn api(url: String) -> Option<Api> {
    Some(Api { account_id: "0".repeat(32), token: Secret("t0ken".to_owned()), url: Some(url) })
}

#[tokio::test]
async fn tokens_the_way_there_and_the_list_of_scripts() {
    let scripts = r#"{"success":true,"errors":[],"result":[{"id":"resize"}]}"#;
    let server = TestServer::start(move |request| {
        assert!(request.request_line().starts_with("GET "), "nothing is run");
        Answer::Send(reply(200, &[], scripts))
    })
    .await;
    let venue = venue_at(&server.url(), |config| {
        config.bearer_token = Some(Secret("t0ken".to_owned()));
        config.api = api(server.url());
    });
    let steps = venue.check(vec![target("resize")]).await;
    let end = [("listing", Well), ("dry invocation", Not)];
    assert_eq!(results(&steps), [&[("credentials", Well)][..], &WAY, &end].concat(), "{steps:?}");
    let open = venue_at(&server.url(), |_| {}).check(Vec::new()).await;
    assert_eq!(results(&open[..1]), [("credentials", Not)], "{open:?}");
}

#[tokio::test]
async fn what_was_refused_and_what_answers_in_place_of_the_list_is_told() {
    let server = TestServer::start(|request| {
        let page = [("content-type", "text/html")];
        let post = request.request_line().starts_with("POST ");
        Answer::Send(reply(if post { 403 } else { 200 }, &page, "<html>sign in</html>"))
    })
    .await;
    let venue = venue_at(&server.url(), |config| {
        config.bearer_token = Some(Secret("t0ken".to_owned()));
        config.api = api(server.url());
    });
    let steps = venue.check(vec![target("resize")]).await;
    let list = steps.iter().find(|step| step.name == "listing").expect("a step");
    assert!(list.result == Failed && list.todo.contains("a page to sign in at"), "{list:?}");
    invoke(&venue).await.expect_err("refused");
    let steps = venue.check(vec![target("resize"), target("http://elsewhere.example/")]).await;
    assert_eq!(results(&steps[..2]), [("target", Failed), ("credentials", Failed)], "{steps:?}");
    assert!(steps[1].found.contains("not revoked"), "{steps:?}");
}
