//! Answers as they come.

use super::*;

fn result(text: &str) -> CallResult {
    let answer: Answer<Invoked> = serde_json::from_str(text).expect("an answer");
    answer.response.done.expect("a result").result
}

/// The example of the documentation of Invoke.
#[test]
fn a_call_that_went_well_is_read() {
    let read = result(
        r#"{"Response":{"Result":{"MemUsage":3207168,"Log":"","RetMsg":"hello from scf","BillDuration":100,
            "FunctionRequestId":"6add56fa-58f1-11e8-89a9-5254005d5fdb","Duration":0.826,"ErrMsg":"","InvokeResult":0},
            "RequestId":"c2af8a64-c922-4d55-aee0-bd86a5c2cd12"}}"#,
    );
    assert_eq!((read.ret_msg.as_str(), read.bill_duration, read.mem_usage), ("hello from scf", 100, 3_207_168));
    assert_eq!(read.failure(), None);
}

#[test]
fn a_failure_within_a_200_is_found_wherever_its_status_is() {
    let of = |result: i64, message: &str| CallResult {
        invoke_result: result,
        err_msg: message.to_owned(),
        ..CallResult::default()
    };
    for (result, status, words) in [
        (of(1, r#"{"errorCode":1,"errorMessage":"boom","errorType":"ValueError","statusCode":430}"#), 430, "boom"),
        (of(0, r#"{"errorMessage":"Invoking task timed out after 3 seconds","statusCode":433}"#), 433, "Invoking"),
        (of(432, ""), 432, ""),
        (of(-1, "user code exception"), 430, "user code exception"),
        (of(200, "odd"), 430, "odd"),
    ] {
        let (found, said) = result.failure().expect("a failure");
        assert_eq!(found.number(), status, "{result:?}");
        assert!(said.error_message.unwrap_or_default().starts_with(words), "{result:?}");
    }
}

#[test]
fn a_refusal_is_read_and_what_is_no_answer_is_not() {
    let refused = r#"{"Response":{"Error":{"Code":"AuthFailure.SignatureExpire","Message":"x"},"RequestId":"1"}}"#;
    let refused: Answer<Invoked> = serde_json::from_str(refused).expect("an answer");
    assert_eq!(refused.response.error.expect("an error").code, "AuthFailure.SignatureExpire");
    assert_eq!(refused.response.done, None);
    for other in ["", "{}", "<html>", "[]", r#"{"response":{}}"#] {
        assert!(serde_json::from_str::<Answer<Invoked>>(other).is_err(), "{other}");
    }
}

#[test]
fn requests_have_what_was_given_and_nothing_more() {
    let request = InvokeFunction {
        function_name: "my-func".into(),
        event: Some(r#"{"a":1}"#.into()),
        log_type: Some("Tail".into()),
        ..InvokeFunction::default()
    };
    let text = serde_json::to_string(&request).expect("JSON");
    assert_eq!(text, r#"{"FunctionName":"my-func","Event":"{\"a\":1}","LogType":"Tail"}"#);
    assert_eq!(serde_json::from_str::<InvokeFunction<'_>>(&text).expect("read"), request);
    let list = ListFunctions { offset: 20, limit: 20, namespace: Some("prod".to_owned()) };
    assert_eq!(serde_json::to_string(&list).expect("JSON"), r#"{"Offset":20,"Limit":20,"Namespace":"prod"}"#);
}

#[test]
fn any_body_goes_through_a_gateways_event() {
    let body: Vec<u8> = (0..=255).collect();
    let event = GatewayEvent::of(&body, Some("image/png"));
    let text = serde_json::to_string(&event).expect("JSON");
    let read: GatewayEvent = serde_json::from_str(&text).expect("an event");
    assert_eq!((read.body().as_deref(), read.content_type()), (Some(&body[..]), Some("image/png")));
    let plain: GatewayReply = serde_json::from_str(
        r#"{"statusCode":201,"headers":{"Content-Type":"text/plain"},"body":"hi","isBase64Encoded":false}"#,
    )
    .expect("a reply");
    assert_eq!(
        (plain.status_code, plain.body().as_deref(), plain.content_type()),
        (201, Some(&b"hi"[..]), Some("text/plain"))
    );
    assert!(serde_json::from_str::<GatewayReply>("{}").is_err(), "a reply has a status");
    let bad = GatewayReply { body: "!".to_owned(), is_base64_encoded: true, ..plain };
    assert_eq!(bad.body(), None);
}

#[test]
fn every_status_has_a_number_of_its_own() {
    let numbers: std::collections::BTreeSet<u16> = Status::all().map(Status::number).collect();
    assert_eq!(numbers.len(), Status::all().count());
    assert_eq!((Status::CONCURRENCY.name(), Status::numbered(431).name()), ("ResourceLimitReached", "Status"));
}
