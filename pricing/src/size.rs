//! What a deployment is configured with, and what one call really used: the two inputs of metering.

use std::fmt;
use std::str::FromStr;

use merit_units::{MemoryMb, Micros};

/// An instruction set a function is built for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Architecture {
    /// Intel and AMD, 64 bits.
    #[default]
    X86_64,
    /// 64-bit ARM.
    Arm64,
}

/// A word that names no architecture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an architecture; use x86_64 or arm64")]
pub struct UnknownArchitecture(String);

impl FromStr for Architecture {
    type Err = UnknownArchitecture;

    fn from_str(text: &str) -> Result<Self, UnknownArchitecture> {
        match text {
            "x86_64" => Ok(Self::X86_64),
            "arm64" => Ok(Self::Arm64),
            _ => Err(UnknownArchitecture(text.chars().take(40).collect())),
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        })
    }
}

/// The configured size of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    /// Configured memory.
    pub memory: MemoryMb,
    /// Configured CPU in thousandths of a vCPU, where the provider lets one choose it.
    pub vcpu_milli: Option<u32>,
    /// Scratch disk; 512 MB unless configured.
    pub ephemeral: MemoryMb,
    /// What the code is built for. It chooses the sheet; metering itself does not look at it.
    pub architecture: Architecture,
    /// How many calls one instance takes at once at most, from 1 up. A call's [`Share`] of an instance is no less than
    /// one by this; how many calls really shared it is in [`Usage::share`].
    pub concurrency: u16,
}

impl Size {
    /// Scratch disk every provider here includes, in MB.
    pub const EPHEMERAL_DEFAULT_MB: u64 = 512;

    /// A size with this memory and otherwise the defaults: no chosen vCPU, 512 MB of disk, `x86_64`, one
    /// request at a time.
    #[must_use]
    pub fn new(memory: MemoryMb) -> Self {
        let ephemeral = MemoryMb::try_new(Self::EPHEMERAL_DEFAULT_MB).expect("invariant: 512 MB is a memory size");
        Self { memory, vcpu_milli: None, ephemeral, architecture: Architecture::default(), concurrency: 1 }
    }

    /// The same with a chosen vCPU, in thousandths.
    #[must_use]
    pub const fn with_vcpu_milli(self, vcpu_milli: u32) -> Self {
        Self { vcpu_milli: Some(vcpu_milli), ..self }
    }

    /// The same with this scratch disk.
    #[must_use]
    pub const fn with_ephemeral(self, ephemeral: MemoryMb) -> Self {
        Self { ephemeral, ..self }
    }

    /// The same built for this architecture.
    #[must_use]
    pub const fn with_architecture(self, architecture: Architecture) -> Self {
        Self { architecture, ..self }
    }

    /// The same with instances that take this many calls at once.
    #[must_use]
    pub const fn with_concurrency(self, concurrency: u16) -> Self {
        Self { concurrency, ..self }
    }
}

/// What one call really used, before any provider's rounding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// From the start of the handler to its end.
    pub duration: Micros,
    /// Initialisation of a cold instance; zero when it was warm.
    pub init: Micros,
    /// CPU time, where it was measured by whoever ran the call. Where it was not, sheets that bill it take the duration, the
    /// most that one thread can have used.
    pub cpu: Option<Micros>,
    /// The most memory in use at once, where the venue tells.
    pub memory_peak: Option<MemoryMb>,
    /// Bytes sent to the internet.
    pub egress_bytes: u64,
    /// The part of its instance's time that is this call's.
    pub share: Share,
}

/// The part of an instance's time that is one call's: the whole when it was alone there, a quarter when three others ran
/// beside it all the while. Only sheets that bill an instance whoever shares it (`sharing = "instance"`) take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u32);

impl Share {
    /// All of it.
    pub const WHOLE: Self = Self(Self::PER_WHOLE);

    /// Billionths in a whole: a third is off by no more than one of them.
    pub const PER_WHOLE: u32 = 1_000_000_000;

    /// So many billionths, kept from one to all of them.
    #[must_use]
    pub fn from_billionths(billionths: u128) -> Self {
        Self(u32::try_from(billionths).unwrap_or(Self::PER_WHOLE).clamp(1, Self::PER_WHOLE))
    }

    /// An equal share of so many calls, rounded up; the whole for none.
    #[must_use]
    pub fn of(calls: u16) -> Self {
        Self(Self::PER_WHOLE.div_ceil(u32::from(calls.max(1))))
    }

    /// In billionths, from 1 to [`Self::PER_WHOLE`].
    #[must_use]
    pub const fn billionths(self) -> u32 {
        self.0
    }
}

impl Default for Share {
    fn default() -> Self {
        Self::WHOLE
    }
}
