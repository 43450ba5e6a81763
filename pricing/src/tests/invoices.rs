//! Whole months: grants, tiers, pools, Alibaba's hours, the Workers' base fee.

use merit_units::{Micros, Quantity};

use super::{amount, lasting, quantity, rounded, sheet, size};
use crate::{Meter, Metered, MonthToDate, Pools, PriceSheet, Usage};

/// `calls` equal calls as one sum.
fn many(call: &Metered, calls: u64) -> Metered {
    call.checked_mul(calls).expect("fits")
}

fn month_of(sheet: &PriceSheet, calls: u64, usage: &Usage) -> String {
    let call = sheet.meter(&size(128), usage).expect("sold");
    rounded(sheet.invoice([((0, "worker"), many(&call, calls))]).expect("fits"))
}

/// The three worked examples of the Workers pricing page (at 07acbb6), to the cent.
#[test]
fn the_months_of_cloudflares_examples() {
    let sheet = sheet("cloudflare-workers");
    let cpu = |millis| Usage { cpu: Some(Micros::from_millis(millis)), ..Usage::default() };
    assert_eq!(month_of(sheet, 15_000_000, &cpu(7)), "8");
    assert_eq!(month_of(sheet, 720, &cpu(180_000)), "6.992", "the page shows 6.99");
    assert_eq!(month_of(sheet, 100_000_000, &cpu(7)), "45.4");
    let nothing: [((u64, &str), Metered); 0] = [];
    assert_eq!(rounded(sheet.invoice(nothing).expect("fits")), "5", "the base fee is due in any case");
}

#[test]
fn a_lambda_month_is_its_grant_and_then_its_tiers() {
    let sheet = sheet("aws-lambda/us-east-1/x86_64");
    // 3 million calls of 1,024 MB and one second: 2 million paid requests and 2.6 million GB-seconds.
    let call = sheet.meter(&size(1024), &lasting(1_000_000)).expect("sold");
    let bill = |calls| rounded(sheet.invoice([((0, ()), many(&call, calls))]).expect("fits"));
    assert_eq!(bill(3_000_000), "43.73342");
    assert_eq!(bill(400_000), "0");
    // 20,000 million seconds: 6e9, 9e9 and 4,999.6e6 GB-seconds after the grant, 19,999 million requests.
    let expected = amount("100000.2").round_half_even().expect("fits")
        + amount("135000").round_half_even().expect("fits")
        + amount("66661.66664").round_half_even().expect("fits")
        + amount("3999.8").round_half_even().expect("fits");
    assert_eq!(bill(20_000_000_000), expected.to_string());
}

#[test]
fn a_call_that_crosses_an_edge_is_split_there() {
    let sheet = sheet("aws-lambda/us-east-1/x86_64");
    let call = sheet.meter(&size(1024), &lasting(10_000_000)).expect("sold");
    let at = |gb_seconds: &str| {
        let used = [(Meter::GbSecond, quantity(gb_seconds)), (Meter::Request, Quantity::from_units(2_000_000))];
        let month = MonthToDate::after_usage(sheet, used).expect("its meters");
        (sheet.charge(&call, &month).expect("fits"), sheet.marginal(&month))
    };
    let cost = |gb_seconds| rounded(at(gb_seconds).0);
    assert_eq!(cost("399996"), rounded(amount("0.0001002002")), "4 s are granted and 6 s paid");
    assert_eq!(cost("6000399997"), rounded(amount("0.0001552001")), "3 s in the first tier and 7 in the second");
    assert_eq!(cost("15000399999"), rounded(amount("0.0001352006")), "1 s in the second tier and 9 in the third");
    let rate = |gb_seconds| at(gb_seconds).1.iter().find(|(meter, _)| *meter == Meter::GbSecond).expect("a line").1;
    assert_eq!(rate("399996").atto(), 0, "the next unit is still granted");
    assert_eq!(rate("400000").to_string(), "0.0000166667");
    assert_eq!(rate("6000400000").to_string(), "0.000015");
    let unknown = MonthToDate::after_usage(sheet, [(Meter::CpuMs, quantity("1"))]);
    let message = "`cpu_ms` is not billed by this sheet; it bills request, gb_second, ephemeral_gb_second, egress_gb";
    assert_eq!(unknown.expect_err("Lambda bills no CPU time").to_string(), message);
}

#[test]
fn quantities_counted_elsewhere_can_be_put_in() {
    let sheet = sheet("cloudflare-workers");
    let month = sheet.zero().with(Meter::Request, quantity("20000000")).expect("it bills requests");
    assert_eq!(rounded(sheet.invoice([((0, ()), month)]).expect("fits")), "8");
    assert_eq!(month.with(Meter::GbSecond, quantity("1")).expect_err("no memory").meter, Meter::GbSecond);
}

#[test]
fn lambdas_grant_is_shared_and_its_tiers_are_not() {
    let (x86, arm) = (sheet("aws-lambda/us-east-1/x86_64"), sheet("aws-lambda/eu-west-1/arm64"));
    let mut pools = Pools::new();
    let call =
        |sheet: &PriceSheet, seconds: u64| sheet.meter(&size(1024), &lasting(seconds * 1_000_000)).expect("sold");
    pools.record(x86, &call(x86, 300_000)).expect("fits");
    pools.record(arm, &call(arm, 300_000)).expect("fits");
    let state = |sheet| {
        let month = pools.month_to_date(sheet);
        let line = month.iter().find(|(meter, ..)| *meter == Meter::GbSecond).expect("a line");
        (line.1.to_string(), line.2.to_string())
    };
    assert_eq!(state(x86), ("0".to_owned(), "0".to_owned()));
    assert_eq!(state(arm), ("0".to_owned(), "200000".to_owned()), "100,000 were left for it");
    assert_eq!(state(sheet("aws-lambda/eu-west-1/x86_64")), ("0".to_owned(), "0".to_owned()));
    let stored: Vec<(String, u128)> = pools.iter().map(|(pool, used)| (pool.to_owned(), used)).collect();
    assert_eq!(stored.into_iter().collect::<Pools>(), pools);
}

#[test]
fn a_second_of_cloud_runs_tier_2_takes_1400_thousandths_of_the_grant() {
    let (tier1, tier2) = (sheet("google-run/tier1"), sheet("google-run/tier2"));
    let mut pools = Pools::new();
    let usage = lasting(100_000_000_000);
    pools.record(tier2, &tier2.meter(&size(2048), &usage).expect("sold")).expect("fits");
    // 100,000 vCPU-seconds took 140,000 of 180,000; 40,000 are left for tier 1 and 28,571.43 for tier 2.
    let left = |sheet| {
        let month = pools.month_to_date(sheet);
        let line = month.iter().find(|(meter, ..)| *meter == Meter::VcpuSecond).expect("a line");
        line.1.quanta() / Quantity::QUANTA_PER_UNIT
    };
    assert_eq!((left(tier1), left(tier2)), (40_000, 28_571));
}

#[test]
fn alibabas_invoice_rounds_up_each_function_and_hour() {
    let sheet = sheet("alibaba-fc/intl");
    let size = size(1024).with_vcpu_milli(500);
    let call = sheet.meter(&size, &lasting(300_000)).expect("sold");
    assert_eq!(call.get(Meter::ComputeUnit).to_string(), "0.2025");
    let bill = |usage: Vec<((u64, &str), Metered)>| rounded(sheet.invoice(usage).expect("fits"));
    // 10 calls of one function in one hour are 2.025 units, billed as 3.
    assert_eq!(bill(vec![((0, "a"), call); 10]), "0.00006");
    // In ten hours each is a unit, and so for ten functions.
    assert_eq!(bill((0..10).map(|hour| ((hour, "a"), call)).collect()), "0.0002");
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    assert_eq!(bill(names.into_iter().map(|name| ((0, name), call)).collect()), "0.0002");
}

#[test]
fn alibabas_china_site_has_a_floor_for_each_active_function_and_hour() {
    let sheet = sheet("alibaba-fc/cn");
    let size = size(1024).with_vcpu_milli(500);
    let call = sheet.meter(&size, &lasting(300_000)).expect("sold");
    let bill = |usage: Vec<((u64, &str), Metered)>| rounded(sheet.invoice(usage).expect("fits"));
    assert_eq!(bill(vec![((0, "a"), call), ((0, "b"), call), ((1, "a"), call)]), "0.03");
    // 1,000 calls are 202.5 units: 203 at 0.00011, above the floor.
    assert_eq!(bill(vec![((0, "a"), many(&call, 1_000))]), "0.02233");
    // Hours fill the tiers one after the other: 2e8 units at 0.00011, and then at 0.0001.
    let big = many(&call, 1_000_000_000);
    assert_eq!(bill(vec![((0, "a"), big), ((1, "a"), big)]), "42500");
}

#[test]
fn amounts_too_large_are_reported_and_never_wrap() {
    let sheet = sheet("own/default");
    let mut huge = sheet.zero();
    huge.quantities[0] = Quantity::MAX;
    let month = MonthToDate::past_grant(sheet);
    assert!(huge.checked_add(&huge).is_err());
    let mut used = month;
    used.add(&huge).expect("fits once");
    assert!(used.add(&huge).is_err());
    assert!(huge.checked_mul(2).is_err());
    assert!(sheet.charge(&huge, &used).is_err());
    // 2^128 quanta are 3 x 10^20 requests; their cost still fits, and the dot product agrees with the charge.
    assert_eq!(sheet.marginal(&month).cost(&huge), sheet.charge(&huge, &month).expect("fits"));
    let forever = Usage { duration: Micros::MAX, init: Micros::MAX, ..Usage::default() };
    assert!(sheet.meter(&size(1 << 20), &forever).is_ok_and(|metered| sheet.charge(&metered, &month).is_ok()));
}
