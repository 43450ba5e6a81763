//! The quantities Merit counts in: money, rates, memory, time, and the names of things.
//!
//! Everything here is an integer or a checked string. There is no floating point, no I/O,
//! no clock and no serialisation format: wire forms live at the edges, and cross them as
//! decimal strings through `Display` and `FromStr`.

#![deny(clippy::float_arithmetic)]

mod decimal;
mod exact;
mod id;
mod memory;
mod money;
mod rate;
mod time;
mod vcpu;

pub use decimal::DecimalError;
pub use exact::{Exact, ExchangeRate};
pub use id::{
    AccountId, AdjustmentId, DeploymentId, FunctionId, InvocationId, KeyId, NameError, RegionId, SheetName, Tag,
    VenueId,
};
pub use memory::{MemoryError, MemoryMb};
pub use money::{Currency, CurrencyError, Money};
pub use rate::{Quantity, Rate};
pub use time::{Micros, Month, Timestamp};
pub use vcpu::{VcpuError, parse_vcpu, vcpu_text};

/// An amount, rate or quantity that does not fit its integer.
///
/// Money never wraps: arithmetic on values a user or provider supplied is checked and
/// reports this instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the amount is too large to be counted exactly")]
pub struct Overflow;
