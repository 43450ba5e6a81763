//! A look at the venue, step by step.

use merit_venue::StepResult::{Failed, None as Not, Ok as Well};
use merit_venue::{Step, StepResult, Venue};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::server::{Answer, Received, TestServer, refused, reply, target, venue_at};

fn results(steps: &[Step]) -> Vec<(&'static str, StepResult)> {
    steps.iter().map(|step| (step.name, step.result)).collect()
}

const WAY: [(&str, StepResult); 4] = [("credentials", Well), ("name", Well), ("connection", Well), ("tls", Not)];

/// Function Compute with a function `resize`; what is called has to be the one that is not there.
fn functions(request: &Received) -> Answer {
    let line = request.request_line();
    if line.starts_with("GET ") {
        return Answer::Send(reply(200, &[], r#"{"functions":[{"functionName":"resize"}]}"#));
    }
    assert!(line.contains("/merit-venues-doctor"), "nothing is run: {line}");
    Answer::Send(refused(404, "FunctionNotFound", &[]))
}

#[tokio::test]
async fn a_key_that_is_taken_and_a_function_that_is_not_deployed() {
    let server = TestServer::start(functions).await;
    let venue = venue_at(&server.url(), |_| {});
    let steps = venue.check(vec![target("resize:prod"), target("resize")]).await;
    assert_eq!(results(&steps), [&WAY[..], &[("dry invocation", Well), ("listing", Well)]].concat());
    let steps = venue.check(vec![target("resize"), target("zoom")]).await;
    let last = steps.last().expect("a step");
    assert_eq!((last.name, last.result), ("listing", Failed));
    assert!(last.found.contains("`zoom`") && last.todo.contains("deploy it"), "{last:?}");
    let nonces: Vec<_> = (0..server.calls())
        .filter_map(|call| server.received(call).header("x-acs-signature-nonce").map(str::to_owned))
        .collect();
    assert_eq!(
        nonces.len(),
        nonces.iter().collect::<std::collections::BTreeSet<_>>().len(),
        "no request repeats another"
    );
}

#[tokio::test]
async fn each_way_to_be_refused_says_what_to_do() {
    let html = [("content-type", "text/html")];
    for (answer, result, said) in [
        (refused(403, "SignatureNotMatch", &[]), Failed, "check the access key's secret"),
        (refused(403, "InvalidAccessKeyID", &[]), Failed, "not disabled or deleted"),
        (refused(403, "InvalidSecurityToken", &[]), Failed, "renew the temporary keys"),
        (refused(403, "RequestTimeTooSkewed", &[]), Failed, "set this machine's clock"),
        (refused(429, "ResourceExhausted", &[]), Failed, "wait, and look again"),
        (reply(200, &html, "<html>sign in</html>"), Failed, "a page to sign in at"),
    ] {
        let server = TestServer::start(move |_| Answer::Send(answer.clone())).await;
        let steps = venue_at(&server.url(), |_| {}).check(vec![target("resize")]).await;
        let last = steps.last().expect("a step");
        assert_eq!((last.name, last.result), ("dry invocation", result), "{last:?}");
        assert!(format!("{} {}", last.found, last.todo).contains(said), "{last:?}");
    }
    let server = TestServer::start(|_| Answer::Send(refused(403, "AccessDenied", &[]))).await;
    let steps = venue_at(&server.url(), |_| {}).check(vec![target("resize")]).await;
    assert_eq!(results(&steps[4..]), [("dry invocation", Not), ("listing", Not)], "{steps:?}");
}

#[tokio::test]
async fn what_is_in_the_way_ends_the_look() {
    let keyless = venue_at("http://127.0.0.1:1", |config| config.keys = None);
    let steps = keyless.check(Vec::new()).await;
    assert_eq!(results(&steps), [("credentials", Failed), ("name", Well), ("connection", Failed)]);
    assert!(steps[0].found.contains("[venues.NAME.credentials]") && steps[2].todo.contains("firewalls"), "{steps:?}");
    let steps = venue_at("http://fcv3.merit.invalid/", |_| {}).check(Vec::new()).await;
    assert_eq!(results(&steps), [("credentials", Well), ("name", Failed)]);
    assert!(steps[1].todo.contains("name servers"), "{steps:?}");
    // A server that does not speak TLS.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("written");
        }
    });
    let steps = venue_at(&url, |_| {}).check(Vec::new()).await;
    let last = steps.last().expect("a step");
    assert_eq!((last.name, last.result), ("tls", Failed), "{steps:?}");
    assert!(last.todo.contains("certificate"), "{last:?}");
}
