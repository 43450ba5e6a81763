//! What a book reads of a deployment's equality.

use std::sync::atomic::{AtomicU8, Ordering};

use merit_config::Demand;
use merit_market::Ineligible;

/// On what grounds a deployment is taken for equal, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ground {
    /// On none.
    None,
    /// An operator says so.
    Word,
    /// It answered the function's samples as it should.
    Samples,
    /// Its artefact has the digest of the function's, or of a deployment's that is equal.
    Digest,
}

impl Ground {
    const EACH: [Self; 4] = [Self::None, Self::Word, Self::Samples, Self::Digest];

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Word => "word",
            Self::Samples => "samples",
            Self::Digest => "digest",
        }
    }
}

/// Whether a deployment is equal, and whether it is in quarantine.
#[derive(Debug, Default)]
pub struct Equality(AtomicU8);

impl Equality {
    const GROUND: u8 = 0b011;
    const QUARANTINED: u8 = 0b100;

    pub(super) fn set(&self, ground: Ground, quarantined: bool) {
        let quarantined = if quarantined { Self::QUARANTINED } else { 0 };
        self.0.store(ground as u8 | quarantined, Ordering::Relaxed);
    }

    /// On what grounds it is equal.
    #[must_use]
    pub fn ground(&self) -> Ground {
        Ground::EACH[usize::from(self.0.load(Ordering::Relaxed) & Self::GROUND)]
    }

    /// Whether it is in quarantine.
    #[must_use]
    pub fn is_quarantined(&self) -> bool {
        self.0.load(Ordering::Relaxed) & Self::QUARANTINED != 0
    }

    /// Why it takes no calls of a function that demands this, if so.
    #[must_use]
    pub fn bars(&self, demand: Demand) -> Option<Ineligible> {
        if self.is_quarantined() {
            return Some(Ineligible::Quarantined);
        }
        (demand == Demand::Proven && self.ground() == Ground::None).then_some(Ineligible::NotProvenEqual)
    }
}
