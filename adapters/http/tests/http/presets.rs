//! OpenFaaS and Knative by name, against servers of their shape.

use std::sync::Arc;

use merit_units::Micros;
use merit_venue::{ErrorKind, MeterBasis, Meters, Outcome, StepResult, Target, Venue};
use merit_venue_http::{HttpConfig, HttpVenue, Knative, OpenFaas, Preset};

use crate::server::{Answer, Received, TestServer, call, reply, venue_at};

const ID: &str = "0199f0a2-7c1e-7fff-bfff-ffffffffffff-2";

/// A gateway with the functions `env` and `gone.images`, which answers 404 itself.
fn gateway(request: &Received) -> Answer {
    let path = request.request_line().split(' ').nth(1).unwrap_or_default().to_owned();
    let call_id = request.header("x-call-id").unwrap_or_default().to_owned();
    let ran = |seconds: &str, status: u16, body: &[u8]| {
        let headers = [("x-call-id", call_id.as_str()), ("x-duration-seconds", seconds)];
        Answer::Send(reply(status, &headers, body))
    };
    match path.as_str() {
        "/gw/function/env" => ran("0.000500", 200, &request.body),
        "/gw/function/gone.images" => ran("0.000010", 404, b"no such picture"),
        "/gw/function/lies" => ran("many", 200, b""),
        path if path.starts_with("/gw/function/") => {
            Answer::Send(reply(404, &[], "error finding function: server returned non-200 status code (404)"))
        }
        "/gw/system/functions?namespace=openfaas-fn"
            if request.header("authorization") == Some("Basic YWRtaW46c2VjcmV0") =>
        {
            let body = r#"[
                {"name":"env","image":"ghcr.io/openfaas/alpine@sha256:12ab","namespace":"openfaas-fn","replicas":1,
                 "labels":{"merit-function":"environment"},"limits":{"memory":"128Mi","cpu":"100m"}},
                {"name":"bare","image":"ghcr.io/openfaas/alpine:latest","labels":null}]"#;
            Answer::Send(reply(200, &[("content-type", "application/json")], body))
        }
        _ => Answer::Send(reply(401, &[("www-authenticate", "Basic")], "invalid credentials")),
    }
}

fn faas(server: &TestServer, password: &str) -> Arc<HttpVenue> {
    let own = OpenFaas {
        gateway: Some(("admin".to_owned(), password.to_owned())),
        namespace: Some("openfaas-fn".to_owned()),
    };
    server.venue(|config: &mut HttpConfig| {
        config.base_url.push_str("/gw/");
        config.meters = Meters::Reported;
        config.preset = Some(Preset::OpenFaas(own));
    })
}

async fn called(venue: &HttpVenue, target: &str) -> Result<merit_venue::Reply, merit_venue::VenueError> {
    let mut call = call("payload");
    call.target = Arc::new(Target::try_new(target).expect("a target"));
    venue.invoke(call).await
}

#[tokio::test]
async fn a_function_of_openfaas_is_called_by_its_name_and_its_watchdog_is_believed() {
    let server = TestServer::start(gateway).await;
    let venue = faas(&server, "secret");
    let reply = called(&venue, "env").await.expect("a reply");
    assert_eq!((reply.payload.as_ref(), reply.usage.duration), (&b"payload"[..], Micros::new(500)));
    assert_eq!((reply.meters, server.received(0).header("x-call-id")), (MeterBasis::Reported, Some(ID)));
    assert!(server.received(0).header("authorization").is_none(), "the gateway's password is for its lists");

    let own = called(&venue, "gone.images").await.expect("it ran, and says so");
    assert_eq!(own.function_error.expect("an error of its own").kind, "Http404");
    let unknown = called(&venue, "nothing").await.expect_err("the gateway does not know it");
    assert_eq!((unknown.outcome, unknown.kind), (Outcome::NotStarted, ErrorKind::NotFound), "{unknown}");
    assert_eq!(called(&venue, "lies").await.expect("a reply").meters, MeterBasis::Refused);
}

#[tokio::test]
async fn what_openfaas_answers_itself_is_no_error_of_the_function() {
    use {ErrorKind as K, Outcome::NotStarted, Outcome::Unknown};
    const PROXY: (&str, &str) = ("x-openfaas-internal", "proxy");
    const STARTED: (&str, &str) = ("x-start-time", "1763800000000000000");
    for (status, headers, body, expected) in [
        (500, &[PROXY, STARTED][..], "Can't reach service for: env.\n", Err((Unknown, K::Unavailable))),
        (500, &[PROXY, STARTED], "Failed to resolve service: env.\n", Err((NotStarted, K::Unavailable))),
        (503, &[PROXY, STARTED], "No endpoints available for: env.\n", Err((NotStarted, K::Unavailable))),
        (500, &[], "error finding function env.openfaas-fn: unreachable", Err((NotStarted, K::Unavailable))),
        (500, &[], "Internal Server Error", Err((Unknown, K::Unavailable))),
        (502, &[STARTED], "", Err((Unknown, K::Unavailable))),
        (200, &[], "", Err((Unknown, K::Unavailable))),
        (500, &[STARTED], "no such column", Ok("Http500")),
        (504, &[STARTED, ("x-openfaas-internal", "of-watchdog")], "", Ok("Http504")),
        (500, &[PROXY, ("merit-function-error", "Boom")], "", Ok("Boom")),
    ] {
        let server = TestServer::start(move |_| Answer::Send(reply(status, headers, body))).await;
        match (called(&faas(&server, "secret"), "env").await, expected) {
            (Ok(reply), Ok(kind)) => {
                assert_eq!(reply.function_error.expect("an error of its own").kind, kind, "{body}")
            }
            (Err(error), Err(expected)) => assert_eq!((error.outcome, error.kind), expected, "{error}"),
            (found, expected) => panic!("{status} {headers:?}: {found:?}, not {expected:?}"),
        }
    }
    // Nobody but OpenFaaS is read so.
    let server = TestServer::start(|_| Answer::Send(reply(500, &[PROXY], "Can't reach service for: env.\n"))).await;
    let plain = venue_at(&server.url(), |_| {});
    assert!(called(&plain, "env").await.expect("a reply").function_error.is_some());
}

#[tokio::test]
async fn an_openfaas_gateway_lists_its_functions_to_who_has_its_password() {
    let server = TestServer::start(gateway).await;
    let found = faas(&server, "secret").discover().await.expect("a list").expect("it can tell");
    let env = &found[1];
    assert_eq!((env.name.as_str(), env.target.as_str()), ("env", "env.openfaas-fn"));
    assert_eq!((env.memory.map(|memory| memory.megabytes()), env.vcpu_milli), (Some(128), Some(100)));
    assert_eq!((env.tags["merit:function"].as_str(), env.digest.as_deref()), ("environment", Some("sha256:12ab")));
    assert_eq!((found[0].target.as_str(), found[0].digest.as_deref()), ("bare", None), "a tag is no digest");

    let refused = faas(&server, "wrong").discover().await.expect_err("refused");
    assert_eq!(refused.kind, ErrorKind::BadCredentials, "{refused}");
    assert!(!refused.to_string().contains("wrong") && !format!("{:?}", faas(&server, "wrong")).contains("wrong"));
}

#[tokio::test]
async fn a_doctor_sees_the_way_there_and_the_lists_password() {
    let server = TestServer::start(gateway).await;
    let targets = vec![Arc::new(Target::try_new("env").expect("a target"))];
    let steps = faas(&server, "secret").check(targets.clone()).await;
    let seen: Vec<_> = steps.iter().map(|step| (step.name, step.result)).collect();
    let (ok, none) = (StepResult::Ok, StepResult::None);
    let expected = [
        ("name", ok),
        ("connection", ok),
        ("tls", none),
        ("listing", ok),
        ("credentials", none),
        ("dry invocation", none),
    ];
    assert_eq!(seen, expected);
    // The list is of `openfaas-fn`, and says nothing of other namespaces.
    for (target, result) in [
        ("env.openfaas-fn/path", StepResult::Ok),
        ("async/env.openfaas-fn", StepResult::Ok),
        ("gone.openfaas-fn", StepResult::Failed),
        ("async/gone.openfaas-fn", StepResult::Failed),
        ("gone.images", StepResult::Ok),
        ("gone", StepResult::Ok),
    ] {
        let steps = faas(&server, "secret").check(vec![Arc::new(Target::try_new(target).expect("a target"))]).await;
        let step = steps.iter().find(|step| step.name == "listing").expect("a step");
        assert_eq!(step.result, result, "{target}: {step:?}");
        assert_eq!(step.todo.contains("deploy it there"), result == StepResult::Failed);
    }
    let steps = faas(&server, "wrong").check(targets.clone()).await;
    let failed = steps.iter().find(|step| step.result == StepResult::Failed).expect("a failure");
    assert!(
        failed.name == "listing" && failed.todo.contains("gateway") && !failed.found.contains("wrong"),
        "{failed:?}"
    );

    let steps = venue_at("http://gateway.invalid", |_| {}).check(targets.clone()).await;
    assert_eq!((steps.len(), steps[0].name, steps[0].result), (1, "name", StepResult::Failed));
    let steps = server.venue(|config| config.private_addresses = false).check(targets.clone()).await;
    assert!(steps[0].todo.contains("private_addresses"), "{:?}", steps[0]);
    drop(server);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let steps = venue_at(&format!("http://{closed}"), |_| {}).check(targets).await;
    assert_eq!((steps.len(), steps[1].name, steps[1].result), (2, "connection", StepResult::Failed), "{steps:?}");
}

/// An ingress that says what it was asked, and a Kubernetes API.
fn ingress(request: &Received) -> Answer {
    let path = request.request_line().split(' ').nth(1).unwrap_or_default();
    if path != "/k8s/apis/serving.knative.dev/v1/namespaces/images/services" {
        return Answer::Send(reply(200, &[], format!("{} {path}", request.header("host").unwrap_or_default())));
    }
    if request.header("authorization") != Some("Bearer t0ken") {
        return Answer::Send(reply(403, &[], "forbidden"));
    }
    let body = r#"{"kind":"ServiceList","items":[{"metadata":{"name":"resize","namespace":"images","labels":{}},
        "spec":{"template":{"spec":{"timeoutSeconds":30,"containers":[{"image":"r/resize@sha256:34cd",
        "resources":{"limits":{"memory":"512Mi","cpu":"1"}}}]}}}},
        {"metadata":{"name":"plain"}}]}"#;
    Answer::Send(reply(200, &[], body))
}

fn knative(server: &TestServer, events: Option<(&str, &str)>) -> Arc<HttpVenue> {
    let own = Knative {
        namespace: "images".to_owned(),
        domain: "example.com".to_owned(),
        events: events.map(|(kind, source)| (kind.to_owned(), source.to_owned())),
        api: Some((format!("{}/k8s/", server.url()), Some("t0ken".to_owned()))),
    };
    server.venue(|config| config.preset = Some(Preset::Knative(own)))
}

#[tokio::test]
async fn a_service_of_knative_is_called_by_its_host() {
    let server = TestServer::start(ingress).await;
    let venue = knative(&server, None);
    for (target, seen) in
        [("resize", "resize.images.example.com /"), ("resize.web/v2/png?q=1", "resize.web.example.com /v2/png?q=1")]
    {
        assert_eq!(called(&venue, target).await.expect("a reply").payload, seen);
    }
    assert!(server.received(0).header("ce-id").is_none());
    let refused = called(&venue, "a.b.c").await.expect_err("no service");
    assert_eq!((refused.kind, refused.outcome), (ErrorKind::Misconfigured, Outcome::NotStarted), "{refused}");

    let events = knative(&server, Some(("com.example.call", "/merit")));
    called(&events, "resize").await.expect("a reply");
    let sent = server.received(2);
    for (name, value) in
        [("ce-specversion", "1.0"), ("ce-type", "com.example.call"), ("ce-source", "/merit"), ("ce-id", ID)]
    {
        assert_eq!(sent.header(name), Some(value), "{name}");
    }
    assert_eq!(sent.body, b"payload", "binary mode: the payload as it is");
}

#[tokio::test]
async fn services_of_knative_are_listed_by_the_kubernetes_api() {
    let server = TestServer::start(ingress).await;
    let found = knative(&server, None).discover().await.expect("a list").expect("it can tell");
    let names: Vec<_> = found.iter().map(|one| (one.name.as_str(), one.target.as_str())).collect();
    assert_eq!(names, [("plain", "plain"), ("resize", "resize")]);
    let resize = &found[1];
    assert_eq!((resize.memory.map(|memory| memory.megabytes()), resize.vcpu_milli), (Some(512), Some(1000)));
    assert_eq!(
        (resize.timeout.map(|limit| limit.as_secs()), resize.digest.as_deref()),
        (Some(30), Some("sha256:34cd"))
    );
    let plain = server.venue(|config| {
        let (namespace, domain) = ("images".to_owned(), "example.com".to_owned());
        config.preset = Some(Preset::Knative(Knative { namespace, domain, events: None, api: None }));
    });
    assert_eq!(plain.discover().await.expect("no API"), None);
}
