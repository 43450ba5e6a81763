//! The calls: a tour of every venue first, then the mixed load.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::DemoError;
use crate::broker::{Answer, Broker, Demand};
use crate::calls::{Call, Calls};
use crate::sample::{SAMPLES, drawn};

/// The same functions, inputs and gaps in every run.
const SEED: u64 = 42;

/// Calls of the tour at once. More would compete for this machine's cores and be metered as slow.
const TOUR_AT_ONCE: usize = 12;

/// Calls each function `each` times at each venue, with the same inputs everywhere, so that every ask
/// rests on measurements and they can be compared.
/// Returns how many calls were made.
///
/// # Errors
/// When one fails.
pub(crate) async fn tour(broker: &Broker, venues: &[String], each: u32) -> Result<u64, DemoError> {
    let at_once = Arc::new(Semaphore::new(TOUR_AT_ONCE));
    let mut lanes = JoinSet::new();
    for venue in venues {
        for sample in SAMPLES {
            let (broker, venue, at_once) = (broker.clone(), venue.clone(), Arc::clone(&at_once));
            lanes.spawn(async move {
                for number in 0..each {
                    let place = (f64::from(number) + 0.5) / f64::from(each);
                    let turn = at_once.acquire().await.expect("invariant: nobody closes it");
                    let answer = broker.invoke(&sample, sample.payload(place), Demand::At(&venue)).await;
                    drop(turn);
                    if let Answer::Failed { reason, .. } = answer {
                        return Err(DemoError::Request { request: format!("{} at {venue}", sample.name), reason });
                    }
                }
                Ok(u64::from(each))
            });
        }
    }
    let mut calls = 0;
    while let Some(lane) = lanes.join_next().await {
        calls += lane.expect("invariant: a lane does not panic")?;
    }
    Ok(calls)
}

/// Sends calls at `rate` a second for `length` and waits for the last reply.
///
/// The load is open: a call is sent when its time has come, whatever became of those before it.
pub(crate) async fn drive(broker: &Broker, calls: &Arc<Calls>, start: Instant, length: Duration, rate: u32) {
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut running = JoinSet::new();
    let mut planned = Duration::ZERO;
    while planned < length {
        sleep_until(start + planned).await;
        let function = drawn(random.u32(0..100));
        let payload = SAMPLES[function].payload(random.f64());
        let (broker, calls) = (broker.clone(), Arc::clone(calls));
        running.spawn(async move {
            let answer = broker.invoke(&SAMPLES[function], payload, Demand::Cheapest).await;
            calls.push(Call { function, planned, ended: start.elapsed(), answer });
        });
        while running.try_join_next().is_some() {}
        planned += gap(&mut random, rate);
    }
    running.join_all().await;
}

/// Time to the next call: callers know nothing of each other, so gaps are exponential.
fn gap(random: &mut fastrand::Rng, rate: u32) -> Duration {
    Duration::from_secs_f64(-(1.0 - random.f64()).ln() / f64::from(rate.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_average_to_the_rate() {
        let mut random = fastrand::Rng::with_seed(1);
        let sum: Duration = (0..10_000).map(|_| gap(&mut random, 50)).sum();
        assert!(sum.abs_diff(Duration::from_secs(200)) < Duration::from_secs(6), "{sum:?}");
    }
}
