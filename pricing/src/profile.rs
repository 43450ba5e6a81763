//! What a deployment has learned about its calls: mean billed quantities, latency, the last raw usages.
//!
//! The mean is taken over *billed* quantities, each call rounded by the sheet first, because the mean of
//! the rounded is what the invoice will show; the rounded mean is not. The n-th call weighs
//! 1/n up to the 512th and 1/512 from there on, so recent calls weigh more and old ones fade.
//!
//! Where a venue tells no meters the mean is of what the own clock made of the calls, until the provider's bill is known
//! ([`UsageProfile::correct`]): from then on a call is expected to be billed what the bill says its calls were, on average.
//!
//! An empty profile is one pointer wide: a broker has one for each deployment of each function, and most
//! never see a call. Invariant: the mean belongs to the sheet shape and the size stored beside it; another shape
//! or size makes the profile re-meter the raw usages it kept. Known limitation: it keeps 64 of them, so right
//! after such a change the mean rests on at most 64 calls.

mod latency;
mod record;
mod ring;
mod scale;

use merit_units::{Micros, Quantity};

pub use record::ProfileError;
pub(crate) use scale::{compute_milli, rescale};

use crate::meter::{Meter, Metered};
use crate::rule::MeterError;
use crate::sheet::PriceSheet;
use crate::size::{Size, Usage};
use latency::Latencies;
use ring::Ring;

/// The weight of a new call does not fall below 1 / this. With fewer, the expectation is noisy; with more, it
/// follows a change too slowly: after 512 calls a step is two thirds learned.
const WINDOW: u32 = 512;

/// Learned meters and latency of one deployment of one function.
#[derive(Clone, Debug, Default)]
pub struct UsageProfile {
    learned: Option<Box<Learned>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Learned {
    /// All calls ever observed.
    samples: u64,
    /// Calls in the mean, at most [`WINDOW`]; zero when none could be metered.
    weight: u32,
    pub(crate) shape: u64,
    pub(crate) size: Size,
    mean: Metered,
    /// What a call was billed on average, by the provider's bill.
    billed: Option<Box<Billed>>,
    latency: Latencies,
    pub(crate) usages: Ring,
}

/// The mean of a call by a provider's bill, with what the calls took when it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Billed {
    mean: Metered,
    /// The latency that half of the recent calls stayed under then.
    latency_p50: Micros,
}

/// A bill holds while calls take from half of to twice as long as they did; beyond that, times are scaled.
const DRIFT: u64 = 2;

impl Billed {
    /// The mean for calls that take this long now. Only what is billed by time follows the time; CPU time does not follow
    /// a wait, nor do requests.
    fn now(&self, latency_p50: Option<Micros>) -> Metered {
        let (before, now) = (self.latency_p50.get().max(1), latency_p50.unwrap_or(self.latency_p50).get().max(1));
        let drifted = now > before.saturating_mul(DRIFT) || before > now.saturating_mul(DRIFT);
        let mut mean = self.mean;
        if drifted {
            for (quantity, meter) in mean.quantities.iter_mut().zip(self.mean.meters.as_slice()) {
                if meter.is_by_time() {
                    let scaled = quantity.quanta().checked_mul(now.into()).map(|quanta| quanta / u128::from(before));
                    *quantity = Quantity::from_quanta(scaled.unwrap_or(quantity.quanta()));
                }
            }
        }
        mean
    }
}

impl UsageProfile {
    /// Nothing known yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Learns from one call and gives its billed quantities.
    ///
    /// `latency` is the caller's, from sending the request to having the reply.
    ///
    /// # Errors
    /// [`MeterError`] when the call cannot be metered under the sheet. Its latency and raw usage are learned
    /// all the same.
    pub fn observe(
        &mut self,
        sheet: &PriceSheet,
        size: &Size,
        usage: &Usage,
        latency: Micros,
    ) -> Result<Metered, MeterError> {
        let learned = self.learned.get_or_insert_with(|| Box::new(Learned::empty(sheet, size)));
        learned.rebase(sheet, size);
        learned.samples = learned.samples.saturating_add(1);
        learned.latency.add(latency);
        learned.usages.push(usage);
        let metered = sheet.meter(size, usage)?;
        learned.follow(&metered);
        Ok(metered)
    }

    /// How many calls were observed.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.learned.as_ref().map_or(0, |learned| learned.samples)
    }

    /// The mean billed quantities of a call, under the sheet and size of the last observation or rebase: by the
    /// provider's bill where one is known, and otherwise of the calls that were observed.
    #[must_use]
    pub fn mean_metered(&self) -> Option<Metered> {
        let learned = self.learned.as_ref().filter(|learned| learned.weight > 0)?;
        Some(learned.billed.as_ref().map_or(learned.mean, |billed| billed.now(self.latency_p50())))
    }

    /// Takes what the provider's bill says a call was billed on average, in place of what was observed, until the
    /// next bill. It is dropped when the shape of the sheet or the size changes. Returns whether it was taken: not
    /// when `mean` is of other lines than the profile, or nothing was observed yet.
    pub fn correct(&mut self, mean: &Metered) -> bool {
        let latency_p50 = self.latency_p50();
        let Some((learned, latency_p50)) = self.learned.as_mut().zip(latency_p50) else { return false };
        let fits = learned.weight > 0 && learned.mean.meters == mean.meters;
        if fits {
            learned.billed = Some(Box::new(Billed { mean: *mean, latency_p50 }));
        }
        fits
    }

    /// Whether a provider's bill has corrected it.
    #[must_use]
    pub fn is_corrected(&self) -> bool {
        self.learned.as_ref().is_some_and(|learned| learned.billed.is_some())
    }

    /// The latency half of the recent calls stay under, at most a bucket (8 to 17 %) off.
    #[must_use]
    pub fn latency_p50(&self) -> Option<Micros> {
        self.learned.as_ref().and_then(|learned| learned.latency.quantile_permille(500))
    }

    /// The latency 95 % of the recent calls stay under, at most a bucket (8 to 17 %) off.
    #[must_use]
    pub fn latency_p95(&self) -> Option<Micros> {
        self.learned.as_ref().and_then(|learned| learned.latency.quantile_permille(950))
    }

    /// The raw usages of the last calls, at most 64, oldest first.
    pub fn usages(&self) -> impl Iterator<Item = Usage> {
        self.learned.iter().flat_map(|learned| learned.usages.iter())
    }

    /// Whether the sheet bills CPU time and not every call that is remembered told it, nor does a provider's bill.
    #[must_use]
    pub fn lacks_cpu_time(&self, sheet: &PriceSheet) -> bool {
        let untold = || self.usages().any(|usage| usage.cpu.is_none()) || self.samples() == 0;
        !self.is_corrected() && sheet.billed_meters().any(|meter| meter == Meter::CpuMs) && untold()
    }

    /// Takes the profile to another sheet or size: the kept usages are scaled to the size and metered anew. Does
    /// nothing when the shape and the size are those it was learned under. Whoever swaps a sheet may leave
    /// it to the next [`UsageProfile::observe`].
    pub fn rebase(&mut self, sheet: &PriceSheet, size: &Size) {
        if let Some(learned) = &mut self.learned {
            learned.rebase(sheet, size);
        }
    }

    pub(crate) fn learned(&self) -> Option<&Learned> {
        self.learned.as_deref()
    }
}

impl Learned {
    fn empty(sheet: &PriceSheet, size: &Size) -> Self {
        Self {
            samples: 0,
            weight: 0,
            shape: sheet.shape_id(),
            size: *size,
            mean: sheet.zero(),
            billed: None,
            latency: Latencies::new(),
            usages: Ring::default(),
        }
    }

    /// Whether the mean holds under this sheet and size.
    pub(crate) fn fits(&self, sheet: &PriceSheet, size: &Size) -> bool {
        self.weight > 0 && self.is_of(sheet, size)
    }

    fn is_of(&self, sheet: &PriceSheet, size: &Size) -> bool {
        self.shape == sheet.shape_id() && self.size == *size && self.mean.meters == sheet.meters()
    }

    fn rebase(&mut self, sheet: &PriceSheet, size: &Size) {
        if self.is_of(sheet, size) {
            return;
        }
        self.usages = self.usages.iter().map(|usage| rescale(&usage, &self.size, size)).collect();
        (self.shape, self.size, self.billed) = (sheet.shape_id(), *size, None);
        let mean = mean_of(sheet, size, self.usages.iter());
        self.weight = mean.as_ref().map_or(0, |(_, count)| *count);
        self.mean = mean.map_or_else(|_| sheet.zero(), |(mean, _)| mean);
    }

    /// Moves the mean towards one more call.
    fn follow(&mut self, metered: &Metered) {
        self.weight = (self.weight + 1).min(WINDOW);
        let weight = u128::from(self.weight);
        for (mean, new) in self.mean.quantities.iter_mut().zip(metered.quantities) {
            let (old, new) = (mean.quanta(), new.quanta());
            // Cut towards the old mean: at most 512 quanta (5 x 10^-16 of a unit) are never learned.
            let moved = if new >= old { old + (new - old) / weight } else { old - (old - new) / weight };
            *mean = Quantity::from_quanta(moved);
        }
    }
}

/// The mean billed quantities of these usages and how many there were.
///
/// Usages that cannot be metered are left out; when that is all of them, the last one's reason is given.
pub(crate) fn mean_of(
    sheet: &PriceSheet,
    size: &Size,
    usages: impl Iterator<Item = Usage>,
) -> Result<(Metered, u32), MeterError> {
    let (mut sum, mut count) = (sheet.zero(), 0);
    let mut failure = MeterError::Overflow(merit_units::Overflow);
    for usage in usages {
        let next = sheet.meter(size, &usage).and_then(|metered| Ok(sum.checked_add(&metered)?));
        match next {
            Ok(next) => (sum, count) = (next, count + 1),
            Err(error) => failure = error,
        }
    }
    if count == 0 {
        return Err(failure);
    }
    sum.quantities = sum.quantities.map(|total| Quantity::from_quanta(total.quanta() / u128::from(count)));
    Ok((sum, count))
}

#[cfg(test)]
mod tests;
