//! Checks the standing prices of a sheet.

use merit_units::Rate;

use super::super::Line;
use super::super::mistake::Mistakes;
use super::super::raw::RawSheet;
use super::super::standing::{Billed, Standing};
use super::{Sources, line};
use crate::meter::Meter;

/// The standing prices as they are written.
pub(super) fn check_all(
    raw: &RawSheet,
    lines: Option<&[Line]>,
    sources: &mut Sources<'_>,
    mistakes: &mut Mistakes,
) -> Vec<Standing> {
    let mut all = Vec::new();
    for (index, own) in raw.standing.iter().enumerate() {
        let at = format!("standing[{index}]");
        let meter = mistakes.check(format_args!("{at}.meter"), own.meter.parse());
        let word = own.billed.as_deref().unwrap_or(Billed::Always.word());
        let Some(billed) = Billed::ALL.into_iter().find(|billed| billed.word() == word) else {
            mistakes.add(format_args!("{at}.billed"), format_args!("`{word}` is none of always, idle and lifetime"));
            continue;
        };
        let rate = match billed {
            Billed::Lifetime => lifetime(own.rate.is_empty(), meter, raw, lines, &at, mistakes),
            Billed::Always | Billed::Idle => line::rate(&own.rate, &format!("{at}.rate"), mistakes),
        };
        let source = sources.find(own.source.as_deref(), &at, mistakes);
        if let (Some(meter), Some(rate)) = (meter, rate) {
            if matches!(meter, Meter::GbSecond | Meter::GibSecond | Meter::VcpuSecond) {
                all.push(Standing { meter, rate, billed, source });
            } else {
                let problem =
                    format_args!("`{meter}` has no price while idle; use gb_second, gib_second or vcpu_second");
                mistakes.add(format_args!("{at}.meter"), problem);
            }
        }
    }
    all
}

/// The rate of the meter's line.
fn lifetime(
    without_rate: bool,
    meter: Option<Meter>,
    raw: &RawSheet,
    lines: Option<&[Line]>,
    at: &str,
    mistakes: &mut Mistakes,
) -> Option<Rate> {
    if !without_rate {
        mistakes.add(format_args!("{at}.rate"), "is that of the meter's line; leave it out");
    }
    if raw.hourly.is_some() {
        mistakes.add(format_args!("{at}.billed"), "can't be `lifetime` in a sheet that rounds by the hour");
    }
    let (meter, lines) = (meter?, lines?);
    let line = lines.iter().find(|line| line.meter == meter);
    if line.is_none() {
        mistakes.add(format_args!("{at}.meter"), format_args!("`{meter}` has no line to be billed by"));
    }
    line.and_then(|line| line.tiers.first()).map(|tier| tier.rate)
}
