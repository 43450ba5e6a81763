//! Errors written and read back, and those of others.

use super::*;

#[test]
fn every_error_reads_back_as_it_was_written() {
    for code in ErrorCode::ALL {
        let written = LambdaError::new(code.clone(), "what is wrong");
        let (parts, body) = written.response().into_parts();
        assert_eq!(LambdaError::read(parts.status, &parts.headers, &body), written);
        assert_eq!(ErrorCode::named(code.as_str()), *code);
    }
    for reason in ThrottleReason::ALL {
        let written = LambdaError::throttled(reason, Some(3));
        let (parts, body) = written.response().into_parts();
        assert_eq!(parts.headers[RETRY_AFTER], "3");
        assert_eq!(LambdaError::read(parts.status, &parts.headers, &body), written);
    }
}

#[test]
fn bodies_are_lambdas_own() {
    let unknown = LambdaError::function_not_found(&"arn:aws:lambda:us-east-1:123456789012:function:nowhere").body();
    let expected = r#"{"Message":"Function not found: arn:aws:lambda:us-east-1:123456789012:function:nowhere","Type":"User","__type":"ResourceNotFoundException"}"#;
    assert_eq!(unknown, expected);
    let throttled = LambdaError::throttled(ThrottleReason::CallerRateLimitExceeded, None).body();
    let expected = r#"{"Reason":"CallerRateLimitExceeded","Type":"User","__type":"TooManyRequestsException","message":"Rate Exceeded."}"#;
    assert_eq!(throttled, expected);
}

#[test]
fn what_aws_and_emulators_answer_is_understood() {
    let mut headers = HeaderMap::new();
    headers.insert(
        ERROR_TYPE,
        HeaderValue::from_static("EC2ThrottledException:http://internal.amazon.com/coral/com.amazonaws.lambda/"),
    );
    let read = LambdaError::read(StatusCode::BAD_GATEWAY, &headers, br#"{"Message":"slow down"}"#);
    assert_eq!(
        (&read.code, read.message.as_str(), read.fault),
        (&ErrorCode::Ec2Throttled, "slow down", Fault::Service)
    );

    let none = HeaderMap::new();
    let body = br#"{"__type":"com.amazonaws.lambda#ResourceNotFoundException","message":"gone"}"#;
    assert_eq!(LambdaError::read(StatusCode::NOT_FOUND, &none, body).code, ErrorCode::ResourceNotFound);

    for nonsense in [&b"<html>"[..], b"", b"[1]", br#"{"title":"Missing function"}"#] {
        let read = LambdaError::read(StatusCode::NOT_FOUND, &none, nonsense);
        assert_eq!((read.code, read.message.as_str(), read.fault), (ErrorCode::Other("".into()), "", Fault::User));
    }
}
