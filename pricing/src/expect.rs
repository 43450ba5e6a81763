//! What the next call of a deployment will be billed and take, and on what grounds one says so.
//!
//! From best to worst: the deployment's own calls; those of the sibling (another deployment of the function) whose
//! CPU share is nearest, scaled and metered under the own sheet; a documented default. The grounds are part
//! of the answer, and nobody is told a guess as a measurement.
//!
//! CPU time is a case of its own, for clouds that bill it tell it with no reply. Where calls did not tell it, it is
//! that of those that did: own ones, else the sibling's whose CPU share is nearest of all that measure it. It is not scaled, as a
//! second of a CPU is one wherever it is given; and it is no more than the time the calls took, which it is where no one tells.
//! Known limitation: a second of a fast core does more than one of a slow one, and nobody tells which core it was.

use std::fmt;

use merit_units::{Micros, Quantity};

use crate::meter::{Meter, Metered};
use crate::profile::{Learned, UsageProfile, compute_milli, mean_of, rescale};
use crate::rule::{Init, MeterError};
use crate::sheet::PriceSheet;
use crate::size::{Share, Size, Usage};

/// On what grounds something is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// Learned from the deployment's own calls.
    Measured,
    /// Guessed from a sibling's calls, or from the deployment's own before it was resized.
    Borrowed,
    /// Nothing is known: [`DEFAULT_DURATION`] at full memory, all of it on the CPU.
    Assumed,
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Measured => "measured",
            Self::Borrowed => "borrowed",
            Self::Assumed => "assumed",
        })
    }
}

/// What the next call will be billed and take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Mean billed quantities of a call, under the sheet that was asked for.
    pub metered: Metered,
    /// Half of the calls are expected to stay under this.
    pub latency_p50: Micros,
    /// 95 % of the calls are expected to stay under this.
    pub latency_p95: Micros,
    /// The grounds.
    pub basis: Basis,
    /// Calls it rests on: the deployment's own when measured, the sibling's when borrowed, none when assumed.
    pub samples: u64,
    /// Whether the sheet bills CPU time that some own calls did not tell, and `metered` has that of other calls in its place.
    pub cpu_borrowed: bool,
}

/// What a call is assumed to take when nothing is known about its function.
pub const DEFAULT_DURATION: Micros = Micros::from_millis(100);

/// What the next call at a deployment of this size will be billed under `sheet`, and take.
///
/// `siblings` are the profiles of the function's other deployments; they are looked at when `own` is empty or
/// [lacks CPU time](UsageProfile::lacks_cpu_time).
///
/// # Errors
/// [`MeterError`] when the size is not sold under the sheet: the deployment has no price then.
pub fn expect<'a>(
    sheet: &PriceSheet,
    size: &Size,
    own: &UsageProfile,
    siblings: impl IntoIterator<Item = &'a UsageProfile, IntoIter: Clone>,
) -> Result<Expectation, MeterError> {
    let siblings = siblings.into_iter();
    let mut expected = by_calls(sheet, size, own, siblings.clone())?;
    if own.lacks_cpu_time(sheet)
        && let Some(told) = cpu_told(sheet, size, own, siblings)
    {
        let most = expected.metered.get(Meter::CpuMs);
        if let Ok(metered) = expected.metered.with(Meter::CpuMs, told.min(most)) {
            (expected.metered, expected.cpu_borrowed) = (metered, true);
        }
    }
    Ok(expected)
}

/// By the calls of its own, or of the nearest sibling, as they were told.
fn by_calls<'a>(
    sheet: &PriceSheet,
    size: &Size,
    own: &UsageProfile,
    siblings: impl Iterator<Item = &'a UsageProfile>,
) -> Result<Expectation, MeterError> {
    match (own.learned(), own.mean_metered()) {
        (Some(learned), Some(metered)) if learned.fits(sheet, size) => Ok(Expectation {
            metered,
            latency_p50: own.latency_p50().unwrap_or(DEFAULT_DURATION),
            latency_p95: own.latency_p95().unwrap_or(DEFAULT_DURATION),
            basis: Basis::Measured,
            samples: own.samples(),
            cpu_borrowed: false,
        }),
        (Some(learned), _) if learned.usages.len() > 0 => {
            // Under another sheet they are still its own calls; at another size they are a guess.
            let basis = if learned.size == *size { Basis::Measured } else { Basis::Borrowed };
            borrow(sheet, size, (own, learned), basis, |usage| usage)
        }
        _ => match nearest(size, siblings, |learned| learned.usages.len() > 0) {
            // How many calls run beside each other there says nothing of how many will here.
            Some(sibling) => {
                borrow(sheet, size, sibling, Basis::Borrowed, |usage| Usage { share: Share::WHOLE, ..usage })
            }
            None => assume(sheet, size),
        },
    }
}

/// The CPU time that a call is billed for on average, by calls that told it.
fn cpu_told<'a>(
    sheet: &PriceSheet,
    size: &Size,
    own: &UsageProfile,
    siblings: impl Iterator<Item = &'a UsageProfile>,
) -> Option<Quantity> {
    let tells = |learned: &Learned| learned.usages.iter().any(|usage| usage.cpu.is_some());
    let own = own.learned().filter(|learned| tells(learned));
    let teller = own.or_else(|| nearest(size, siblings, tells).map(|(_, learned)| learned))?;
    let told = teller.usages.iter().filter(|usage| usage.cpu.is_some());
    let (mean, _) = mean_of(sheet, size, told.map(|usage| rescale(&usage, &teller.size, size))).ok()?;
    Some(mean.get(Meter::CpuMs))
}

/// The sibling with the nearest CPU share of those that will do; of several, the one with the most calls.
fn nearest<'a>(
    size: &Size,
    siblings: impl Iterator<Item = &'a UsageProfile>,
    will_do: impl Fn(&Learned) -> bool,
) -> Option<(&'a UsageProfile, &'a Learned)> {
    let share = compute_milli(size);
    let ratio_permille = |learned: &Learned| {
        let other = compute_milli(&learned.size);
        share.max(other) * 1000 / share.min(other)
    };
    let known = siblings.filter_map(|profile| Some((profile, profile.learned()?)));
    known
        .filter(|(_, learned)| will_do(learned))
        .min_by_key(|(profile, learned)| (ratio_permille(learned), u64::MAX - profile.samples()))
}

/// Each raw usage scaled to the size and metered anew, so that the mean is again one of the rounded.
fn borrow(
    sheet: &PriceSheet,
    size: &Size,
    (from, learned): (&UsageProfile, &Learned),
    basis: Basis,
    as_here: fn(Usage) -> Usage,
) -> Result<Expectation, MeterError> {
    let scale = |usage: Usage| {
        let there = rescale(&usage, &learned.size, size);
        // A slower CPU takes longer for it and not more of it.
        let cpu = usage.cpu.unwrap_or(usage.duration.min(there.duration));
        as_here(Usage { cpu: Some(cpu), ..there })
    };
    let scaled = || learned.usages.iter().map(scale);
    let (metered, _) = mean_of(sheet, size, scaled())?;
    let (before, after) = (mean_duration(learned.usages.iter()), mean_duration(scaled()));
    // The way to the venue takes as long as before; only the run itself gets longer or shorter.
    let moved =
        |latency: Option<Micros>| latency.unwrap_or(DEFAULT_DURATION).saturating_add(after).saturating_sub(before);
    Ok(Expectation {
        metered,
        latency_p50: moved(from.latency_p50()),
        latency_p95: moved(from.latency_p95()),
        basis,
        samples: from.samples(),
        cpu_borrowed: false,
    })
}

fn mean_duration(usages: impl Iterator<Item = Usage>) -> Micros {
    let (total, count) =
        usages.fold((0_u128, 0_u128), |(total, count), usage| (total + u128::from(usage.duration.get()), count + 1));
    Micros::new(u64::try_from(total / count.max(1)).unwrap_or(u64::MAX))
}

fn assume(sheet: &PriceSheet, size: &Size) -> Result<Expectation, MeterError> {
    let usage = Usage { duration: DEFAULT_DURATION, ..Usage::default() };
    Ok(Expectation {
        metered: sheet.meter(size, &usage)?,
        latency_p50: DEFAULT_DURATION,
        latency_p95: DEFAULT_DURATION,
        basis: Basis::Assumed,
        samples: 0,
        cpu_borrowed: false,
    })
}

/// The most one call can be billed: it runs until `timeout` on a cold instance, with all of its memory and CPU, and sends
/// the largest reply. It sizes the hold on the caller's budget.
///
/// # Errors
/// [`MeterError`] when the size is not sold under the sheet.
pub fn ceiling(sheet: &PriceSheet, size: &Size, timeout: Micros) -> Result<Metered, MeterError> {
    ceiling_with_reply(sheet, size, timeout, u64::MAX)
}

/// As [`ceiling`], for a caller that cuts replies off at `max_reply_bytes`.
///
/// # Errors
/// [`MeterError`] when the size is not sold under the sheet.
pub fn ceiling_with_reply(
    sheet: &PriceSheet,
    size: &Size,
    timeout: Micros,
    max_reply_bytes: u64,
) -> Result<Metered, MeterError> {
    let rule = sheet.rule();
    let init = match rule.init {
        Init::Free => Micros::ZERO,
        Init::Billed { max } => max,
    };
    // CPU time can exceed the run by as many times as there are vCPUs.
    let vcpus = u64::from(size.vcpu_milli.unwrap_or(1000).div_ceil(1000).max(1));
    let usage = Usage {
        duration: timeout,
        init,
        cpu: Some(Micros::new(timeout.get().saturating_mul(vcpus))),
        memory_peak: merit_units::MemoryMb::try_new(u64::from(rule.memory.max_mb)).ok(),
        egress_bytes: max_reply_bytes.min(rule.max_reply_bytes),
        // It may find its instance to itself.
        share: Share::WHOLE,
    };
    sheet.meter(size, &usage)
}

#[cfg(test)]
mod tests;
