//! A sheet's billing rule in one line.
//!
//! It is read from the sheet's own JSON form, which is the public description of the rule.

use merit_pricing::{Meter, PriceSheet};
use merit_units::{Micros, Rate};
use serde::Deserialize;

#[derive(Deserialize)]
struct Described {
    rule: Rule,
    hourly: Option<Hourly>,
}

#[derive(Deserialize)]
struct Rule {
    granularity_us: u64,
    #[serde(default)]
    minimum_us: u64,
    #[serde(default)]
    cpu_granularity_us: u64,
    init: String,
    #[serde(default)]
    sharing: String,
    #[serde(default)]
    ephemeral_free_mb: u64,
    memory: Memory,
}

#[derive(Deserialize)]
struct Memory {
    #[serde(default)]
    basis: String,
    min_mb: u32,
    max_mb: u32,
    #[serde(default)]
    step_mb: u32,
    #[serde(default)]
    sizes_mb: Vec<u32>,
}

#[derive(Deserialize)]
struct Hourly {
    #[serde(default)]
    ceil_to_units: bool,
}

/// The rule in one line.
pub(super) fn line(sheet: &PriceSheet) -> String {
    let described: Described = serde_json::from_str(&sheet.to_json()).expect("invariant: a sheet's JSON has a rule");
    let bills = |wanted: &[Meter]| sheet.billed_meters().any(|meter| wanted.contains(&meter));
    let mut parts = Vec::new();
    if bills(&[Meter::GbSecond, Meter::VcpuSecond, Meter::GibSecond, Meter::ComputeUnit]) {
        parts.push(time(&described.rule));
        parts.push(memory(&described.rule.memory));
    }
    if bills(&[Meter::CpuMs]) {
        let step = Micros::new(described.rule.cpu_granularity_us.max(1));
        parts.push(format!("CPU time rounded up to {step}"));
    }
    if described.rule.sharing == "instance" {
        parts.push("an instance's time is shared by its concurrent requests".to_owned());
    }
    if bills(&[Meter::EphemeralGbSecond]) {
        parts.push(format!("scratch disk above {} MB billed", described.rule.ephemeral_free_mb));
    }
    if described.hourly.is_some_and(|hourly| hourly.ceil_to_units) {
        parts.push("on the invoice whole units for each function and hour".to_owned());
    }
    if sheet.base_fee() > Rate::FREE {
        parts.push(format!("{} {} a month besides", sheet.base_fee(), sheet.currency()));
    }
    parts.join("; ")
}

fn time(rule: &Rule) -> String {
    let what = if rule.init == "billed" { "duration and init" } else { "duration without init" };
    let step = Micros::new(rule.granularity_us);
    match rule.minimum_us {
        0 => format!("{what} rounded up to {step}"),
        minimum => format!("{what} rounded up to {step}, at least {}", Micros::new(minimum)),
    }
}

fn memory(memory: &Memory) -> String {
    let basis = if memory.basis == "observed" { "observed" } else { "configured" };
    if !memory.sizes_mb.is_empty() && memory.sizes_mb.len() <= 4 {
        let sizes: Vec<String> = memory.sizes_mb.iter().map(u32::to_string).collect();
        return format!("{basis} memory of {} MB", sizes.join(", "));
    }
    let step = match memory.step_mb {
        step if !memory.sizes_mb.is_empty() || step <= 1 => String::new(),
        step => format!(" in steps of {step} MB"),
    };
    format!("{basis} memory of {} to {} MB{step}", memory.min_mb, memory.max_mb)
}
