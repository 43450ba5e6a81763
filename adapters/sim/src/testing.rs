//! Functions and clouds for the tests of this crate.

pub(crate) mod http;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use merit_pricing::{Catalogue, PriceSheet};
use merit_units::{MemoryMb, Micros, VenueId};
use tokio::time::Instant;

use crate::clock::SimClock;
use crate::cloud::Cloud;
use crate::{CloudConfig, ExecuteError, ExecuteErrorKind, Executed, Executor, MachineUsage, Provider, TimeScale};

/// Functions whose use of the machine is known beforehand.
#[derive(Debug, Default)]
pub(crate) struct Scripted {
    runs: AtomicU64,
}

impl Scripted {
    /// How often a function was run.
    pub(crate) fn runs(&self) -> u64 {
        self.runs.load(Ordering::SeqCst)
    }

    fn run(&self, function: &str, payload: Bytes) -> Result<Executed, ExecuteError> {
        let usage =
            MachineUsage { cpu: Micros::from_millis(10), wall: Micros::from_millis(10), memory_peak: Some(mb(20)) };
        let fail = |kind, message: &str| Err(ExecuteError { kind, message: message.to_owned(), usage });
        match function {
            "echo" => Ok(Executed { output: payload, usage }),
            "slow" => Ok(Executed { output: payload, usage: MachineUsage { wall: Micros::from_secs(90), ..usage } }),
            "trap" => fail(ExecuteErrorKind::Function("Trap".to_owned()), "unreachable executed"),
            "broken" => fail(ExecuteErrorKind::Machine, "no memory left"),
            "panic" => panic!("a bug in the executor"),
            _ => fail(ExecuteErrorKind::UnknownFunction, "there is echo"),
        }
    }
}

impl Executor for Scripted {
    fn functions(&self) -> Vec<String> {
        ["broken", "echo", "panic", "slow", "trap"].map(str::to_owned).to_vec()
    }

    fn execute(
        &self,
        function: &str,
        payload: Bytes,
        _: MemoryMb,
        _: Instant,
    ) -> BoxFuture<'_, Result<Executed, ExecuteError>> {
        let function = function.to_owned();
        async move {
            let result = self.run(&function, payload);
            if !matches!(&result, Err(ExecuteError { kind: ExecuteErrorKind::UnknownFunction, .. })) {
                self.runs.fetch_add(1, Ordering::SeqCst);
            }
            result
        }
        .boxed()
    }
}

pub(crate) fn mb(megabytes: u64) -> MemoryMb {
    MemoryMb::try_new(megabytes).expect("a size")
}

pub(crate) fn sheet(name: &str) -> Arc<PriceSheet> {
    Catalogue::builtin().get(name).expect("in the catalogue").clone()
}

/// A cloud that plays the provider of a sheet.
pub(crate) fn config(sheet_name: &str) -> CloudConfig {
    let sheet = sheet(sheet_name);
    let provider = Provider::of_sheet(&sheet).expect("a provider");
    let mut config = CloudConfig::new(VenueId::try_new("cloud").expect("a name"), sheet, provider);
    config.round_trip = Some(Micros::from_millis(5));
    config
}

/// Opens a cloud on scripted functions.
pub(crate) fn open(config: CloudConfig, time_scale: TimeScale) -> (Arc<Cloud>, Arc<Scripted>) {
    let functions = Arc::new(Scripted::default());
    let sim = crate::SimConfig { seed: 42, time_scale, clouds: vec![config.clone()] };
    let model = sim.models().expect("a cloud that can be played").remove(0);
    let executor: Arc<dyn Executor> = functions.clone();
    (Arc::new(Cloud::open(config, model, 42, SimClock::start(time_scale), executor)), functions)
}

/// Lets all that is ready run, then lets `duration` pass.
pub(crate) async fn pass(duration: Duration) {
    tokio::task::yield_now().await;
    tokio::time::advance(duration).await;
}
