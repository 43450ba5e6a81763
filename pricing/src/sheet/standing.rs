//! What instances cost that are kept, whether calls come or not.
//!
//! | billed | when | the sheet is for |
//! |---|---|---|
//! | `always` | all the time they are kept, beside what calls cost (AWS's provisioned concurrency, Azure's always ready) | kept instances only |
//! | `idle` | while no call uses them (Cloud Run's minimum instances) | any; keeping them is a choice |
//! | `lifetime` | all the time they are kept, by the meter's own line, grants and all; calls there cost no more (Cloud Run with its CPU always allocated) | kept instances only |
//!
//! Known limitation: how much of the calls falls on kept instances is not known, so as much as they hold is taken to.

use merit_units::{Exact, Micros, Overflow, Quantity, Rate};

use super::{Price, PriceSheet};
use crate::meter::{Meter, Metered};
use crate::rule::MeterError;
use crate::size::{Size, Usage};

/// What a warm instance costs for as long as it is kept.
#[derive(Clone, Copy)]
pub(super) struct Standing {
    /// GB-second or GiB-second of configured memory, or vCPU-second.
    pub(super) meter: Meter,
    pub(super) rate: Rate,
    pub(super) billed: Billed,
    pub(super) source: u8,
}

/// Which of the time that an instance is kept is billed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Billed {
    Always,
    Idle,
    Lifetime,
}

impl Billed {
    pub(super) const ALL: [Self; 3] = [Self::Always, Self::Idle, Self::Lifetime];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Idle => "idle",
            Self::Lifetime => "lifetime",
        }
    }
}

impl PriceSheet {
    /// The prices of keeping an instance warm, per GB-second or GiB-second of configured memory or per vCPU-second; none
    /// on sheets that bill calls only.
    pub fn standing(&self) -> impl Iterator<Item = Price<'_>> {
        self.standing.iter().map(|standing| Price {
            meter: standing.meter,
            up_to: None,
            rate: standing.rate,
            source: &self.sources[usize::from(standing.source)],
        })
    }

    /// Whether the sheet is for instances that are kept, so that its calls have no price without any.
    #[must_use]
    pub fn is_for_kept_instances(&self) -> bool {
        self.standing.iter().any(|standing| standing.billed != Billed::Idle)
    }

    /// Whether its instances are billed for as long as they live, so that a bill has time in it that no call took.
    #[must_use]
    pub fn bills_lifetimes(&self) -> bool {
        self.standing.iter().any(|standing| standing.billed == Billed::Lifetime)
    }

    /// Calls that used `metered`, while `instances` of this size were kept for `length`: the quantities to bill, and what
    /// the instances cost beside them.
    ///
    /// # Errors
    /// [`MeterError`] when the size is not sold under the sheet or the amount does not fit.
    pub fn keep(
        &self,
        size: &Size,
        instances: u32,
        length: Micros,
        metered: &Metered,
    ) -> Result<(Metered, Exact), MeterError> {
        let held = u128::from(length.get()) * u128::from(instances);
        if held == 0 {
            return Ok((*metered, Exact::ZERO));
        }
        let (mut billed, mut cost) = (*metered, Exact::ZERO);
        for standing in &self.standing {
            let (amount, per_unit) = match standing.meter {
                Meter::VcpuSecond => (self.rule.vcpu_milli(&self.name, size)?, 1_000_000_000),
                _ => (self.rule.memory_mb(&self.name, size, &Usage::default())?, 1024 * 1_000_000),
            };
            let raw = held.checked_mul(u128::from(amount)).ok_or(Overflow)?;
            let (kept, used) = (Quantity::ratio(raw, per_unit)?, metered.get(standing.meter));
            let beside = match standing.billed {
                Billed::Always => kept,
                Billed::Idle => kept.saturating_sub(used),
                Billed::Lifetime => {
                    let line = billed.with(standing.meter, kept.max(used));
                    billed = line.expect("invariant: a sheet has a line for what it bills so");
                    Quantity::ZERO
                }
            };
            cost = cost.checked_add(standing.rate.times(beside)?)?;
        }
        Ok((billed, cost))
    }
}
