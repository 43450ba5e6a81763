//! A billing rule in words, for refusals and for people who ask how a charge came about.

use std::fmt;

use super::{Basis, Init, MemoryRule, Rule, VcpuRange, VcpuRule};

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "time rounded up to {}", self.granularity)?;
        if self.minimum.get() > 0 {
            write!(f, ", at least {}", self.minimum)?;
        }
        f.write_str(match self.init {
            Init::Free => "; initialisation free",
            Init::Billed { .. } => "; initialisation billed",
        })?;
        f.write_str(match self.memory.basis {
            Basis::Configured => "; memory as configured, ",
            Basis::Observed => "; memory as observed, ",
        })?;
        write!(f, "{}", self.memory)?;
        match &self.vcpu {
            VcpuRule::Unused => {}
            VcpuRule::Explicit(range) => write!(f, "; vCPU as configured, {range}")?,
            VcpuRule::ByMemory { range, .. } => write!(f, "; vCPU as configured or by memory, {range}")?,
        }
        f.write_str(if self.shared { "; concurrent requests share an instance" } else { "" })
    }
}

impl fmt::Display for MemoryRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sizes_mb.as_slice() {
            [] if self.round_up => write!(f, "at most {} MB", self.max_mb),
            [] => write!(f, "{} to {} MB in steps of {} MB", self.min_mb, self.max_mb, self.step_mb),
            [only] => write!(f, "at most {only} MB"),
            sizes => {
                let sizes: Vec<String> = sizes.iter().map(u32::to_string).collect();
                write!(f, "one of {} MB", sizes.join(", "))
            }
        }
    }
}

impl fmt::Display for VcpuRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [min, max, step] = [self.min_milli, self.max_milli, self.step_milli].map(milli_text);
        write!(f, "{min} to {max} vCPU in steps of {step}")
    }
}

/// Thousandths as a decimal: `83` is `0.083`.
pub(super) fn milli_text(milli: u32) -> String {
    let text = format!("{}.{:03}", milli / 1000, milli % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
