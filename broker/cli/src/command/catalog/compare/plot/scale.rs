//! Where a duration and an amount lie in the picture, and the marks of both axes.

use merit_units::Micros;

use super::canvas::{BOTTOM, Canvas, FLOOR, LEFT, RIGHT, TOP};
use super::micros_as_float;

/// The two logarithmic axes.
pub(super) struct Scale {
    /// Powers of ten of a microsecond.
    left: f64,
    right: f64,
    /// Powers of ten of a dollar.
    low: i32,
    high: i32,
}

impl Scale {
    /// Wide enough for the durations, which ascend, and for `most` dollars.
    pub(super) fn new(durations: &[Micros], most: f64) -> Self {
        let edge = |length: Option<&Micros>| length.map_or(0.0, |length| micros_as_float(*length).max(1.0).log10());
        let high = if most > 0.0 { whole(most.log10().ceil()) } else { 1 };
        // Cents are the least that anybody looks at, and six decades the most that can be read.
        let low = (high - 6).max(-2).min(high - 2);
        Self { left: edge(durations.first()), right: edge(durations.last()), low, high }
    }

    pub(super) fn x(&self, length: Micros) -> i32 {
        let share = (micros_as_float(length).max(1.0).log10() - self.left) / (self.right - self.left).max(1e-9);
        between(LEFT, RIGHT, share)
    }

    /// What is below the scale lies at the foot.
    pub(super) fn y(&self, usd: f64) -> i32 {
        if usd < 10_f64.powi(self.low) {
            return FLOOR;
        }
        between(BOTTOM, TOP, (usd.log10() - f64::from(self.low)) / f64::from(self.high - self.low))
    }

    pub(super) fn points(&self, durations: &[Micros], usd: &[f64]) -> Vec<(i32, i32)> {
        durations.iter().zip(usd).map(|(duration, usd)| (self.x(*duration), self.y(*usd))).collect()
    }

    /// The grid with its figures.
    pub(super) fn axes(&self, canvas: &mut Canvas) {
        for power in 0..10 {
            for digit in 1..10_u64 {
                let length = Micros::new(digit * 10_u64.pow(power));
                let at = micros_as_float(length).log10();
                if at < self.left - 1e-9 || at > self.right + 1e-9 {
                    continue;
                }
                let text = matches!(digit, 1 | 2 | 5).then(|| time(length)).unwrap_or_default();
                canvas.column(self.x(length), digit == 1, &text);
            }
        }
        for power in self.low..=self.high {
            for digit in 1..10 {
                let usd = f64::from(digit) * 10_f64.powi(power);
                if power < self.high || digit == 1 {
                    let text = if digit == 1 { amount(power) } else { String::new() };
                    canvas.row(self.y(usd), digit == 1, &text);
                }
            }
        }
        canvas.foot(&format!("free, or under {}", amount(self.low)));
        canvas.axis_names("duration of a call", "a month");
    }
}

/// A power of ten of dollars.
fn amount(power: i32) -> String {
    match power {
        -2 => "1 ¢".to_owned(),
        -1 => "10 ¢".to_owned(),
        0.. => format!("${}", super::grouped(10_u64.saturating_pow(power.unsigned_abs()))),
        _ => format!("${:.*}", usize::try_from(-power).unwrap_or(0), 10_f64.powi(power)),
    }
}

/// A duration as people say it: `250 ms`, `1.5 s`.
pub(super) fn time(length: Micros) -> String {
    let figure = |value: f64| {
        let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
        let text = format!("{value:.decimals$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    };
    match length.get() {
        0..1_000 => format!("{} µs", length.get()),
        1_000..1_000_000 => format!("{} ms", figure(micros_as_float(length) / 1e3)),
        _ => format!("{} s", figure(micros_as_float(length) / 1e6)),
    }
}

/// The nearest whole microsecond.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "durations drawn are above 0, below 2^52")]
pub(super) fn micros(length: f64) -> Micros {
    Micros::new(length.round() as u64)
}

#[expect(clippy::cast_possible_truncation, reason = "a float that does not fit is held at the bounds")]
fn whole(value: f64) -> i32 {
    value as i32
}

fn between(from: i32, to: i32, share: f64) -> i32 {
    whole((f64::from(from) + f64::from(to - from) * share).round())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_amounts_are_said_as_people_do() {
        let said = |micros| time(Micros::new(micros));
        assert_eq!([said(1), said(1_000), said(1_500), said(250_000)], ["1 µs", "1 ms", "1.5 ms", "250 ms"]);
        assert_eq!([said(1_000_000), said(12_340_000), said(900_000_000)], ["1 s", "12.3 s", "900 s"]);
        assert_eq!([amount(-2), amount(0), amount(3), amount(-4)], ["1 ¢", "$1", "$1,000", "$0.0001"]);
    }

    #[test]
    fn a_tenfold_is_as_wide_everywhere_and_nothing_leaves_the_frame() {
        let durations = [1, 10, 100, 1_000, 10_000].map(Micros::from_millis);
        let scale = Scale::new(&durations, 84.0);
        let columns: Vec<i32> = durations.iter().map(|duration| scale.x(*duration)).collect();
        assert_eq!((columns[0], columns[4]), (LEFT, RIGHT));
        let widths: Vec<i32> = columns.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(widths.iter().all(|width| width.abs_diff(widths[0]) <= 1), "{widths:?}");
        assert_eq!((scale.y(100.0), scale.y(0.01), scale.y(0.0)), (TOP, BOTTOM, FLOOR));
        assert!(scale.y(0.0099) == FLOOR && scale.y(1.0) > scale.y(10.0));
        assert_eq!(Scale::new(&durations, 0.0).y(0.0), FLOOR);
    }
}
