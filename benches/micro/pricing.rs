//! What pricing costs: the expected cost of an ask, metering and charging a call, learning from it.
//!
//! Goals: an expected cost at given marginal rates under 300 ns (a price change recomputes one for each deployment it
//! touches), metering and charging a call in about 1 microsecond. The baseline is the least any of them can
//! do: adding up as many exact amounts as the sheet has lines.

use std::hint::black_box;

use divan::Bencher;
use merit_load::report;
use merit_pricing::{Catalogue, Metered, MonthToDate, Pools, PriceSheet, Size, Usage, UsageProfile, expect};
use merit_units::{Exact, MemoryMb, Micros, Quantity, Rate};

const SHEETS: [&str; 4] = ["aws-lambda/us-east-1/x86_64", "google-run/tier1", "alibaba-fc/cn", "cloudflare-workers"];

fn main() {
    report::conditions(
        "pricing; one thread; goals: an expected cost 300 ns, metering and charging a call 1 us; the baseline is a sum of as many \
         exact amounts",
    );
    divan::main();
}

fn sheet(name: &str) -> &'static PriceSheet {
    Catalogue::builtin().get(name).expect("a sheet of the catalogue")
}

fn size() -> Size {
    Size::new(MemoryMb::try_new(128).expect("a size")).with_vcpu_milli(100)
}

fn usage() -> Usage {
    Usage {
        duration: Micros::new(12_340),
        init: Micros::new(180_200),
        cpu: Some(Micros::new(7_000)),
        memory_peak: MemoryMb::try_new(70).ok(),
        egress_bytes: 1_024,
        ..Usage::default()
    }
}

fn metered(sheet: &PriceSheet) -> Metered {
    sheet.meter(&size(), &usage()).expect("a size that is sold")
}

fn profile(sheet: &PriceSheet) -> UsageProfile {
    let mut profile = UsageProfile::new();
    for micros in 0..1_000 {
        let usage = Usage { duration: Micros::new(micros * 300), ..usage() };
        profile.observe(sheet, &size(), &usage, usage.duration).expect("a size that is sold");
    }
    profile
}

#[divan::bench]
fn baseline_four_exact_sums(bencher: Bencher<'_, '_>) {
    let line = Rate::from_atto(16_666_700_000_000).times(Quantity::from_units(3)).expect("fits");
    bencher.bench(|| (0..4).fold(Exact::ZERO, |sum, _| sum.checked_add(black_box(line)).expect("fits")));
}

#[divan::bench(args = SHEETS)]
fn expected_cost_at_marginal_rates(bencher: Bencher<'_, '_>, name: &str) {
    let sheet = sheet(name);
    let (rates, mean) = (sheet.marginal(&MonthToDate::past_grant(sheet)), metered(sheet));
    bencher.bench(|| black_box(&rates).cost(black_box(&mean)).round_half_even());
}

#[divan::bench(args = SHEETS)]
fn meter_and_charge_a_call(bencher: Bencher<'_, '_>, name: &str) {
    let (sheet, size, usage) = (sheet(name), size(), usage());
    let month = MonthToDate::past_grant(sheet);
    bencher.bench(|| {
        let call = sheet.meter(black_box(&size), black_box(&usage)).expect("sold");
        sheet.charge(&call, black_box(&month)).expect("fits").round_half_even()
    });
}

#[divan::bench(args = SHEETS)]
fn record_in_pools_and_read_the_month(bencher: Bencher<'_, '_>, name: &str) {
    let sheet = sheet(name);
    let (call, mut pools) = (metered(sheet), Pools::new());
    bencher.bench_local(|| {
        pools.record(sheet, black_box(&call)).expect("fits");
        pools.month_to_date(sheet)
    });
}

#[divan::bench(args = SHEETS)]
fn learn_from_a_call(bencher: Bencher<'_, '_>, name: &str) {
    let (sheet, size, usage) = (sheet(name), size(), usage());
    let mut profile = profile(sheet);
    bencher.bench_local(|| profile.observe(sheet, &size, black_box(&usage), usage.duration));
}

#[divan::bench(args = SHEETS)]
fn expect_from_own_calls(bencher: Bencher<'_, '_>, name: &str) {
    let (sheet, size) = (sheet(name), size());
    let own = profile(sheet);
    bencher.bench(|| expect(sheet, &size, black_box(&own), []));
}

#[divan::bench(args = SHEETS)]
fn expect_from_a_sibling(bencher: Bencher<'_, '_>, name: &str) {
    let (sheet, size) = (sheet(name), size());
    let (own, sibling) = (UsageProfile::new(), profile(crate::sheet("own/default")));
    bencher.bench(|| expect(sheet, &size, &own, [black_box(&sibling)]));
}
