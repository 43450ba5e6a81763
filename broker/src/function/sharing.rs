//! How calls that run at the same time on shared instances share them: each call's part of the time it was there.
//!
//! Nobody tells how a provider puts calls on instances. What is known is how many of Merit's own are under way at the
//! deployment, and how many an instance takes. They are taken to run on as few instances as hold them, in equal shares: with
//! `n` calls under way and room for `k` each, one more instant of a call is `ceil(n / k) / n` of an instance's. A call's share
//! is the mean of that over its run, so the shares of all calls add up to the time of those instances
//! ([ADR 36](../../../docs/adr/0036-shares-of-an-instance.md)).
//!
//! Like the virtual time of fair queueing: one sum grows with the clock, whatever the number of calls, and a call's part is
//! the difference between its ends.
//!
//! Known limitation: calls that others make there are not seen, and instances that are started ahead of need are not
//! counted. The provider's bill corrects both.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use merit_pricing::Share;
use tokio::time::Instant;

/// The calls of one deployment that are under way on instances that are shared.
#[derive(Debug)]
pub(crate) struct Sharing {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Calls an instance takes at once.
    each: u32,
    /// Calls under way.
    calls: u32,
    /// What a call that has always been there had so far: billionths of a nanosecond of an instance.
    sum: u128,
    /// Until when that is.
    at: Instant,
}

/// A call on its instance. Dropping it takes the call away.
#[derive(Debug)]
pub(crate) struct Seat {
    sharing: Arc<Sharing>,
    entered: Instant,
    sum: u128,
}

impl Sharing {
    /// Nobody is there; `each` is how many calls an instance takes at once.
    pub(crate) fn new(each: u16) -> Self {
        let state = State { each: u32::from(each.max(1)), calls: 0, sum: 0, at: Instant::now() };
        Self { state: Mutex::new(state) }
    }

    /// Instances take so many from now on.
    pub(crate) fn set(&self, each: u16, now: Instant) {
        let mut state = self.lock();
        state.advance(now);
        state.each = u32::from(each.max(1));
    }

    /// A call begins.
    pub(crate) fn enter(sharing: &Arc<Self>, now: Instant) -> Seat {
        let mut state = sharing.lock();
        state.advance(now);
        state.calls += 1;
        let sum = state.sum;
        drop(state);
        Seat { sharing: Arc::clone(sharing), entered: now, sum }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// The call's share, when it ends now.
    pub(crate) fn share(&self, now: Instant) -> Share {
        let mut state = self.sharing.lock();
        state.advance(now);
        let lasted = now.saturating_duration_since(self.entered).as_nanos();
        let had = state.sum.saturating_sub(self.sum);
        Share::from_billionths(if lasted == 0 { state.each_has() } else { had.div_ceil(lasted) })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.sharing.lock();
        state.advance(Instant::now());
        state.calls = state.calls.saturating_sub(1);
    }
}

impl State {
    /// Billionths of an instance that each call has now.
    fn each_has(&self) -> u128 {
        let calls = u128::from(self.calls.max(1));
        let instances = calls.div_ceil(u128::from(self.each));
        (instances * u128::from(Share::PER_WHOLE)).div_ceil(calls)
    }

    fn advance(&mut self, now: Instant) {
        let lasted = now.saturating_duration_since(self.at).as_nanos();
        self.sum = self.sum.saturating_add(self.each_has().saturating_mul(lasted));
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Moves the clock of the test on.
    async fn pass(millis: u64) {
        tokio::time::advance(Duration::from_millis(millis)).await;
    }

    fn enter(sharing: &Arc<Sharing>) -> Seat {
        Sharing::enter(sharing, Instant::now())
    }

    fn permille(seat: &Seat) -> u32 {
        seat.share(Instant::now()).billionths() / 1_000_000
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_alone_has_all_of_it_and_who_is_not_has_a_part() {
        let sharing = Arc::new(Sharing::new(8));
        let long = enter(&sharing);
        pass(100).await;
        assert_eq!(long.share(Instant::now()), Share::WHOLE);
        let short = enter(&sharing);
        assert_eq!(permille(&short), 500, "no time has passed: what it has now");
        pass(100).await;
        assert_eq!((permille(&short), permille(&long)), (500, 750));
        drop(short);
        pass(200).await;
        // Alone for 300 ms of 400, and one of two for the rest.
        assert_eq!(permille(&long), 875);
    }

    #[tokio::test(start_paused = true)]
    async fn no_instance_holds_more_than_it_takes() {
        let sharing = Arc::new(Sharing::new(8));
        let eight: Vec<_> = (0..8).map(|_| enter(&sharing)).collect();
        pass(50).await;
        assert!(eight.iter().all(|seat| permille(seat) == 125));
        let ninth = enter(&sharing);
        pass(50).await;
        assert_eq!(permille(&ninth), 222, "two instances for nine");
        sharing.set(1, Instant::now());
        pass(900).await;
        assert_eq!(permille(&ninth), 959, "and one each for the rest: 0.95 and 0.05 x 0.222 and less");
    }

    /// The shares add up to the time that as few instances as hold the calls are busy.
    #[tokio::test(start_paused = true)]
    async fn the_shares_are_the_instances_and_nothing_more() {
        let mut random = fastrand::Rng::with_seed(0x5eed);
        for each in [1, 2, 3, 8, 80] {
            let sharing = Arc::new(Sharing::new(each));
            let (mut under_way, mut instance_ns, mut shared_ns) = (Vec::<Seat>::new(), 0_u128, 0_u128);
            let leave = |seat: Seat, shared_ns: &mut u128| {
                let now = Instant::now();
                let lasted = now.saturating_duration_since(seat.entered).as_nanos();
                *shared_ns += lasted * u128::from(seat.share(now).billionths()) / u128::from(Share::PER_WHOLE);
            };
            for _ in 0..2_000 {
                let ends = !under_way.is_empty() && random.usize(..40) < under_way.len();
                if ends {
                    let seat = under_way.swap_remove(random.usize(..under_way.len()));
                    leave(seat, &mut shared_ns);
                } else {
                    under_way.push(enter(&sharing));
                }
                let millis = random.u64(..20);
                pass(millis).await;
                instance_ns += under_way.len().div_ceil(usize::from(each)) as u128 * u128::from(millis) * 1_000_000;
            }
            for seat in under_way {
                leave(seat, &mut shared_ns);
            }
            let off = shared_ns.abs_diff(instance_ns);
            assert!(off * 1_000_000 <= instance_ns, "{each} each: {shared_ns} of {instance_ns} ns");
        }
    }
}
