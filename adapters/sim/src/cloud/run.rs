//! The execution of a call that was let in: really run, then laid out in modelled time.

use std::sync::Arc;

use bytes::Bytes;
use merit_pricing::Usage;
use merit_units::{MemoryMb, Micros};
use tokio::time::{Instant, sleep_until};

use super::admission::Admitted;
use super::{Answer, FunctionFailure, Outcome, Refusal};
use crate::clock::SimClock;
use crate::controls::Controls;
use crate::executor::{ExecuteError, ExecuteErrorKind, Executed, MachineUsage};

/// Executes, waits until the modelled time has passed since the call arrived, bills.
///
/// A reply of more than `most_reply` bytes is a failure of the function.
pub(super) async fn run(
    call: Admitted,
    payload: Bytes,
    most_reply: usize,
    arrived: Instant,
    controls: Arc<Controls>,
) -> Outcome {
    let cloud = Arc::clone(&call.cloud);
    let size = call.setup.size;
    let deadline = arrived.checked_add(size.timeout.to_std()).unwrap_or(arrived);
    let executed = cloud.executor.execute(&call.setup.runs, payload, size.memory, deadline).await;
    let (used, result) = match split(executed) {
        Ok(split) => split,
        Err(refusal) => {
            if matches!(refusal, Refusal::UnknownFunction(_)) {
                cloud.state().forget(&call.setup.name);
            }
            return Outcome::Refused(refusal);
        }
    };
    let (usage, result) = lay_out(&call, used, result.and_then(|output| within(output, most_reply)));
    let extra = Micros::from_millis(controls.extra_latency_ms);
    let modelled = call.around(extra).saturating_add(usage.duration);
    sleep_until(cloud.clock.real_end(arrived, modelled)).await;
    let hour = SimClock::hour(cloud.clock.now());
    cloud.books().bill(hour, &call.setup.name, &call.setup.priced, &usage);
    Outcome::Ran(Answer { usage, size, result, controls })
}

type FunctionResult = Result<Bytes, FunctionFailure>;

/// Parts calls that ran, well or not, from those that did not.
fn split(executed: Result<Executed, ExecuteError>) -> Result<(MachineUsage, FunctionResult), Refusal> {
    match executed {
        Ok(Executed { output, usage }) => Ok((usage, Ok(output))),
        Err(ExecuteError { kind, message, usage }) => match kind {
            ExecuteErrorKind::Function(kind) => Ok((usage, Err(FunctionFailure { kind, message }))),
            ExecuteErrorKind::UnknownFunction => Err(Refusal::UnknownFunction(message)),
            ExecuteErrorKind::Machine => Err(Refusal::Machine(message)),
        },
    }
}

fn within(output: Bytes, most: usize) -> FunctionResult {
    if output.len() <= most {
        return Ok(output);
    }
    let message = format!("Response payload size exceeded maximum allowed payload size ({most} bytes).");
    Err(FunctionFailure { kind: "Function.ResponseSizeTooLarge".to_owned(), message })
}

/// What the call used at the cloud. A call beyond its timeout is ended there and billed until then.
fn lay_out(call: &Admitted, used: MachineUsage, result: FunctionResult) -> (Usage, FunctionResult) {
    let Admitted { cloud, setup, draw, .. } = call;
    let execution = cloud.model.execution(used, setup.share_milli, draw.noise_ppm);
    let timeout = setup.size.timeout;
    let result = if execution.duration > timeout && result.is_ok() {
        Err(FunctionFailure {
            kind: FunctionFailure::TIMEOUT.to_owned(),
            message: format!("the call was ended after {timeout}"),
        })
    } else {
        result
    };
    let usage = Usage {
        duration: told(execution.duration.min(timeout)),
        init: told(draw.init),
        cpu: Some(execution.cpu.min(timeout)),
        memory_peak: Some(memory_peak(call, used.memory_peak)),
        egress_bytes: match &result {
            Ok(output) => output.len() as u64,
            Err(failure) => failure.body().len() as u64,
        },
        ..Usage::default()
    };
    (usage, result)
}

/// Times as they are told: Lambda's reports have two decimals of a millisecond, and bill and report agree.
fn told(time: Micros) -> Micros {
    time.ceil_to(Micros::new(10))
}

/// The runtime's own memory and the function's, within what is configured.
fn memory_peak(call: &Admitted, function: Option<MemoryMb>) -> MemoryMb {
    let total = call.cloud.model.runtime_memory_mb.saturating_add(function.map_or(0, MemoryMb::megabytes));
    let within = total.clamp(1, call.setup.size.memory.megabytes());
    MemoryMb::try_new(u64::from(within)).expect("invariant: at least 1 MB and at most a size that was checked")
}
