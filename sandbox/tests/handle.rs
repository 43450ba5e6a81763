//! The handle itself: loading, naming, sharing, sizes, and dropping it anywhere.

use std::sync::Arc;

use bytes::Bytes;
use merit_sandbox::{Allocation, Limits, LoadError, NotStarted, Sandbox, SandboxConfig, SandboxError};
use merit_units::{FunctionId, MemoryMb};

fn config() -> SandboxConfig {
    SandboxConfig { slots: 4, workers: 2, ..SandboxConfig::default() }
}

fn sandbox() -> Sandbox {
    Sandbox::try_new(config()).expect("a sandbox")
}

fn name(text: &str) -> FunctionId {
    text.parse().expect("a name")
}

/// A command that replies with its payload.
fn echo() -> Vec<u8> {
    wat::parse_str(
        r#"(module
          (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 2)
          (func (export "_start")
            (loop $again
              (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 65536))
              (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
              (i32.store (i32.const 4) (i32.load (i32.const 8)))
              (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))
              (br_if $again (i32.load (i32.const 8))))))"#,
    )
    .expect("valid WAT")
}

/// A command that traps when it can't have `pages` more pages of memory.
fn wants(pages: u32) -> Vec<u8> {
    let text = format!(
        "(module (memory 1) (func (export \"_start\")
           (if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (then unreachable))))"
    );
    wat::parse_str(text).expect("valid WAT")
}

#[tokio::test]
async fn payloads_of_any_size_come_back_whole() {
    for allocation in [Allocation::Pooling, Allocation::OnDemand] {
        let sandbox = Sandbox::try_new(SandboxConfig { allocation, ..config() }).expect("a sandbox");
        sandbox.load(&name("echo"), &echo()).expect("loads");
        for size in [0, 1, 4095, 4096, 4097, 65_536, 5_000_000] {
            let payload: Bytes = (0..size).map(|index| u8::try_from(index % 251).unwrap()).collect();
            let run = sandbox.invoke("echo", payload.clone(), Limits::default()).await.expect("a free slot");
            assert!(run.outcome.expect("succeeds") == payload, "{size} bytes, {allocation:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_share_the_slots() {
    let sandbox = sandbox();
    sandbox.load(&name("echo"), &echo()).expect("loads");
    let callers: Vec<_> = (0..16_u32)
        .map(|caller| {
            let sandbox = sandbox.clone();
            tokio::spawn(async move {
                let mut done = 0;
                while done < 100 {
                    let payload = Bytes::from(format!("{caller}/{done}"));
                    match sandbox.invoke("echo", payload.clone(), Limits::default()).await {
                        Ok(run) => {
                            assert_eq!(run.outcome, Ok(payload));
                            done += 1;
                        }
                        Err(error) => {
                            assert_eq!(error, NotStarted::Busy { slots: 4 });
                            tokio::task::yield_now().await;
                        }
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("no panic");
    }
    assert_eq!(sandbox.free_slots(), 4);
}

#[tokio::test]
async fn a_name_can_be_replaced_and_forgotten() {
    let sandbox = sandbox();
    let first = sandbox.load(&name("f"), &wants(0)).expect("loads");
    let second = sandbox.load(&name("f"), &echo()).expect("loads");
    assert_ne!(first.sha256(), second.sha256());
    assert_eq!(sandbox.invoke("f", "hi".into(), Limits::default()).await.unwrap().outcome.unwrap(), "hi");
    // A handle on the replaced one still runs.
    assert!(sandbox.run(&first, Bytes::new(), Limits::default()).await.unwrap().outcome.is_ok());
    assert_eq!(sandbox.functions().len(), 1);
    assert!(sandbox.unload(&name("f")) && !sandbox.unload(&name("f")));
    let error = sandbox.invoke("f", Bytes::new(), Limits::default()).await.expect_err("forgotten");
    assert_eq!(error.to_string(), "no function `f` is loaded");
}

#[test]
fn what_cannot_run_is_refused_at_load_time() {
    let sandbox = sandbox();
    let load = |text: &str| sandbox.load(&name("f"), &wat::parse_str(text).expect("valid WAT")).expect_err("refused");
    assert!(matches!(sandbox.load(&name("f"), b"MZ"), Err(LoadError::Compile { .. })));
    assert!(matches!(load("(module)"), LoadError::NotACommand { .. }));
    assert!(matches!(load("(module (func (export \"_start\") (param i32)))"), LoadError::NotACommand { .. }));
    let import = load("(module (import \"env\" \"now\" (func)) (func (export \"_start\")))");
    assert!(import.to_string().contains("imports `env.now`"), "{import}");
    let unknown = load("(module (import \"wasi_snapshot_preview1\" \"fork\" (func)) (func (export \"_start\")))");
    assert!(unknown.to_string().contains("wasi_snapshot_preview1::fork"), "{unknown}");
    let large = load("(module (memory 10000) (func (export \"_start\")))");
    assert!(matches!(large, LoadError::Compile { .. }), "640 MB do not fit a slot: {large}");
    assert!(sandbox.functions().is_empty());
}

#[tokio::test]
async fn a_call_gets_no_more_memory_than_a_slot_has() {
    let memory_max = MemoryMb::try_new(4).expect("a memory size");
    for allocation in [Allocation::Pooling, Allocation::OnDemand] {
        let sandbox = Sandbox::try_new(SandboxConfig { memory_max, allocation, ..config() }).expect("a sandbox");
        sandbox.load(&name("fits"), &wants(63)).expect("loads");
        sandbox.load(&name("greedy"), &wants(64)).expect("loads");
        let fits = sandbox.invoke("fits", Bytes::new(), Limits::default()).await.expect("a free slot");
        assert_eq!((fits.outcome, fits.usage.memory_peak), (Ok(Bytes::new()), memory_max));
        let greedy = sandbox.invoke("greedy", Bytes::new(), Limits::default()).await.expect("a free slot");
        let message = greedy.outcome.expect_err("out of memory").to_string();
        assert!(message.contains("more than its 4 MB of memory"), "{message}");
    }
}

#[test]
fn sizes_out_of_range_are_refused() {
    let refused = |config: SandboxConfig| match Sandbox::try_new(config) {
        Err(error @ SandboxError::OutOfRange { .. }) => error.to_string(),
        _ => panic!("accepted"),
    };
    assert!(refused(SandboxConfig { slots: 0, ..config() }).contains("slots is 0; choose 1 to 10000"));
    assert!(refused(SandboxConfig { workers: 0, ..config() }).contains("workers is 0"));
    let memory_max = MemoryMb::try_new(5000).expect("a memory size");
    assert!(refused(SandboxConfig { memory_max, ..config() }).contains("memory_max is 5000"));
    let cache_dir = Some("/proc/merit".into());
    let error = Sandbox::try_new(SandboxConfig { cache_dir, ..config() }).err().expect("refused").to_string();
    assert!(error.contains("/proc/merit") && error.contains("choose one that this user can write to"), "{error}");
}

#[tokio::test]
async fn the_last_handle_may_be_dropped_in_a_task() {
    let sandbox = Arc::new(sandbox());
    sandbox.load(&name("echo"), &echo()).expect("loads");
    let held = Arc::clone(&sandbox);
    let call = async move { held.invoke("echo", "bye".into(), Limits::default()).await };
    drop(sandbox);
    assert_eq!(tokio::spawn(call).await.expect("no panic").expect("a slot").outcome.expect("succeeds"), "bye");
}

#[test]
fn what_another_process_is_compiling_is_waited_for() {
    use std::os::unix::fs::MetadataExt as _;

    use rustix::fs::{FlockOperation, flock};

    let cache = tempfile::tempdir().expect("a directory");
    let wasm = wat::parse_str(r#"(module (memory 1) (func (export "_start")))"#).expect("valid");
    let name: merit_units::FunctionId = "waits".parse().expect("a name");
    let digest =
        Sandbox::try_new(SandboxConfig::default()).expect("a sandbox").load(&name, &wasm).expect("loads").sha256();
    let config = SandboxConfig { cache_dir: Some(cache.path().to_owned()), ..SandboxConfig::default() };
    let sandbox = Sandbox::try_new(config).expect("a sandbox");
    // As another process would: by a file description of its own.
    let lock = std::fs::File::create(cache.path().join("locks").join(digest)).expect("the folder is there");
    flock(&lock, FlockOperation::LockExclusive).expect("nobody has it");
    let inode = format!(":{} ", lock.metadata().expect("metadata").ino());
    let waits = || {
        let locks = std::fs::read_to_string("/proc/locks").expect("locks");
        locks.lines().any(|line| line.contains("-> FLOCK") && line.contains(&inode))
    };
    std::thread::scope(|scope| {
        let loading = scope.spawn(|| sandbox.load(&name, &wasm).expect("loads"));
        while !waits() {
            assert!(!loading.is_finished(), "it did not wait");
            std::thread::yield_now();
        }
        drop(lock);
        loading.join().expect("no panic");
    });
}
