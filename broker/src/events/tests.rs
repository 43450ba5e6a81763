//! What a function's errors, refusals, age and destinations lead to, with a clock that is set by hand.

use merit_store::record::{EventRow, EventState};
use merit_units::{InvocationId, Micros, Timestamp};

/// An event of function `work` as it stands after so many errors and refusals.
pub(super) fn row(at: Timestamp, max_age: Micros, function_errors: u32, refusals: u32) -> EventRow {
    EventRow {
        id: InvocationId::from_bits(1),
        state: EventState::Queued,
        next_at: at,
        at,
        function: "work".parse().unwrap(),
        url: None,
        account: "payer".parse().unwrap(),
        key: "k1".parse().unwrap(),
        max_age,
        expires_at: at + max_age,
        deliveries: function_errors + refusals,
        function_errors,
        refusals,
        bytes: 2,
        error: None,
    }
}
