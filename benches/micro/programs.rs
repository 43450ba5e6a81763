//! What isolation costs a program: a cold start in the `namespace` class beside bare bubblewrap with the same
//! namespaces running `true`, and a warm call beside a round trip of the same bytes over a bare TCP socket to
//! another process.
//!
//! The program is a few lines of C without anything to load, compiled here, so that the figures are what is
//! around a program. They take turns in one run, because figures of two runs on a shared machine can't be compared.
//!
//! Also measured: how long after its deadline a call that spins is over, and all its processes are gone.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use merit_load::report;
use merit_programs::{Instance, Invocation, Machine, MachineConfig, Prepared, Program, Source};
use merit_units::Micros;
use tokio::time::Instant;

/// Cold starts of each kind; and calls.
const STARTS: usize = 100;
const CALLS: usize = 20_000;
/// Calls and round trips by turns.
const TURN: usize = 500;
/// Bytes of the payload and of the reply.
const PAYLOAD_BYTES: usize = 128;
/// Calls that are killed at their deadline, and the deadline.
const KILLS: usize = 20;
const DEADLINE: Duration = Duration::from_millis(200);

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure())
}

async fn measure() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    let code = folder.path().join("code");
    std::fs::create_dir(&code)?;
    compile(&code.join("bootstrap"))?;
    let machine = Machine::open(MachineConfig::new(folder.path().join("cache")))?;
    let prepared = machine.prepare(Program::new("bench", Source::Directory(code.clone())))?;
    starts(&machine, &prepared).await?;
    calls(&machine, &prepared, &code.join("bootstrap")).await?;
    let mut spinning = Program::new("spin", Source::Directory(code));
    spinning.command = ["/bin/sh", "-c", SPIN].map(str::to_owned).to_vec();
    kills(&machine, &machine.prepare(spinning)?).await
}

fn compile(to: &Path) -> anyhow::Result<()> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sandbox/programs/tests/functions/runtime.c");
    let status = Command::new("cc").args(["-O2", "-static", "-o"]).arg(to).arg(source).status();
    anyhow::ensure!(
        status.context("there is no C compiler; run `make setup`")?.success(),
        "runtime.c does not compile"
    );
    Ok(())
}

/// Bubblewrap alone, with the namespaces an instance has.
fn bare() -> anyhow::Result<()> {
    let options = "--unshare-all --die-with-parent --new-session --ro-bind /usr /usr --symlink usr/bin /bin \
        --symlink usr/lib /lib --symlink usr/lib64 /lib64 --proc /proc --dev /dev --tmpfs /tmp /bin/true";
    let status = Command::new("bwrap").args(options.split_whitespace()).status().context("bubblewrap")?;
    anyhow::ensure!(status.success(), "bubblewrap failed");
    Ok(())
}

async fn starts(machine: &Machine, prepared: &Arc<Prepared>) -> anyhow::Result<()> {
    let (mut ours, mut bares) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let begun = Instant::now();
        bare()?;
        bares.push(begun.elapsed());
        let begun = Instant::now();
        let instance = Instance::start(machine, prepared).await?;
        let ran = instance.invoke(Invocation::new("cold", "{}", Micros::from_secs(10)), None).await;
        ours.push(begun.elapsed());
        ran.outcome?;
        instance.stop().await;
    }
    report::line(&format!("cold start to reply, {STARTS} each by turns; {}", report::machine()))?;
    show("merit-programs, namespace", &mut ours)?;
    show("bare bubblewrap, true", &mut bares)?;
    Ok(())
}

async fn calls(machine: &Machine, prepared: &Arc<Prepared>, program: &Path) -> anyhow::Result<()> {
    let instance = Instance::start(machine, prepared).await?;
    let (mut peer, mut child) = echo(program)?;
    let payload = vec![b'x'; PAYLOAD_BYTES];
    let (mut ours, mut bares) = (Vec::new(), Vec::new());
    for turn in 0..CALLS / TURN {
        for call in 0..TURN {
            let invocation = Invocation::new(&format!("{turn}-{call}"), payload.clone(), Micros::from_secs(10));
            let begun = Instant::now();
            let ran = instance.invoke(invocation, None).await;
            ours.push(begun.elapsed());
            ran.outcome?;
        }
        for _ in 0..TURN {
            let mut back = [0; PAYLOAD_BYTES];
            let begun = Instant::now();
            peer.write_all(&payload)?;
            peer.read_exact(&mut back)?;
            bares.push(begun.elapsed());
        }
    }
    report::line(&format!("warm call with {PAYLOAD_BYTES} bytes each way, {CALLS} each by turns"))?;
    show("merit-programs, namespace", &mut ours)?;
    show("bare TCP round trip", &mut bares)?;
    instance.stop().await;
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// A process that sends back what it gets.
fn echo(program: &Path) -> anyhow::Result<(TcpStream, Child)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port().to_string();
    let child = Command::new(program).args(["echo", &port]).stdin(Stdio::null()).spawn()?;
    let (peer, _) = listener.accept()?;
    peer.set_nodelay(true)?;
    Ok((peer, child))
}

/// A program that spins in four processes that ignore what they can.
const SPIN: &str = "trap '' TERM INT HUP; (while :; do :; done) & (while :; do :; done) & (while :; do :; done) & exec /var/task/bootstrap";

async fn kills(machine: &Machine, prepared: &Arc<Prepared>) -> anyhow::Result<()> {
    let (mut answered, mut gone) = (Vec::new(), Vec::new());
    for _ in 0..KILLS {
        let instance = Instance::start(machine, prepared).await?;
        let begun = Instant::now();
        let ran = instance.invoke(Invocation::new("late", "spin", Micros::from_std(DEADLINE)), None).await;
        anyhow::ensure!(ran.outcome.is_err_and(|failure| failure.kind() == "Timeout"), "it can't have answered");
        answered.push(begun.elapsed().saturating_sub(DEADLINE));
        instance.stop().await;
        gone.push(begun.elapsed().saturating_sub(DEADLINE));
    }
    report::line(&format!("after the deadline, with four processes spinning, {KILLS} times"))?;
    show("the call has failed", &mut answered)?;
    show("all processes are gone", &mut gone)?;
    Ok(())
}

fn show(name: &str, times: &mut [Duration]) -> anyhow::Result<()> {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    report::line(&format!("  {name:<28} p50 {:>10.1?}  p99 {:>10.1?}", at(50), at(99)))?;
    Ok(())
}
