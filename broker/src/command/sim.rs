//! `merit sim`: the simulated clouds, with the sandbox behind them to run the functions.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use futures_util::future::BoxFuture;
use merit_cli::Exit;
use merit_sandbox::{Limits, Sandbox, SandboxConfig};
use merit_sim::{ExecuteError, ExecuteErrorKind, Executed, Executor, MachineUsage, SimConfig, TimeScale};
use merit_units::{MemoryMb, Micros};

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{Failure, announce, runtime, stop_signal, usage};

#[derive(Args)]
pub(crate) struct SimArgs {
    /// Which clouds to play; those of the demo without it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8790")]
    listen: SocketAddr,
    /// The functions to run: a directory of NAME.wasm or NAME/NAME.wasm
    #[arg(long, value_name = "DIR")]
    functions: PathBuf,
    /// How much real time a modelled second takes, 0 to 1. Below 1 a broker finds the meters too long to be true
    #[arg(long, value_name = "SCALE")]
    time_scale: Option<TimeScale>,
    /// CPU every call is taken to use, instead of what was measured: bills that do not depend on how busy this machine is
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(1..=900_000))]
    cpu_ms: Option<u32>,
    /// Where compiled functions are kept between starts
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

pub(crate) fn sim(args: &SimArgs) -> Result<Exit, Failure> {
    let mut config = match &args.config {
        None => SimConfig::demo(),
        Some(path) => {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display())).map_err(usage)?;
            SimConfig::parse(&text).map_err(usage)?
        }
    };
    if let Some(scale) = args.time_scale {
        config.time_scale = scale;
    }
    let sandbox_config = SandboxConfig { cache_dir: args.cache.clone(), ..SandboxConfig::default() };
    let slots = Semaphore::new(sandbox_config.slots as usize);
    let sandbox = Sandbox::try_new(sandbox_config).map_err(usage)?;
    sandbox.load_dir(&args.functions).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        usage(anyhow::anyhow!(lines.join("\n")))
    })?;
    let cpu = args.cpu_ms.map(|millis| Micros::from_millis(millis.into()));
    let executor = Arc::new(InSandbox { sandbox, slots, cpu });
    runtime()?.block_on(async {
        let listener = TcpListener::bind(args.listen).await.with_context(|| format!("listening on {}", args.listen))?;
        announce(listener.local_addr()?);
        merit_sim::serve(listener, config, executor, stop_signal()).await.map_err(usage)?;
        Ok::<_, Failure>(())
    })?;
    Ok(Exit::Ok)
}

/// Runs the simulated clouds' functions in the sandbox of this process.
struct InSandbox {
    sandbox: Sandbox,
    /// What a cloud has let in waits for its turn on this machine and is not turned away by it.
    slots: Semaphore,
    /// What a call is taken to use, instead of what was measured.
    cpu: Option<Micros>,
}

impl Executor for InSandbox {
    fn functions(&self) -> Vec<String> {
        self.sandbox.functions().into_iter().map(|function| function.name().to_string()).collect()
    }

    fn execute(
        &self,
        function: &str,
        payload: Bytes,
        memory: MemoryMb,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Executed, ExecuteError>> {
        let function = function.to_owned();
        Box::pin(async move {
            let _slot = self.slots.acquire().await.expect("invariant: nobody closes the slots");
            let wall = Micros::from_std(deadline.saturating_duration_since(Instant::now()));
            let limits = Limits { memory, wall, cpu: wall, ..Limits::default() };
            let failed = |kind, message: String, usage| Err(ExecuteError { kind, message, usage });
            let run = match self.sandbox.invoke(&function, payload, limits).await {
                Ok(run) => run,
                Err(error @ merit_sandbox::NotStarted::UnknownFunction { .. }) => {
                    return failed(ExecuteErrorKind::UnknownFunction, error.to_string(), MachineUsage::default());
                }
                Err(error) => return failed(ExecuteErrorKind::Machine, error.to_string(), MachineUsage::default()),
            };
            // Time it waited for its turn is this machine's, which plays many clouds at once, and no cloud's.
            let cpu = self.cpu.unwrap_or(run.usage.cpu);
            let wall = cpu.saturating_add(run.usage.waited);
            let usage = MachineUsage { cpu, wall, memory_peak: Some(run.usage.memory_peak) };
            match run.outcome {
                Ok(output) => Ok(Executed { output, usage }),
                Err(error) => failed(ExecuteErrorKind::Function(error.kind().to_owned()), error.to_string(), usage),
            }
        })
    }
}
