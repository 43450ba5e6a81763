//! The month's cost over the duration of a call, as an SVG: which provider is the cheapest where.
//!
//! Both axes are logarithmic. A line stands for a provider, by its sheet that is cheapest at the duration asked for, and
//! is labelled at its end, so that no legend has to be looked up. The strip on top says who is cheapest. What costs nothing
//! has no place on a logarithm: it lies on a line of its own at the foot.
//!
//! Figures become floats here, to be drawn and for nothing else.

mod canvas;
mod scale;

use std::sync::Arc;

use merit_pricing::{Adjustments, Comparison, PriceSheet, Workload, crossovers, price_month};
use merit_units::{ExchangeRate, Micros};

use super::candidates::{Candidates, Rates};
use crate::failure::Failure;
use canvas::{Canvas, Colour};
use scale::Scale;

/// Points of a line for each tenfold of the duration.
const POINTS_PER_DECADE: u32 = 24;
/// The durations drawn: at least up to here, and to ten times what was asked for.
const SHORTEST: Micros = Micros::from_millis(1);
const LONG: Micros = Micros::from_secs(10);
/// Providers stop calls after 15 minutes or an hour.
const LONGEST: Micros = Micros::from_secs(900);
/// So many lines can be told apart.
const MOST_LINES: usize = 10;

/// A provider's line.
struct Line {
    name: String,
    sheet: Arc<PriceSheet>,
    adjustments: Adjustments,
    rate: ExchangeRate,
    /// Dollars at each duration.
    usd: Vec<f64>,
    colour: Colour,
}

/// Draws the comparison.
///
/// # Errors
/// [`Failure::Usage`] when nothing could be compared.
pub(super) fn draw(
    comparison: &Comparison,
    candidates: &Candidates,
    workload: &Workload,
    rates: &Rates,
) -> Result<String, Failure> {
    let durations = durations(workload.usage.duration);
    let lines = lines(comparison, candidates, workload, rates, &durations)?;
    if lines.is_empty() {
        return Err(Failure::usage("there is nothing to draw: no sheet can be compared; run it without --plot"));
    }
    let sheet = |line: &Line| (Arc::clone(&line.sheet), line.adjustments.clone(), line.rate);
    let sheets: Vec<_> = lines.iter().map(sheet).collect();
    let cheapest = crossovers(&sheets, workload, &durations).map_err(|why| Failure::usage(why.to_string()))?;
    let most = lines.iter().flat_map(|line| line.usd.iter().copied()).fold(0.0, f64::max);
    let scale = Scale::new(&durations, most);
    let mut canvas = Canvas::new();
    let size = workload.size;
    canvas.title(
        &format!("What {} calls a month cost, by how long a call takes", grouped(workload.calls)),
        &format!(
            "{}, free grants and volume tiers applied; each provider by its cheapest sheet at {}",
            size.memory, workload.usage.duration
        ),
    );
    scale.axes(&mut canvas);
    canvas.mark(scale.x(workload.usage.duration), &workload.usage.duration.to_string());
    let mut lanes = canvas::lanes();
    for line in &lines {
        let mut points = scale.points(&durations, &line.usd);
        // At the foot lines lie side by side, not on each other.
        if let Some(lane) = lanes.next_if(|_| points.iter().any(|(_, y)| *y == canvas::FLOOR)) {
            points.iter_mut().filter(|(_, y)| *y == canvas::FLOOR).for_each(|(_, y)| *y = lane);
        }
        canvas.line(points, line.colour);
    }
    let ends: Vec<_> = lines
        .iter()
        .map(|line| (scale.y(line.usd.last().copied().unwrap_or(0.0)), line.name.as_str(), line.colour))
        .collect();
    canvas.labels(ends);
    let starts = cheapest.iter().map(|crossover| scale.x(crossover.duration)).chain([canvas::RIGHT]);
    let starts: Vec<i32> = starts.collect();
    for (crossover, edge) in cheapest.iter().zip(starts.windows(2)) {
        let Some(line) = lines.get(crossover.sheet) else { continue };
        canvas.cheapest(edge[0], edge[1], &line.name, line.colour);
    }
    for crossover in cheapest.iter().skip(1) {
        let usd = dollars(crossover.usd);
        canvas.crossover(scale.x(crossover.duration), scale.y(usd), &scale::time(crossover.duration));
    }
    Ok(canvas.finish())
}

/// From a millisecond up, evenly on a logarithm, to whole microseconds.
fn durations(asked: Micros) -> Vec<Micros> {
    let longest = Micros::new(asked.get().saturating_mul(10)).max(LONG).min(LONGEST.max(asked));
    let shortest = SHORTEST.min(asked).max(Micros::new(1));
    let step = 10_f64.powf(1.0 / f64::from(POINTS_PER_DECADE));
    let mut durations = Vec::new();
    let mut at = micros_as_float(shortest);
    while at < micros_as_float(longest) {
        durations.push(scale::micros(at));
        at *= step;
    }
    durations.push(longest);
    durations
}

/// The cheapest sheet of each provider at the duration asked for, in merit order.
fn lines(
    comparison: &Comparison,
    candidates: &Candidates,
    workload: &Workload,
    rates: &Rates,
    durations: &[Micros],
) -> Result<Vec<Line>, Failure> {
    let mut lines: Vec<Line> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for month in &comparison.priced {
        let (sheet, candidate) = (&month.sheet, candidates.of(&month.sheet));
        let Some(rate) = rates.at(sheet.currency()) else { continue };
        if seen.contains(&candidate.provider.as_str()) || lines.len() == MOST_LINES {
            continue;
        }
        seen.push(&candidate.provider);
        let usd = durations
            .iter()
            .map(|&duration| price_month(sheet, &month.adjustments, &workload.lasting(duration), rate))
            .map(|month| month.map(|month| dollars(month.usd)));
        let usd = usd.collect::<Result<Vec<f64>, _>>().map_err(|why| Failure::usage(why.to_string()))?;
        let colour = canvas::colour(lines.len());
        let (sheet, adjustments) = (Arc::clone(sheet), month.adjustments.clone());
        lines.push(Line { name: candidate.name.clone(), sheet, adjustments, rate, usd, colour });
    }
    Ok(lines)
}

#[expect(clippy::cast_precision_loss, reason = "a pixel is wider than what is lost")]
fn dollars(money: merit_units::Money) -> f64 {
    money.pico() as f64 / 1e12
}

#[expect(clippy::cast_precision_loss, reason = "durations that are drawn are below 2^52 microseconds")]
fn micros_as_float(length: Micros) -> f64 {
    length.get() as f64
}

/// A count with its digits in threes: `1,000,000`.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
