//! The meters providers bill by, and the quantities of one call or of a sum of calls.
//!
//! A [`Metered`] has one quantity per line of the sheet that made it, in the sheet's order,
//! so charging is a walk over two short arrays. It lives on the stack and is `Copy`.

use std::fmt;
use std::str::FromStr;

use merit_units::{Overflow, Quantity};

/// The most lines a price sheet can have; Lambda, the widest of the catalogue, has four.
pub const MAX_LINES: usize = 6;

/// A billed quantity. One unit of it is what the variant names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Meter {
    /// One call.
    Request,
    /// 1,024 MB held for one second; a GB has 1,024 MB at every provider here.
    GbSecond,
    /// One virtual CPU held for one second, used or not.
    VcpuSecond,
    /// 1,024 MiB held for one second. The same size as a GB-second; Google writes it so.
    GibSecond,
    /// A compute unit: Alibaba's weighted sum of vCPU, memory, calls and disk.
    ComputeUnit,
    /// One millisecond of CPU time really used.
    CpuMs,
    /// 2^30 bytes sent to the internet.
    EgressGb,
    /// 1,024 MB of scratch disk above the free part, held for one second.
    EphemeralGbSecond,
}

impl Meter {
    /// Every meter, in the order sheets usually list them.
    pub const ALL: [Self; 8] = [
        Self::Request,
        Self::GbSecond,
        Self::VcpuSecond,
        Self::GibSecond,
        Self::ComputeUnit,
        Self::CpuMs,
        Self::EgressGb,
        Self::EphemeralGbSecond,
    ];

    /// Whether it grows with the time a call takes, waits included.
    #[must_use]
    pub const fn is_by_time(self) -> bool {
        match self {
            Self::GbSecond | Self::VcpuSecond | Self::GibSecond | Self::ComputeUnit | Self::EphemeralGbSecond => true,
            Self::Request | Self::CpuMs | Self::EgressGb => false,
        }
    }

    /// Whether only whoever runs a call can measure it; requests and what they send are counted by the caller as well.
    #[must_use]
    pub const fn is_of_run(self) -> bool {
        self.is_by_time() || matches!(self, Self::CpuMs)
    }

    /// The name used in sheets, on the command line and on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::GbSecond => "gb_second",
            Self::VcpuSecond => "vcpu_second",
            Self::GibSecond => "gib_second",
            Self::ComputeUnit => "compute_unit",
            Self::CpuMs => "cpu_ms",
            Self::EgressGb => "egress_gb",
            Self::EphemeralGbSecond => "ephemeral_gb_second",
        }
    }
}

impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that names no meter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a meter; use request, gb_second, vcpu_second, gib_second, compute_unit, cpu_ms, egress_gb or \
     ephemeral_gb_second"
)]
pub struct UnknownMeter(pub String);

impl FromStr for Meter {
    type Err = UnknownMeter;

    /// Accepts the name in any case, with `-` for `_`, in the plural, and the usual short forms (`GB-s`, `CU`).
    fn from_str(text: &str) -> Result<Self, UnknownMeter> {
        let word = text.to_ascii_lowercase().replace('-', "_");
        match word.as_str() {
            "request" | "requests" | "call" | "calls" => Ok(Self::Request),
            "gb_second" | "gb_seconds" | "gb_s" | "gbs" => Ok(Self::GbSecond),
            "vcpu_second" | "vcpu_seconds" | "vcpu_s" => Ok(Self::VcpuSecond),
            "gib_second" | "gib_seconds" | "gib_s" => Ok(Self::GibSecond),
            "compute_unit" | "compute_units" | "cu" => Ok(Self::ComputeUnit),
            "cpu_ms" => Ok(Self::CpuMs),
            "egress_gb" | "egress" => Ok(Self::EgressGb),
            "ephemeral_gb_second" | "ephemeral_gb_seconds" | "ephemeral_gb_s" => Ok(Self::EphemeralGbSecond),
            _ => Err(UnknownMeter(text.chars().take(40).collect())),
        }
    }
}

/// A meter that a sheet has no line for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{meter}` is not billed by this sheet; it bills {billed}")]
pub struct NotBilled {
    /// The meter that was asked for.
    pub meter: Meter,
    /// The meters of the sheet.
    pub billed: String,
}

/// The meters of a sheet's lines, in order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meters {
    list: [Meter; MAX_LINES],
    len: u8,
}

impl Meters {
    /// Of at most [`MAX_LINES`] lines.
    pub(crate) fn new(meters: impl IntoIterator<Item = Meter>) -> Self {
        let mut all = Self { list: [Meter::Request; MAX_LINES], len: 0 };
        for meter in meters {
            all.list[usize::from(all.len)] = meter;
            all.len += 1;
        }
        all
    }

    pub(crate) fn len(self) -> usize {
        usize::from(self.len)
    }

    /// The line that bills `meter`.
    pub(crate) fn line_of(self, meter: Meter) -> Result<usize, NotBilled> {
        let line = self.as_slice().iter().position(|own| *own == meter);
        line.ok_or_else(|| {
            let billed: Vec<&str> = self.as_slice().iter().map(|own| own.name()).collect();
            NotBilled { meter, billed: billed.join(", ") }
        })
    }

    pub(crate) fn as_slice(&self) -> &[Meter] {
        &self.list[..self.len()]
    }
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

/// The billed quantities of one call, or of a sum of calls, one per line of its sheet.
///
/// It belongs to the sheet that made it, or to one of the same shape
/// ([`PriceSheet::same_shape`](crate::PriceSheet::same_shape)).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Metered {
    pub(crate) quantities: [Quantity; MAX_LINES],
    pub(crate) meters: Meters,
}

impl Metered {
    pub(crate) const fn zero(meters: Meters) -> Self {
        Self { quantities: [Quantity::ZERO; MAX_LINES], meters }
    }

    /// Each meter with its billed quantity, in the order of the sheet's lines.
    pub fn iter(&self) -> impl Iterator<Item = (Meter, Quantity)> {
        self.meters.as_slice().iter().copied().zip(self.quantities)
    }

    /// The quantity of one meter; zero when the sheet does not bill it.
    #[must_use]
    pub fn get(&self, meter: Meter) -> Quantity {
        self.iter().find(|(own, _)| *own == meter).map_or(Quantity::ZERO, |(_, quantity)| quantity)
    }

    /// These quantities with another one of `meter`: usage that was counted elsewhere.
    ///
    /// # Errors
    /// [`NotBilled`] when the sheet does not bill the meter.
    pub fn with(mut self, meter: Meter, quantity: Quantity) -> Result<Self, NotBilled> {
        self.quantities[self.meters.line_of(meter)?] = quantity;
        Ok(self)
    }

    /// The quantities of `calls` calls like this one.
    ///
    /// # Errors
    /// [`Overflow`] when a quantity does not fit.
    pub fn checked_mul(&self, calls: u64) -> Result<Self, Overflow> {
        let mut product = *self;
        for own in &mut product.quantities {
            *own = Quantity::from_quanta(own.quanta().checked_mul(u128::from(calls)).ok_or(Overflow)?);
        }
        Ok(product)
    }

    /// The sum of two calls under one sheet.
    ///
    /// # Errors
    /// [`Overflow`] when a quantity does not fit.
    ///
    /// # Panics
    /// When the two were metered under sheets with different lines.
    pub fn checked_add(&self, other: &Self) -> Result<Self, Overflow> {
        assert_eq!(self.meters, other.meters, "invariant: only quantities of one sheet are added");
        let mut sum = *self;
        for (own, more) in sum.quantities.iter_mut().zip(other.quantities) {
            *own = own.checked_add(more)?;
        }
        Ok(sum)
    }
}

impl fmt::Debug for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.iter().map(|(meter, quantity)| (meter.name(), quantity.to_string()));
        f.debug_map().entries(shown).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meters_are_read_as_people_write_them() {
        for (text, meter) in [
            ("requests", Meter::Request),
            ("GB-s", Meter::GbSecond),
            ("gb-seconds", Meter::GbSecond),
            ("vcpu_seconds", Meter::VcpuSecond),
            ("GiB-seconds", Meter::GibSecond),
            ("CU", Meter::ComputeUnit),
            ("cpu-ms", Meter::CpuMs),
            ("egress_gb", Meter::EgressGb),
        ] {
            assert_eq!(text.parse(), Ok(meter), "{text}");
        }
        for meter in Meter::ALL {
            assert_eq!(meter.to_string().parse(), Ok(meter));
        }
        assert_eq!("gbhour".parse::<Meter>(), Err(UnknownMeter("gbhour".to_owned())));
    }
}
