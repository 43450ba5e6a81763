//! Every error of Invoke in Lambda's service model (botocore 1.44.5), over the wire.

use std::time::Duration;

use merit_venue::ErrorKind::{
    BadCredentials, Misconfigured, NotFound, PayloadRefused, PayloadTooLarge, Throttled, Timeout, Unavailable,
};
use merit_venue::Outcome::{NotStarted, Unknown};
use merit_venue::{ErrorKind, Outcome, VenueError};

use crate::server::{Answer, TestServer, invoke, refused, reply, venue_at};

const TABLE: [(u16, &str, Outcome, ErrorKind); 45] = [
    (400, "InvalidParameterValueException", NotStarted, Misconfigured),
    (400, "InvalidRequestContentException", NotStarted, PayloadRefused),
    (400, "ModeNotSupportedException", NotStarted, Misconfigured),
    (400, "NoPublishedVersionException", NotStarted, Misconfigured),
    (400, "RecursiveInvocationException", NotStarted, Misconfigured),
    (400, "SnapStartException", Unknown, Unavailable),
    (402, "ServiceQuotaExceededException", NotStarted, Throttled),
    (403, "EFSMountFailureException", NotStarted, Misconfigured),
    (403, "S3FilesMountFailureException", NotStarted, Misconfigured),
    (404, "ResourceNotFoundException", NotStarted, NotFound),
    (408, "EFSMountConnectivityException", NotStarted, Unavailable),
    (408, "EFSMountTimeoutException", NotStarted, Timeout),
    (408, "S3FilesMountConnectivityException", NotStarted, Unavailable),
    (408, "S3FilesMountTimeoutException", NotStarted, Timeout),
    (408, "SnapStartTimeoutException", Unknown, Timeout),
    (409, "CodeArtifactUserDeletedException", NotStarted, Misconfigured),
    (409, "CodeArtifactUserFailedException", NotStarted, Misconfigured),
    (409, "CodeArtifactUserPendingException", NotStarted, Unavailable),
    (409, "DurableExecutionAlreadyStartedException", NotStarted, Misconfigured),
    (409, "ResourceConflictException", NotStarted, Unavailable),
    (409, "RuntimeAliasDeletedException", NotStarted, Misconfigured),
    (409, "RuntimeVersionDeletedException", NotStarted, Misconfigured),
    (409, "SnapStartNotReadyException", NotStarted, Unavailable),
    (409, "SnapStartRegenerationFailureException", NotStarted, Unavailable),
    (410, "EFSIOException", Unknown, Unavailable),
    (413, "RequestTooLargeException", NotStarted, PayloadTooLarge),
    (413, "SerializedRequestEntityTooLargeException", NotStarted, PayloadTooLarge),
    (415, "UnsupportedMediaTypeException", NotStarted, PayloadRefused),
    (429, "TooManyRequestsException", NotStarted, Throttled),
    (500, "ServiceException", Unknown, Unavailable),
    (502, "EC2AccessDeniedException", NotStarted, Misconfigured),
    (502, "EC2ThrottledException", NotStarted, Throttled),
    (502, "EC2UnexpectedException", NotStarted, Unavailable),
    (502, "ENILimitReachedException", NotStarted, Unavailable),
    (502, "ENINotReadyException", NotStarted, Unavailable),
    (502, "InvalidRuntimeException", NotStarted, Misconfigured),
    (502, "InvalidSecurityGroupIDException", NotStarted, Misconfigured),
    (502, "InvalidSubnetIDException", NotStarted, Misconfigured),
    (502, "InvalidZipFileException", NotStarted, Misconfigured),
    (502, "KMSAccessDeniedException", NotStarted, Misconfigured),
    (502, "KMSDisabledException", NotStarted, Misconfigured),
    (502, "KMSInvalidStateException", NotStarted, Misconfigured),
    (502, "KMSNotFoundException", NotStarted, Misconfigured),
    (502, "ResourceNotReadyException", NotStarted, Unavailable),
    (502, "SubnetIPAddressLimitReachedException", NotStarted, Unavailable),
];

async fn failure(answer: Vec<u8>) -> VenueError {
    let server = TestServer::start(move |_| Answer::Send(answer.clone())).await;
    let venue = venue_at(&server.url(), |_| {}).await;
    let error = invoke(&venue, "{}").await.expect_err("an error");
    assert_eq!(server.calls(), 1, "one attempt is one call: {error}");
    error
}

#[tokio::test]
async fn each_error_of_the_model_means_what_the_table_says() {
    for (status, name, outcome, kind) in TABLE {
        // AWS also sends the name with a namespace before it and a link behind it.
        let header = if status == 502 { format!("{name}:http://internal.amazon.com/coral/") } else { name.to_owned() };
        let error = failure(refused(status, &header, &[], r#"{"Type":"User","Message":"what was wrong"}"#)).await;
        assert_eq!((error.outcome, error.kind), (outcome, kind), "{name}");
        assert!(error.message.contains(name) && error.message.contains("what was wrong"), "{error}");
        assert_eq!(error.usage, None, "{name}");
    }
}

#[tokio::test]
async fn the_reasons_of_a_throttle_are_kept_apart() {
    for reason in [
        "ConcurrentInvocationLimitExceeded",
        "FunctionInvocationRateLimitExceeded",
        "ReservedFunctionConcurrentInvocationLimitExceeded",
        "ReservedFunctionInvocationRateLimitExceeded",
        "CallerRateLimitExceeded",
        "ConcurrentSnapshotCreateLimitExceeded",
    ] {
        let body = format!(r#"{{"Type":"User","message":"Rate Exceeded.","Reason":"{reason}"}}"#);
        let error = failure(refused(429, "TooManyRequestsException", &[("retry-after", "3")], &body)).await;
        assert_eq!((error.kind, error.retry_after), (Throttled, Some(Duration::from_secs(3))));
        assert!(error.message.contains(reason), "{error}");
    }
}

#[tokio::test]
async fn a_wait_is_taken_within_reason() {
    for (given, taken) in [("0", Some(0)), ("86400", Some(3600)), ("soon", None), ("-1", None)] {
        let error = failure(refused(429, "TooManyRequestsException", &[("retry-after", given)], "{}")).await;
        assert_eq!(error.retry_after, taken.map(Duration::from_secs), "{given}");
    }
}

#[tokio::test]
async fn a_signature_that_is_refused_repeats_nothing_of_the_request() {
    let body = r#"{"message":"The request signature we calculated does not match.\n\nThe Canonical String for this request should have been\n'POST\nx-amz-security-token:hunter2'"}"#;
    let error = failure(refused(403, "InvalidSignatureException", &[], body)).await;
    assert_eq!((error.outcome, error.kind), (NotStarted, BadCredentials));
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("does not match") && !shown.contains("hunter2"), "{shown}");
}

#[tokio::test]
async fn answers_without_a_name_are_read_by_what_they_are() {
    let xml = "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error></ErrorResponse>";
    for (answer, outcome, kind) in [
        (reply(403, &[("content-type", "text/xml")], xml), NotStarted, BadCredentials),
        (reply(404, &[], r#"{"title":"Missing function"}"#), NotStarted, NotFound),
        (reply(504, &[("content-type", "text/html")], "<html></html>"), Unknown, Timeout),
        (reply(503, &[], ""), Unknown, Unavailable),
        (reply(307, &[("location", "https://elsewhere/")], ""), Unknown, Misconfigured),
        (reply(500, &[], "{\"message\":\"x\"}"), Unknown, ErrorKind::MalformedReply),
    ] {
        let error = failure(answer.clone()).await;
        assert_eq!((error.outcome, error.kind), (outcome, kind), "{error}");
    }
}
