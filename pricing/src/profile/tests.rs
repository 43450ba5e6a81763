//! A profile learns the mean of the rounded, follows change, and survives another sheet, size or a restart.

use merit_units::{Exact, MemoryMb, Micros};

use super::*;
use crate::{Catalogue, Meter, MonthToDate, Share};

fn sheet(name: &str) -> &'static PriceSheet {
    Catalogue::builtin().get(name).expect("a sheet of the catalogue")
}

fn size(megabytes: u64) -> Size {
    Size::new(MemoryMb::try_new(megabytes).expect("a size"))
}

fn lasting(micros: u64) -> Usage {
    Usage { duration: Micros::new(micros), ..Usage::default() }
}

fn learn(profile: &mut UsageProfile, sheet: &PriceSheet, size: &Size, micros: impl IntoIterator<Item = u64>) {
    for micros in micros {
        let latency = Micros::new(micros + 2_000);
        profile.observe(sheet, size, &lasting(micros), latency).expect("a size that is sold");
    }
}

fn cost(sheet: &PriceSheet, metered: &Metered) -> Exact {
    sheet.marginal(&MonthToDate::past_grant(sheet)).cost(metered)
}

#[test]
fn an_empty_profile_is_small() {
    assert!(size_of::<UsageProfile>() < 64);
    assert!(size_of::<Learned>() <= 512, "{}", size_of::<Learned>());
}

#[test]
fn the_expectation_is_the_mean_of_the_rounded_and_not_the_rounded_mean() {
    // Half of the calls take 10 ms and half 190 ms. Cloud Run bills 100 and 200 ms, 150 on average; the mean
    // duration is 100 ms and would be billed as such.
    let (sheet, size) = (sheet("google-run/tier1"), size(2_048));
    let mut profile = UsageProfile::new();
    learn(&mut profile, sheet, &size, (0..400).map(|at| if at % 2 == 0 { 10_000 } else { 190_000 }));
    let mean = profile.mean_metered().expect("calls were observed");
    let rounded_mean = sheet.meter(&size, &lasting(100_000)).expect("sold");
    let billed_ms = |metered: &Metered| metered.get(Meter::VcpuSecond).quanta() * 1000 / Quantity::QUANTA_PER_UNIT;
    assert_eq!(billed_ms(&rounded_mean), 100);
    assert!(billed_ms(&mean).abs_diff(150) <= 1, "{mean:?}");
    assert!(cost(sheet, &mean) > cost(sheet, &rounded_mean));
}

#[test]
fn recent_calls_weigh_more() {
    let (sheet, size) = (sheet("aws-lambda/us-east-1/x86_64"), size(1_024));
    let mut profile = UsageProfile::new();
    learn(&mut profile, sheet, &size, std::iter::repeat_n(100_000, 10_000));
    learn(&mut profile, sheet, &size, std::iter::repeat_n(300_000, 512));
    let mean = profile.mean_metered().expect("calls were observed").get(Meter::GbSecond);
    // 300 - 200 x (511/512)^512 is 226 ms of one GB; the plain mean would be 110 ms.
    let mean_us = mean.quanta() * 1_000_000 / Quantity::QUANTA_PER_UNIT;
    assert!((226_000..227_000).contains(&mean_us), "{mean}");
    assert_eq!(profile.samples(), 10_512);
}

#[test]
fn rates_may_move_without_a_rebase() {
    let (sheet, size) = (sheet("azure-flex/eastus"), size(512));
    let mut profile = UsageProfile::new();
    learn(&mut profile, sheet, &size, [200_000, 1_100_000]);
    let dearer = sheet.scaled(150);
    assert!(dearer.same_shape(sheet));
    let mean = profile.mean_metered();
    profile.rebase(&dearer, &size);
    assert_eq!(profile.mean_metered(), mean);
}

#[test]
fn another_shape_meters_the_kept_usages_anew() {
    let (old, new) = (sheet("aws-lambda/us-east-1/x86_64"), sheet("google-run/tier1"));
    let size = size(1_024);
    let mut profile = UsageProfile::new();
    learn(&mut profile, old, &size, (1..=200).map(|at| at * 1_000));
    profile.rebase(new, &size);
    // The last 64 calls took 137 to 200 ms: 200 ms each at Cloud Run, with 0.583 vCPU.
    let mean = profile.mean_metered().expect("usages were kept");
    assert_eq!(mean.get(Meter::VcpuSecond).to_string(), "0.1166");
    assert_eq!(profile.samples(), 200);
}

#[test]
fn a_resize_scales_the_kept_usages() {
    let sheet = sheet("aws-lambda/us-east-1/x86_64");
    let mut profile = UsageProfile::new();
    learn(&mut profile, sheet, &size(512), std::iter::repeat_n(100_000, 10));
    profile.rebase(sheet, &size(1_024));
    assert_eq!(profile.usages().next(), Some(lasting(50_000)));
    assert_eq!(profile.mean_metered().expect("kept").get(Meter::GbSecond).to_string(), "0.05");
}

#[test]
fn a_call_that_cannot_be_metered_still_teaches_its_latency() {
    let sheet = sheet("alibaba-fc/cn");
    let mut profile = UsageProfile::new();
    let error = profile.observe(sheet, &size(512), &lasting(5_000), Micros::new(9_000)).expect_err("no vCPU");
    assert!(error.to_string().contains("give 0.05 to 16 vCPU"), "{error}");
    assert_eq!(profile.mean_metered(), None);
    assert!(profile.latency_p50().is_some());
    profile.rebase(sheet, &size(512).with_vcpu_milli(350));
    assert!(profile.mean_metered().is_some());
}

#[test]
fn what_was_learned_survives_a_restart() {
    let (sheet, size) = (sheet("google-run/tier2"), size(512));
    let mut profile = UsageProfile::new();
    assert_eq!(profile.to_json(), None);
    learn(&mut profile, sheet, &size, (1..=700).map(|at| at * 991));
    let text = profile.to_json().expect("something was learned");
    let restored = UsageProfile::from_json(&text).expect("what was just written");
    assert_eq!(restored.to_json(), profile.to_json());
    assert_eq!((restored.mean_metered(), restored.samples()), (profile.mean_metered(), 700));
    assert_eq!(restored.latency_p95(), profile.latency_p95());
    assert!(restored.usages().eq(profile.usages()));
    assert!(text.len() < 4_096, "{} bytes", text.len());
    for damaged in ["", "{}", &text.replace("\"mean\":[[\"", "\"mean\":[[\"x"), &text.replace("x86_64", "mips")] {
        assert!(UsageProfile::from_json(damaged).is_err(), "{damaged:.80}");
    }
}

#[test]
fn a_bill_takes_the_place_of_the_own_clock_until_the_next_one() {
    let (sheet, size) = (sheet("google-run/tier1"), size(2_048));
    let mut profile = UsageProfile::new();
    assert!(!profile.correct(&sheet.zero()), "nothing was observed yet");
    learn(&mut profile, sheet, &size, std::iter::repeat_n(350_000, 100));
    let bill = sheet.meter(&size, &lasting(100_000)).expect("sold");
    assert!(profile.correct(&bill) && profile.is_corrected());
    assert_eq!(profile.mean_metered(), Some(bill));
    learn(&mut profile, sheet, &size, std::iter::repeat_n(250_000, 100));
    assert_eq!(profile.mean_metered(), Some(bill), "the clock is not asked any more");
    let text = profile.to_json().expect("something was learned");
    let mut read = UsageProfile::from_json(&text).expect("as written");
    assert_eq!(read.mean_metered(), Some(bill));
    let other = Catalogue::builtin().get("azure-consumption/eastus").expect("in the catalogue");
    assert!(!profile.correct(&other.zero()), "of other lines");
    read.rebase(sheet, &self::size(1_024));
    assert!(!read.is_corrected(), "it was the bill of another size");
}

#[test]
fn times_are_scaled_when_calls_take_more_than_twice_as_long_as_when_they_were_billed() {
    let (sheet, size) = (sheet("cloudflare-workers"), size(128));
    let (google, large) = (self::sheet("google-run/tier1"), self::size(2_048));
    let slower = |sheet: &'static PriceSheet, size: &Size, meter: Meter| {
        let mut profile = UsageProfile::new();
        learn(&mut profile, sheet, size, std::iter::repeat_n(100_000, 500));
        let usage = Usage { cpu: Some(Micros::new(5_000)), ..lasting(100_000) };
        assert!(profile.correct(&sheet.meter(size, &usage).expect("sold")));
        let mean = |profile: &UsageProfile| profile.mean_metered().expect("learned").get(meter).quanta();
        let before = mean(&profile);
        learn(&mut profile, sheet, size, std::iter::repeat_n(400_000, 1_000));
        (mean(&profile) * 100 / before, profile.mean_metered().expect("learned").get(Meter::Request))
    };
    let (percent, requests) = slower(google, &large, Meter::VcpuSecond);
    assert!((300..=500).contains(&percent), "{percent}, as far as the latency is known");
    assert_eq!(requests, Quantity::from_units(1), "a call is a call");
    assert_eq!(slower(sheet, &size, Meter::CpuMs).0, 100, "who waits longer does not compute more");
}

#[test]
fn the_share_of_an_instance_is_learned_and_kept() {
    let (sheet, size) = (sheet("google-run/tier1"), size(2_048).with_concurrency(8));
    let mut profile = UsageProfile::new();
    for at in 0..100 {
        // Every other call runs alone, and the others four at a time.
        let share = if at % 2 == 0 { Share::WHOLE } else { Share::of(4) };
        let usage = Usage { share, ..lasting(100_000) };
        profile.observe(sheet, &size, &usage, usage.duration).expect("sold");
    }
    let expected = |profile: &UsageProfile| {
        profile.mean_metered().expect("learned").get(Meter::VcpuSecond).quanta() * 10_000 / Quantity::QUANTA_PER_UNIT
    };
    assert_eq!(expected(&profile), 625, "five eighths of 100 ms");
    let text = profile.to_json().expect("something was learned");
    let mut read = UsageProfile::from_json(&text).expect("as written");
    assert!(read.usages().eq(profile.usages()));
    read.rebase(sheet, &size.with_concurrency(1));
    assert_eq!(expected(&read), 1_000, "instances that take one call at a time");
    let mut alone = UsageProfile::new();
    learn(&mut alone, sheet, &size, [100_000]);
    assert!(!alone.to_json().expect("learned").contains("shares"), "as older versions wrote it");
}
