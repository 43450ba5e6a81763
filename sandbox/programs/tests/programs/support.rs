//! What the tests of programs share: a machine, the probe, and calls.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use merit_programs::{Instance, Invocation, Kind, Limits, Machine, MachineConfig, Prepared, Program, Ran, Source};
use merit_units::Micros;
use serde_json::Value;
use tempfile::TempDir;

/// A machine with a cache of its own.
pub(crate) struct Bench {
    pub(crate) machine: Machine,
    pub(crate) cache: PathBuf,
    _folder: TempDir,
}

impl Bench {
    /// Opens this machine, or says what it lacks.
    pub(crate) fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        // Programs run as other users.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("its mode");
        let cache = folder.path().join("cache");
        let machine = Machine::open(MachineConfig::new(cache.clone())).unwrap_or_else(|error| {
            panic!("programs can't run on this machine: {error}; run `make setup`, as root");
        });
        Self { machine, cache, _folder: folder }
    }

    pub(crate) fn prepare(&self, program: Program) -> Arc<Prepared> {
        self.machine.prepare(program).expect("it can be made ready")
    }

    pub(crate) async fn start(&self, program: Program) -> Instance {
        Instance::start(&self.machine, &self.prepare(program)).await.expect("it starts")
    }

    /// An instance of the probe with the default limits, but a second or two more to start on a busy machine.
    pub(crate) async fn probe(&self) -> Instance {
        self.start(probe()).await
    }
}

/// A folder beside the tests.
pub(crate) fn function(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/functions").join(name)
}

/// The program that does what its payload says.
pub(crate) fn probe() -> Program {
    let limits = Limits { init_timeout: Micros::from_secs(60), ..Limits::default() };
    Program { limits, ..Program::new("probe", Source::Directory(function("probe"))) }
}

/// The probe with other limits.
pub(crate) fn probe_with(change: impl FnOnce(&mut Limits)) -> Program {
    let mut program = probe();
    change(&mut program.limits);
    program
}

/// The probe, with what it reads as its handler.
pub(crate) fn probe_handled(handler: &str) -> Program {
    Program { kind: Kind::RuntimeApi { handler: handler.to_owned() }, ..probe() }
}

/// A call of the probe with ten seconds.
pub(crate) async fn call(instance: &Instance, payload: Value) -> Ran {
    call_within(instance, payload, Micros::from_secs(30)).await
}

/// A call of the probe.
pub(crate) async fn call_within(instance: &Instance, payload: Value, timeout: Micros) -> Ran {
    instance.invoke(Invocation::new(&next_id(), payload.to_string(), timeout), None).await
}

/// The reply of a call that succeeds, as JSON.
pub(crate) async fn reply(instance: &Instance, payload: Value) -> Value {
    let ran = call(instance, payload).await;
    let reply = ran.outcome.unwrap_or_else(|failure| panic!("{failure}; log: {}", instance.log_tail()));
    serde_json::from_slice(&reply.body).expect("JSON")
}

/// The word for why a call failed.
pub(crate) fn kind(ran: &Ran) -> &'static str {
    ran.outcome.as_ref().expect_err("it fails").kind()
}

fn next_id() -> String {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    format!("call-{}", NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
}
