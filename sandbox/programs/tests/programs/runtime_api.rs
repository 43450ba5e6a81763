//! Programs that speak the Runtime API: the contract, as a custom runtime sees it.

use merit_programs::{Failure, Invocation, Part, StartError};
use merit_units::Micros;
use serde_json::json;

use crate::support::{Bench, call, call_within, kind, probe, probe_handled, probe_with, reply};

#[tokio::test]
async fn a_program_answers_and_stays_warm() {
    let bench = Bench::new();
    let instance = bench.probe().await;
    let first = call(&instance, json!({ "do": "echo", "n": 1 })).await;
    let init = first.usage.init.expect("the first call is a cold one");
    assert!(init.wall > Micros::new(0) && init.cpu > Micros::new(0), "{init:?}");
    let body = first.outcome.expect("a reply").body;
    assert_eq!(body, r#"{"do": "echo", "n": 1}"#);
    assert_eq!(first.usage.bytes_out, 22);

    let second = call(&instance, json!({ "do": "remember", "text": "warm" })).await;
    assert!(!second.usage.is_cold());
    assert_eq!(second.outcome.expect("a reply").body, "null");
    // `/tmp` stays between the calls of an instance.
    assert_eq!(reply(&instance, json!({ "do": "remember", "text": "again" })).await, "warm");
    instance.stop().await;
}

#[tokio::test]
async fn a_program_sees_the_call_and_its_own_environment() {
    let bench = Bench::new();
    let mut program = probe_handled("main.handler");
    program.environment.insert("GREETING".to_owned(), "hello".to_owned());
    let instance = bench.start(program).await;
    let invocation = Invocation {
        client_context: Some(r#"{"custom":{"a":1}}"#.to_owned()),
        trace_id: Some("Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700".to_owned()),
        ..Invocation::new("8476a536-e9f4-11e8-9739-2dfe598c3fcd", r#"{"do":"context"}"#, Micros::from_secs(30))
    };
    let ran = instance.invoke(invocation, None).await;
    let seen: serde_json::Value = serde_json::from_slice(&ran.outcome.expect("a reply").body).expect("JSON");
    let header = |name: &str| seen["headers"][name].as_str().unwrap_or_default().to_owned();
    assert_eq!(header("lambda-runtime-aws-request-id"), "8476a536-e9f4-11e8-9739-2dfe598c3fcd");
    assert_eq!(header("lambda-runtime-client-context"), r#"{"custom":{"a":1}}"#);
    assert_eq!(header("lambda-runtime-trace-id"), "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700");
    assert!(header("lambda-runtime-invoked-function-arn").ends_with(":function:probe"));
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis();
    let deadline: u128 = header("lambda-runtime-deadline-ms").parse().expect("milliseconds");
    assert!((now..=now + 30_000).contains(&deadline), "{deadline} at {now}");

    let environment = &seen["environment"];
    assert_eq!(environment["_HANDLER"], "main.handler");
    assert_eq!(environment["GREETING"], "hello");
    assert_eq!(environment["LAMBDA_TASK_ROOT"], "/var/task");
    assert_eq!(environment["AWS_LAMBDA_FUNCTION_NAME"], "probe");
    assert_eq!(environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"], "128");
    assert_eq!(environment["AWS_LAMBDA_RUNTIME_API"], "127.0.0.1:9001");
    // Nothing of this process's.
    assert_eq!(environment["CARGO_MANIFEST_DIR"], serde_json::Value::Null);
    assert_eq!((seen["cwd"].as_str(), seen["uid"].as_u64()), (Some("/var/task"), Some(1000)));
    instance.stop().await;
}

#[tokio::test]
async fn an_error_is_passed_on_and_the_instance_lives() {
    let bench = Bench::new();
    let instance = bench.probe().await;
    let ran = call(&instance, json!({ "do": "fail" })).await;
    let Err(Failure::Reported { error_type, payload }) = ran.outcome else { panic!("{ran:?}") };
    assert_eq!(error_type, "Unhandled");
    assert_eq!(payload, r#"{"errorMessage": "as asked", "errorType": "ValueError"}"#);
    assert!(instance.is_alive());
    assert_eq!(reply(&instance, json!({ "do": "burn", "cpu_ms": 1 })).await, "burnt");
    instance.stop().await;
}

#[tokio::test]
async fn what_a_call_used_is_metered() {
    let bench = Bench::new();
    let instance = bench.probe().await;
    let burnt = call(&instance, json!({ "do": "burn", "cpu_ms": 200 })).await.usage;
    assert!(burnt.cpu >= Micros::from_millis(195), "{burnt:?}");
    assert!(burnt.wall.saturating_add(Micros::from_millis(20)) >= burnt.cpu, "{burnt:?}");
    let slept = call(&instance, json!({ "do": "sleep", "ms": 200 })).await.usage;
    assert!(slept.wall >= Micros::from_millis(200), "{slept:?}");
    assert!(slept.cpu < Micros::from_millis(100), "{slept:?}");
    let held = call(&instance, json!({ "do": "hold", "mb": 60 })).await.usage;
    assert!(held.memory_peak_bytes >= 60 << 20, "{held:?}");
    assert!(held.memory_peak_bytes <= 128 << 20, "{held:?}");
    instance.stop().await;
}

#[tokio::test]
async fn a_stream_is_passed_on_in_parts_and_may_fail_midway() {
    let bench = Bench::new();
    let instance = bench.probe().await;
    let (parts, mut received) = tokio::sync::mpsc::channel(8);
    let payload = json!({ "do": "stream", "parts": ["one ", "two ", "three"] }).to_string();
    let invocation = Invocation::new("streamed", payload, Micros::from_secs(30));
    let ran = instance.invoke(invocation, Some(parts)).await;
    assert_eq!(ran.outcome.expect("a reply").body, "");
    assert_eq!(ran.usage.bytes_out, 13);
    let Some(Part::Head { headers, .. }) = received.recv().await else { panic!("no head") };
    assert_eq!(headers["content-type"], "text/plain");
    let mut text = Vec::new();
    while let Some(Part::Data(data)) = received.recv().await {
        text.extend_from_slice(&data);
    }
    assert_eq!(text, b"one two three");

    let ran = call(&instance, json!({ "do": "stream", "parts": ["half"], "fail": true })).await;
    let Err(Failure::Reported { error_type, payload }) = ran.outcome else { panic!("{ran:?}") };
    assert_eq!((error_type.as_str(), &payload[..]), ("Broken.Midway", &b"e30="[..]));
    assert!(instance.is_alive());
    instance.stop().await;
}

#[tokio::test]
async fn calls_at_once_wait_for_their_turn() {
    let bench = Bench::new();
    let instance = bench.probe().await;
    let (first, second) = tokio::join!(
        call(&instance, json!({ "do": "sleep", "ms": 100 })),
        call(&instance, json!({ "do": "sleep", "ms": 100 })),
    );
    assert!(first.outcome.is_ok() && second.outcome.is_ok());
    instance.stop().await;
}

#[tokio::test]
async fn an_empty_reply_at_the_limit_passes_and_one_above_fails() {
    let bench = Bench::new();
    let instance = bench.start(probe_with(|limits| limits.reply_bytes = 1002)).await;
    // With its quotation marks.
    assert_eq!(reply(&instance, json!({ "do": "big_reply", "bytes": 1000 })).await, "x".repeat(1000));
    let ran = call(&instance, json!({ "do": "big_reply", "bytes": 1001 })).await;
    assert_eq!(kind(&ran), "ReplyTooLarge");
    assert!(!instance.is_alive());
    assert_eq!(kind(&call(&instance, json!({ "do": "echo" })).await), "InstanceEnded");
}

#[tokio::test]
async fn a_program_that_can_not_start_says_why() {
    let bench = Bench::new();
    let start = async |handler: &str| {
        let prepared = bench.prepare(probe_handled(handler));
        merit_programs::Instance::start(&bench.machine, &prepared).await.expect_err("it can't start")
    };
    let error = start("init-error").await;
    let StartError::Init { failure: Failure::Reported { error_type, .. }, .. } = &error else { panic!("{error}") };
    assert_eq!((error_type.as_str(), error.kind()), ("Init.Asked", "InitFailed"));

    let error = start("init-exit").await;
    let StartError::Init { failure, log, .. } = &error else { panic!("{error}") };
    assert_eq!(*failure, Failure::Exited { status: "status 3".to_owned() });
    assert_eq!(log, "nothing to do here");
}

#[tokio::test]
async fn a_program_that_does_not_get_ready_is_killed() {
    let bench = Bench::new();
    let mut program = probe_handled("init-sleep");
    program.limits.init_timeout = Micros::from_millis(500);
    let prepared = bench.prepare(program);
    let begun = tokio::time::Instant::now();
    let error = merit_programs::Instance::start(&bench.machine, &prepared).await.expect_err("it sleeps");
    assert_eq!(error.kind(), "InitTimeout");
    assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn the_log_is_kept_and_a_timeout_is_the_calls_own() {
    let bench = Bench::new();
    let instance = bench.start(probe_with(|limits| limits.timeout = Micros::from_millis(700))).await;
    assert_eq!(reply(&instance, json!({ "do": "write_log", "text": "hello log" })).await, "written");
    let ran = call_within(&instance, json!({ "do": "sleep", "ms": 60_000 }), Micros::from_secs(20)).await;
    assert_eq!(ran.outcome, Err(Failure::Timeout { limit: Micros::from_millis(700) }));
    assert!(instance.log_tail().contains("hello log"));
}

#[tokio::test]
async fn a_program_without_bootstrap_or_with_a_reserved_variable_is_refused() {
    let bench = Bench::new();
    let folder = tempfile::tempdir().expect("a folder");
    let mut program = probe();
    program.source = merit_programs::Source::Directory(folder.path().to_path_buf());
    let error = bench.machine.prepare(program).expect_err("nothing to run").to_string();
    assert!(error.contains("no `bootstrap`"), "{error}");
    let mut program = probe();
    program.environment.insert("AWS_LAMBDA_RUNTIME_API".to_owned(), "10.0.0.1".to_owned());
    let error = bench.machine.prepare(program).expect_err("reserved").to_string();
    assert!(error.contains("is set by the pool"), "{error}");
}

#[tokio::test]
async fn an_extension_hears_of_calls_and_of_the_end() {
    let bench = Bench::new();
    let instance = bench.start(probe_handled("extension")).await;
    let events = reply(&instance, json!({ "do": "events" })).await;
    assert_eq!((events[0]["registered"].as_u64(), events[0]["functionName"].as_str()), (Some(200), Some("probe")));
    // It is told when the call is, but may come round to listening later.
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    let mut events = events;
    while events[1]["eventType"] != "INVOKE" {
        assert!(tokio::time::Instant::now() < deadline, "{events}");
        events = reply(&instance, json!({ "do": "events" })).await;
    }
    assert!(events[1]["requestId"].as_str().is_some_and(|id| id.starts_with("call-")), "{events}");
    let begun = tokio::time::Instant::now();
    instance.stop().await;
    // It ends its process when it hears of the end; two seconds would be waited for one that did not.
    assert!(begun.elapsed() < std::time::Duration::from_millis(1900), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_call_that_ran_when_its_instance_was_stopped_is_not_called_unstarted() {
    let bench = Bench::new();
    let instance = bench.start(probe_handled("")).await;
    let leaving = call(&instance, json!({ "do": "leave", "status": 5 })).await;
    let failure = leaving.outcome.expect_err("it left");
    assert!(!failure.is_not_started(), "{failure:?}");
    let after = call(&instance, json!({ "do": "echo" })).await.outcome.expect_err("it has ended");
    assert!(after.is_not_started(), "{after:?}");
}
