//! What must hold for any usage: sums do not depend on where they are cut, more never costs less, and
//! the expectation is the mean of what is charged.

use merit_units::{Exact, Micros};
use proptest::prelude::*;

use super::{memory, sheet};
use crate::{MarginalRates, Metered, MonthToDate, Pools, PriceSheet, Size, Usage, UsageProfile};

const SHEETS: [&str; 9] = [
    "aws-lambda/us-east-1/x86_64",
    "aws-lambda/af-south-1/arm64",
    "azure-consumption/eastus",
    "azure-flex/eastus",
    "google-run/tier1",
    "google-run/tier2",
    "alibaba-fc/cn",
    "cloudflare-workers",
    "own/default",
];

fn any_sheet() -> impl Strategy<Value = &'static PriceSheet> {
    prop::sample::select(&SHEETS[..]).prop_map(|name| &**sheet(name))
}

/// A size sold everywhere but at Cloudflare, whose Workers have 128 MB.
fn sold(sheet: &PriceSheet) -> Size {
    let megabytes = if sheet.name().as_str() == "cloudflare-workers" { 128 } else { 512 };
    Size::new(memory(megabytes)).with_vcpu_milli(350)
}

fn any_usage() -> impl Strategy<Value = Usage> {
    let cpu = prop::option::of(0_u64..900_000_000);
    (0_u64..900_000_000, 0_u64..10_000_000, cpu, prop::option::of(1_u64..4_000), 0_u64..7 << 20).prop_map(
        |(duration, init, cpu, peak, egress_bytes)| Usage {
            duration: Micros::new(duration),
            init: Micros::new(init),
            cpu: cpu.map(Micros::new),
            memory_peak: peak.map(memory),
            egress_bytes,
            ..Usage::default()
        },
    )
}

/// A sum of so many calls that it crosses grants and tiers: up to 10^11 of them.
fn bulk(sheet: &PriceSheet, usage: &Usage, calls: u64) -> Metered {
    let call = sheet.meter(&sold(sheet), usage).expect("a size that is sold");
    call.checked_mul(calls).expect("fits")
}

fn add(a: Exact, b: Exact) -> Exact {
    a.checked_add(b).expect("fits")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_charges_of_the_pieces_sum_to_that_of_the_whole(
        sheet in any_sheet(),
        usages in prop::collection::vec((any_usage(), 0_u64..100_000_000_000), 2..5),
    ) {
        let mut month = MonthToDate::month_start(sheet);
        let (mut whole, mut pieces) = (sheet.zero(), Exact::ZERO);
        for (usage, calls) in &usages {
            let piece = bulk(sheet, usage, *calls);
            pieces = add(pieces, sheet.charge(&piece, &month).expect("fits"));
            month.add(&piece).expect("fits");
            whole = whole.checked_add(&piece).expect("fits");
        }
        prop_assert_eq!(pieces, sheet.charge(&whole, &MonthToDate::month_start(sheet)).expect("fits"));
    }

    #[test]
    fn pools_and_a_month_of_ones_own_agree(
        sheet in any_sheet(),
        usages in prop::collection::vec((any_usage(), 0_u64..100_000_000_000), 1..5),
    ) {
        let (mut month, mut pools) = (MonthToDate::month_start(sheet), Pools::new());
        for (usage, calls) in &usages {
            prop_assert_eq!(pools.month_to_date(sheet), month);
            let piece = bulk(sheet, usage, *calls);
            month.add(&piece).expect("fits");
            pools.record(sheet, &piece).expect("fits");
        }
        prop_assert_eq!(pools.month_to_date(sheet), month);
    }

    #[test]
    fn more_usage_never_costs_less(
        sheet in any_sheet(), usage in any_usage(), more in any_usage(),
        before in 0_u64..100_000_000_000, calls in 1_u64..1_000_000_000,
    ) {
        let mut month = MonthToDate::month_start(sheet);
        month.add(&bulk(sheet, &usage, before)).expect("fits");
        let larger = Usage {
            duration: usage.duration.saturating_add(more.duration),
            init: usage.init.saturating_add(more.init),
            cpu: usage.cpu.map(|cpu| cpu.saturating_add(more.cpu.unwrap_or_default())),
            memory_peak: usage.memory_peak.max(more.memory_peak.filter(|_| usage.memory_peak.is_some())),
            egress_bytes: usage.egress_bytes + more.egress_bytes,
            ..usage
        };
        let charge = |usage: &Usage, calls| sheet.charge(&bulk(sheet, usage, calls), &month).expect("fits");
        prop_assert!(charge(&larger, calls) >= charge(&usage, calls));
        prop_assert!(charge(&usage, calls + 1) >= charge(&usage, calls));
        let highest = sheet.highest_rates().cost(&bulk(sheet, &usage, calls));
        prop_assert!(highest >= charge(&usage, calls), "no charge is above the highest rates");
    }

    #[test]
    fn a_dot_product_is_the_charge_where_no_edge_is_crossed(sheet in any_sheet(), usage in any_usage()) {
        let month = MonthToDate::past_grant(sheet);
        let call = bulk(sheet, &usage, 1);
        prop_assert_eq!(sheet.marginal(&month).cost(&call), sheet.charge(&call, &month).expect("fits"));
    }

    #[test]
    fn the_expected_cost_is_the_mean_of_the_charges(
        sheet in any_sheet(), usages in prop::collection::vec(any_usage(), 1..200),
    ) {
        let size = sold(sheet);
        let rates = sheet.marginal(&MonthToDate::past_grant(sheet));
        let mut profile = UsageProfile::new();
        let mut total = Exact::ZERO;
        for usage in &usages {
            let call = profile.observe(sheet, &size, usage, usage.duration).expect("sold");
            total = add(total, sheet.charge(&call, &MonthToDate::past_grant(sheet)).expect("fits"));
        }
        let expected = times(&rates, &profile.mean_metered().expect("observed"), usages.len());
        // The mean is cut to whole quanta at each call: less than a picounit over all of them.
        prop_assert!(pico(total).abs_diff(pico(expected)) <= 1, "{} and {}", pico(total), pico(expected));
    }
}

fn times(rates: &MarginalRates, mean: &Metered, count: usize) -> Exact {
    let one = rates.cost(mean);
    (0..count).fold(Exact::ZERO, |sum, _| add(sum, one))
}

fn pico(amount: Exact) -> i128 {
    amount.round_half_even().expect("fits").pico()
}
