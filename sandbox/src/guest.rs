//! The state of one running guest: its view of the world and the memory it was given.
//!
//! Invariant: nothing is inherited from the host. Standard input is the payload, the two
//! output streams go to memory, and there are no directories, sockets, arguments or variables.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use wasmtime::ResourceLimiter;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::{WasiCtxBuilder, WasiView};

use crate::config::TABLE_ELEMENTS_MAX;
use crate::observe::Observed;
use crate::stream::{Channel, Pipe};

/// Random bytes a guest gets at once. Making them can't be interrupted, and this many take a few milliseconds.
pub(crate) const RANDOM_AT_ONCE: u64 = 4 << 20;
/// Things the host keeps for a guest at once: its streams, and a timer for each of the events it waits for.
pub(crate) const HOST_OBJECTS_MAX: usize = 1000;
/// Bytes one host call may copy; a larger read or write fails in the guest with `ENOMEM`.
pub(crate) const COPY_AT_ONCE: usize = 64 << 20;

pub(crate) struct Guest {
    pub(crate) wasi: WasiP1Ctx,
    pub(crate) memory: MemoryGate,
    pub(crate) observed: Arc<Observed>,
}

impl Guest {
    pub(crate) fn new(payload: Bytes, memory: MemoryGate, observed: Arc<Observed>) -> Self {
        let mut wasi = WasiCtxBuilder::new()
            .stdin(MemoryInputPipe::new(payload))
            .stdout(Pipe::new(Arc::clone(&observed), Channel::Output))
            .stderr(Pipe::new(Arc::clone(&observed), Channel::Log))
            .max_random_size(RANDOM_AT_ONCE)
            .build_p1();
        wasi.ctx().table.set_max_capacity(HOST_OBJECTS_MAX);
        Self { wasi, memory, observed }
    }
}

/// Grants memory up to the limit. A refused growth returns -1 to the guest, which may cope:
/// only a guest that fails after a refusal failed for want of memory.
pub(crate) struct MemoryGate {
    given: u64,
    limit: u64,
    observed: Arc<Observed>,
}

impl MemoryGate {
    pub(crate) const fn new(limit: u64, observed: Arc<Observed>) -> Self {
        Self { given: 0, limit, observed }
    }
}

impl ResourceLimiter for MemoryGate {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.given.saturating_add(desired.saturating_sub(current) as u64);
        if wanted > self.limit {
            self.observed.memory_refused.store(true, Ordering::Relaxed);
            return Ok(false);
        }
        self.given = wanted;
        self.observed.memory_peak.store(wanted, Ordering::Relaxed);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.observed.memory_refused.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }
}
