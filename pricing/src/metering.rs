//! From what a call really used to what is billed: rounding, minimums, memory steps.
//!
//! All of it is multiplication of whole steps by whole quanta; the only division is the share of a
//! concurrent request, which is rounded up to a quantum (10^-18 of a unit).

use merit_units::{Overflow, Quantity};

use crate::meter::{MAX_LINES, Metered};
use crate::rule::MeterError;
use crate::sheet::{Part, PartKind, PriceSheet};
use crate::size::{Size, Usage};

/// The raw steps of one call, by part.
struct Steps {
    memory: u128,
    vcpu: u128,
    ephemeral: u128,
    cpu: u64,
    egress_bytes: u64,
    sharers: u16,
}

impl PriceSheet {
    /// The billed quantities of one call.
    ///
    /// # Errors
    /// [`MeterError`] when the size is not sold under the sheet, saying what is, or when a quantity
    /// does not fit.
    pub fn meter(&self, size: &Size, usage: &Usage) -> Result<Metered, MeterError> {
        let (name, rule) = (self.name(), self.rule());
        let time = u128::from(rule.time_steps(usage));
        let vcpu = rule.vcpu_milli(name, size)?;
        let steps = Steps {
            memory: u128::from(rule.memory_mb(name, size, usage)?) * time,
            vcpu: u128::from(vcpu) * time,
            ephemeral: u128::from(rule.ephemeral_mb(name, size)?) * time,
            cpu: rule.cpu_steps(usage),
            egress_bytes: usage.egress_bytes,
            sharers: rule.sharers(name, size, vcpu)?,
        };
        let mut quantities = [Quantity::ZERO; MAX_LINES];
        for (quantity, line) in quantities.iter_mut().zip(self.lines()) {
            for part in &line.parts {
                *quantity = quantity.checked_add(steps.of(part)?)?;
            }
        }
        Ok(Metered { quantities, meters: self.meters() })
    }

    /// Checks that a deployment of this size can be metered, its architecture included.
    ///
    /// # Errors
    /// [`MeterError`] saying what the sheet allows.
    pub fn check(&self, size: &Size) -> Result<(), MeterError> {
        match self.architecture() {
            Some(sold) if sold != size.architecture => {
                let (sheet, built) = (self.name().clone(), size.architecture);
                Err(MeterError::Architecture { sheet, sold, built })
            }
            _ => self.meter(size, &Usage::default()).map(drop),
        }
    }
}

impl Steps {
    fn of(&self, part: &Part) -> Result<Quantity, Overflow> {
        let (raw, sharers) = match part.kind {
            PartKind::Requests => (1, 1),
            PartKind::MemorySeconds => (self.memory, self.sharers),
            PartKind::VcpuSeconds => (self.vcpu, self.sharers),
            PartKind::EphemeralSeconds => (self.ephemeral, self.sharers),
            PartKind::CpuMs => (u128::from(self.cpu), 1),
            PartKind::EgressGb => (u128::from(self.egress_bytes), 1),
        };
        let quanta = raw.checked_mul(part.quanta_per_raw).ok_or(Overflow)?;
        let shared = if sharers == 1 { quanta } else { quanta.div_ceil(u128::from(sharers)) };
        Ok(Quantity::from_quanta(shared))
    }
}
