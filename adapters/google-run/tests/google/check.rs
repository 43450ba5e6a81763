//! A look at the venue, step by step.

use merit_venue::StepResult::{Failed, None as Not, Ok as Well};
use merit_venue::{Step, StepResult, Venue};
use serde_json::json;

use crate::server::{Answer, Received, TestServer, echo, reply, target, token, venue_at, venue_with};

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

/// Google's interface for services, whose permissions `held` tells, and its metadata server; `resize` and `blur` are behind `url`.
fn interface(
    url: &str,
    service: &serde_json::Value,
    held: &'static [&'static str],
) -> impl Fn(&Received) -> Answer + use<> {
    let of = |name: &str| {
        let mut one = json!({
            "name": format!("projects/p/locations/us-central1/services/{name}"),
            "uri": format!("{url}/{name}"),
            "ingress": "INGRESS_TRAFFIC_ALL",
        });
        one.as_object_mut().expect("an object").extend(service.as_object().expect("an object").clone());
        one
    };
    let services = json!({ "services": [of("blur"), of("resize")] }).to_string();
    move |request| {
        let json = |body: String| Answer::Send(reply(200, &[("content-type", "application/json")], body));
        let line = request.request_line();
        if line.contains("/identity?") {
            Answer::Send(reply(200, &[("metadata-flavor", "Google")], token("good")))
        } else if line.contains("/service-accounts/default/token") {
            json(json!({ "access_token": "ya29.x", "expires_in": 3599, "token_type": "Bearer" }).to_string())
        } else if line.starts_with("POST /v2/projects/p/locations/us-central1/services/resize:testIamPermissions") {
            assert_eq!(String::from_utf8_lossy(&request.body).matches("run.routes.invoke").count(), 1);
            json(json!({ "permissions": held }).to_string())
        } else if line.starts_with("GET /v2/projects/p/locations/us-central1/services?") {
            json(services.clone())
        } else if line.contains("/functions") {
            json("{}".to_owned())
        } else {
            Answer::Send(reply(404, &[], "{}"))
        }
    }
}

#[tokio::test]
async fn whether_a_call_would_be_let_in_is_asked_and_nothing_more_is_claimed() {
    const INVOKE: &[&str] = &["run.routes.invoke"];
    let services = TestServer::start(echo).await;
    for (of_service, held, called, result, found) in [
        (json!({}), INVOKE, "resize/path", Well, "the identity may invoke (run.routes.invoke)"),
        (json!({}), &[][..], "resize", Failed, "may not invoke `resize`: it lacks run.routes.invoke"),
        (json!({"invokerIamDisabled": true}), &[], "resize", Well, "calls are taken from everywhere"),
        (json!({"iapEnabled": true}), INVOKE, "resize", Not, "Identity-Aware Proxy stands before `resize`"),
        (
            json!({"ingress": "INGRESS_TRAFFIC_INTERNAL_ONLY"}),
            INVOKE,
            "resize",
            Not,
            "does not take calls from everywhere",
        ),
        (json!({}), INVOKE, "blur", Not, "the permissions on `blur` can't be asked for"),
        (json!({}), INVOKE, "resized", Not, "is the URL of no service that is listed"),
    ] {
        let api = TestServer::start(interface(&services.url(), &of_service, held)).await;
        let venue = venue_with(&services.url(), &api.url(), |config| {
            (config.project, config.api_endpoint_url) = (Some("p".to_owned()), Some(api.url()));
        });
        let steps = venue.check(vec![target(called)]).await;
        let dry = steps.last().expect("steps");
        assert_eq!((dry.name, dry.result), (Step::DRY, result), "{of_service} {steps:?}");
        assert!(dry.found.contains(found), "{dry:?}");
    }
    assert_eq!(services.calls(), 0, "nothing is run");
}
