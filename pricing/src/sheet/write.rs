//! Writes a sheet back as TOML or JSON; reading that gives the same sheet.

use std::collections::BTreeMap;

use merit_units::{Quantity, Rate};

use super::raw::{
    RawGrant, RawHourly, RawLine, RawMemory, RawPart, RawRule, RawSheet, RawSource, RawStanding, RawTier, RawVcpu,
};
use super::standing::{Billed, Standing};
use super::{Grant, Line, Part, PartKind, PriceSheet};
use crate::meter::Meter;
use crate::rule::{Basis, Init, MemoryRule, Rule, VcpuRange, VcpuRule};

impl PriceSheet {
    /// The sheet as TOML that [`PriceSheet::parse_toml`] reads.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.to_raw()).expect("invariant: the written form has string keys only")
    }

    /// The sheet as one line of JSON that [`PriceSheet::parse_json`] reads.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.to_raw()).expect("invariant: the written form has string keys only")
    }

    pub(super) fn to_raw(&self) -> RawSheet {
        let key = |index: u8| Some(self.sources[usize::from(index)].key.clone());
        RawSheet {
            name: self.name.to_string(),
            currency: self.currency.to_string(),
            seq: Some(self.seq),
            valid_from: self.valid_from.map(|date| date.to_string()),
            valid_until: self.valid_until.map(|date| date.to_string()),
            region: self.region.as_ref().map(ToString::to_string),
            architecture: self.architecture.map(|architecture| architecture.to_string()),
            source: key(0),
            base_fee: (self.base_fee > Rate::FREE).then(|| self.base_fee.to_string()),
            notes: self.notes.clone(),
            rule: RawRule { source: key(self.rule_source), ..rule_to_raw(&self.rule) },
            hourly: self.hourly.map(|hourly| RawHourly {
                ceil_to_units: hourly.ceil_to_units,
                floor: (hourly.floor > Rate::FREE).then(|| hourly.floor.to_string()),
            }),
            lines: self.lines.iter().map(|line| line_to_raw(line, &key)).collect(),
            standing: self.standing.iter().map(|standing| standing_to_raw(standing, &key)).collect(),
            sources: self.sources_to_raw(),
        }
    }

    fn sources_to_raw(&self) -> BTreeMap<String, RawSource> {
        let write = |source: &super::Source| RawSource {
            title: source.title.clone(),
            url: source.url.clone(),
            retrieved: source.retrieved.to_string(),
            second_hand: source.second_hand,
        };
        self.sources.iter().map(|source| (source.key.clone(), write(source))).collect()
    }
}

fn line_to_raw(line: &Line, key: &impl Fn(u8) -> Option<String>) -> RawLine {
    RawLine {
        meter: line.meter.to_string(),
        source: None,
        rate: None,
        tier_scope: line.tier_scope.as_deref().map(str::to_owned),
        of: parts_to_raw(line.meter, &line.parts),
        grant: line.grant.as_ref().map(|grant| grant_to_raw(grant, key)),
        tiers: line
            .tiers
            .iter()
            .map(|tier| RawTier {
                up_to: (tier.up_to < Quantity::MAX).then(|| tier.up_to.to_string()),
                rate: tier.rate.to_string(),
                source: key(tier.source),
            })
            .collect(),
    }
}

fn standing_to_raw(standing: &Standing, key: &impl Fn(u8) -> Option<String>) -> RawStanding {
    let Standing { meter, rate, billed, source } = *standing;
    RawStanding {
        meter: meter.to_string(),
        rate: if billed == Billed::Lifetime { String::new() } else { rate.to_string() },
        billed: (billed != Billed::Always).then(|| billed.word().to_owned()),
        source: key(source),
    }
}

/// Nothing when the line counts what its meter's name says.
fn parts_to_raw(meter: Meter, parts: &[Part]) -> Vec<RawPart> {
    if let [only] = parts
        && only.weight_nano == 1_000_000_000
        && PartKind::of_meter(meter) == Some(only.kind)
    {
        return Vec::new();
    }
    parts
        .iter()
        .map(|part| RawPart { part: part.kind.word().to_owned(), weight: Some(part.weight().to_string()) })
        .collect()
}

fn grant_to_raw(grant: &Grant, key: &impl Fn(u8) -> Option<String>) -> RawGrant {
    let weight = || Rate::from_atto(u128::from(grant.weight_milli) * 10_u128.pow(15)).to_string();
    RawGrant {
        quantity: grant.quantity.to_string(),
        scope: grant.scope.to_string(),
        weight: (grant.weight_milli != 1000).then(weight),
        source: key(grant.source),
    }
}

fn rule_to_raw(rule: &Rule) -> RawRule {
    let (init, max_init_us) = match rule.init {
        Init::Free => ("free", None),
        Init::Billed { max } => ("billed", Some(max.get())),
    };
    RawRule {
        source: None,
        granularity_us: rule.granularity.get(),
        minimum_us: rule.minimum.get(),
        cpu_granularity_us: rule.cpu_granularity.get(),
        init: init.to_owned(),
        max_init_us,
        sharing: if rule.shared { "instance" } else { "exclusive" }.to_owned(),
        max_reply_mb: rule.max_reply_bytes >> 20,
        ephemeral_free_mb: rule.ephemeral_free_mb,
        ephemeral_max_mb: rule.ephemeral_max_mb,
        memory: memory_to_raw(&rule.memory),
        vcpu: vcpu_to_raw(&rule.vcpu),
    }
}

fn memory_to_raw(memory: &MemoryRule) -> RawMemory {
    RawMemory {
        basis: match memory.basis {
            Basis::Configured => "configured",
            Basis::Observed => "observed",
        }
        .to_owned(),
        min_mb: memory.min_mb,
        max_mb: memory.max_mb,
        step_mb: memory.step_mb,
        sizes_mb: memory.sizes_mb.clone(),
        between: if memory.round_up { "round-up" } else { "refuse" }.to_owned(),
    }
}

fn vcpu_to_raw(vcpu: &VcpuRule) -> Option<RawVcpu> {
    let write = |range: &VcpuRange, defaults: &[(u32, u32)]| RawVcpu {
        min_milli: range.min_milli,
        max_milli: range.max_milli,
        step_milli: (range.step_milli != 1).then_some(range.step_milli),
        gb_per_vcpu: (range.gb_per_vcpu != (0, 0)).then_some(range.gb_per_vcpu),
        by_memory: defaults.to_vec(),
    };
    match vcpu {
        VcpuRule::Unused => None,
        VcpuRule::Explicit(range) => Some(write(range, &[])),
        VcpuRule::ByMemory { range, defaults } => Some(write(range, defaults)),
    }
}
