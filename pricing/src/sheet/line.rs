//! One billed line of a sheet: a meter, the parts it is summed from, its grant and its tiers.
//!
//! A part's weight is folded with the units into one integer, the quanta for one raw step, so
//! metering a call multiplies integers and rounds nowhere.

use std::sync::Arc;

use merit_units::{Quantity, Rate};

use crate::meter::Meter;

/// One billed line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) meter: Meter,
    pub(crate) parts: Vec<Part>,
    pub(crate) grant: Option<Grant>,
    /// Ascending; the last one is open.
    pub(crate) tiers: Vec<Tier>,
    /// The scope as the sheet says it, when it is not the sheet's own name.
    pub(crate) tier_scope: Option<Box<str>>,
    /// Which deployments fill the tiers together.
    pub(crate) tier_pool: Arc<str>,
}

impl Line {
    /// The dearest rate of its tiers.
    pub(crate) fn highest_rate(&self) -> Rate {
        self.tiers.iter().map(|tier| tier.rate).max().unwrap_or_default()
    }
}

/// What a line counts, before its weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PartKind {
    Requests,
    /// Billed memory in GB x billed time in seconds.
    MemorySeconds,
    /// Billed vCPU x billed time in seconds.
    VcpuSeconds,
    /// CPU time in milliseconds.
    CpuMs,
    /// Bytes out, in 2^30.
    EgressGb,
    /// Scratch disk above the free part in GB x billed time in seconds.
    EphemeralSeconds,
}

impl PartKind {
    pub(crate) const ALL: [(Self, &'static str); 6] = [
        (Self::Requests, "requests"),
        (Self::MemorySeconds, "memory_seconds"),
        (Self::VcpuSeconds, "vcpu_seconds"),
        (Self::CpuMs, "cpu_ms"),
        (Self::EgressGb, "egress_gb"),
        (Self::EphemeralSeconds, "ephemeral_seconds"),
    ];

    pub(crate) fn word(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, word)| word)
    }

    /// What a meter counts when its line does not say; a compute unit must.
    pub(crate) const fn of_meter(meter: Meter) -> Option<Self> {
        match meter {
            Meter::Request => Some(Self::Requests),
            Meter::GbSecond | Meter::GibSecond => Some(Self::MemorySeconds),
            Meter::VcpuSecond => Some(Self::VcpuSeconds),
            Meter::CpuMs => Some(Self::CpuMs),
            Meter::EgressGb => Some(Self::EgressGb),
            Meter::EphemeralGbSecond => Some(Self::EphemeralSeconds),
            Meter::ComputeUnit => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Part {
    pub(crate) kind: PartKind,
    /// The weight in thousand-millionths.
    pub(crate) weight_nano: u64,
    /// Quanta of the meter for one raw step: one request, one MB x one time step, one thousandth of a
    /// vCPU x one time step, one CPU step, one byte.
    pub(crate) quanta_per_raw: u128,
}

impl Part {
    /// The weight as a decimal.
    pub(crate) fn weight(&self) -> Rate {
        Rate::from_atto(u128::from(self.weight_nano) * 1_000_000_000)
    }
}

/// A monthly amount of a meter that is free.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) quantity: Quantity,
    /// Thousandths of the pool that one billed unit of this line takes. 1,000 except where the grant
    /// is worth money at another sheet's price (Cloud Run's tier 2 takes 1,400 of the tier 1 grant).
    pub(crate) weight_milli: u32,
    pub(crate) scope: Box<str>,
    /// Which deployments use the grant up together.
    pub(crate) pool: Arc<str>,
    pub(crate) source: u8,
}

/// A rate up to a monthly quantity, counted after the grant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tier {
    pub(crate) up_to: Quantity,
    pub(crate) rate: Rate,
    pub(crate) source: u8,
}

impl Tier {
    /// What it charges, whatever the source.
    pub(crate) fn step(&self) -> (Quantity, Rate) {
        (self.up_to, self.rate)
    }
}
