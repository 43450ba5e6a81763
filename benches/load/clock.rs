//! The monotonic clock, in nanoseconds: the same one the pacer's timer runs on. And the wall clock, for signatures.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

/// Nanoseconds since an arbitrary moment before the process began.
#[must_use]
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let part = |value: i64| u64::try_from(value).expect("invariant: the monotonic clock is never negative");
    part(time.tv_sec) * SECOND + part(time.tv_nsec)
}

/// Microseconds since 1970 by the wall clock: for what a signature is dated with, not for measuring.
#[must_use]
pub fn unix_micros() -> u64 {
    let time = clock_gettime(ClockId::Realtime);
    let part = |value: i64| u64::try_from(value).expect("invariant: it is after 1970");
    part(time.tv_sec) * 1_000_000 + part(time.tv_nsec) / 1000
}

/// The same as the system's pair of seconds and nanoseconds.
pub(crate) fn timespec(nanos: u64) -> Timespec {
    let part = |value: u64| i64::try_from(value).expect("invariant: 292 years of nanoseconds fit");
    Timespec { tv_sec: part(nanos / SECOND), tv_nsec: part(nanos % SECOND) }
}
