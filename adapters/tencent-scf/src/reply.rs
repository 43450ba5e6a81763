//! Meters and the function's own error, from the result of a call.
//!
//! Invariant: meters are taken whole or not at all. A billed duration that is longer than the call itself took makes them
//! worthless, and the own clock counts instead.

use merit_cloud_wire::scf::{CallResult, ErrMsg, Status};
use merit_pricing::Usage;
use merit_units::{MemoryMb, Micros};
use merit_venue::{FunctionError, Measured, MeterBasis, Meters};

const MEGABYTE: u64 = 1024 * 1024;

/// What a call of `elapsed` by the own clock used: the billed milliseconds, which are what the sheet's rounding makes of
/// the time too.
pub(crate) fn measure(result: &CallResult, meters: Meters, elapsed: Micros, reply_bytes: usize) -> Measured {
    let own = |basis| Measured::by_clock(elapsed, reply_bytes, basis);
    if meters == Meters::OwnClock || result.bill_duration == 0 && result.mem_usage == 0 {
        return own(MeterBasis::OwnClock);
    }
    let duration = Micros::from_millis(result.bill_duration);
    if duration > Measured::longest_credible(elapsed) {
        tracing::warn!(?duration, ?elapsed, "refused a venue's meters: impossible");
        return own(MeterBasis::Refused);
    }
    let memory_peak = MemoryMb::try_new(result.mem_usage.div_ceil(MEGABYTE)).ok();
    let usage = Usage { duration, memory_peak, egress_bytes: reply_bytes as u64, ..Usage::default() };
    Measured { usage, basis: MeterBasis::Reported }
}

/// The error a function ended with.
pub(crate) fn function_error(status: Status, said: ErrMsg) -> FunctionError {
    let kind = said.error_type.filter(|kind| !kind.is_empty()).unwrap_or_else(|| status.name().to_owned());
    FunctionError::new(kind, said.error_message.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(bill_duration: u64, mem_usage: u64, meters: Meters) -> (u64, Option<u32>, MeterBasis) {
        let result = CallResult { bill_duration, mem_usage, ..CallResult::default() };
        let Measured { usage, basis } = measure(&result, meters, Micros::from_millis(100), 7);
        assert_eq!(usage.egress_bytes, 7);
        (usage.duration.get(), usage.memory_peak.map(|size| size.megabytes()), basis)
    }

    #[test]
    fn what_is_billed_is_what_counts() {
        assert_eq!(measured(18, 3_207_168, Meters::Reported), (18_000, Some(4), MeterBasis::Reported));
        assert_eq!(measured(102, 1, Meters::Reported), (102_000, Some(1), MeterBasis::Reported));
        assert_eq!(measured(0, 1, Meters::Reported), (0, Some(1), MeterBasis::Reported));
    }

    #[test]
    fn what_can_not_be_true_and_what_is_not_told_counts_for_nothing() {
        assert_eq!(measured(104, 1, Meters::Reported), (100_000, None, MeterBasis::Refused));
        assert_eq!(measured(u64::MAX, 1, Meters::Reported), (100_000, None, MeterBasis::Refused));
        assert_eq!(measured(0, 0, Meters::Reported), (100_000, None, MeterBasis::OwnClock));
        assert_eq!(measured(18, 1, Meters::OwnClock), (100_000, None, MeterBasis::OwnClock));
    }

    #[test]
    fn an_error_has_the_exceptions_name_or_the_statuss() {
        let named =
            ErrMsg { error_type: Some("KeyError".to_owned()), error_message: Some("k".to_owned()), status_code: None };
        assert_eq!(function_error(Status::USER_CODE, named).kind, "KeyError");
        let late = function_error(Status::TIME_LIMIT, ErrMsg::default());
        assert_eq!((late.kind.as_str(), late.message.as_str()), ("TimeLimitReached", ""));
    }
}
