//! What is deployed, page by page, and what is told of it.

use merit_pricing::Architecture;
use merit_venue::{ErrorKind, Outcome, Venue};
use merit_venue_aws_lambda::CredentialsFrom;

use crate::server::{Answer, Received, TestServer, ok, refused, venue_at};

const FIRST: &str = r#"{"NextMarker":"page 2","Functions":[
    {"FunctionName":"resize","MemorySize":512,"Timeout":3,"Architectures":["arm64"]},
    {"FunctionName":"old","MemorySize":128,"Timeout":900}]}"#;
const SECOND: &str =
    r#"{"Functions":[{"FunctionName":"blur","MemorySize":1769,"Timeout":30,"Architectures":["x86_64"]}]}"#;

/// Lambda's API, as far as it is asked.
fn lambda(request: &Received) -> Answer {
    let line = request.request_line();
    let path = line.split(' ').nth(1).unwrap_or_default();
    let body = match path {
        "/2015-03-31/functions" | "/2015-03-31/functions/" => FIRST,
        path if path.contains("Marker=page")
            && path.starts_with("/2015-03-31/functions")
            && !path.contains("aliases") =>
        {
            SECOND
        }
        "/2015-03-31/functions/resize" => {
            r#"{"Tags":{"merit:function":"resize","team":"search"},"Concurrency":{"ReservedConcurrentExecutions":20}}"#
        }
        "/2015-03-31/functions/resize/aliases" => {
            r#"{"NextMarker":"more","Aliases":[{"Name":"live","FunctionVersion":"7"}]}"#
        }
        "/2015-03-31/functions/resize/aliases?Marker=more" => r#"{"Aliases":[{"Name":"beta","FunctionVersion":"8"}]}"#,
        path if path.starts_with("/2019-09-30/functions/resize/provisioned-concurrency") => {
            r#"{"ProvisionedConcurrencyConfigs":[{"RequestedProvisionedConcurrentExecutions":2},{"RequestedProvisionedConcurrentExecutions":3}]}"#
        }
        _ => return Answer::Send(refused(403, "AccessDeniedException", &[], r#"{"Message":"not allowed"}"#)),
    };
    Answer::Send(ok(&[], body))
}

#[tokio::test]
async fn every_page_and_every_detail_is_told() {
    let server = TestServer::start(lambda).await;
    let venue = venue_at(&server.url(), |_| {}).await;
    let found = venue.discover().await.expect("a list").expect("it can tell");
    let names: Vec<&str> = found.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(names, ["blur", "old", "resize"], "in order of name, over both pages");
    let resize = &found[2];
    assert_eq!(resize.memory.map(|memory| memory.megabytes()), Some(512));
    assert_eq!(
        (resize.architecture, resize.timeout.map(|limit| limit.as_secs())),
        (Some(Architecture::Arm64), Some(3))
    );
    assert_eq!(resize.tags["merit:function"], "resize");
    assert_eq!((resize.reserved, resize.provisioned), (Some(20), Some(5)));
    let aliases: Vec<_> = resize.aliases.iter().map(|alias| (alias.target.as_str(), alias.version.as_str())).collect();
    assert_eq!(aliases, [("resize:beta", "8"), ("resize:live", "7")]);
    let old = &found[1];
    assert_eq!(old.architecture, Some(Architecture::X86_64), "made before there was a choice");
    assert_eq!((old.tags.len(), old.aliases.len(), old.reserved), (0, 0, None), "what is not allowed is left out");
}

#[tokio::test]
async fn a_list_that_is_refused_is_an_error_with_its_name() {
    let body = r#"{"Message":"User is not authorized to perform: lambda:ListFunctions"}"#;
    let server = TestServer::start(move |_| Answer::Send(refused(403, "AccessDeniedException", &[], body))).await;
    let venue = venue_at(&server.url(), |_| {}).await;
    let error = venue.discover().await.expect_err("not allowed");
    assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::BadCredentials));
    assert!(error.message.contains("lambda:ListFunctions"), "{error}");
}

#[tokio::test]
async fn without_credentials_nothing_is_asked() {
    let server = TestServer::start(lambda).await;
    let missing = CredentialsFrom::Default { profile: Some("no-such-profile".to_owned()) };
    let venue = venue_at(&server.url(), |config| config.credentials = missing).await;
    let error = venue.discover().await.expect_err("no credentials");
    assert_eq!(error.kind, ErrorKind::BadCredentials, "{error}");
    assert_eq!(server.calls(), 0);
}
