//! Checks the lines of a written sheet: meters, parts, grants, tiers.

use std::sync::Arc;

use merit_units::{Quantity, Rate};

use super::Sources;
use crate::meter::{MAX_LINES, Meter};
use crate::rule::{Rule, VcpuRule};
use crate::sheet::mistake::Mistakes;
use crate::sheet::raw::{RawGrant, RawLine, RawPart, RawSheet, RawTier};
use crate::sheet::{Grant, Line, Part, PartKind, Tier};

const NANO: u128 = 1_000_000_000;

/// `None` only together with a mistake.
pub(super) fn check_all(
    raw: &RawSheet,
    rule: Option<&Rule>,
    sources: &mut Sources<'_>,
    mistakes: &mut Mistakes,
) -> Option<Vec<Line>> {
    if raw.lines.is_empty() || raw.lines.len() > MAX_LINES {
        mistakes.add("lines", format_args!("are {}; a sheet has 1 to {MAX_LINES}", raw.lines.len()));
        return None;
    }
    let mut lines: Vec<Line> = Vec::new();
    for (index, raw_line) in raw.lines.iter().enumerate() {
        let at = format!("lines[{index}]");
        let Some(line) = check(raw, raw_line, rule, &at, sources, mistakes) else { continue };
        if lines.iter().any(|other| other.meter == line.meter) {
            mistakes
                .add(format_args!("{at}.meter"), format_args!("`{}` has a line already; use its tiers", line.meter));
        }
        lines.push(line);
    }
    (lines.len() == raw.lines.len()).then_some(lines)
}

fn check(
    sheet: &RawSheet,
    raw: &RawLine,
    rule: Option<&Rule>,
    at: &str,
    sources: &mut Sources<'_>,
    mistakes: &mut Mistakes,
) -> Option<Line> {
    let meter: Option<Meter> = mistakes.check(format_args!("{at}.meter"), raw.meter.parse());
    // The line's own source comes first, so that a sheet's first source is that of its first price.
    let source = raw.source.as_deref();
    let tiers = check_tiers(raw, at, sources, mistakes);
    let grant = raw.grant.as_ref().map(|grant| check_grant(grant, meter, source, at, sources, mistakes));
    let parts = meter.and_then(|meter| check_parts(raw, meter, rule, at, mistakes));
    let (meter, parts) = (meter?, parts?);
    let scope = raw.tier_scope.as_deref().unwrap_or(&sheet.name);
    Some(Line {
        meter,
        parts,
        grant: grant.flatten(),
        tiers,
        tier_scope: raw.tier_scope.as_deref().map(Box::from),
        tier_pool: pool("tier", scope, meter),
    })
}

fn pool(kind: &str, scope: &str, meter: Meter) -> Arc<str> {
    format!("{kind}:{scope}/{meter}").into()
}

fn check_parts(
    raw: &RawLine,
    meter: Meter,
    rule: Option<&Rule>,
    at: &str,
    mistakes: &mut Mistakes,
) -> Option<Vec<Part>> {
    let written = match (raw.of.as_slice(), PartKind::of_meter(meter)) {
        ([], Some(kind)) => vec![RawPart { part: kind.word().to_owned(), weight: None }],
        ([], None) => {
            mistakes.add(format_args!("{at}.of"), format_args!("is missing; `{meter}` must say what it counts"));
            return None;
        }
        (of, _) => of.to_vec(),
    };
    let mut parts = Vec::new();
    for (index, raw) in written.iter().enumerate() {
        parts.extend(check_part(raw, rule, &format!("{at}.of[{index}]"), mistakes));
    }
    (parts.len() == written.len()).then_some(parts)
}

fn check_part(raw: &RawPart, rule: Option<&Rule>, at: &str, mistakes: &mut Mistakes) -> Option<Part> {
    let Some((kind, _)) = PartKind::ALL.iter().find(|(_, word)| *word == raw.part) else {
        let words: Vec<&str> = PartKind::ALL.iter().map(|(_, word)| *word).collect();
        mistakes.add(format_args!("{at}.part"), format_args!("`{}` is not a part; use {}", raw.part, words.join(", ")));
        return None;
    };
    let weight = mistakes.check(format_args!("{at}.weight"), scaled(raw.weight.as_deref().unwrap_or("1"), NANO))?;
    let rule = rule?;
    if *kind == PartKind::VcpuSeconds && rule.vcpu == VcpuRule::Unused {
        mistakes.add(format_args!("{at}.part"), "bills vCPU; add `rule.vcpu` with its range");
    }
    let Some(quanta_per_raw) = quanta_per_raw(*kind, weight, rule) else {
        let problem = format_args!("{} is too fine to be counted exactly at this granularity", decimal(weight, NANO));
        mistakes.add(format_args!("{at}.weight"), problem);
        return None;
    };
    Some(Part { kind: *kind, weight_nano: weight, quanta_per_raw })
}

/// Quanta of the meter for one raw step of a part, or `None` when that is not a whole number.
fn quanta_per_raw(kind: PartKind, weight_nano: u64, rule: &Rule) -> Option<u128> {
    let step_us = u128::from(rule.granularity.get());
    // One raw step is `numerator / denominator` units of the meter, before the weight.
    let (numerator, denominator) = match kind {
        PartKind::Requests => (1, 1),
        PartKind::MemorySeconds | PartKind::EphemeralSeconds => (step_us, 1024 * 1_000_000),
        PartKind::VcpuSeconds => (step_us, 1000 * 1_000_000),
        PartKind::CpuMs => (u128::from(rule.cpu_granularity.get()), 1000),
        PartKind::EgressGb => (1, 1 << 30),
    };
    let numerator = Quantity::QUANTA_PER_UNIT.checked_mul(numerator)?.checked_mul(u128::from(weight_nano))?;
    let denominator = denominator * NANO;
    numerator.is_multiple_of(denominator).then(|| numerator / denominator)
}

fn check_grant(
    raw: &RawGrant,
    meter: Option<Meter>,
    source: Option<&str>,
    at: &str,
    sources: &mut Sources<'_>,
    mistakes: &mut Mistakes,
) -> Option<Grant> {
    let quantity = quantity(&raw.quantity, &format!("{at}.grant.quantity"), mistakes);
    let weight = scaled(raw.weight.as_deref().unwrap_or("1"), 1000);
    let weight = mistakes.check(format_args!("{at}.grant.weight"), weight);
    if raw.scope.trim().is_empty() {
        mistakes.add(format_args!("{at}.grant.scope"), "is missing; name who uses the grant up together");
    }
    let source = sources.find(raw.source.as_deref().or(source), at, mistakes);
    let weight_milli = u32::try_from(weight?).ok()?;
    let pool = pool("grant", &raw.scope, meter?);
    Some(Grant { quantity: quantity?, weight_milli, scope: raw.scope.as_str().into(), pool, source })
}

fn check_tiers(raw: &RawLine, at: &str, sources: &mut Sources<'_>, mistakes: &mut Mistakes) -> Vec<Tier> {
    let only = match (&raw.rate, raw.tiers.is_empty()) {
        (Some(rate), true) => [RawTier { up_to: None, rate: rate.clone(), source: None }],
        (None, false) => return check_written_tiers(raw, at, sources, mistakes),
        (given, _) => {
            let found = if given.is_some() { "and `tiers` are both given" } else { "is missing, and so are `tiers`" };
            mistakes.add(format_args!("{at}.rate"), format_args!("{found}; give one of them"));
            return Vec::new();
        }
    };
    let source = sources.find(raw.source.as_deref(), at, mistakes);
    let rate = rate(&only[0].rate, &format!("{at}.rate"), mistakes);
    rate.map(|rate| Tier { up_to: Quantity::MAX, rate, source }).into_iter().collect()
}

fn check_written_tiers(raw: &RawLine, at: &str, sources: &mut Sources<'_>, mistakes: &mut Mistakes) -> Vec<Tier> {
    let mut tiers = Vec::new();
    let mut below = Quantity::ZERO;
    for (index, tier) in raw.tiers.iter().enumerate() {
        let at = format!("{at}.tiers[{index}]");
        let last = index + 1 == raw.tiers.len();
        let up_to = match (&tier.up_to, last) {
            (None, true) => Some(Quantity::MAX),
            (Some(text), false) => quantity(text, &format!("{at}.up_to"), mistakes),
            (None, false) => {
                mistakes.add(format_args!("{at}.up_to"), "is missing; only the last tier is open");
                None
            }
            (Some(_), true) => {
                mistakes.add(format_args!("{at}.up_to"), "ends the last tier; leave it out, or add the tier above it");
                None
            }
        };
        if up_to.is_some_and(|up_to| up_to <= below) {
            mistakes.add(format_args!("{at}.up_to"), format_args!("is not above {below}; tiers must ascend"));
        }
        below = up_to.unwrap_or(below);
        let source = sources.find(tier.source.as_deref().or(raw.source.as_deref()), &at, mistakes);
        let rate = rate(&tier.rate, &format!("{at}.rate"), mistakes);
        tiers.extend(up_to.zip(rate).map(|(up_to, rate)| Tier { up_to, rate, source }));
    }
    tiers
}

/// A rate of at most 10^9 a unit, which keeps every product of a rate with a real quantity in range.
pub(super) fn rate(text: &str, at: &str, mistakes: &mut Mistakes) -> Option<Rate> {
    let limit = Rate::from_atto(10_u128.pow(9 + Rate::DECIMALS));
    if text.starts_with('-') {
        mistakes.add(at, format_args!("`{text}` is negative; a rate is zero or more"));
        return None;
    }
    match text.parse::<Rate>() {
        Ok(rate) if rate <= limit => Some(rate),
        Ok(_) => {
            mistakes.add(at, format_args!("`{text}` is above 1000000000; give the price of one unit"));
            None
        }
        Err(error) => {
            mistakes.add(at, format_args!("`{text}` {error}"));
            None
        }
    }
}

fn quantity(text: &str, at: &str, mistakes: &mut Mistakes) -> Option<Quantity> {
    match text.parse::<Quantity>() {
        Ok(Quantity::ZERO) => {
            mistakes.add(at, "is zero; leave it out");
            None
        }
        Ok(quantity) => Some(quantity),
        Err(error) => {
            mistakes.add(at, format_args!("`{text}` {error}"));
            None
        }
    }
}

/// A decimal above zero and below 10^6 as an integer count of `1 / scale`, by way of a rate's 18 decimals.
fn scaled(text: &str, scale: u128) -> Result<u64, String> {
    let atto = text.parse::<Rate>().map_err(|error| format!("`{text}` {error}"))?.atto();
    let step = 10_u128.pow(Rate::DECIMALS) / scale;
    match u64::try_from(atto / step) {
        Ok(count) if count > 0 && u128::from(count) < scale * 1_000_000 && atto.is_multiple_of(step) => Ok(count),
        _ => Err(format!("`{text}` is not usable; write a decimal above 0 with steps of {}", decimal(1, scale))),
    }
}

/// `count / scale` as a decimal.
fn decimal(count: u64, scale: u128) -> Rate {
    Rate::from_atto(u128::from(count) * (10_u128.pow(Rate::DECIMALS) / scale))
}
