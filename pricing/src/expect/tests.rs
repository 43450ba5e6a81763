//! Measured, borrowed or assumed: the best grounds there are, and said to be what they are.

use merit_units::MemoryMb;

use super::*;
use crate::{Catalogue, Meter, MonthToDate, Share};

fn sheet(name: &str) -> &'static PriceSheet {
    Catalogue::builtin().get(name).expect("a sheet of the catalogue")
}

fn size(megabytes: u64) -> Size {
    Size::new(MemoryMb::try_new(megabytes).expect("a size"))
}

fn lasting(millis: u64) -> Usage {
    Usage { duration: Micros::from_millis(millis), ..Usage::default() }
}

/// A profile of calls under Lambda that all took `millis`, and 5 ms on the way.
fn learned(megabytes: u64, millis: u64, calls: usize) -> UsageProfile {
    let mut profile = UsageProfile::new();
    for _ in 0..calls {
        let latency = Micros::from_millis(millis + 5);
        profile
            .observe(sheet("aws-lambda/us-east-1/x86_64"), &size(megabytes), &lasting(millis), latency)
            .expect("a size that is sold");
    }
    profile
}

const NONE: [&UsageProfile; 0] = [];

#[test]
fn own_calls_are_measured() {
    let (sheet, own, other) = (sheet("aws-lambda/us-east-1/x86_64"), learned(512, 100, 3), learned(512, 900, 50));
    let expected = expect(sheet, &size(512), &own, [&other]).expect("sold");
    assert_eq!((expected.basis, expected.samples), (Basis::Measured, 3));
    assert_eq!(expected.metered.get(Meter::GbSecond).to_string(), "0.05");
    assert!(expected.latency_p50 >= Micros::from_millis(95) && expected.latency_p95 <= Micros::from_millis(115));
}

#[test]
fn a_sheet_of_another_shape_meters_the_own_calls_anew() {
    let expected = expect(sheet("google-run/tier1"), &size(512), &learned(512, 130, 9), NONE).expect("sold");
    assert_eq!(expected.basis, Basis::Measured);
    assert_eq!(expected.metered.get(Meter::GibSecond).to_string(), "0.1", "each call is billed 200 ms");
}

#[test]
fn the_sibling_with_the_nearest_cpu_is_borrowed_from() {
    let (near, far, empty) = (learned(512, 80, 5), learned(128, 900, 500), UsageProfile::new());
    let sheet = sheet("google-run/tier1");
    let expected = expect(sheet, &size(1_024).with_vcpu_milli(578), &empty, [&far, &empty, &near]).expect("sold");
    assert_eq!((expected.basis, expected.samples), (Basis::Borrowed, 5));
    // Twice the CPU: 40 ms, billed as 100, and the 5 ms of the way stay.
    assert_eq!(expected.metered.get(Meter::VcpuSecond).to_string(), "0.0578");
    let p50 = expected.latency_p50;
    assert!(p50 > Micros::from_millis(37) && p50 < Micros::from_millis(53), "{p50}");
}

#[test]
fn a_resized_deployment_borrows_from_its_own_past() {
    let sheet = sheet("aws-lambda/us-east-1/x86_64");
    let expected = expect(sheet, &size(1_024), &learned(512, 100, 8), NONE).expect("sold");
    assert_eq!((expected.basis, expected.samples), (Basis::Borrowed, 8));
    assert_eq!(expected.metered.get(Meter::GbSecond).to_string(), "0.05");
}

/// A size that is sold under the sheet.
fn sold(sheet: &PriceSheet) -> Size {
    match sheet.name().as_str() {
        "cloudflare-workers" => size(128),
        "azure-premium/eastus" | "azure-premium/eastus2" => size(3_584),
        _ => size(512).with_vcpu_milli(350),
    }
}

#[test]
fn nothing_known_is_assumed_and_never_free() {
    for sheet in Catalogue::builtin().iter() {
        let size = sold(sheet);
        let expected = expect(sheet, &size, &UsageProfile::new(), NONE).expect("sold");
        assert_eq!((expected.basis, expected.samples), (Basis::Assumed, 0));
        let cost = sheet.marginal(&MonthToDate::past_grant(sheet)).cost(&expected.metered);
        assert!(cost > merit_units::Exact::ZERO, "{sheet:?}");
    }
    let assumed = expect(sheet("cloudflare-workers"), &size(128), &UsageProfile::new(), NONE).expect("sold");
    assert_eq!(assumed.metered.get(Meter::CpuMs).to_string(), "100");
}

#[test]
fn a_size_that_is_not_sold_has_no_expectation() {
    let error = expect(sheet("alibaba-fc/cn"), &size(512), &learned(512, 10, 3), NONE).expect_err("no vCPU");
    assert!(matches!(error, MeterError::VcpuMissing { .. }), "{error}");
}

#[test]
fn no_call_is_billed_more_than_the_ceiling() {
    let timeout = Micros::from_secs(30);
    let worst = Usage {
        duration: timeout,
        init: Micros::from_secs(10),
        cpu: Some(timeout),
        memory_peak: MemoryMb::try_new(1_536).ok(),
        egress_bytes: 6 << 20,
        ..Usage::default()
    };
    for sheet in Catalogue::builtin().iter() {
        let size = sold(sheet);
        let most = ceiling(sheet, &size, timeout).expect("sold");
        let call = sheet.meter(&size, &worst).expect("sold");
        for ((meter, most), (_, billed)) in most.iter().zip(call.iter()) {
            assert!(most >= billed, "{sheet:?} {meter}");
        }
    }
    let lambda = sheet("aws-lambda/us-east-1/x86_64");
    let most = ceiling_with_reply(lambda, &size(1_024), timeout, 1 << 20).expect("sold");
    assert_eq!(most.get(Meter::GbSecond).to_string(), "40", "30 s and 10 s of initialisation");
    assert_eq!(most.get(Meter::EgressGb), merit_units::Quantity::ratio(1, 1024).expect("fits"));
    let azure = ceiling(sheet("azure-consumption/eastus"), &size(256), timeout).expect("sold");
    assert_eq!(azure.get(Meter::GbSecond).to_string(), "45", "up to 1,536 MB may be observed");
}

#[test]
fn a_sibling_says_nothing_of_how_many_share_an_instance() {
    let (sheet, size) = (sheet("google-run/tier1"), size(2_048).with_concurrency(80));
    let mut sibling = UsageProfile::new();
    let usage = Usage { share: Share::of(10), ..lasting(100) };
    sibling.observe(sheet, &size, &usage, usage.duration).expect("sold");
    let cost = |own: &UsageProfile| {
        expect(sheet, &size, own, [&sibling]).expect("sold").metered.get(Meter::VcpuSecond).to_string()
    };
    assert_eq!((cost(&UsageProfile::new()).as_str(), cost(&sibling).as_str()), ("0.1", "0.01"));
    let most = ceiling(sheet, &size, Micros::from_secs(30)).expect("sold").get(Meter::VcpuSecond);
    let alone = ceiling(sheet, &size.with_concurrency(1), Micros::from_secs(30)).expect("sold").get(Meter::VcpuSecond);
    assert_eq!(most, alone, "what is held is for a call that is alone");
}

/// A profile of calls of 40 ms under a sheet, that tell this CPU time.
fn telling(name: &str, cpu_ms: impl IntoIterator<Item = Option<u64>>) -> UsageProfile {
    let mut profile = UsageProfile::new();
    for millis in cpu_ms {
        let usage = Usage { cpu: millis.map(Micros::from_millis), ..lasting(40) };
        profile.observe(sheet(name), &size(128), &usage, Micros::from_millis(45)).expect("sold");
    }
    profile
}

#[test]
fn cpu_time_that_calls_do_not_tell_is_that_of_the_sibling_that_measured_it() {
    let (workers, lambda) = ("cloudflare-workers", "aws-lambda/us-east-1/x86_64");
    let own = telling(workers, [None; 20]);
    let (mute, measured) = (telling(lambda, [None; 90]), telling(lambda, [Some(2), Some(4)]));
    let (slow, mixed) = (telling(lambda, [Some(900)]), telling(workers, [None, None, Some(7), None]));
    let expected = |own: &UsageProfile, siblings: &[&UsageProfile]| {
        let known = expect(sheet(workers), &size(128), own, siblings.iter().copied()).expect("sold");
        (known.metered.get(Meter::CpuMs).to_string(), known.cpu_borrowed, known.basis)
    };
    let is = |cpu: &str, borrowed, basis| (cpu.to_owned(), borrowed, basis);
    assert_eq!(expected(&own, &[]), is("40", false, Basis::Measured), "the most it can be");
    assert_eq!(expected(&own, &[&mute]), is("40", false, Basis::Measured), "who tells nothing teaches nothing");
    assert_eq!(expected(&own, &[&mute, &measured]), is("3", true, Basis::Measured));
    assert_eq!(expected(&own, &[&slow]), is("40", true, Basis::Measured), "no more than the time they took");
    assert_eq!(expected(&mixed, &[&measured]), is("7", true, Basis::Measured), "own calls before a sibling's");
    assert_eq!(expected(&telling(workers, [Some(5)]), &[&measured]), is("5", false, Basis::Measured));
    // Of a deployment without calls: not nothing, and no more on a slower CPU.
    assert_eq!(expected(&UsageProfile::new(), &[&mute]), is("40", false, Basis::Borrowed));
    assert_eq!(expected(&UsageProfile::new(), &[&mute, &measured]), is("3", true, Basis::Borrowed));
    let larger = learned(1_024, 100, 1);
    assert_eq!(expected(&UsageProfile::new(), &[&larger]), is("100", false, Basis::Borrowed));

    let mut billed = own;
    let mean = billed.mean_metered().expect("calls were observed");
    let bill = mean.with(Meter::CpuMs, merit_units::Quantity::from_units(11)).expect("it is billed");
    assert!(billed.correct(&bill));
    assert_eq!(expected(&billed, &[&measured]), is("11", false, Basis::Measured), "the bill is the last word");
}
