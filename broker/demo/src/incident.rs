//! What the demo does to the market while the load runs, and what became of the traffic.

use std::time::Duration;

use crate::DemoError;
use crate::broker::Broker;
use crate::calls::{Call, Calls, Sums};
use crate::clouds::Clouds;
use crate::format::percent;

/// To what the leading cloud raises its prices: enough to lose every function, none is that much cheaper there.
pub(crate) const RAISED_PERCENT: u32 = 400;

/// How far back it is looked who leads, and over how long shares are taken before and after.
const WINDOW: Duration = Duration::from_secs(5);

/// A window that moves over the calls after an incident, and its steps.
const MOVING: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(100);

/// What part of its former share a venue keeps when its traffic is said to have moved.
const KEPT: f64 = 0.2;

/// Venues that are named as having taken over.
const GAINERS: usize = 3;

/// A share that a venue has to win to be named among those.
const GAIN: f64 = 0.01;

/// What was done to a venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// It charges this percentage of its list prices.
    Raised,
    /// It refuses every call.
    Killed,
}

/// Something that was done to a venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Incident {
    /// What.
    pub(crate) what: What,
    /// To whom.
    pub(crate) venue: String,
    /// From when to when it was done, since the start of the load.
    pub(crate) from: Duration,
    /// When it was in force everywhere.
    pub(crate) until: Duration,
}

/// What became of a venue's traffic.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moved {
    /// Its share of the calls before, 0 to 1.
    pub(crate) before: f64,
    /// Its share at the end of the time looked at.
    pub(crate) after: f64,
    /// How long it took until four fifths of its share ran elsewhere; `None` if they never did.
    pub(crate) within: Option<Duration>,
    /// Who gained most, with the share gained.
    pub(crate) gained: Vec<(String, f64)>,
    /// Calls that were repeated elsewhere after a failed attempt.
    pub(crate) repeated: usize,
}

/// The provider's cloud that most of the last calls ran at, with its share of them; none that something has happened to
/// before.
pub(crate) fn leader(calls: &Calls, clouds: &Clouds, now: Duration, before: &[Incident]) -> Option<(String, f64)> {
    let sums = Sums::of(calls.all().iter().filter(|call| call.ended + WINDOW >= now));
    let spared = |venue: &str| before.iter().all(|incident| incident.venue != venue);
    let (venue, _) = sums.venues.iter().find(|(venue, _)| clouds.sells(venue) && spared(venue))?;
    Some((venue.clone(), sums.share(venue)))
}

/// Raises a cloud's prices and tells the broker, as a provider would. Returns how many books were rebuilt.
///
/// # Errors
/// When the cloud or the broker does not answer as it should.
pub(crate) async fn raise(clouds: &Clouds, broker: &Broker, venue: &str) -> Result<u64, DemoError> {
    clouds.reprice(venue, RAISED_PERCENT).await?;
    let sheet = clouds.price_sheet(venue).await?;
    Ok(broker.put_price_sheet(venue, sheet).await?.functions)
}

impl Moved {
    /// Follows the calls from an incident to the next one, or the end of the load.
    pub(crate) fn measure(calls: &[Call], incident: &Incident, end: Duration) -> Self {
        let at = incident.from;
        let between = |from: Duration, to: Duration| {
            Sums::of(calls.iter().filter(move |call| call.planned >= from && call.planned < to))
        };
        let before = between(at.saturating_sub(WINDOW), at);
        let after = between(end.saturating_sub(WINDOW).max(at), end);
        let share = before.share(&incident.venue);
        let settled = |from: &Duration| {
            let sums = between(*from, *from + MOVING);
            sums.calls > 0 && sums.share(&incident.venue) <= share * KEPT
        };
        let steps = std::iter::successors(Some(at), |from| Some(*from + STEP));
        let within = steps.take_while(|from| *from + MOVING <= end).find(settled).map(|from| from - at);
        let mut gained: Vec<(String, f64)> = after
            .venues
            .iter()
            .map(|(venue, _)| (venue.clone(), after.share(venue) - before.share(venue)))
            .filter(|(venue, gain)| *venue != incident.venue && *gain >= GAIN)
            .collect();
        gained.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        gained.truncate(GAINERS);
        let repeated = calls.iter().filter(|call| call.planned >= at && call.planned < end && call.was_repeated());
        Self { before: share, after: after.share(&incident.venue), within, gained, repeated: repeated.count() }
    }

    /// Who took over, in words.
    pub(crate) fn heirs(&self) -> String {
        let gained: Vec<String> =
            self.gained.iter().map(|(venue, gain)| format!("{venue} (+{})", percent(*gain))).collect();
        if gained.is_empty() { "nobody in particular".to_owned() } else { gained.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Answer;
    use crate::calls::tests::call;

    /// Ten calls a second at `venue` from one second to another.
    fn run(calls: &mut Vec<Call>, seconds: std::ops::Range<u64>, venue: &str) {
        calls.extend((seconds.start * 10..seconds.end * 10).map(|tenth| call(0, tenth * 100, venue, 1)));
    }

    fn incident() -> Incident {
        let at = Duration::from_secs(10);
        Incident { what: What::Raised, venue: "a".to_owned(), from: at, until: at }
    }

    #[test]
    fn traffic_that_moves_is_timed_and_followed() {
        let mut calls = Vec::new();
        run(&mut calls, 0..13, "a");
        run(&mut calls, 13..20, "b");
        let moved = Moved::measure(&calls, &incident(), Duration::from_secs(20));
        assert!((moved.before - 1.0).abs() < 1e-9 && moved.after.abs() < 1e-9);
        assert_eq!(moved.within, Some(Duration::from_millis(2_800)), "eight of the ten calls from 12.8 s on went to b");
        assert_eq!(moved.gained, [("b".to_owned(), 1.0)]);
        assert_eq!(moved.heirs(), "b (+100 %)");
    }

    #[test]
    fn traffic_that_stays_is_not_said_to_have_moved() {
        let mut calls = Vec::new();
        run(&mut calls, 0..20, "a");
        let moved = Moved::measure(&calls, &incident(), Duration::from_secs(20));
        assert_eq!((moved.within, moved.gained.len()), (None, 0));
        assert_eq!(moved.heirs(), "nobody in particular");
    }

    #[test]
    fn repeated_calls_are_counted_from_the_incident_on() {
        let mut calls = Vec::new();
        run(&mut calls, 9..12, "b");
        for call in &mut calls {
            let Answer::Replied { attempts, .. } = &mut call.answer else { continue };
            *attempts = 2;
        }
        assert_eq!(Moved::measure(&calls, &incident(), Duration::from_secs(20)).repeated, 20);
    }
}
