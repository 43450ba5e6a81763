//! Memory sizes. Providers write "MB" and count 1,024 of them to the GB, and so do we.

use std::fmt;

/// A memory size in MB (2^20 bytes), from 1 MB to 1 TB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemoryMb(u32);

/// A memory size outside the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} MB of memory is outside 1 to {max}", max = MemoryMb::MAX)]
pub struct MemoryError(u64);

impl MemoryMb {
    const MAX: u64 = 1 << 20;
    /// MB in one GB.
    pub const PER_GB: u32 = 1024;

    /// Checks the size.
    ///
    /// # Errors
    /// [`MemoryError`] outside 1 to 1,048,576 MB.
    pub fn try_new(megabytes: u64) -> Result<Self, MemoryError> {
        match u32::try_from(megabytes) {
            Ok(size) if (1..=Self::MAX).contains(&megabytes) => Ok(Self(size)),
            _ => Err(MemoryError(megabytes)),
        }
    }

    /// From bytes, rounded up; never below 1 MB.
    #[must_use]
    pub fn from_bytes_ceil(bytes: u64) -> Self {
        let megabytes = bytes.div_ceil(1 << 20).clamp(1, Self::MAX);
        Self(u32::try_from(megabytes).expect("invariant: clamped to 2^20"))
    }

    /// The size in MB.
    #[must_use]
    pub const fn megabytes(self) -> u32 {
        self.0
    }

    /// The size in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        (self.0 as u64) << 20
    }
}

impl fmt::Display for MemoryMb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MB", self.0)
    }
}
