//! Components that misbehave, one way each, written by hand so that no interpreter notices first: each is stopped in
//! time, metered, and named by its own kind of error; and the sandbox is as good as before.

use std::time::Duration;

use bytes::Bytes;
use merit_sandbox::{GuestError, Limits, Run, Sandbox, SandboxConfig};
use merit_units::{MemoryMb, Micros};

/// How late a stopped guest may be on a machine that is busy with other tests. The aim of 50 ms is looked at by
/// `hostile.rs`, for commands that end the same way.
const LATE: Duration = Duration::from_secs(2);

/// What all of them import, by the WIT of wasi:http 0.2.0 (<https://github.com/WebAssembly/wasi-http/tree/v0.2.0/wit>,
/// read 2026-11-21): `types` in full as far as a response needs it, and nothing else.
const WORLD: &str = r#"
  (import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
  (alias export $error "error" (type $io-error))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (export "output-stream" (type $stream (sub resource)))
    (alias outer 1 $io-error (type $error'))
    (export "error" (type $error (eq $error')))
    (type $stream-error' (variant (case "last-operation-failed" (own $error)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $stream-error')))
    (export "[method]output-stream.blocking-write-and-flush" (func
      (param "self" (borrow $stream)) (param "contents" (list u8)) (result (result (error $stream-error)))))))
  (alias export $streams "output-stream" (type $output-stream))
  (import "wasi:http/types@0.2.0" (instance $types
    (alias outer 1 $output-stream (type $stream'))
    (export "output-stream" (type $stream (eq $stream')))
    (export "incoming-request" (type (sub resource)))
    (export "response-outparam" (type $outparam (sub resource)))
    (export "fields" (type $fields (sub resource)))
    (export "headers" (type $headers (eq $fields)))
    (export "outgoing-response" (type $response (sub resource)))
    (export "outgoing-body" (type $body (sub resource)))
    (type $text (option string)) (type $small (option u8)) (type $short (option u16))
    (type $size (option u32)) (type $long (option u64))
    (type $dns' (record (field "rcode" $text) (field "info-code" $short)))
    (export "DNS-error-payload" (type $dns (eq $dns')))
    (type $tls' (record (field "alert-id" $small) (field "alert-message" $text)))
    (export "TLS-alert-received-payload" (type $tls (eq $tls')))
    (type $field' (record (field "field-name" $text) (field "field-size" $size)))
    (export "field-size-payload" (type $field (eq $field')))
    (type $maybe-field (option $field))
    (type $code' (variant
      (case "DNS-timeout") (case "DNS-error" $dns) (case "destination-not-found") (case "destination-unavailable")
      (case "destination-IP-prohibited") (case "destination-IP-unroutable") (case "connection-refused")
      (case "connection-terminated") (case "connection-timeout") (case "connection-read-timeout")
      (case "connection-write-timeout") (case "connection-limit-reached") (case "TLS-protocol-error")
      (case "TLS-certificate-error") (case "TLS-alert-received" $tls) (case "HTTP-request-denied")
      (case "HTTP-request-length-required") (case "HTTP-request-body-size" $long) (case "HTTP-request-method-invalid")
      (case "HTTP-request-URI-invalid") (case "HTTP-request-URI-too-long")
      (case "HTTP-request-header-section-size" $size)
      (case "HTTP-request-header-size" $maybe-field) (case "HTTP-request-trailer-section-size" $size)
      (case "HTTP-request-trailer-size" $field) (case "HTTP-response-incomplete")
      (case "HTTP-response-header-section-size" $size) (case "HTTP-response-header-size" $field)
      (case "HTTP-response-body-size" $long) (case "HTTP-response-trailer-section-size" $size)
      (case "HTTP-response-trailer-size" $field) (case "HTTP-response-transfer-coding" $text)
      (case "HTTP-response-content-coding" $text) (case "HTTP-response-timeout") (case "HTTP-upgrade-failed")
      (case "HTTP-protocol-error") (case "loop-detected") (case "configuration-error") (case "internal-error" $text)))
    (export "error-code" (type $code (eq $code')))
    (export "[constructor]fields" (func (result (own $fields))))
    (export "[constructor]outgoing-response" (func (param "headers" (own $headers)) (result (own $response))))
    (export "[method]outgoing-response.body" (func (param "self" (borrow $response)) (result (result (own $body)))))
    (export "[method]outgoing-body.write" (func (param "self" (borrow $body)) (result (result (own $stream)))))
    (export "trailers" (type $trailers (eq $fields)))
    (export "[static]outgoing-body.finish" (func
      (param "this" (own $body)) (param "trailers" (option (own $trailers))) (result (result (error $code)))))
    (export "[static]response-outparam.set" (func
      (param "param" (own $outparam)) (param "response" (result (own $response) (error $code)))))))
  (alias export $types "incoming-request" (type $request))
  (alias export $types "response-outparam" (type $outparam))
  ;; Beside its memory, where the host puts what it returns: nothing here has results of any length.
  (core module $memory (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8192)))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $memory))
  (alias core export $memory "realloc" (core func $realloc))
  (core func $fields (canon lower (func $types "[constructor]fields")))
  (core func $response (canon lower (func $types "[constructor]outgoing-response")))
  (core func $body (canon lower (func $types "[method]outgoing-response.body") (memory $memory)))
  (core func $write (canon lower (func $types "[method]outgoing-body.write") (memory $memory)))
  (core func $set (canon lower (func $types "[static]response-outparam.set") (memory $memory) (realloc $realloc)))
  (core func $put (canon lower (func $streams "[method]output-stream.blocking-write-and-flush") (memory $memory)))
  (core func $finish (canon lower (func $types "[static]outgoing-body.finish") (memory $memory) (realloc $realloc)))
  (core func $drop (canon resource.drop $output-stream))
  (core instance $host
    (export "finish" (func $finish)) (export "drop" (func $drop)) (export "memory" (memory $memory))
    (export "fields" (func $fields)) (export "response" (func $response))
    (export "body" (func $body)) (export "write" (func $write)) (export "set" (func $set)) (export "put" (func $put)))
"#;

/// What the module of each of them imports. `$stream` answers the request and has the response's body to write to.
const MODULE: &str = r#"
  (import "host" "memory" (memory 1))
  (import "host" "fields" (func $fields (result i32)))
  (import "host" "response" (func $response (param i32) (result i32)))
  (import "host" "body" (func $body (param i32 i32)))
  (import "host" "write" (func $write (param i32 i32)))
  (import "host" "set" (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
  (import "host" "put" (func $put (param i32 i32 i32 i32)))
  (import "host" "drop" (func $drop (param i32)))
  (import "host" "finish" (func $finish (param i32 i32 i32 i32)))
  (func $stream (param $out i32) (result i32) (local $response i32)
    (local.set $response (call $response (call $fields)))
    (call $body (local.get $response) (i32.const 0))
    (call $write (i32.load (i32.const 4)) (i32.const 16))
    (call $set (local.get $out) (i32.const 0) (local.get $response)
      (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (i32.load (i32.const 20)))
"#;

/// A handler that answers with five zeroes.
const GOOD: &str = "(local $to i32) (local.set $to (call $stream (local.get 1)))
    (call $put (local.get $to) (i32.const 64) (i32.const 5) (i32.const 32)) (call $drop (local.get $to))
    (call $finish (i32.load (i32.const 4)) (i32.const 0) (i32.const 0) (i32.const 48))";

/// A component whose handler does this with the request (local 0) and the way to answer (local 1).
fn component(functions: &str, body: &str) -> Vec<u8> {
    let text = format!(
        r#"(component {WORLD}
          (core module $m {MODULE} {functions} (func (export "handle") (param i32 i32) {body}))
          (core instance $m (instantiate $m (with "host" (instance $host))))
          (func $handle (param "request" (own $request)) (param "response-out" (own $outparam))
            (canon lift (core func $m "handle")))
          (instance $handler (export "handle" (func $handle)))
          (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#
    );
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

fn limits() -> Limits {
    let memory = MemoryMb::try_new(16).expect("a memory size");
    Limits { memory, wall: Micros::from_millis(300), cpu: Micros::from_secs(10), output_bytes: 10_000 }
}

/// Runs it, and then one that answers.
async fn run(wasm: &[u8]) -> Run {
    let config = SandboxConfig { slots: 2, workers: 2, ..SandboxConfig::default() };
    let sandbox = Sandbox::try_new(config).expect("a sandbox");
    let call = async |wasm: &[u8], limits: Limits| {
        let function = sandbox.load(&"guest".parse().expect("a name"), wasm).expect("loads");
        assert!(function.is_http());
        sandbox.run(&function, Bytes::new(), limits).await.expect("a free slot")
    };
    let ran = call(wasm, limits()).await;
    assert!(ran.usage.wall.to_std() < limits().wall.to_std() + LATE, "{:?}", ran.usage);
    let after = call(&component("", GOOD), Limits { wall: Micros::from_secs(30), ..limits() }).await;
    assert_eq!(after.outcome, Ok(Bytes::from_static(&[0; 5])), "the next call is not disturbed");
    ran
}

fn failure(run: &Run) -> &GuestError {
    run.outcome.as_ref().expect_err("the function fails")
}

#[tokio::test]
async fn an_endless_loop_ends_at_its_wall_time_and_is_metered() {
    for answered in ["", "(drop (call $stream (local.get 1)))"] {
        let run = run(&component("", &format!("{answered} (loop $again (br $again))"))).await;
        assert_eq!(failure(&run), &GuestError::Timeout { limit: Micros::from_millis(300) }, "after {answered:?}");
        assert!(
            run.usage.wall >= Micros::from_millis(300) && run.usage.cpu > Micros::from_millis(10),
            "{:?}",
            run.usage
        );
    }
}

#[tokio::test]
async fn memory_beyond_the_limit_is_refused_and_a_trap_for_want_of_it_is_named() {
    let greedy = "(loop $again
        (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then (unreachable)))
        (memory.fill (i32.const 0) (i32.const 1) (i32.mul (memory.size) (i32.const 65536)))
        (br $again))";
    let run = run(&component("", greedy)).await;
    assert_eq!(failure(&run).kind(), "MemoryLimit", "{:?}", run.outcome);
    let peak = run.usage.memory_peak.megabytes();
    assert!((15..=16).contains(&peak), "{peak} MB");
}

#[tokio::test]
async fn deep_recursion_is_a_trap() {
    let deep = "(func $deep (param i64) (result i64) (i64.add (call $deep (local.get 0)) (local.get 0)))";
    let run = run(&component(deep, "(drop (call $deep (i64.const 1)))")).await;
    assert_eq!(failure(&run).kind(), "Trap");
    assert!(failure(&run).to_string().contains("stack"), "{:?}", run.outcome);
}

#[tokio::test]
async fn a_flood_of_output_stops_at_its_limit() {
    let flood = "(local $to i32) (local.set $to (call $stream (local.get 1)))
        (loop $again (call $put (local.get $to) (i32.const 1024) (i32.const 4096) (i32.const 32)) (br $again))";
    let run = run(&component("", flood)).await;
    assert_eq!(failure(&run), &GuestError::OutputLimit { limit: 10_000 }, "{:?}", run.outcome);
    assert_eq!(run.usage.memory_peak.megabytes(), 1, "what it wrote is not its memory");
}

#[tokio::test]
async fn one_that_never_answers_is_told_from_one_that_fails() {
    let silent = run(&component("", "")).await;
    assert!(failure(&silent).to_string().contains("response"), "{:?}", silent.outcome);
    let fails = run(&component("", "unreachable")).await;
    assert_eq!(failure(&fails).kind(), "Trap");
    assert!(failure(&fails).to_string().contains("unreachable"), "{:?}", fails.outcome);
}
