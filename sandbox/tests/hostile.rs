//! Functions that misbehave, one way each. Every one is stopped in time, metered, named by its
//! own kind of error, and leaves the sandbox as good as before.

use std::time::Duration;

use bytes::Bytes;
use merit_sandbox::{GuestError, Limits, NotStarted, Run, Sandbox, SandboxConfig};
use merit_units::{MemoryMb, Micros};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How late a stopped guest may be.
const GRACE: Duration = Duration::from_millis(50);
/// Tries a guest gets to be stopped in time: a machine busy with other tests may stall one, but not all.
const TRIES: usize = 5;

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

/// Runs until a guest is stopped in time, which a sandbox that is late by itself never does.
async fn stopped_in_time(wasm: &[u8], limits: Limits) -> Run {
    let mut late = Vec::new();
    while late.len() < TRIES {
        let run = run(wasm, limits).await;
        if run.usage.wall.to_std() < limits.wall.to_std() + GRACE {
            return run;
        }
        late.push(run.usage.wall);
    }
    panic!("a guest with {} ended late every time: {late:?}", limits.wall)
}

fn failure(run: &Run) -> &GuestError {
    run.outcome.as_ref().expect_err("the function fails")
}

#[tokio::test]
async fn an_endless_loop_ends_at_its_wall_time_and_is_metered() {
    let run = stopped_in_time(&start("(loop $again (br $again))"), limits()).await;
    assert_eq!(failure(&run), &GuestError::Timeout { limit: Micros::from_millis(200) });
    assert_eq!(failure(&run).kind(), "Timeout");
    let (wall, cpu) = (run.usage.wall.to_std(), run.usage.cpu.to_std());
    assert!(wall >= Duration::from_millis(200), "{wall:?}");
    assert!(cpu > Duration::from_millis(10) && cpu <= wall, "{cpu:?} of {wall:?}");
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
    let run = stopped_in_time(&sleeper(3_600_000_000_000), limits()).await;
    assert!(started.elapsed() < Duration::from_secs(60), "the caller is answered at the deadline");
    assert_eq!(failure(&run).kind(), "Timeout");
    assert!(run.usage.cpu < Micros::from_millis(20), "{}", run.usage.cpu);
}

/// Calls one function as often as there are slots but one.
fn fill(sandbox: &Sandbox, wasm: &[u8], wall: Micros) -> JoinSet<Result<Run, NotStarted>> {
    let function = sandbox.load(&"neighbour".parse().expect("a name"), wasm).expect("loads");
    let limits = Limits { wall, cpu: wall, ..limits() };
    let mut calls = JoinSet::new();
    for _ in 1..sandbox.slots() {
        let (sandbox, function) = (sandbox.clone(), function.clone());
        calls.spawn(async move { sandbox.run(&function, Bytes::new(), limits).await });
    }
    calls
}

#[tokio::test]
async fn waiting_guests_hold_no_thread() {
    let sandbox = sandbox();
    let _sleepers = fill(&sandbox, &sleeper(u64::MAX), Micros::from_secs(3600));
    until(|| sandbox.free_slots() == 1).await;
    // Seven guests wait an hour on two threads; an eighth runs all the same.
    let run = run_in(&sandbox, &start(""), Bytes::new(), Limits { wall: Micros::from_secs(60), ..limits() }).await;
    assert_eq!(run.outcome, Ok(Bytes::new()));
}

#[tokio::test]
async fn spinning_guests_delay_no_deadline() {
    let sandbox = sandbox();
    let spinners = fill(&sandbox, &start("(loop $again (br $again))"), Micros::from_secs(3600));
    until(|| sandbox.free_slots() == 1).await;
    let mut late = Vec::new();
    while late.len() < TRIES {
        let run = run_in(&sandbox, &sleeper(u64::MAX), Bytes::new(), limits()).await;
        if run.usage.wall.to_std() < limits().wall.to_std() + GRACE {
            drop(spinners);
            until(|| sandbox.free_slots() == 8).await;
            return;
        }
        late.push(run.usage.wall);
    }
    panic!("late every time: {late:?}")
}

#[tokio::test]
async fn a_guest_that_waits_for_its_turn_is_not_said_to_have_waited() {
    let (sandbox, spin) = (sandbox(), start("(loop $again (br $again))"));
    let _spinners = fill(&sandbox, &spin, Micros::from_secs(3600));
    until(|| sandbox.free_slots() == 1).await;
    // An eighth of two threads: 50 ms of CPU take 200 ms.
    let limits = Limits { cpu: Micros::from_millis(50), wall: Micros::from_secs(60), ..limits() };
    let busy = run_in(&sandbox, &spin, Bytes::new(), limits).await.usage;
    assert!(busy.wall.get() > 2 * busy.cpu.get(), "{busy:?}");
    assert!(busy.waited < Micros::from_millis(10), "{busy:?}");
    let asleep = run_in(&sandbox, &sleeper(50_000_000), Bytes::new(), limits).await.usage;
    assert!(asleep.waited >= Micros::from_millis(50) && asleep.waited <= asleep.wall, "{asleep:?}");
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
    assert_eq!(failure(&stopped_in_time(&wasm, limits()).await).kind(), "Timeout");
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
    let mut calls = fill(&sandbox, &sleeper(u64::MAX), long.wall);
    let (last, function) = (sandbox.clone(), sleep.clone());
    calls.spawn(async move { last.run(&function, Bytes::new(), long).await });
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

#[tokio::test]
async fn a_huge_write_to_the_log_stops_at_the_deadline() {
    let limits = Limits { memory: MemoryMb::try_new(128).expect("a memory size"), ..limits() };
    let flood = "(drop (memory.grow (i32.const 1900)))
         (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 60000000))
         (loop $again (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8))) (br $again))";
    assert_eq!(failure(&stopped_in_time(&start(flood), limits).await).kind(), "Timeout");
}

/// As many timers as fit into memory, each of which the host would have to keep.
#[tokio::test]
async fn a_flood_of_timers_is_refused() {
    let limits = Limits { memory: MemoryMb::try_new(128).expect("a memory size"), ..limits() };
    for count in [1_000, 10_000, 800_000] {
        let timers = format!(
            "(local $at i32) (drop (memory.grow (i32.const 1900)))
             (loop $again
               (i32.store offset=16 (local.get $at) (i32.const 1))
               (i64.store offset=24 (local.get $at) (i64.const 3600000000000))
               (local.set $at (i32.add (local.get $at) (i32.const 48)))
               (br_if $again (i32.lt_u (local.get $at) (i32.const {}))))
             (drop (call $poll_oneoff (i32.const 0) (i32.const 72000000) (i32.const {count}) (i32.const 121000000)))",
            count * 48
        );
        let run = stopped_in_time(&start(&timers), limits).await;
        assert_eq!(failure(&run).kind(), "Trap", "{count}: {:?}", run.outcome);
    }
}
