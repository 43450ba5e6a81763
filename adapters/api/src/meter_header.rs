//! Headers in which a venue that runs Merit's own runtime tells what a call used.
//!
//! Each is an unsigned decimal integer, given at most once. `broker/wire` states the same names
//! for its readers; a test of the whole checks that they agree.

/// Wall time of the call in microseconds, without initialisation.
pub const DURATION_US: &str = "merit-meter-duration-us";
/// Initialisation of a cold start in microseconds; absent or 0 when warm.
pub const INIT_US: &str = "merit-meter-init-us";
/// CPU time in microseconds.
pub const CPU_US: &str = "merit-meter-cpu-us";
/// Peak memory in MB (2^20 bytes), 1 to 1,048,576.
pub const MEMORY_MB: &str = "merit-meter-memory-mb";
/// The error the function reported: its kind, such as `Trap` or `Timeout`.
pub const FUNCTION_ERROR: &str = "merit-function-error";
/// Why no function ran, such as `FunctionNotFound`: the answer is the venue's own. Of plain HTTP a status does not tell.
pub const REFUSED: &str = "merit-refused";

/// Sent with a call: the invocation's id.
pub const INVOCATION_ID: &str = "merit-invocation-id";
/// Sent with a call: which attempt of the invocation it is, from 1.
pub const ATTEMPT: &str = "merit-attempt";
/// Sent with a call: whole milliseconds left until its deadline.
pub const DEADLINE_MS: &str = "merit-deadline-ms";
