//! From what a call really used to what is billed: rounding, minimums, memory steps.
//!
//! All of it is multiplication of whole steps by whole quanta; the only division is the share of a
//! call that was not alone on its instance, which is rounded up to a quantum (10^-18 of a unit).

use merit_units::{Overflow, Quantity};

use crate::meter::{MAX_LINES, Metered};
use crate::rule::MeterError;
use crate::sheet::{Part, PartKind, PriceSheet};
use crate::size::{Share, Size, Usage};

/// The raw steps of one call, by part.
struct Steps {
    memory: u128,
    vcpu: u128,
    ephemeral: u128,
    cpu: u64,
    egress_bytes: u64,
    share: Share,
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
            share: rule.share(name, size, vcpu, usage)?,
        };
        let mut quantities = [Quantity::ZERO; MAX_LINES];
        for (quantity, line) in quantities.iter_mut().zip(self.lines()) {
            for part in &line.parts {
                *quantity = quantity.checked_add(steps.of(part)?)?;
            }
        }
        Ok(Metered { quantities, meters: self.meters() })
    }

    /// Whether a call is billed its share of an instance, so that others who run beside it there make it cheaper.
    #[must_use]
    pub fn bills_shared_instances(&self) -> bool {
        self.rule().shared
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
        let (raw, share) = match part.kind {
            PartKind::Requests => (1, Share::WHOLE),
            PartKind::MemorySeconds => (self.memory, self.share),
            PartKind::VcpuSeconds => (self.vcpu, self.share),
            PartKind::EphemeralSeconds => (self.ephemeral, self.share),
            PartKind::CpuMs => (u128::from(self.cpu), Share::WHOLE),
            PartKind::EgressGb => (u128::from(self.egress_bytes), Share::WHOLE),
        };
        let quanta = raw.checked_mul(part.quanta_per_raw).ok_or(Overflow)?;
        if share == Share::WHOLE {
            return Ok(Quantity::from_quanta(quanta));
        }
        let parts = quanta.checked_mul(share.billionths().into()).ok_or(Overflow)?;
        Ok(Quantity::from_quanta(parts.div_ceil(Share::PER_WHOLE.into())))
    }
}
