//! Pauses between tries to connect: they double up to a bound, each shortened at random, so that the providers of
//! an exchange that was restarted do not all come back at the same moment.

use std::time::Duration;

const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(15);
/// A session that lasted so long was a good one: the next try begins with a short pause.
const GOOD: Duration = Duration::from_secs(10);

pub(crate) struct Pauses(Duration);

impl Pauses {
    pub(crate) const fn new() -> Self {
        Self(SHORTEST)
    }

    /// A session ended that had lasted so long.
    pub(crate) fn after(&mut self, lasted: Duration) {
        if lasted >= GOOD {
            self.0 = SHORTEST;
        }
    }

    /// The next pause; `draw` is 0 to 1.
    pub(crate) fn next(&mut self, draw: f64) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST);
        pause.mul_f64(0.5 + draw.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_begin_anew_after_a_good_session() {
        let mut pauses = Pauses::new();
        let all: Vec<u128> = (0..8).map(|_| pauses.next(1.0).as_millis()).collect();
        assert_eq!(all, [250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
        pauses.after(Duration::from_secs(9));
        assert_eq!(pauses.next(0.0).as_millis(), 7500, "half of it at least");
        pauses.after(Duration::from_secs(10));
        assert_eq!(pauses.next(0.5).as_micros(), 187_500);
    }
}
