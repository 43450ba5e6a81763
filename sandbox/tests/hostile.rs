//! Functions that misbehave, one way each. Every one is stopped in time, metered, named by its
//! own kind of error, and leaves the sandbox as good as before.

use std::time::Duration;

use bytes::Bytes;
use merit_sandbox::{GuestError, Limits, NotStarted, Run, Sandbox, SandboxConfig};
use merit_units::{MemoryMb, Micros};
use tokio::time::Instant;

/// How late a stopped guest may be on a machine that is busy with other tests.
const GRACE: Duration = Duration::from_millis(50);

/// Declares the WASI functions the modules below use, and one page of memory.
const PRELUDE: &str = r#"
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_accept" (func $sock_accept (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
"#;

/// An iovec at 0: 4,096 bytes from 1,024 on.
const WRITE_4K: &str = "(i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 4096))";

fn module(functions: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {PRELUDE} {functions})")).expect("valid WAT")
}

fn start(body: &str) -> Vec<u8> {
    module(&format!("(func (export \"_start\") {body})"))
}

/// Sleeps by the monotonic clock, as wasi-libc's `nanosleep` does.
fn sleeper(nanoseconds: u64) -> Vec<u8> {
    start(&format!(
        "(i32.store (i32.const 16) (i32.const 1)) (i64.store (i32.const 24) (i64.const {nanoseconds}))
         (drop (call $poll_oneoff (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))"
    ))
}

fn sandbox() -> Sandbox {
    Sandbox::try_new(SandboxConfig { slots: 8, workers: 2, ..SandboxConfig::default() }).expect("a sandbox")
}

fn limits() -> Limits {
    let memory = MemoryMb::try_new(16).expect("a memory size");
    Limits { memory, wall: Micros::from_millis(200), cpu: Micros::from_secs(10), output_bytes: 10_000 }
}

async fn run_in(sandbox: &Sandbox, wasm: &[u8], payload: Bytes, limits: Limits) -> Run {
    let function = sandbox.load(&"guest".parse().expect("a name"), wasm).expect("loads");
    sandbox.run(&function, payload, limits).await.expect("a free slot")
}

async fn run(wasm: &[u8], limits: Limits) -> Run {
    let sandbox = sandbox();
    let run = run_in(&sandbox, wasm, Bytes::new(), limits).await;
    let after = run_in(&sandbox, &start(""), Bytes::new(), limits).await;
    assert_eq!(after.outcome, Ok(Bytes::new()), "the next call is not disturbed");
    run
}

fn failure(run: &Run) -> &GuestError {
    run.outcome.as_ref().expect_err("the function fails")
}

#[tokio::test]
async fn an_endless_loop_ends_at_its_wall_time_and_is_metered() {
    let run = run(&start("(loop $again (br $again))"), limits()).await;
    assert_eq!(failure(&run), &GuestError::Timeout { limit: Micros::from_millis(200) });
    assert_eq!(failure(&run).kind(), "Timeout");
    let (wall, cpu) = (run.usage.wall.to_std(), run.usage.cpu.to_std());
    assert!(wall >= Duration::from_millis(200) && wall < Duration::from_millis(200) + GRACE, "{wall:?}");
    assert!(cpu > Duration::from_millis(20) && cpu <= wall, "{cpu:?} of {wall:?}");
}

#[tokio::test]
async fn an_endless_loop_ends_at_its_cpu_time() {
    let limits = Limits { cpu: Micros::from_millis(30), wall: Micros::from_secs(20), ..limits() };
    let run = run(&start("(loop $again (br $again))"), limits).await;
    assert_eq!(failure(&run), &GuestError::CpuLimit { limit: Micros::from_millis(30) });
    let cpu = run.usage.cpu.to_std();
    assert!(cpu >= Duration::from_millis(30) && cpu < Duration::from_millis(30) + GRACE, "{cpu:?}");
}

#[tokio::test]
async fn a_sleep_past_the_deadline_is_cut_off_and_costs_no_cpu() {
    let started = Instant::now();
    let run = run(&sleeper(3_600_000_000_000), limits()).await;
    assert!(started.elapsed() < Duration::from_secs(2), "the caller is answered at the deadline");
    assert_eq!(failure(&run).kind(), "Timeout");
    assert!(run.usage.wall.to_std() < Duration::from_millis(200) + GRACE, "{}", run.usage.wall);
    assert!(run.usage.cpu < Micros::from_millis(20), "{}", run.usage.cpu);
}

#[tokio::test]
async fn sleepers_hold_no_thread() {
    let sandbox = sandbox();
    let function = sandbox.load(&"sleeper".parse().expect("a name"), &sleeper(100_000_000)).expect("loads");
    let started = Instant::now();
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let (sandbox, function) = (sandbox.clone(), function.clone());
            tokio::spawn(async move { sandbox.run(&function, Bytes::new(), limits()).await })
        })
        .collect();
    for call in calls {
        assert!(call.await.expect("no panic").expect("a slot").outcome.is_ok());
    }
    // Eight sleeps of 100 ms on two threads would take 400 ms one after another.
    assert!(started.elapsed() < Duration::from_millis(350), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_spinning_neighbour_delays_no_deadline() {
    let sandbox = sandbox();
    let spin = sandbox.load(&"spin".parse().expect("a name"), &start("(loop $again (br $again))")).expect("loads");
    let sleep = sandbox.load(&"sleep".parse().expect("a name"), &sleeper(u64::MAX)).expect("loads");
    let neighbours: Vec<_> = (0..6)
        .map(|_| {
            let (sandbox, spin) = (sandbox.clone(), spin.clone());
            let long = Limits { wall: Micros::from_millis(900), ..limits() };
            tokio::spawn(async move { sandbox.run(&spin, Bytes::new(), long).await })
        })
        .collect();
    let run = sandbox.run(&sleep, Bytes::new(), limits()).await.expect("a free slot");
    assert!(run.usage.wall.to_std() < Duration::from_millis(200) + GRACE, "{}", run.usage.wall);
    for neighbour in neighbours {
        let run = neighbour.await.expect("no panic").expect("a slot");
        assert!(run.usage.wall.to_std() < Duration::from_millis(900) + GRACE, "{}", run.usage.wall);
    }
}

#[tokio::test]
async fn a_memory_bomb_is_refused_memory() {
    let bomb = start("(loop $again (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable");
    let run = run(&bomb, limits()).await;
    assert_eq!(failure(&run), &GuestError::MemoryLimit { limit: limits().memory });
    assert_eq!(run.usage.memory_peak.megabytes(), 16);
}

#[tokio::test]
async fn a_guest_that_copes_with_refused_memory_succeeds() {
    let run = run(&start("(drop (memory.grow (i32.const 60000)))"), limits()).await;
    assert_eq!(run.outcome, Ok(Bytes::new()));
    assert_eq!(run.usage.memory_peak.megabytes(), 1);
}

#[tokio::test]
async fn a_module_that_starts_with_too_much_memory_is_out_of_memory() {
    let run = run(&wat::parse_str("(module (memory 1000) (func (export \"_start\")))").expect("valid"), limits()).await;
    assert_eq!(failure(&run).kind(), "MemoryLimit");
}

#[tokio::test]
async fn an_output_flood_is_stopped_at_the_limit() {
    let flood = format!(
        "{WRITE_4K} (loop $again (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) (br $again))"
    );
    let run = run(&start(&flood), limits()).await;
    assert_eq!(failure(&run), &GuestError::OutputLimit { limit: 10_000 });
}

#[tokio::test]
async fn a_log_flood_keeps_only_the_tail() {
    let flood = format!(
        "(local $n i32) {WRITE_4K} (memory.fill (i32.const 1024) (i32.const 120) (i32.const 4096))
         (loop $again
           (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
           (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1000))))"
    );
    let run = run(&start(&flood), limits()).await;
    assert_eq!(run.outcome, Ok(Bytes::new()));
    assert_eq!(run.log_tail, "x".repeat(4096));
}

#[tokio::test]
async fn endless_recursion_traps() {
    let wasm = module("(func $deep (export \"_start\") (call $deep) (call $deep))");
    let run = run(&wasm, limits()).await;
    assert_eq!(failure(&run), &GuestError::Trap { message: "call stack exhausted".to_owned() });
}

#[tokio::test]
async fn a_trap_says_what_it_was() {
    let run = run(&start("unreachable"), limits()).await;
    assert_eq!(failure(&run).kind(), "Trap");
    assert!(failure(&run).to_string().contains("`unreachable` instruction executed"), "{}", failure(&run));
    let out_of_bounds = start("(drop (i32.load (i32.const 100000000)))");
    assert!(failure(&self::run(&out_of_bounds, limits()).await).to_string().contains("out of bounds memory access"));
}

#[tokio::test]
async fn an_exit_status_is_passed_on_with_the_last_log_line() {
    let fails = module(
        "(data (i32.const 1024) \"reading\\nno such order\\n\")
         (func (export \"_start\")
           (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 22))
           (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
           (call $proc_exit (i32.const 3)))",
    );
    let run = run(&fails, limits()).await;
    assert_eq!(failure(&run), &GuestError::Exit { code: 3, message: "no such order".to_owned() });
    assert_eq!(failure(&run).to_string(), "the function exited with status 3: no such order");
    assert_eq!(failure(&run).kind(), "ExitStatus");
    let succeeds = start("(call $proc_exit (i32.const 0))");
    assert_eq!(self::run(&succeeds, limits()).await.outcome, Ok(Bytes::new()));
}

/// Exits with the error number of one WASI call.
fn exit_with(call: &str) -> Vec<u8> {
    module(&format!("(data (i32.const 2048) \"etc/passwd\") (func (export \"_start\") (call $proc_exit ({call})))"))
}

#[tokio::test]
async fn there_are_no_files_sockets_or_variables() {
    const EBADF: i32 = 8;
    let open = "call $path_open (i32.const 3) (i32.const 0) (i32.const 2048) (i32.const 10) (i32.const 0)
                (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 0)";
    let preopened = "call $fd_prestat_get (i32.const 3) (i32.const 0)";
    let accept = "call $sock_accept (i32.const 3) (i32.const 0) (i32.const 0)";
    for denied in [open, preopened, accept] {
        let run = run(&exit_with(denied), limits()).await;
        assert!(matches!(failure(&run), GuestError::Exit { code: EBADF, .. }), "{denied}: {:?}", run.outcome);
    }
    // Standard input is not a directory to look files up in.
    let on_stdin = open.replacen("(i32.const 3)", "(i32.const 0)", 1);
    assert_eq!(failure(&run(&exit_with(&on_stdin), limits()).await).kind(), "ExitStatus");
    let variables = start(
        "(drop (call $environ_sizes_get (i32.const 0) (i32.const 4))) (call $proc_exit (i32.load (i32.const 0)))",
    );
    assert_eq!(run(&variables, limits()).await.outcome, Ok(Bytes::new()), "no variable is inherited");
}

#[tokio::test]
async fn a_huge_payload_nobody_reads_is_harmless() {
    let sandbox = sandbox();
    let payload = Bytes::from(vec![7; 64 << 20]);
    let run = run_in(&sandbox, &start(""), payload, limits()).await;
    assert_eq!(run.outcome, Ok(Bytes::new()));
    assert_eq!(run.usage.memory_peak.megabytes(), 1);
}

#[tokio::test]
async fn a_flood_of_random_bytes_stops_at_the_deadline() {
    let wasm = start(
        "(drop (memory.grow (i32.const 200)))
         (loop $again (drop (call $random_get (i32.const 0) (i32.const 4000000))) (br $again))",
    );
    let run = run(&wasm, limits()).await;
    assert_eq!(failure(&run).kind(), "Timeout");
    assert!(run.usage.wall.to_std() < Duration::from_millis(200) + GRACE, "{}", run.usage.wall);
}

#[tokio::test]
async fn calls_share_nothing() {
    let sandbox = sandbox();
    let dirty = module(
        "(func (export \"_start\")
           (if (i32.load (i32.const 4096)) (then (call $proc_exit (i32.const 9))))
           (i32.store (i32.const 4096) (i32.const 1)))",
    );
    for _ in 0..100 {
        assert_eq!(run_in(&sandbox, &dirty, Bytes::new(), limits()).await.outcome, Ok(Bytes::new()));
    }
}

#[tokio::test]
async fn a_full_sandbox_says_so_and_a_dropped_call_frees_its_slot() {
    let sandbox = sandbox();
    let sleep = sandbox.load(&"sleep".parse().expect("a name"), &sleeper(u64::MAX)).expect("loads");
    let long = Limits { wall: Micros::from_secs(3600), ..limits() };
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (sandbox, sleep) = (sandbox.clone(), sleep.clone());
        calls.spawn(async move { sandbox.run(&sleep, Bytes::new(), long).await });
    }
    until(|| sandbox.free_slots() == 0).await;
    let refused = sandbox.run(&sleep, Bytes::new(), long).await.expect_err("no slot is free");
    assert_eq!(refused, NotStarted::Busy { slots: 8 });
    calls.abort_all();
    until(|| sandbox.free_slots() == 8).await;
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}
