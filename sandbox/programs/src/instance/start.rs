//! Starting an instance, and watching it until it is gone.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use merit_units::Micros;
use tokio::sync::Semaphore;
use tokio::time::{Instant as Moment, MissedTickBehavior, interval, timeout};

use super::{Door, Instance, Tasks};
use crate::cage::{Cage, Launch, Outputs, exit_status};
use crate::ending::Ending;
use crate::http_program::HttpDoor;
use crate::log::Log;
use crate::meter::Meter;
use crate::netns::Netns;
use crate::prepared::{API_PORT, Prepared};
use crate::runtime_api::{self, Desk};
use crate::standing::Standing;
use crate::unpack::NEW;
use crate::{Failure, Init, Isolation, Kind, Machine, Network, StartError, gvisor, namespace};

/// How often memory is looked at where no control group bounds it.
const LOOK: Duration = Duration::from_millis(50);
/// How long the log of a program that ended may take to be read to its end.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Starts a program and waits until it can take a call.
pub(super) async fn start(machine: &Machine, prepared: &Arc<Prepared>) -> Result<Instance, StartError> {
    let begun = Moment::now();
    let isolation = |what: String| StartError::Isolation { program: prepared.program.name.clone(), what };
    let socket = |error: std::io::Error| isolation(format!("its Runtime API can't listen: {error}"));
    let own_network = prepared.program.network == Network::None;
    let speaks_api = matches!(prepared.program.kind, Kind::RuntimeApi { .. });
    // In the host's network any free port will do; it must be known before the program starts.
    let mut listener = None;
    let mut api_port = API_PORT;
    if speaks_api && !own_network {
        let bound = Netns::own().listen(0).await.map_err(socket)?;
        api_port = bound.local_addr().map_err(socket)?.port();
        listener = Some(bound);
    }
    let launch = launch(machine, prepared, api_port, own_network).map_err(&isolation)?;
    let (cage, outputs) = Cage::start(launch, machine.groups()).await.map_err(&isolation)?;
    if speaks_api && own_network {
        listener = Some(cage.netns().listen(API_PORT).await.map_err(socket)?);
    }
    let (instance, log) = assemble(machine, prepared, cage, outputs, listener);
    instance.cage.release();
    match until_ready(&instance).await {
        Ok(()) => {
            let init = Init { wall: Micros::from_std(begun.elapsed()), cpu: instance.meter.cpu() };
            *instance.init.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(init);
            Ok(instance)
        }
        Err(failure) => {
            let failure = instance.end_for(failure);
            instance.cage.bury().await;
            let _ = timeout(LAST_WORDS, log).await;
            Err(StartError::Init { program: prepared.program.name.clone(), failure, log: instance.log.tail() })
        }
    }
}

async fn until_ready(instance: &Instance) -> Result<(), Failure> {
    let limit = instance.prepared.program.limits.init_timeout;
    let ready = async {
        match &instance.door {
            Door::RuntimeApi(desk) => desk.ready().await,
            Door::Http(door) => door.ready().await,
        }
    };
    tokio::select! {
        biased;
        failure = instance.ending.ended() => Err(failure),
        () = ready => Ok(()),
        never = instance.standing.watch_start() => match never {},
        () = tokio::time::sleep(limit.to_std()) => Err(Failure::Timeout { limit }),
    }
}

/// Puts an instance together, and starts what works for it; also returned is the task that ends with its log.
fn assemble(
    machine: &Machine,
    prepared: &Arc<Prepared>,
    cage: Cage,
    outputs: Outputs,
    listener: Option<tokio::net::TcpListener>,
) -> (Instance, tokio::task::JoinHandle<()>) {
    let Outputs { output, status } = outputs;
    let ending = Arc::new(Ending::new(cage.killer()));
    let meter = Arc::new(Meter::new(cage.pid(), cage.group()));
    let standing = Arc::new(Standing::new(cage.group(), Arc::clone(&meter), Arc::clone(&prepared.habit)));
    let log = Log::default();
    let mut tasks = Tasks::default();
    let followed = tokio::spawn(log.clone().follow(output, Arc::clone(&prepared.name)));
    tasks.0.push(followed.abort_handle());

    let watched = (Arc::clone(&ending), Arc::clone(&meter), Arc::clone(prepared));
    let watch = async move {
        let (ending, meter, prepared) = watched;
        let status = exit_status(status).await;
        let exited = Failure::Exited { status: status.unwrap_or_else(|| "signal 9".to_owned()) };
        let failure = behind(exited, &meter, &prepared);
        ending.end(failure);
    };
    tasks.0.push(tokio::spawn(watch).abort_handle());
    let watched = Arc::clone(&standing);
    tasks.0.push(tokio::spawn(async move { watched.watch_between().await }).abort_handle());
    if !machine.groups().limits_memory() {
        let looking = look(Arc::clone(&ending), Arc::clone(&meter), Arc::clone(prepared));
        tasks.0.push(tokio::spawn(looking).abort_handle());
    }

    let limits = &prepared.program.limits;
    let door = match &prepared.program.kind {
        Kind::RuntimeApi { handler } => {
            let name = Arc::clone(&prepared.name);
            let desk = Arc::new(Desk::new(Arc::clone(&ending), name, handler.clone(), limits.reply_bytes));
            let serving = listener.map(|listener| tokio::spawn(runtime_api::serve(listener, Arc::clone(&desk))));
            tasks.0.extend(serving.map(|serving| serving.abort_handle()));
            Door::RuntimeApi(desk)
        }
        Kind::Http { port, .. } => Door::Http(HttpDoor::new(cage.netns().clone(), *port, limits.reply_bytes)),
    };
    let places = usize::try_from(prepared.concurrency()).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
    let instance = Instance {
        prepared: Arc::clone(prepared),
        cage,
        ending,
        meter,
        standing,
        door,
        places: Semaphore::new(places),
        log,
        init: Mutex::new(None),
        _tasks: tasks,
    };
    (instance, followed)
}

/// Without a control group: ends an instance whose processes hold more memory than it may.
async fn look(ending: Arc<Ending>, meter: Arc<Meter>, prepared: Arc<Prepared>) {
    let limit = prepared.program.limits.memory;
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while ending.reason().is_none() {
        ticks.tick().await;
        if meter.look() > limit.bytes() {
            ending.end(Failure::OutOfMemory { limit });
        }
    }
}

/// What lies behind a failure: a program without memory fails in many ways, and has but one cause.
pub(super) fn behind(failure: Failure, meter: &Meter, prepared: &Prepared) -> Failure {
    let for_memory = matches!(failure, Failure::Exited { .. } | Failure::Protocol(_));
    if for_memory && meter.out_of_memory() {
        return Failure::OutOfMemory { limit: prepared.program.limits.memory };
    }
    failure
}

/// What to start for a program.
fn launch(machine: &Machine, prepared: &Prepared, api_port: u16, own_network: bool) -> Result<Launch, String> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let environment = prepared.environment(api_port);
    let bwrap = machine.tools().bwrap.clone().ok_or("bubblewrap is not installed (apt-get install bubblewrap)")?;
    let limits = prepared.program.limits;
    match prepared.program.isolation {
        Isolation::Namespace => Ok(Launch {
            bwrap,
            options: namespace::options(prepared, machine.config(), &environment),
            command: prepared.command.clone(),
            user: machine.next_user(),
            filter: Some(machine.filter()),
            inherited: machine.inherited(),
            own_network,
            limits,
            folder: None,
            behind: prepared.habit.is_long(),
        }),
        Isolation::Gvisor => {
            let runsc = machine.tools().runsc.as_ref().ok_or("runsc is not installed (apt-get install runsc)")?;
            let name = format!("{NEW}{}-run-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let folder = machine.config().cache_dir.join(name);
            let bundle = gvisor::bundle(prepared, machine.config(), &environment, &folder);
            if let Err(error) = bundle {
                let _ = std::fs::remove_dir_all(&folder);
                return Err(format!("its bundle can't be written to {}: {error}", folder.display()));
            }
            Ok(Launch {
                bwrap,
                options: gvisor::options(),
                command: gvisor::command(runsc, &folder),
                user: None,
                filter: None,
                inherited: machine.inherited(),
                own_network,
                limits: gvisor::limits(limits),
                folder: Some(folder),
                behind: prepared.habit.is_long(),
            })
        }
    }
}

/// That long from now, in Unix milliseconds.
pub(super) fn unix_ms(ahead: Micros) -> u64 {
    // The one place where the time of day is needed: programs are told their deadline by it.
    let now = UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from((now + ahead.to_std()).as_millis()).unwrap_or(u64::MAX)
}
