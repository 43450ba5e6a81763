//! A function's month under several sheets: the same sums as the invoice, told in order.

use std::sync::Arc;

use merit_units::{Currency, ExchangeRate, Micros, Money, Rate};
use proptest::prelude::*;

use super::{amount, lasting, rounded, sheet, size};
use crate::{
    Adjustment, AdjustmentKind, Adjustments, Comparison, HOURS_PER_MONTH, Metered, PriceSheet, Renewed, Usage,
    Workload, crossovers, price_month,
};

fn workload(megabytes: u64, millis: u64, calls: u64) -> Workload {
    Workload { size: size(megabytes), usage: lasting(millis * 1000), calls, cold_ppm: 0, warm_instances: 0 }
}

fn month(name: &str, workload: &Workload) -> String {
    let month = price_month(sheet(name), &Adjustments::default(), workload, ExchangeRate::USD).expect("priced");
    rounded(month.invoice)
}

fn why(name: &str, workload: &Workload) -> String {
    price_month(sheet(name), &Adjustments::default(), workload, ExchangeRate::USD).expect_err("not priced").to_string()
}

/// By hand: 3 million calls of 512 MB and 300 ms are 450,000 GB-seconds, 50,000 of them and 2 million calls paid.
#[test]
fn a_lambda_month_is_what_is_above_the_grant() {
    let workload = workload(512, 300, 3_000_000);
    assert_eq!(month("aws-lambda/us-east-1/x86_64", &workload), "1.233335");
    let month =
        price_month(sheet("aws-lambda/us-east-1/x86_64"), &Adjustments::default(), &workload, ExchangeRate::USD)
            .expect("priced");
    assert_eq!(month.per_million.to_string(), "0.411111666667");
    // 150,000 GB-seconds and a million calls.
    assert_eq!(month.per_million_past_grant.to_string(), "2.700005");
}

#[test]
fn cold_starts_are_their_share_of_the_calls() {
    let usage = Usage { init: Micros::from_millis(400), ..lasting(100_000) };
    let cold = Workload { usage, cold_ppm: 50_000, ..workload(1024, 100, 10_000_000) };
    // 9.5 million calls of 100 ms and 0.5 million of 500 ms: 1,200,000 GB-seconds, less the grant, and 9 million calls.
    let expected = amount("13.33336").checked_add(amount("1.8")).expect("fits");
    assert_eq!(month("aws-lambda/us-east-1/x86_64", &cold), rounded(expected));
    // Where the initialisation is free it makes no difference.
    let warm = Workload { cold_ppm: 0, ..cold };
    assert_eq!(month("cloudflare-workers", &Workload { size: size(128), ..cold }), {
        month("cloudflare-workers", &Workload { size: size(128), ..warm })
    });
}

/// 730 calls are one an hour. Each is less than a compute unit, and is billed as one; on the China site at the floor.
#[test]
fn alibabas_hours_are_rounded_up_one_by_one() {
    let one_an_hour = workload(1024, 300, HOURS_PER_MONTH);
    assert_eq!(month("alibaba-fc/intl", &one_an_hour), rounded(amount("0.0146")));
    assert_eq!(month("alibaba-fc/cn", &one_an_hour), rounded(amount("7.3")));
    // Fewer calls than hours: only the hours with one are billed.
    assert_eq!(month("alibaba-fc/cn", &workload(1024, 300, 10)), rounded(amount("0.1")));
    // 0.6 vCPU, 1 GB, 1 s: 0.7575 units with the call; 7,300 calls are 10 an hour, 7.575 units, billed as 8.
    assert_eq!(month("alibaba-fc/intl", &workload(1024, 1000, 7_300)), rounded(amount("0.1168")));
}

#[test]
fn what_nobody_said_is_assumed_and_told() {
    let priced = |name: &str, workload: &Workload| {
        price_month(sheet(name), &Adjustments::default(), workload, ExchangeRate::USD).expect("priced")
    };
    let alibaba = priced("alibaba-fc/intl", &workload(512, 250, 1_000));
    // Lambda gives 512 MB 0.289 of a vCPU; the next that is sold is 0.3.
    assert_eq!((alibaba.size.vcpu_milli, alibaba.vcpu_assumed, alibaba.cpu_assumed), (Some(300), true, false));
    let lambda = priced("aws-lambda/us-east-1/x86_64", &workload(512, 250, 1_000));
    assert_eq!((lambda.size.vcpu_milli, lambda.vcpu_assumed), (None, false));
    let workers = priced("cloudflare-workers", &workload(128, 250, 1_000));
    assert!(workers.cpu_assumed && !workers.vcpu_assumed);
    let said = workload(128, 250, 1_000);
    let said = Workload { usage: Usage { cpu: Some(said.usage.duration), ..said.usage }, ..said };
    assert!(!priced("cloudflare-workers", &said).cpu_assumed);
    let sending = Workload { usage: Usage { egress_bytes: 1, ..lasting(1_000) }, ..workload(512, 1, 1) };
    assert!(priced("alibaba-fc/intl", &sending).egress_unpriced, "its egress is billed apart");
    assert!(!priced("aws-lambda/us-east-1/x86_64", &sending).egress_unpriced);
}

/// A sheet without adjustments.
fn listed(name: &str) -> (Arc<PriceSheet>, Adjustments) {
    (Arc::clone(sheet(name)), Adjustments::default())
}

#[test]
fn adjustments_move_a_sheet_up() {
    let names = ["google-run/tier1", "aws-lambda/us-east-1/x86_64"];
    let half = AdjustmentKind::Discount { off_ppm: 500_000, meters: Vec::new() };
    let plan = AdjustmentKind::Commitment {
        amount: "10".parse().expect("an amount"),
        elsewhere: Rate::FREE,
        currency: Currency::USD,
        renewed: Renewed::Monthly,
    };
    let agreed = [("half", half), ("plan", plan)].map(|(name, kind)| Adjustment {
        name: name.parse().expect("a name"),
        from: "2026-01-01".parse().expect("a day"),
        until: None,
        kind,
    });
    let workload = workload(512, 250, 20_000_000);
    let dear = month(names[1], &workload);
    let with = |adjustments: Adjustments| {
        let sheets = [listed(names[0]), (Arc::clone(sheet(names[1])), adjustments)];
        let comparison = Comparison::new(sheets, &workload, |_| Some(ExchangeRate::USD));
        comparison.priced.into_iter().find(|month| month.sheet.name().as_str() == names[1]).expect("priced")
    };
    let plain = with(Adjustments::default());
    assert_eq!((plain.usd.to_string(), plain.usd), (dear, plain.list_usd));
    let adjusted = with(Adjustments::new(agreed));
    assert_eq!(adjusted.list_usd, plain.usd);
    // Past the grant of both meters: 2,100,000 GB-seconds and 19 million requests, at half, less 10.
    assert_eq!([plain.usd.to_string(), adjusted.usd.to_string()], ["38.80007", "9.400035"]);
    assert_eq!(adjusted.per_million_past_grant.pico() * 2, plain.per_million_past_grant.pico());
}

#[test]
fn what_cannot_be_compared_says_why_and_what_to_do() {
    let workload = workload(512, 250, 1_000_000);
    assert_eq!(
        why("cloudflare-workers", &workload),
        "512 MB of memory is not sold under cloudflare-workers; choose at most 128 MB"
    );
    let provisioned = "aws-lambda/us-east-1/x86_64/provisioned";
    assert_eq!(
        why(provisioned, &workload),
        "it prices instances that are kept warm; say how many with --warm-instances"
    );
    let sheets = ["tencent-scf/cn", "cloudflare-workers", "google-run/tier1"].map(listed);
    let comparison =
        Comparison::new(sheets, &workload, |currency| (currency == Currency::USD).then_some(ExchangeRate::USD));
    let names: Vec<&str> = comparison.priced.iter().map(|month| month.sheet.name().as_str()).collect();
    assert_eq!(names, ["google-run/tier1"]);
    let told: Vec<String> =
        comparison.not_comparable.iter().map(|(sheet, why)| format!("{}: {why}", sheet.name())).collect();
    assert_eq!(
        told[0],
        "tencent-scf/cn: there is no exchange rate for CNY; give one, such as --rate CNY=0.14 (dollars for one CNY)"
    );
    assert_eq!(told.len(), 2);
}

/// 2 instances of 1 GB kept for 730 hours are 5,256,000 GB-seconds.
#[test]
fn instances_kept_warm_are_paid_for_all_month() {
    let kept = Workload { warm_instances: 2, ..workload(1024, 100, 0) };
    let rate = sheet("aws-lambda/us-east-1/x86_64/provisioned").standing().next().expect("a standing price").rate;
    let expected = rate.times("5256000".parse().expect("a quantity")).expect("fits");
    assert_eq!(month("aws-lambda/us-east-1/x86_64/provisioned", &kept), rounded(expected));
    assert_eq!(month("aws-lambda/us-east-1/x86_64", &kept), "0");
}

/// Cloud Run, a vCPU and 2 GiB: an instance kept for 730 hours lives 2,628,000 seconds, of which a million calls of a
/// second use a million. Grants: 180,000 and 360,000 by request, 240,000 and 450,000 by instance; 2 million requests.
#[test]
fn kept_instances_of_cloud_run_are_paid_while_idle_and_with_their_cpu_always_allocated_all_month() {
    let one = Workload { warm_instances: 1, ..workload(2048, 1000, 1_000_000) };
    // 820,000 x 0.000024 + 1,640,000 x 0.0000025 + 1,628,000 x 0.0000075.
    assert_eq!(month("google-run/tier1", &one), "35.99");
    // 2,388,000 x 0.000018 + 4,806,000 x 0.000002.
    assert_eq!(month("google-run/tier1/always-on", &one), "52.596");
    let none = Workload { warm_instances: 0, ..one };
    assert_eq!(month("google-run/tier1", &none), "23.78", "keeping instances is a choice");
    assert!(why("google-run/tier1/always-on", &none).contains("--warm-instances"));
    let idle = workload(2048, 0, 0);
    assert_eq!(month("google-run/tier1/always-on", &Workload { warm_instances: 1, ..idle }), "52.596", "calls or not");
}

/// Azure's Premium plan: an EP1, a vCPU and 3.5 GiB, kept for 730 hours is 2,628,000 seconds of both at 0.173 and 0.0123
/// an hour, whatever calls it takes meanwhile; a function of 512 MB is on one as well.
#[test]
fn azures_premium_plan_costs_its_instances_and_calls_beyond_them() {
    let one = Workload { warm_instances: 1, ..workload(3_584, 1_000, 1_000_000) };
    assert_eq!(month("azure-premium/eastus", &one), "157.716500000004");
    assert_eq!(
        month("azure-premium/eastus", &Workload { warm_instances: 1, ..workload(512, 0, 0) }),
        "157.716500000004"
    );
    assert_eq!(
        month("azure-premium/eastus", &Workload { warm_instances: 1, ..workload(7_168, 0, 0) }),
        "315.433000000008"
    );
    let more = Workload { warm_instances: 1, ..workload(3_584, 1_000, 5_000_000) };
    assert_eq!(month("azure-premium/eastus", &more), "300.069444444452", "as many seconds as calls take");
    assert!(why("azure-premium/eastus", &Workload { warm_instances: 0, ..one }).contains("--warm-instances"));
    // Another region at its own prices: 0.16 and 0.0114 an hour are 145.927 for an EP1's 730 hours.
    assert_eq!(month("azure-premium/eastus2", &Workload { warm_instances: 1, ..one }), "145.927000000002");
}

#[test]
fn the_cheapest_month_comes_first_and_ties_are_broken_past_the_grant() {
    let sheets = ["aws-lambda/us-east-1/x86_64", "google-run/tier1", "aws-lambda/us-east-1/arm64", "alibaba-fc/cn"];
    let cny: ExchangeRate = "0.1405".parse().expect("a rate");
    let dollars = |currency: Currency| Some(if currency == Currency::USD { ExchangeRate::USD } else { cny });
    let comparison = Comparison::new(sheets.map(listed), &workload(512, 250, 1_000_000), dollars);
    let ranked: Vec<(&str, String)> =
        comparison.priced.iter().map(|month| (month.sheet.name().as_str(), month.usd.to_string())).collect();
    assert_eq!(ranked[0], ("aws-lambda/us-east-1/arm64", "0".to_owned()));
    assert_eq!(ranked[1], ("aws-lambda/us-east-1/x86_64", "0".to_owned()));
    let alibaba =
        comparison.priced.iter().find(|month| month.sheet.name().as_str() == "alibaba-fc/cn").expect("priced");
    assert_eq!(alibaba.usd, alibaba.invoice.to_usd(cny).expect("fits"));
    assert!(comparison.priced.windows(2).all(|pair| pair[0].usd <= pair[1].usd));
}

#[test]
fn a_crossover_is_found_to_the_microsecond() {
    // Workers pay for each call and 1 ms of CPU in 50; Lambda pays for the time. Both without grants left to speak of.
    let usage = Usage { cpu: Some(Micros::from_millis(2)), ..lasting(100_000) };
    let workload = Workload { usage, ..workload(128, 100, 1_000_000_000) };
    let pair = ["aws-lambda/us-east-1/x86_64", "cloudflare-workers"];
    let pair = pair.map(|name| (Arc::clone(sheet(name)), Adjustments::default(), ExchangeRate::USD));
    let grid: Vec<Micros> = [1, 10, 100, 1_000, 10_000].map(Micros::from_millis).to_vec();
    let found = crossovers(&pair, &workload, &grid).expect("priced");
    let order: Vec<usize> = found.iter().map(|crossover| crossover.sheet).collect();
    assert_eq!(order, [0, 1], "{found:?}");
    assert_eq!(found[0].duration, Micros::from_millis(1));
    let at = |duration: Micros, which: usize| {
        price_month(&pair[which].0, &Adjustments::default(), &workload.lasting(duration), ExchangeRate::USD)
            .expect("priced")
            .usd
    };
    let (here, before) = (found[1].duration, Micros::new(found[1].duration.get() - 1));
    assert!(at(here, 1) < at(here, 0) && at(before, 1) >= at(before, 0), "{here:?}");
}

fn split(sheet: &PriceSheet, workload: &Workload, cold: u64) -> Vec<((u64, ()), Metered)> {
    let usage = |init| Usage { init, cpu: Some(workload.usage.duration), ..workload.usage };
    let call = |init| sheet.meter(&workload.size, &usage(init)).expect("sold");
    let warm = call(Micros::ZERO).checked_mul(workload.calls - cold).expect("fits");
    vec![((0, ()), warm.checked_add(&call(workload.usage.init).checked_mul(cold).expect("fits")).expect("fits"))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Where nothing is done by hours, a month is the invoice of all its calls however they are spread.
    #[test]
    fn a_month_is_the_invoice_of_its_calls(
        name in prop::sample::select(&["aws-lambda/us-east-1/arm64", "azure-flex/eastus", "google-run/tier2", "own/default"][..]),
        millis in 1_u64..100_000, init in 0_u64..5_000, calls in 0_u64..1_000_000_000, percent in 0_u32..=100,
    ) {
        let usage = Usage { init: Micros::from_millis(init), ..lasting(millis * 1000) };
        let workload = Workload { usage, cold_ppm: percent * 10_000, ..workload(512, 1, calls) };
        let cold = (u128::from(calls) * u128::from(percent) + 50) / 100;
        let bill = split(sheet(name), &workload, u64::try_from(cold).expect("fits"));
        let month = price_month(sheet(name), &Adjustments::default(), &workload, ExchangeRate::USD).expect("priced");
        prop_assert_eq!(month.invoice, sheet(name).invoice(bill).expect("fits"));
    }

    /// Rounding an hour up adds less than a unit to each hour, and never takes anything away.
    #[test]
    fn hours_cost_at_most_a_unit_more_each(millis in 1_u64..10_000, calls in 0_u64..10_000_000) {
        let (sheet, workload) = (sheet("alibaba-fc/intl"), workload(1024, millis, calls));
        let priced = price_month(sheet, &Adjustments::default(), &workload, ExchangeRate::USD).expect("priced");
        let summed = sheet.charge(&priced.metered, &crate::MonthToDate::month_start(sheet)).expect("fits");
        let (hourly, summed) = (priced.usd, summed.round_half_even().expect("fits"));
        prop_assert!(hourly >= summed);
        prop_assert!(hourly <= summed + "0.0146".parse::<Money>().expect("money"), "{} and {}", hourly, summed);
    }
}
