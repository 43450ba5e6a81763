//! Where guests run. "Thread" in them is the name of the thread that a guest is on.

use std::time::Duration;

use bytes::Bytes;
use thread_priority::{NormalThreadSchedulePolicy, ThreadSchedulePolicy, thread_schedule_policy};

use super::*;
use crate::{GuestError, Limits, Usage};

fn observed(wall_ms: u64) -> Arc<Observed> {
    Arc::new(Observed::starting(&Limits { wall: Micros::from_millis(wall_ms), ..Limits::default() }))
}

fn spin(observed: &Observed, time: Duration) {
    observed.slice(|| while observed.cpu_of_slice() < time {});
}

fn thread() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

/// A run whose log is the threads it was on.
fn run(observed: &Observed, threads: &[String]) -> Run {
    let (wall, cpu, waited) = (observed.wall(), observed.cpu(), observed.waited());
    let usage = Usage { wall, cpu, waited, memory_peak: Limits::default().memory };
    Run { outcome: Ok(Bytes::new()), head: None, log_tail: threads.join(" "), usage }
}

/// A guest that computes for `time`, gives way, and ends with the name of the thread it is on then.
async fn guest(observed: Arc<Observed>, time: Duration) -> Run {
    spin(&observed, time);
    tokio::task::yield_now().await;
    run(&observed, &[thread()])
}

#[tokio::test]
async fn a_long_call_goes_on_behind_the_short_ones_and_so_does_the_next_of_its_function() {
    let threads = Threads::start(1, None).expect("threads");
    let habit = Arc::new(Habit::default());
    let calls = [(1, "merit-guest"), (15, "merit-guest-long"), (1, "merit-guest-long"), (1, "merit-guest")];
    for (number, (spin_ms, thread)) in calls.into_iter().enumerate() {
        let observed = observed(60_000);
        let guest = guest(Arc::clone(&observed), Duration::from_millis(spin_ms));
        let run = threads.run(observed, Arc::clone(&habit), guest).await;
        assert_eq!(run.log_tail, thread, "call {number}, of {spin_ms} ms");
    }
    let policy = threads.behind.spawn(async { thread_schedule_policy() }).await.expect("no panic");
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    assert_eq!(policy.expect("known"), idle, "its threads are behind");
    threads.shutdown();
}

#[tokio::test]
async fn a_long_call_that_gets_no_core_comes_back_in_front_for_a_while() {
    let threads = Threads::start(1, None).expect("threads");
    let seen = observed(60_000);
    let own = Arc::clone(&seen);
    let guest = async move {
        let mut on = Vec::new();
        spin(&own, Duration::from_millis(15));
        tokio::task::yield_now().await;
        on.push(thread());
        // Its thread is without a core: time goes by in a slice, and no CPU time.
        own.slice(|| std::thread::sleep(2 * STARVED));
        tokio::task::yield_now().await;
        on.push(thread());
        spin(&own, 2 * AGAIN.to_std());
        tokio::task::yield_now().await;
        on.push(thread());
        run(&own, &on)
    };
    let run = threads.run(seen, Arc::default(), guest).await;
    assert_eq!(run.log_tail, "merit-guest-long merit-guest merit-guest-long");
    threads.shutdown();
}

#[tokio::test]
async fn a_call_whose_guest_can_not_notice_its_deadline_is_answered_all_the_same() {
    let threads = Threads::start(1, None).expect("threads");
    let seen = observed(100);
    let own = Arc::clone(&seen);
    let (release, held) = std::sync::mpsc::channel::<()>();
    let guest = async move {
        spin(&own, Duration::from_millis(15));
        tokio::task::yield_now().await;
        // As if its thread got no core again.
        assert!(own.slice(|| held.recv()).is_err(), "nothing is sent");
        std::future::pending().await
    };
    let run = threads.run(seen, Arc::default(), guest).await;
    assert_eq!(run.outcome, Err(GuestError::Timeout { limit: Micros::from_millis(100) }));
    assert!(run.usage.cpu >= SHORT, "what it used is known: {:?}", run.usage);
    drop(release);
    threads.shutdown();
}

#[tokio::test]
async fn a_long_call_ends_with_its_caller() {
    let threads = Threads::start(1, None).expect("threads");
    let (held, ended) = tokio::sync::oneshot::channel::<()>();
    let (tell, moved) = tokio::sync::oneshot::channel();
    let seen = observed(60_000);
    let long = guest(Arc::clone(&seen), Duration::from_millis(15));
    let endless = async move {
        let _held = held;
        tell.send(long.await.log_tail).expect("the test waits");
        std::future::pending().await
    };
    let call = threads.run(seen, Arc::default(), endless);
    assert_eq!(moved.await.expect("it runs"), "merit-guest-long");
    drop(call);
    assert!(tokio::time::timeout(Duration::from_secs(20), ended).await.expect("it ends").is_err());
    threads.shutdown();
}
