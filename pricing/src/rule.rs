//! A sheet's billing rule: how the time, memory and vCPU of a call are rounded before they are priced.
//!
//! Invariants, checked when a sheet is parsed: the granularity is above zero, the minimum is a
//! whole number of steps, and memory ranges are not empty. Known limitation: a rule sees one call at
//! a time, so "billed once per active period" of a shared instance is modelled as each call's [`Share`] of its own
//! time, rounded up before it is shared.

mod words;

use merit_units::{MemoryMb, Micros, SheetName};

use crate::size::{Share, Size, Usage};
use words::milli_text;

/// How a call's raw usage becomes billed time and memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rule {
    /// Time is rounded up to a multiple of this.
    pub(crate) granularity: Micros,
    /// The shortest billed time, a multiple of the granularity.
    pub(crate) minimum: Micros,
    /// CPU time is rounded up to a multiple of this.
    pub(crate) cpu_granularity: Micros,
    /// Whether the initialisation of a cold instance is billed.
    pub(crate) init: Init,
    /// Whether concurrent requests share the bill of their instance.
    pub(crate) shared: bool,
    pub(crate) memory: MemoryRule,
    pub(crate) vcpu: VcpuRule,
    /// Scratch disk up to this size is free.
    pub(crate) ephemeral_free_mb: u32,
    pub(crate) ephemeral_max_mb: u32,
    /// The largest reply the provider lets through, in bytes.
    pub(crate) max_reply_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Init {
    Free,
    /// Billed, and cut off by the provider after `max`.
    Billed {
        max: Micros,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Basis {
    /// What the deployment is configured with.
    Configured,
    /// What the call really needed; the configured size when the venue does not tell.
    Observed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MemoryRule {
    pub(crate) basis: Basis,
    pub(crate) min_mb: u32,
    pub(crate) max_mb: u32,
    pub(crate) step_mb: u32,
    /// The only sizes there are, ascending; empty when the range and step say it.
    pub(crate) sizes_mb: Vec<u32>,
    /// Whether a size in between is rounded up to the next one or refused.
    pub(crate) round_up: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum VcpuRule {
    /// No line bills vCPU.
    Unused,
    /// Every deployment must say its vCPU.
    Explicit(VcpuRange),
    /// A deployment may say its vCPU; otherwise the smallest entry at least as large as its memory holds.
    ByMemory { range: VcpuRange, defaults: Vec<(u32, u32)> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct VcpuRange {
    pub(crate) min_milli: u32,
    pub(crate) max_milli: u32,
    pub(crate) step_milli: u32,
    /// Memory per vCPU must lie between these, in GB; zero means no bound.
    pub(crate) gb_per_vcpu: (u32, u32),
}

/// Why a deployment's size or a call cannot be metered under a sheet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MeterError {
    /// The provider sells no such memory size.
    #[error("{memory} of memory is not sold under {sheet}; choose {allowed}")]
    Memory {
        /// The sheet.
        sheet: SheetName,
        /// The configured memory.
        memory: MemoryMb,
        /// What may be chosen.
        allowed: String,
    },
    /// The sheet bills vCPU and the deployment does not say how much it has.
    #[error("{sheet} bills the configured vCPU and none is given; give {allowed}")]
    VcpuMissing {
        /// The sheet.
        sheet: SheetName,
        /// What may be chosen.
        allowed: String,
    },
    /// The provider sells no such vCPU share.
    #[error("{vcpu} vCPU is not sold under {sheet}; choose {allowed}")]
    Vcpu {
        /// The sheet.
        sheet: SheetName,
        /// The configured vCPU, as a decimal.
        vcpu: String,
        /// What may be chosen.
        allowed: String,
    },
    /// The provider refuses this combination of memory and vCPU.
    #[error("{memory} of memory with {vcpu} vCPU is not sold under {sheet}; choose {min} to {max} GB for each vCPU")]
    MemoryPerVcpu {
        /// The sheet.
        sheet: SheetName,
        /// The configured memory.
        memory: MemoryMb,
        /// The configured vCPU, as a decimal.
        vcpu: String,
        /// The least GB for each vCPU.
        min: u32,
        /// The most GB for each vCPU.
        max: u32,
    },
    /// The provider sells no such scratch disk.
    #[error("{ephemeral} of ephemeral storage is not sold under {sheet}; choose at most {max_mb} MB")]
    Ephemeral {
        /// The sheet.
        sheet: SheetName,
        /// The configured scratch disk.
        ephemeral: MemoryMb,
        /// The largest there is, in MB.
        max_mb: u32,
    },
    /// An instance cannot serve that many requests at once.
    #[error("a concurrency of {concurrency} is not possible under {sheet} with {vcpu} vCPU; {hint}")]
    Concurrency {
        /// The sheet.
        sheet: SheetName,
        /// The configured concurrency.
        concurrency: u16,
        /// The vCPU, as a decimal.
        vcpu: String,
        /// What to do.
        hint: &'static str,
    },
    /// The deployment is built for another architecture than the sheet prices.
    #[error("{sheet} prices {sold} and the deployment is built for {built}; choose the sheet of its architecture")]
    Architecture {
        /// The sheet.
        sheet: SheetName,
        /// The architecture the sheet prices.
        sold: crate::Architecture,
        /// The architecture of the deployment.
        built: crate::Architecture,
    },
    /// A quantity does not fit its integer.
    #[error(transparent)]
    Overflow(#[from] merit_units::Overflow),
}

impl Rule {
    /// Billed time as a count of granularity steps, before concurrent requests share it.
    pub(crate) fn time_steps(&self, usage: &Usage) -> u64 {
        let init = if matches!(self.init, Init::Billed { .. }) { usage.init } else { Micros::ZERO };
        let steps = usage.duration.saturating_add(init).get().div_ceil(self.granularity.get());
        steps.max(self.minimum.get() / self.granularity.get())
    }

    /// Billed CPU time as a count of CPU granularity steps; where nobody measured it, it is as long as the call.
    pub(crate) fn cpu_steps(&self, usage: &Usage) -> u64 {
        usage.cpu.unwrap_or(usage.duration).get().div_ceil(self.cpu_granularity.get())
    }

    /// Billed memory in MB.
    pub(crate) fn memory_mb(&self, sheet: &SheetName, size: &Size, usage: &Usage) -> Result<u32, MeterError> {
        let configured = self.memory.fit(size.memory.megabytes()).ok_or_else(|| MeterError::Memory {
            sheet: sheet.clone(),
            memory: size.memory,
            allowed: self.memory.to_string(),
        })?;
        Ok(match (self.memory.basis, usage.memory_peak) {
            (Basis::Observed, Some(peak)) => {
                let peak = peak.megabytes().min(self.memory.max_mb);
                self.memory.fit(peak).unwrap_or(self.memory.max_mb)
            }
            _ => configured,
        })
    }

    /// Billed vCPU in thousandths; zero when no line bills it.
    pub(crate) fn vcpu_milli(&self, sheet: &SheetName, size: &Size) -> Result<u32, MeterError> {
        let (range, milli) = match &self.vcpu {
            VcpuRule::Unused => return Ok(0),
            VcpuRule::Explicit(range) => match size.vcpu_milli {
                Some(milli) => (range, milli),
                None => {
                    return Err(MeterError::VcpuMissing { sheet: sheet.clone(), allowed: range.to_string() });
                }
            },
            VcpuRule::ByMemory { range, defaults } => match size.vcpu_milli {
                Some(milli) => (range, milli),
                None => return Ok(default_vcpu(defaults, size.memory.megabytes())),
            },
        };
        range.check(sheet, size, milli)?;
        Ok(milli)
    }

    /// The least vCPU that is sold for the memory and is no less than `share` thousandths, or else the most; `None` where
    /// nobody has to say it.
    pub(crate) fn assumed_vcpu(&self, size: &Size, share: u32) -> Option<u32> {
        let VcpuRule::Explicit(range) = &self.vcpu else { return None };
        let sold = range.sold_with(size);
        sold.clone().find(|milli| *milli >= share).or_else(|| sold.last())
    }

    /// Billed scratch disk above the free part, in MB.
    pub(crate) fn ephemeral_mb(&self, sheet: &SheetName, size: &Size) -> Result<u32, MeterError> {
        let configured = size.ephemeral.megabytes();
        if configured > self.ephemeral_max_mb.max(self.ephemeral_free_mb) {
            let max_mb = self.ephemeral_max_mb;
            return Err(MeterError::Ephemeral { sheet: sheet.clone(), ephemeral: size.ephemeral, max_mb });
        }
        Ok(configured.saturating_sub(self.ephemeral_free_mb))
    }

    /// The call's part of the billed time of its instance.
    pub(crate) fn share(
        &self,
        sheet: &SheetName,
        size: &Size,
        vcpu_milli: u32,
        usage: &Usage,
    ) -> Result<Share, MeterError> {
        if !self.shared {
            return Ok(Share::WHOLE);
        }
        let refuse = |hint| {
            let (concurrency, vcpu) = (size.concurrency, milli_text(vcpu_milli));
            Err(MeterError::Concurrency { sheet: sheet.clone(), concurrency, vcpu, hint })
        };
        match size.concurrency {
            0 => refuse("give 1 or more"),
            // Cloud Run gives a container with less than one vCPU a concurrency of 1.
            2.. if (1..1000).contains(&vcpu_milli) && matches!(self.vcpu, VcpuRule::ByMemory { .. }) => {
                refuse("below 1 vCPU it is 1")
            }
            concurrency => Ok(usage.share.max(Share::of(concurrency))),
        }
    }
}

/// The last entry stands for all larger sizes; a table is never empty.
fn default_vcpu(defaults: &[(u32, u32)], memory_mb: u32) -> u32 {
    let fitting = defaults.iter().find(|(mb, _)| *mb >= memory_mb);
    fitting.or(defaults.last()).map_or(1000, |(_, milli)| *milli)
}

impl MemoryRule {
    /// The size sold for `megabytes`, or `None` when the provider sells none.
    fn fit(&self, megabytes: u32) -> Option<u32> {
        if megabytes > self.max_mb {
            return None;
        }
        let fitted = if self.sizes_mb.is_empty() {
            megabytes.max(self.min_mb).div_ceil(self.step_mb) * self.step_mb
        } else {
            *self.sizes_mb.iter().find(|size| **size >= megabytes)?
        };
        (self.round_up || fitted == megabytes).then_some(fitted)
    }
}

impl VcpuRange {
    /// Every share that is sold with the memory of `size`, ascending.
    fn sold_with(&self, size: &Size) -> impl Iterator<Item = u32> + Clone {
        let (range, size) = (*self, *size);
        let step = self.step_milli.max(1);
        let steps = self.min_milli.div_ceil(step)..=self.max_milli / step;
        steps.map(move |steps| steps * step).filter(move |milli| range.fits(&size, *milli))
    }

    /// Whether the memory lies within what is sold for each vCPU.
    fn fits(&self, size: &Size, milli: u32) -> bool {
        let (min, max) = self.gb_per_vcpu;
        let memory = u64::from(size.memory.megabytes()) * 1000;
        let per_gb = u64::from(milli) * u64::from(MemoryMb::PER_GB);
        memory >= per_gb * u64::from(min) && (max == 0 || memory <= per_gb * u64::from(max))
    }

    fn check(&self, sheet: &SheetName, size: &Size, milli: u32) -> Result<(), MeterError> {
        if !(self.min_milli..=self.max_milli).contains(&milli) || !milli.is_multiple_of(self.step_milli) {
            return Err(MeterError::Vcpu { sheet: sheet.clone(), vcpu: milli_text(milli), allowed: self.to_string() });
        }
        if !self.fits(size, milli) {
            let ((min, max), memory, vcpu) = (self.gb_per_vcpu, size.memory, milli_text(milli));
            return Err(MeterError::MemoryPerVcpu { sheet: sheet.clone(), memory, vcpu, min, max });
        }
        Ok(())
    }
}
