//! What one function's month comes to under each of several sheets, as the invoices would have it.
//!
//! The month's calls are metered, summed, and priced once from the sums, with the grant, the tiers, the base fee and
//! whatever the sheet does per function and hour; never per call times calls. The calls are spread evenly over
//! [`HOURS_PER_MONTH`].
//!
//! Invariant: what has no price, no exchange rate or no such size is named with the reason and never ranked.
//! Known limitations: the function is alone in its account, so the grants are all its own; it takes the same time
//! everywhere, whatever CPU a size comes with; instances kept warm are paid for, and not credited with fewer cold starts;
//! with a CPU that is always allocated, the time that instances idle which nobody keeps is left out.

use std::sync::Arc;

use merit_units::{Currency, Exact, ExchangeRate, Micros, Money, Overflow};

use crate::adjust::Adjustments;
use crate::charge::MonthToDate;
use crate::meter::{Meter, Metered};
use crate::profile::compute_milli;
use crate::rule::MeterError;
use crate::sheet::PriceSheet;
use crate::size::{Size, Usage};

/// Hours of a month, as providers count them: 365 x 24 / 12.
pub const HOURS_PER_MONTH: u64 = 730;

const PPM: u64 = 1_000_000;

/// A function's month: how it is configured, what each call uses, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// What it is configured with. The architecture is each sheet's own.
    pub size: Size,
    /// What a warm call uses. The initialisation is that of a cold one. Without a CPU time all of the duration is taken to be
    /// CPU.
    pub usage: Usage,
    /// Calls a month.
    pub calls: u64,
    /// Cold starts in a million calls, at most 1,000,000.
    pub cold_ppm: u32,
    /// Instances kept warm all month, where the sheet sells that.
    pub warm_instances: u32,
}

impl Workload {
    /// The same with calls of another duration. CPU time keeps its share.
    #[must_use]
    pub fn lasting(&self, duration: Micros) -> Self {
        let scale = |cpu: Micros| match self.usage.duration.get() {
            0 => u128::from(cpu.get()),
            own => u128::from(cpu.get()) * u128::from(duration.get()) / u128::from(own),
        };
        let cpu = self.usage.cpu.map(|cpu| Micros::new(u64::try_from(scale(cpu)).unwrap_or(u64::MAX)));
        Self { usage: Usage { duration, cpu, ..self.usage }, ..*self }
    }

    fn call(&self, cold: bool) -> Usage {
        let init = if cold { self.usage.init } else { Micros::ZERO };
        Usage { init, ..self.usage }
    }

    /// Cold starts of the month, to the nearest whole one.
    fn cold_calls(&self) -> u64 {
        let cold = u128::from(self.calls) * u128::from(self.cold_ppm.min(1_000_000));
        u64::try_from((cold + u128::from(PPM / 2)) / u128::from(PPM)).unwrap_or(self.calls)
    }
}

/// A month under one sheet.
#[derive(Clone, Debug)]
pub struct PricedMonth {
    /// The sheet.
    pub sheet: Arc<PriceSheet>,
    /// The adjustments that were applied.
    pub adjustments: Adjustments,
    /// The size that was priced.
    pub size: Size,
    /// What the sheet bills had to be assumed: the configured vCPU.
    pub vcpu_assumed: bool,
    /// What the sheet bills had to be assumed: the CPU time.
    pub cpu_assumed: bool,
    /// Bytes are sent out and the sheet has no price for them; that the provider has none does not follow.
    pub egress_unpriced: bool,
    /// The month's quantities, before anything is rounded per hour.
    pub metered: Metered,
    /// The month's invoice in the sheet's currency.
    pub invoice: Exact,
    /// The month's invoice in dollars.
    pub usd: Money,
    /// What it would be without the adjustments.
    pub list_usd: Money,
    /// Dollars for a million of these calls, on the average of the month.
    pub per_million: Money,
    /// Dollars for a million more of them when the grants, packages and commitments are used up and the first paid tier has
    /// begun.
    pub per_million_past_grant: Money,
}

/// Why a sheet can't be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotComparable {
    /// The function can't run there so.
    #[error(transparent)]
    NotSold(#[from] MeterError),
    /// Its currency has no exchange rate.
    #[error("there is no exchange rate for {0}; give one, such as --rate {0}=0.14 (dollars for one {0})")]
    NoRate(Currency),
    /// It bills instances that are kept warm.
    #[error("it prices instances that are kept warm; say how many with --warm-instances")]
    WarmInstances,
}

/// Sheets beside each other.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// Cheapest month first; of equal ones the cheapest past the grants, and then by name.
    pub priced: Vec<PricedMonth>,
    /// Those that can't be compared, with the reason, in the order given.
    pub not_comparable: Vec<(Arc<PriceSheet>, NotComparable)>,
}

impl Comparison {
    /// Prices the month under each sheet with the adjustments that are in force with it all month; `dollars` has the exchange
    /// rates.
    #[must_use]
    pub fn new(
        sheets: impl IntoIterator<Item = (Arc<PriceSheet>, Adjustments)>,
        workload: &Workload,
        dollars: impl Fn(Currency) -> Option<ExchangeRate>,
    ) -> Self {
        let mut comparison = Self::default();
        for (sheet, adjustments) in sheets {
            let rate = dollars(sheet.currency()).ok_or(NotComparable::NoRate(sheet.currency()));
            match rate.and_then(|rate| price_month(&sheet, &adjustments, workload, rate)) {
                Ok(month) => comparison.priced.push(month),
                Err(why) => comparison.not_comparable.push((sheet, why)),
            }
        }
        comparison.priced.sort_by(|a, b| {
            let key = |month: &PricedMonth| (month.usd, month.per_million_past_grant);
            key(a).cmp(&key(b)).then_with(|| a.sheet.name().cmp(b.sheet.name()))
        });
        comparison
    }
}

/// The month of `workload` under `sheet`, with the adjustments that are in force with it all month and of which nothing was
/// used. What a commitment costs itself is not in it: it is due in any case.
///
/// # Errors
/// [`NotComparable`] when it can't run there so, or an amount does not fit.
pub fn price_month(
    sheet: &Arc<PriceSheet>,
    adjustments: &Adjustments,
    workload: &Workload,
    dollars: ExchangeRate,
) -> Result<PricedMonth, NotComparable> {
    if workload.warm_instances == 0 && sheet.is_for_kept_instances() {
        return Err(NotComparable::WarmInstances);
    }
    let (size, vcpu_assumed) = size_under(sheet, &workload.size);
    let bills = |meter| sheet.billed_meters().any(|billed| billed == meter);
    let warm = sheet.meter(&size, &workload.call(false))?;
    let cold = sheet.meter(&size, &workload.call(true))?;
    let mut hours = hours(sheet, workload, &warm, &cold).map_err(MeterError::from)?;
    let sum = |sum: Metered, (_, hour): &Hour| sum.checked_add(hour);
    let used = hours.iter().try_fold(sheet.zero(), sum).map_err(MeterError::from)?;
    let month = Micros::from_secs(HOURS_PER_MONTH * 3600);
    let (metered, kept) = sheet.keep(&size, workload.warm_instances, month, &used)?;
    if metered != used {
        // Kept instances are billed as used; no sheet that does so rounds by the hour.
        hours = vec![((0, ()), metered)];
    }
    let invoice = |calls: Result<Exact, Overflow>| calls?.checked_add(kept);
    let list = invoice(sheet.invoice(hours.iter().copied())).and_then(|list| Ok((list, list.to_usd(dollars)?)));
    let (list, list_usd) = list.map_err(MeterError::from)?;
    let invoice = if adjustments.is_empty() {
        list
    } else {
        invoice(sheet.adjusted_invoice(hours, adjustments)).map_err(MeterError::from)?
    };
    let usd = invoice.to_usd(dollars).map_err(MeterError::from)?;
    let past_grant = past_grant(&adjustments.discounted(sheet), workload, &warm, &cold);
    let past_grant = past_grant.and_then(|exact| exact.to_usd(dollars));
    Ok(PricedMonth {
        sheet: Arc::clone(sheet),
        adjustments: adjustments.clone(),
        size,
        vcpu_assumed,
        cpu_assumed: workload.usage.cpu.is_none() && bills(Meter::CpuMs),
        egress_unpriced: workload.usage.egress_bytes > 0 && !bills(Meter::EgressGb),
        metered,
        invoice,
        usd,
        list_usd,
        per_million: per_million(usd, workload.calls).map_err(MeterError::from)?,
        per_million_past_grant: past_grant.map_err(MeterError::from)?,
    })
}

/// The size with the sheet's architecture and, where the sheet bills a vCPU that was not said, the least it sells with as
/// much CPU as Lambda gives for the memory.
fn size_under(sheet: &PriceSheet, size: &Size) -> (Size, bool) {
    let size = size.with_architecture(sheet.architecture().unwrap_or(size.architecture));
    let assumed = sheet.rule().assumed_vcpu(&size, u32::try_from(compute_milli(&size)).unwrap_or(u32::MAX));
    match (size.vcpu_milli, assumed) {
        (None, Some(milli)) => (size.with_vcpu_milli(milli), true),
        _ => (size, false),
    }
}

/// The quantities of an hour, as an invoice takes them: by hour and function.
type Hour = ((u64, ()), Metered);

/// The month's quantities by hour, or all in one where the sheet does nothing by hours. Hours without calls are left out.
fn hours(sheet: &PriceSheet, workload: &Workload, warm: &Metered, cold: &Metered) -> Result<Vec<Hour>, Overflow> {
    let hours = if sheet.hourly().is_some() { HOURS_PER_MONTH } else { 1 };
    let portion = |of: u64, part: u64, whole: u64| {
        u64::try_from(u128::from(of) * u128::from(part) / u128::from(whole.max(1))).unwrap_or(u64::MAX)
    };
    let (mut by_hour, mut calls_before, mut cold_before) = (Vec::new(), 0, 0);
    for hour in 0..hours {
        // As even as whole calls can be: by the end of the hour its share of the calls was made, and of those the share
        // that is cold was cold.
        let calls = portion(workload.calls, hour + 1, hours);
        let cold_calls = portion(workload.cold_calls(), calls, workload.calls);
        let (all, cold_ones) = (calls - calls_before, cold_calls - cold_before);
        if all > 0 {
            let metered = warm.checked_mul(all - cold_ones)?.checked_add(&cold.checked_mul(cold_ones)?)?;
            by_hour.push(((hour, ()), metered));
        }
        (calls_before, cold_before) = (calls, cold_calls);
    }
    Ok(by_hour)
}

/// What a million more calls cost when every grant is used up, in the first paid tier.
fn past_grant(sheet: &PriceSheet, workload: &Workload, warm: &Metered, cold: &Metered) -> Result<Exact, Overflow> {
    let cold_calls = u64::from(workload.cold_ppm.min(1_000_000));
    let million = warm.checked_mul(PPM - cold_calls)?.checked_add(&cold.checked_mul(cold_calls)?)?;
    sheet.charge(&million, &MonthToDate::past_grant(sheet))
}

/// A month's dollars on the average of a million calls, rounded half to even to the picodollar.
fn per_million(usd: Money, calls: u64) -> Result<Money, Overflow> {
    let (pico, calls) = (usd.checked_mul(i128::from(PPM))?.pico(), i128::from(calls.max(1)));
    let (whole, rest) = (pico.div_euclid(calls), pico.rem_euclid(calls));
    let up = rest * 2 > calls || (rest * 2 == calls && whole % 2 != 0);
    Ok(Money::from_pico(whole + i128::from(up)))
}

/// From this duration on a sheet is the cheapest.
#[derive(Clone, Debug)]
pub struct Crossover {
    /// The duration of a call.
    pub duration: Micros,
    /// What the month costs there.
    pub usd: Money,
    /// Which of the sheets.
    pub sheet: usize,
}

/// Which sheet is the cheapest at which duration of a call: the first entry holds from the first of `durations` on, which
/// ascend, and each until the next. Found to the microsecond where it changes once between two of `durations`. Of equal
/// ones the sheet stays that is the cheapest already.
///
/// # Errors
/// [`NotComparable`] when one of them can't be priced.
pub fn crossovers(
    sheets: &[(Arc<PriceSheet>, Adjustments, ExchangeRate)],
    workload: &Workload,
    durations: &[Micros],
) -> Result<Vec<Crossover>, NotComparable> {
    let cheapest = |duration: Micros, former: usize| -> Result<Option<Crossover>, NotComparable> {
        let mut best: Option<Crossover> = None;
        let order = std::iter::once(former).chain((0..sheets.len()).filter(|index| *index != former));
        for index in order {
            let Some((sheet, adjustments, rate)) = sheets.get(index) else { continue };
            let usd = price_month(sheet, adjustments, &workload.lasting(duration), *rate)?.usd;
            if best.as_ref().is_none_or(|best| usd < best.usd) {
                best = Some(Crossover { duration, usd, sheet: index });
            }
        }
        Ok(best)
    };
    let mut found: Vec<Crossover> = Vec::new();
    let mut before = Micros::ZERO;
    for &duration in durations {
        let former = found.last().map_or(0, |last| last.sheet);
        let Some(mut here) = cheapest(duration, former)? else { break };
        if found.is_empty() || here.sheet != former {
            let (mut low, mut high) = (if found.is_empty() { duration } else { before }, duration);
            while high.get() - low.get() > 1 {
                let middle = Micros::new(low.get() + (high.get() - low.get()) / 2);
                match cheapest(middle, former)? {
                    Some(there) if there.sheet != former => (high, here) = (middle, there),
                    _ => low = middle,
                }
            }
            found.push(here);
        }
        before = duration;
    }
    Ok(found)
}
