//! A look at the venue, step by step.

use merit_venue::StepResult::{Failed, None as Not, Ok as Well};
use merit_venue::{Step, StepResult, Venue};

use crate::server::{Answer, Received, TestServer, refused, reply, target, venue_at};

fn results(steps: &[Step]) -> Vec<(&'static str, StepResult)> {
    steps.iter().map(|step| (step.name, step.result)).collect()
}

const WAY: [(&str, StepResult); 4] = [("credentials", Well), ("name", Well), ("connection", Well), ("tls", Not)];

/// SCF with a function `resize`; what is called has to be the one that is not there.
fn functions(request: &Received) -> Answer {
    if request.header("x-tc-action") == Some("ListFunctions") {
        let body = r#"{"Response":{"Functions":[{"FunctionName":"resize","Namespace":"default"}],"TotalCount":1,"RequestId":"1"}}"#;
        return Answer::Send(reply(200, &[], body));
    }
    let body = String::from_utf8_lossy(&request.body).into_owned();
    assert!(body.contains("merit-venues-doctor"), "nothing is run: {body}");
    Answer::Send(refused("ResourceNotFound.Function"))
}

#[tokio::test]
async fn a_key_that_is_taken_and_a_function_that_is_not_deployed() {
    let server = TestServer::start(functions).await;
    let venue = venue_at(&server.url(), |_| {});
    let steps = venue.check(vec![target("resize:prod"), target("other/zoom")]).await;
    assert_eq!(results(&steps), [&WAY[..], &[("dry invocation", Well), ("listing", Well)]].concat(), "{steps:?}");
    let steps = venue.check(vec![target("zoom")]).await;
    let last = steps.last().expect("a step");
    assert_eq!((last.name, last.result), ("listing", Failed));
    assert!(last.found.contains("`zoom`") && last.todo.contains("deploy it"), "{last:?}");
}

#[tokio::test]
async fn each_way_to_be_refused_says_what_to_do() {
    for (answer, said) in [
        (refused("AuthFailure.SignatureFailure"), "SecretKey"),
        (refused("AuthFailure.SecretIdNotFound"), "SecretId"),
        (refused("AuthFailure.TokenFailure"), "temporary keys"),
        (refused("AuthFailure.SignatureExpire"), "clock"),
        (reply(200, &[("content-type", "text/html")], "<html>sign in</html>"), "a page to sign in at"),
    ] {
        let server = TestServer::start(move |_| Answer::Send(answer.clone())).await;
        let steps = venue_at(&server.url(), |_| {}).check(vec![target("resize")]).await;
        let last = steps.last().expect("a step");
        assert_eq!((last.name, last.result), ("dry invocation", Failed), "{last:?}");
        assert!(format!("{} {}", last.found, last.todo).contains(said), "{said}: {last:?}");
    }
    let server = TestServer::start(|_| Answer::Send(refused("UnauthorizedOperation"))).await;
    let steps = venue_at(&server.url(), |_| {}).check(vec![target("resize")]).await;
    assert_eq!(results(&steps[4..]), [("dry invocation", Not), ("listing", Not)], "{steps:?}");
}

#[tokio::test]
async fn what_is_in_the_way_ends_the_look() {
    let keyless = venue_at("http://127.0.0.1:1", |config| config.keys = None);
    let steps = keyless.check(Vec::new()).await;
    assert_eq!(results(&steps), [("credentials", Failed), ("name", Well), ("connection", Failed)]);
    let steps = venue_at("http://scf.merit.invalid/", |_| {}).check(vec![target("a/b/c")]).await;
    assert_eq!(results(&steps), [("target", Failed), ("credentials", Well), ("name", Failed)]);
}
