//! What is sent, what a call is taken to have used, and the list of scripts.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method};
use merit_units::Micros;
use merit_venue::{Call, ErrorKind, HttpHead, Outcome, Venue};
use merit_venue_cloudflare_workers::{AccessToken, Api, CpuEstimate, Secret};

use crate::server::{Answer, TestServer, call, invoke, reply, venue_at};

#[tokio::test]
async fn a_call_carries_its_credentials_and_its_trace() {
    let server = TestServer::start(|_| Answer::Send(reply(200, &[("content-type", "image/png")], "done"))).await;
    let venue = venue_at(&server.url(), |config| {
        config.bearer_token = Some(Secret("t0ken".to_owned()));
        config.access_token =
            Some(AccessToken { client_id: "id.access".to_owned(), client_secret: Secret("s3cret".to_owned()) });
    });
    let reply = venue.invoke(call("resize/v2?x=1", "hello")).await.expect("a reply");
    assert_eq!(reply.content_type.expect("a media type"), "image/png");
    let request = server.received(0);
    assert_eq!(request.request_line(), "POST /resize/v2?x=1 HTTP/1.1");
    for (name, value) in [
        ("authorization", "Bearer t0ken"),
        ("cf-access-client-id", "id.access"),
        ("cf-access-client-secret", "s3cret"),
        ("content-type", "text/plain"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn a_request_of_plain_http_arrives_as_it_was_sent() {
    let answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\nset-cookie: a=1\r\n\r\nnone";
    let server = TestServer::start(|_| Answer::Send(answer.to_vec())).await;
    let venue = venue_at(&server.url(), |_| {});
    let mut headers = HeaderMap::new();
    for (name, value) in [("authorization", "Basic dTpw"), ("user-agent", "browser/1"), ("accept", "text/html")] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let http = HttpHead { method: Method::DELETE, below: "/a%2Fb".into(), query: Some("y=2".into()), headers };
    let asked = Call { http: Some(Arc::new(http)), ..call("resize/v2?x=1", "") };
    assert!(venue.takes_http(&asked.target));
    let reply = venue.invoke(asked).await.expect("the Worker's own 404");
    assert_eq!((reply.status, &reply.payload[..], reply.function_error), (404, &b"none"[..], None));
    assert_eq!(reply.headers.expect("all headers")["set-cookie"], "a=1");
    let request = server.received(0);
    assert_eq!(request.request_line(), "DELETE /resize/v2/a%2Fb?x=1&y=2 HTTP/1.1");
    for (name, value) in [("authorization", "Basic dTpw"), ("user-agent", "browser/1"), ("accept", "text/html")] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn cpu_time_is_the_scripts_mean_where_analytics_gave_one() {
    let server = TestServer::start(|_| Answer::Send(reply(200, &[], ""))).await;
    let known = CpuEstimate { by_script: [("resize".to_owned(), 1)].into(), any: None };
    let venue = venue_at(&server.url(), |config| config.cpu = known);
    assert_eq!(invoke(&venue).await.expect("a reply").usage.cpu, Some(Micros::new(1)));
    let other = venue.invoke(call("other", "x")).await.expect("a reply").usage;
    assert_eq!(other.cpu, None, "nobody measured it");
}

#[tokio::test]
async fn scripts_are_listed_by_the_api() {
    let id = "0123456789abcdef0123456789abcdef";
    let server = TestServer::start(move |request| {
        assert_eq!(request.request_line(), format!("GET /client/v4/accounts/{id}/workers/scripts HTTP/1.1"));
        match request.header("authorization") {
            Some("Bearer good") => Answer::Send(reply(
                200,
                &[],
                r#"{"success":true,"errors":[],"result":[{"id":"zoom","tags":["merit-function=thumbnail"]},{"id":"blur"}]}"#,
            )),
            _ => Answer::Send(reply(
                403,
                &[],
                r#"{"success":false,"errors":[{"code":10000,"message":"Authentication error"}],"result":null}"#,
            )),
        }
    })
    .await;
    let scripts = |token: &str| {
        let api = Api { account_id: id.to_owned(), token: Secret(token.to_owned()), url: Some(server.url()) };
        venue_at(&server.url(), |config| config.api = Some(api))
    };
    let found = scripts("good").discover().await.expect("a list").expect("it can tell");
    let names: Vec<&str> = found.iter().map(|script| script.target.as_str()).collect();
    assert_eq!(names, ["blur", "zoom"]);
    assert_eq!(
        (found[1].tags["merit-function"].as_str(), found[1].memory.map(|size| size.megabytes())),
        ("thumbnail", Some(128))
    );
    let error = scripts("revoked").discover().await.expect_err("refused");
    assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::BadCredentials));
    assert!(error.message.contains("Authentication error") && !error.message.contains("revoked"), "{error}");
    assert_eq!(venue_at(&server.url(), |_| {}).discover().await.expect("no mistake"), None);
}
