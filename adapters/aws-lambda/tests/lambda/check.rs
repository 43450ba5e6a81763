//! A look at the venue, step by step.

use merit_venue::{StepResult, Venue};

use crate::server::{Answer, Received, TestServer, refused, target, venue_at};

/// Lambda, as far as a dry run goes: `resize` may be called, `secret` may not, the others are not there.
fn lambda(request: &Received) -> Answer {
    assert_eq!(request.header("x-amz-invocation-type"), Some("DryRun"), "nothing is run");
    let line = request.request_line();
    if line.contains("/resize/") {
        return Answer::Send(crate::server::reply(204, &[], ""));
    }
    let (status, name) =
        if line.contains("/secret/") { (403, "AccessDeniedException") } else { (404, "ResourceNotFoundException") };
    Answer::Send(refused(status, name, &[], r#"{"Message":"so it is"}"#))
}

#[tokio::test]
async fn a_dry_run_tells_what_may_be_called() {
    let server = TestServer::start(lambda).await;
    let venue = venue_at(&server.url(), |_| {}).await;
    let results = |steps: &[merit_venue::Step]| steps.iter().map(|step| (step.name, step.result)).collect::<Vec<_>>();
    let (ok, none, failed) = (StepResult::Ok, StepResult::None, StepResult::Failed);
    let way = [("credentials", ok), ("name", ok), ("connection", ok), ("tls", none)];
    let steps = venue.check(vec![target("resize"), target("secret"), target("never-tried")]).await;
    assert_eq!(results(&steps), [&way[..], &[("dry invocation", ok), ("dry invocation", failed)]].concat());
    let refusal = steps.last().expect("a step");
    assert!(refusal.found.contains("secret") && refusal.todo.contains("lambda:InvokeFunction"), "{refusal:?}");
    let steps = venue.check(Vec::new()).await;
    assert_eq!(results(&steps), [&way[..], &[("dry invocation", ok)]].concat(), "the signature was taken");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_ends_the_look() {
    let venue = venue_at("http://lambda.invalid", |_| {}).await;
    let steps = venue.check(vec![target("resize")]).await;
    let last = steps.last().expect("a step");
    assert_eq!((last.name, last.result), ("name", StepResult::Failed));
    assert!(last.todo.contains("region and URL"), "{last:?}");
}
