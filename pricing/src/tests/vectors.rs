//! Costs of single calls, computed apart from Merit on 2026-11-21 in exact decimals from the providers' rules
//! and prices: past the free grant, in the first paid tier, one request at a time, before any hourly rounding.

use merit_units::{Micros, Quantity};

use super::{amount, rounded, sheet, size};
use crate::{Meter, MonthToDate, Size, Usage};

/// Sheet, MB, execution in microseconds, initialisation in microseconds, vCPU in thousandths (0: none given),
/// CPU time in microseconds, the quantity in the provider's unit, the cost of the call.
type Vector = (&'static str, u64, u64, u64, u32, u64, &'static str, &'static str);

const VECTORS: [Vector; 26] = [
    ("aws-lambda/us-east-1/x86_64", 128, 12_340, 0, 0, 0, "0.001625", "0.0000002270833875"),
    ("aws-lambda/us-east-1/x86_64", 128, 12_340, 180_200, 0, 0, "0.024125", "0.0000006020841375"),
    ("azure-flex/eastus", 512, 12_340, 0, 0, 0, "0.5", "0.0000134"),
    ("google-run/tier2", 128, 12_340, 0, 83, 0, "0.1", "0.00000072263"),
    ("alibaba-fc/intl", 128, 12_340, 0, 50, 0, "0.00839375", "0.000000167875"),
    ("aws-lambda/us-east-1/x86_64", 128, 100_000, 0, 0, 0, "0.0125", "0.00000040833375"),
    ("aws-lambda/us-east-1/x86_64", 128, 100_000, 180_200, 0, 0, "0.035125", "0.0000007854178375"),
    ("azure-flex/eastus", 512, 100_000, 0, 0, 0, "0.5", "0.0000134"),
    ("google-run/tier2", 128, 100_000, 0, 83, 0, "0.1", "0.00000072263"),
    ("alibaba-fc/intl", 128, 100_000, 0, 50, 0, "0.014375", "0.0000002875"),
    ("aws-lambda/us-east-1/x86_64", 512, 250_500, 0, 0, 0, "0.1255", "0.00000229167085"),
    ("aws-lambda/us-east-1/x86_64", 512, 250_500, 180_200, 0, 0, "0.2155", "0.00000379167385"),
    ("azure-flex/eastus", 512, 250_500, 0, 0, 0, "0.5", "0.0000134"),
    ("google-run/tier2", 512, 250_500, 0, 333, 0, "0.3", "0.00000428164"),
    ("alibaba-fc/intl", 512, 250_500, 0, 350, 0, "0.114175", "0.0000022835"),
    ("aws-lambda/us-east-1/x86_64", 1_024, 300_000, 0, 0, 0, "0.3", "0.00000520001"),
    ("aws-lambda/us-east-1/x86_64", 1_024, 300_000, 180_200, 0, 0, "0.481", "0.0000082166827"),
    ("azure-flex/eastus", 2_048, 300_000, 0, 0, 0, "2", "0.0000524"),
    ("google-run/tier2", 1_024, 300_000, 0, 583, 0, "0.3", "0.00000732664"),
    ("alibaba-fc/intl", 1_024, 300_000, 0, 500, 0, "0.2025", "0.00000405"),
    ("aws-lambda/us-east-1/x86_64", 2_048, 1_500_010, 0, 0, 0, "3.002", "0.0000502334334"),
    ("aws-lambda/us-east-1/x86_64", 2_048, 1_500_010, 180_200, 0, 0, "3.362", "0.0000562334454"),
    ("google-run/tier1", 2_048, 1_500_010, 0, 1_000, 0, "1.6", "0.0000468"),
    ("alibaba-fc/cn", 2_048, 1_500_010, 0, 1_000, 0, "1.9588", "0.000215468"),
    ("tencent-scf/cn", 2_048, 1_500_010, 0, 0, 0, "3.002", "0.00033479216"),
    ("cloudflare-workers", 128, 0, 0, 0, 100_000, "100", "0.0000023"),
];

/// Sheet, and the costs of a million calls with 128 MB for 12.34 ms, 1,024 MB for 300 ms and
/// 2,048 MB for 1,500.01 ms, to four decimals.
const PER_MILLION: [(&str, [&str; 3]); 9] = [
    ("aws-lambda/us-east-1/x86_64", ["0.2271", "5.2000", "50.2334"]),
    ("aws-lambda/us-east-1/arm64", ["0.2217", "4.2000", "40.2269"]),
    ("azure-consumption/eastus", ["0.4000", "5.0000", "not sold"]),
    ("google-run/tier1", ["0.6304", "5.3476", "46.8000"]),
    ("google-run/tier2", ["0.7226", "7.3266", "65.3600"]),
    ("alibaba-fc/intl", ["0.1679", "4.0500", "39.1760"]),
    ("alibaba-fc/cn", ["0.9233", "22.2750", "215.4680"]),
    ("tencent-scf/cn", ["1.5105", "34.6540", "334.7922"]),
    ("azure-flex/eastus", ["13.4000", "52.4000", "83.6000"]),
];

fn charge(name: &str, size: &Size, usage: &Usage) -> Result<merit_units::Exact, crate::MeterError> {
    let sheet = sheet(name);
    Ok(sheet.charge(&sheet.meter(size, usage)?, &MonthToDate::past_grant(sheet))?)
}

fn sized(megabytes: u64, vcpu_milli: u32) -> Size {
    let size = size(megabytes);
    if vcpu_milli == 0 { size } else { size.with_vcpu_milli(vcpu_milli) }
}

fn used(duration: u64, init: u64, cpu: u64) -> Usage {
    Usage { duration: Micros::new(duration), init: Micros::new(init), cpu: Some(Micros::new(cpu)), ..Usage::default() }
}

#[test]
fn each_call_costs_what_the_vector_says_to_the_picodollar() {
    for vector @ (name, megabytes, duration, init, vcpu, cpu, _, cost) in VECTORS {
        let size = sized(megabytes, vcpu);
        let charged = charge(name, &size, &used(duration, init, cpu)).expect("a call that is sold");
        assert_eq!(charged, amount(cost), "before rounding: {vector:?}");
        assert_eq!(rounded(charged), rounded(amount(cost)), "{vector:?}");
    }
}

#[test]
fn each_call_is_billed_for_the_quantity_the_vector_says() {
    let units = [Meter::GbSecond, Meter::ComputeUnit, Meter::CpuMs];
    for vector @ (name, megabytes, duration, init, vcpu, cpu, quantity, _) in VECTORS {
        let sheet = sheet(name);
        let metered = sheet.meter(&sized(megabytes, vcpu), &used(duration, init, cpu)).expect("a call that is sold");
        let billed = metered.iter().find(|(meter, _)| units.contains(meter));
        // Cloud Run's vectors give the billed seconds, of which there are vCPU x seconds.
        let expected: Quantity = quantity.parse().expect("a quantity");
        match billed {
            Some((_, billed)) => assert_eq!(billed, expected, "{vector:?}"),
            None => {
                let vcpu_seconds = metered.get(Meter::VcpuSecond).quanta();
                assert_eq!(vcpu_seconds, expected.quanta() / 1000 * u128::from(vcpu), "{vector:?}");
            }
        }
    }
}

#[test]
fn a_million_calls_cost_the_same_as_in_the_comparison_of_providers() {
    for (name, costs) in PER_MILLION {
        for ((megabytes, micros, vcpu), cost) in
            [(128, 12_340, 50), (1024, 300_000, 500), (2048, 1_500_010, 1000)].into_iter().zip(costs)
        {
            // Only Alibaba's deployments say their vCPU here.
            let size = sized(megabytes, if name.starts_with("alibaba") { vcpu } else { 0 });
            match charge(name, &size, &used(micros, 0, 0)) {
                Ok(charged) => assert_eq!(per_million(charged), cost, "{name} {megabytes} MB"),
                Err(error) => assert_eq!(cost, "not sold", "{name} {megabytes} MB: {error}"),
            }
        }
    }
    let cold = [(128, 12_340, "0.6021"), (1024, 300_000, "8.2167"), (2048, 1_500_010, "56.2334")];
    for (megabytes, micros, cost) in cold {
        let charged = charge("aws-lambda/us-east-1/x86_64", &size(megabytes), &used(micros, 180_200, 0));
        assert_eq!(per_million(charged.expect("sold")), cost, "cold, {megabytes} MB");
    }
    let worker = charge("cloudflare-workers", &size(128), &used(0, 0, 7_000)).expect("sold");
    assert_eq!(per_million(worker), "0.4400");
}

/// The cost of a million such calls, rounded half to even to four decimals.
fn per_million(call: merit_units::Exact) -> String {
    let pico = call.round_half_even().expect("fits").pico() * 1_000_000;
    let (whole, rest) = (pico / 100_000_000, pico % 100_000_000);
    let up = rest > 50_000_000 || (rest == 50_000_000 && whole % 2 == 1);
    let ten_thousandths = whole + i128::from(up);
    format!("{}.{:04}", ten_thousandths / 10_000, ten_thousandths % 10_000)
}
