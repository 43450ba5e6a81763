//! Checks the billing rule of a written sheet.

use merit_units::Micros;

use crate::rule::{Basis, Init, MemoryRule, Rule, VcpuRange, VcpuRule};
use crate::sheet::mistake::Mistakes;
use crate::sheet::raw::{RawMemory, RawRule, RawVcpu};

/// An hour. Coarser billing would not be billing by use.
const MAX_STEP_US: u64 = 3_600_000_000;

/// `None` only together with a mistake.
pub(super) fn check(raw: &RawRule, mistakes: &mut Mistakes) -> Option<Rule> {
    let granularity = check_step(raw.granularity_us, "rule.granularity_us", mistakes);
    let cpu_granularity = check_step(raw.cpu_granularity_us, "rule.cpu_granularity_us", mistakes);
    let whole_steps = granularity.is_none_or(|step| raw.minimum_us.is_multiple_of(step.get()));
    if !whole_steps || raw.minimum_us > MAX_STEP_US {
        let problem = format_args!("{} is not a multiple of granularity_us of at most an hour", raw.minimum_us);
        mistakes.add("rule.minimum_us", problem);
    }
    let init = check_init(raw, mistakes);
    let shared = word(&raw.sharing, [("exclusive", false), ("instance", true)], "rule.sharing", mistakes);
    if raw.max_reply_mb == 0 || raw.max_reply_mb > 1 << 20 {
        mistakes.add("rule.max_reply_mb", format_args!("{} is outside 1 to 1048576", raw.max_reply_mb));
    }
    let memory = check_memory(&raw.memory, mistakes);
    let vcpu = raw.vcpu.as_ref().map_or(Some(VcpuRule::Unused), |vcpu| check_vcpu(vcpu, mistakes));
    Some(Rule {
        granularity: granularity?,
        minimum: Micros::new(raw.minimum_us),
        cpu_granularity: cpu_granularity?,
        init: init?,
        shared: shared?,
        memory: memory?,
        vcpu: vcpu?,
        ephemeral_free_mb: raw.ephemeral_free_mb,
        ephemeral_max_mb: raw.ephemeral_max_mb,
        max_reply_bytes: raw.max_reply_mb.min(1 << 20) << 20,
    })
}

fn check_step(step_us: u64, at: &str, mistakes: &mut Mistakes) -> Option<Micros> {
    if (1..=MAX_STEP_US).contains(&step_us) {
        return Some(Micros::new(step_us));
    }
    mistakes.add(at, format_args!("{step_us} is outside 1 to {MAX_STEP_US}"));
    None
}

fn check_init(raw: &RawRule, mistakes: &mut Mistakes) -> Option<Init> {
    let billed = word(&raw.init, [("billed", true), ("free", false)], "rule.init", mistakes)?;
    match (billed, raw.max_init_us) {
        (true, Some(max)) => Some(Init::Billed { max: Micros::new(max) }),
        (true, None) => {
            mistakes.add("rule.max_init_us", "is missing; say after how long the provider cuts an initialisation off");
            None
        }
        (false, None) => Some(Init::Free),
        (false, Some(_)) => {
            mistakes.add("rule.max_init_us", "is given, but the initialisation is free; leave it out");
            None
        }
    }
}

fn check_memory(raw: &RawMemory, mistakes: &mut Mistakes) -> Option<MemoryRule> {
    let words = [("configured", Basis::Configured), ("observed", Basis::Observed)];
    let basis = word(&raw.basis, words, "rule.memory.basis", mistakes);
    let between = [("refuse", false), ("round-up", true)];
    let round_up = word(&raw.between, between, "rule.memory.between", mistakes);
    let (min_mb, max_mb, step_mb) = (raw.min_mb, raw.max_mb, raw.step_mb);
    if min_mb == 0 || max_mb < min_mb || max_mb > 1 << 20 {
        mistakes.add("rule.memory", format_args!("{min_mb} to {max_mb} MB is not a range within 1 to 1048576 MB"));
        return None;
    }
    if step_mb == 0 || step_mb > max_mb || !min_mb.is_multiple_of(step_mb) || !max_mb.is_multiple_of(step_mb) {
        mistakes.add("rule.memory.step_mb", format_args!("{step_mb} does not divide {min_mb} and {max_mb}"));
        return None;
    }
    let ascending = raw.sizes_mb.is_sorted_by(|a, b| a < b);
    let (first, last) = (raw.sizes_mb.first(), raw.sizes_mb.last());
    if !ascending || first.is_some_and(|size| *size < min_mb) || last.is_some_and(|size| *size != max_mb) {
        mistakes.add("rule.memory.sizes_mb", format_args!("must ascend from {min_mb} or more to max_mb = {max_mb}"));
        return None;
    }
    let sizes_mb = raw.sizes_mb.clone();
    Some(MemoryRule { basis: basis?, min_mb, max_mb, step_mb, sizes_mb, round_up: round_up? })
}

fn check_vcpu(raw: &RawVcpu, mistakes: &mut Mistakes) -> Option<VcpuRule> {
    let step_milli = raw.step_milli.unwrap_or(1);
    if raw.min_milli == 0 || raw.max_milli < raw.min_milli || step_milli == 0 {
        let problem = format_args!("{} to {} in steps of {step_milli} is no range", raw.min_milli, raw.max_milli);
        mistakes.add("rule.vcpu", problem);
        return None;
    }
    let gb_per_vcpu = raw.gb_per_vcpu.unwrap_or((0, 0));
    if gb_per_vcpu.1 < gb_per_vcpu.0 {
        mistakes.add("rule.vcpu.gb_per_vcpu", "must be the least and then the most");
    }
    let range = VcpuRange { min_milli: raw.min_milli, max_milli: raw.max_milli, step_milli, gb_per_vcpu };
    let sold = |milli: u32| (range.min_milli..=range.max_milli).contains(&milli);
    if !raw.by_memory.is_sorted_by(|a, b| a.0 < b.0) || !raw.by_memory.iter().all(|(_, milli)| sold(*milli)) {
        mistakes.add("rule.vcpu.by_memory", "must ascend by memory, with vCPU within min_milli and max_milli");
        return None;
    }
    Some(match raw.by_memory.as_slice() {
        [] => VcpuRule::Explicit(range),
        defaults => VcpuRule::ByMemory { range, defaults: defaults.to_vec() },
    })
}

fn word<T: Copy>(text: &str, words: [(&str, T); 2], at: &str, mistakes: &mut Mistakes) -> Option<T> {
    let found = words.iter().find(|(word, _)| *word == text);
    if found.is_none() {
        mistakes.add(at, format_args!("`{text}` is not known; use {} or {}", words[0].0, words[1].0));
    }
    found.map(|(_, meaning)| *meaning)
}
