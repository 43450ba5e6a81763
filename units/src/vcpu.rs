//! Shares of a CPU, in thousandths of a vCPU.

use crate::Money;
use crate::decimal;

/// The largest share: 1,024 vCPUs, more than any machine that can be rented gives one function.
const MAX_MILLI: u32 = 1_024_000;

/// A share of a CPU that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 0.001 to 1024 with at most three decimals, got `{0}`")]
pub struct VcpuError(String);

/// Thousandths of a vCPU from a decimal such as `0.583`.
///
/// # Errors
/// [`VcpuError`] when it is not a plain decimal, is outside 0.001 to 1,024, or has more than three decimals.
pub fn parse_vcpu(text: &str) -> Result<u32, VcpuError> {
    let milli = decimal::parse(text, 3).ok().and_then(|milli| u32::try_from(milli).ok());
    milli.filter(|milli| (1..=MAX_MILLI).contains(milli)).ok_or_else(|| VcpuError(text.to_owned()))
}

/// The decimal that [`parse_vcpu`] reads: `0.583`.
#[must_use]
pub fn vcpu_text(milli: u32) -> String {
    Money::from_pico(i128::from(milli) * (Money::PICO_PER_UNIT / 1000)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousandths_are_read_back_as_written() {
        for (text, milli) in [("0.583", 583), ("1", 1000), ("0.001", 1), ("1024", MAX_MILLI), ("2.50", 2500)] {
            assert_eq!(parse_vcpu(text), Ok(milli));
            assert_eq!(parse_vcpu(&vcpu_text(milli)), Ok(milli));
        }
        for bad in ["0", "0.0001", "-1", "1024.001", "1e3", "", "half"] {
            assert_eq!(parse_vcpu(bad), Err(VcpuError(bad.to_owned())));
        }
    }
}
