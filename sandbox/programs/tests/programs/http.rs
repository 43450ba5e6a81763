//! Programs that answer HTTP on `$PORT`.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use merit_programs::{Failure, HttpHead, Instance, Invocation, Kind, Limits, Program, Ran, Source, StartError};
use merit_units::Micros;
use serde_json::Value;
use tokio::time::Instant;

use crate::support::{Bench, function, kind};

fn web(concurrency: u32) -> Program {
    Program {
        kind: Kind::Http { port: 8080, concurrency },
        command: ["/usr/bin/python3", "server.py"].map(str::to_owned).to_vec(),
        limits: Limits { init_timeout: Micros::from_secs(60), ..Limits::default() },
        ..Program::new("web", Source::Directory(function("web")))
    }
}

async fn get(instance: &Instance, path: &str) -> Ran {
    let http = HttpHead { method: Method::GET, path_and_query: path.to_owned(), headers: HeaderMap::new() };
    instance.invoke(Invocation { http, ..Invocation::new("a-call", "", Micros::from_secs(30)) }, None).await
}

#[tokio::test]
async fn method_path_headers_body_and_status_are_passed_both_ways() {
    let bench = Bench::new();
    let instance = bench.start(web(1)).await;
    let mut headers = HeaderMap::new();
    headers.insert("x-asked", HeaderValue::from_static("yes"));
    headers.insert("connection", HeaderValue::from_static("close"));
    let http = HttpHead { method: Method::PATCH, path_and_query: "/a/b?status=201&x=%20".to_owned(), headers };
    let invocation = Invocation { http, ..Invocation::new("a-call", "the body", Micros::from_secs(30)) };
    let ran = instance.invoke(invocation, None).await;
    assert!(ran.usage.is_cold());
    let reply = ran.outcome.expect("a reply");
    assert_eq!(reply.status, StatusCode::CREATED);
    assert_eq!(reply.headers["x-own"], "passed on");
    let seen: Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!((seen["method"].as_str(), seen["path"].as_str()), (Some("PATCH"), Some("/a/b?status=201&x=%20")));
    assert_eq!((seen["headers"]["x-asked"].as_str(), seen["body"].as_str()), (Some("yes"), Some("the body")));
    assert_eq!(seen["headers"]["connection"], Value::Null);
    instance.stop().await;
}

#[tokio::test]
async fn calls_at_once_are_as_many_as_may_be_and_share_the_cpu_time() {
    let bench = Bench::new();
    let instance = bench.start(web(3)).await;
    let sleeps = (0..6).map(|_| get(&instance, "/sleep?ms=150"));
    let replies = futures_util::future::join_all(sleeps).await;
    let most = replies.into_iter().map(|ran| {
        let body = ran.outcome.expect("a reply").body;
        serde_json::from_slice::<Value>(&body).expect("JSON")["most"].as_u64().expect("a number")
    });
    assert_eq!(most.max(), Some(3));

    let (one, two) = tokio::join!(get(&instance, "/burn?ms=200"), get(&instance, "/sleep?ms=600"));
    let sum = one.usage.cpu.saturating_add(two.usage.cpu);
    assert!(sum >= Micros::from_millis(195), "{sum}");
    assert!(two.usage.cpu >= Micros::from_millis(50), "it ran beside the other: {:?}", two.usage);
    instance.stop().await;
}

#[tokio::test]
async fn failures_have_names() {
    let bench = Bench::new();
    let instance = bench.start(web(1)).await;
    let ran = get(&instance, "/exit?status=4").await;
    assert_eq!(ran.outcome, Err(Failure::Exited { status: "status 4".to_owned() }));
    assert!(!instance.is_alive());

    let instance = bench.start(web(1)).await;
    assert_eq!(kind(&get(&instance, "/short").await), "BrokenReply");

    let mut small = web(1);
    small.limits.reply_bytes = 1000;
    small.limits.timeout = Micros::from_millis(500);
    let instance = bench.start(small.clone()).await;
    assert!(get(&instance, "/large?bytes=1000").await.outcome.is_ok());
    assert_eq!(kind(&get(&instance, "/large?bytes=1001").await), "ReplyTooLarge");
    let instance = bench.start(small).await;
    assert_eq!(kind(&get(&instance, "/sleep?ms=60000").await), "Timeout");
    assert!(!instance.is_alive());
}

#[tokio::test]
async fn a_program_is_told_to_end_and_one_that_does_not_is_killed() {
    let bench = Bench::new();
    let instance = bench.start(web(1)).await;
    let begun = Instant::now();
    instance.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(2), "it heard: {:?}", begun.elapsed());

    let mut deaf = web(1);
    deaf.command = ["/bin/sh", "-c", "trap '' TERM; /usr/bin/python3 server.py"].map(str::to_owned).to_vec();
    let instance = bench.start(deaf).await;
    let begun = Instant::now();
    instance.stop().await;
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test]
async fn one_that_does_not_listen_is_not_ready() {
    let bench = Bench::new();
    let mut silent = web(1);
    silent.command = ["/bin/sleep", "60"].map(str::to_owned).to_vec();
    silent.limits.init_timeout = Micros::from_millis(300);
    let error = Instance::start(&bench.machine, &bench.prepare(silent)).await.expect_err("it sleeps");
    assert_eq!(error.kind(), "InitTimeout");
    let mut gone = web(1);
    gone.command = vec!["/no/such/program".to_owned()];
    let error = Instance::start(&bench.machine, &bench.prepare(gone)).await.expect_err("it is not there");
    let StartError::Init { failure: Failure::Exited { .. }, log, .. } = &error else { panic!("{error}") };
    assert!(log.contains("/no/such/program"), "{log}");
}
