//! Where an ask runs, as small numbers and bit sets that terms can be checked against quickly.
//!
//! Venues and regions are numbered by whoever builds the asks; a number must keep its
//! meaning while a book or a set of terms made with it is in use. At most 256 of each.

use std::fmt;
use std::str::FromStr;

use merit_pricing::Architecture;

macro_rules! numbered {
    ($(#[$index_doc:meta])* $index:ident, $(#[$set_doc:meta])* $set:ident) => {
        $(#[$index_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $index(u8);

        impl $index {
            /// From its number.
            #[must_use]
            pub const fn new(index: u8) -> Self {
                Self(index)
            }

            /// Its number.
            #[must_use]
            pub const fn get(self) -> u8 {
                self.0
            }
        }

        $(#[$set_doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $set([u64; 4]);

        impl $set {
            /// Every one.
            pub const ALL: Self = Self([u64::MAX; 4]);
            /// None.
            pub const NONE: Self = Self([0; 4]);

            /// This set and `index`.
            #[must_use]
            pub const fn with(mut self, index: $index) -> Self {
                self.0[(index.0 >> 6) as usize] |= 1 << (index.0 & 63);
                self
            }

            /// This set less `index`.
            #[must_use]
            pub const fn without(mut self, index: $index) -> Self {
                self.0[(index.0 >> 6) as usize] &= !(1 << (index.0 & 63));
                self
            }

            /// What is in both sets.
            #[must_use]
            pub const fn and(self, other: Self) -> Self {
                let (a, b) = (self.0, other.0);
                Self([a[0] & b[0], a[1] & b[1], a[2] & b[2], a[3] & b[3]])
            }

            /// Whether `index` is in the set.
            #[must_use]
            pub const fn contains(&self, index: $index) -> bool {
                self.0[(index.0 >> 6) as usize] & (1 << (index.0 & 63)) != 0
            }
        }

        impl FromIterator<$index> for $set {
            fn from_iter<I: IntoIterator<Item = $index>>(indexes: I) -> Self {
                indexes.into_iter().fold(Self::NONE, Self::with)
            }
        }

        impl fmt::Debug for $set {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                if *self == Self::ALL {
                    return f.write_str("all");
                }
                f.debug_set().entries((0..=u8::MAX).filter(|&index| self.contains($index(index)))).finish()
            }
        }
    };
}

numbered!(
    /// A venue's number.
    VenueIndex,
    /// A set of venues.
    VenueSet
);
numbered!(
    /// A region's number.
    RegionIndex,
    /// A set of regions.
    RegionSet
);

macro_rules! class_set {
    ($(#[$doc:meta])* $set:ident, $class:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $set(u8);

        impl $set {
            /// Every one.
            pub const ALL: Self = Self(u8::MAX);
            /// None.
            pub const NONE: Self = Self(0);

            /// This set and `class`.
            #[must_use]
            pub const fn with(self, class: $class) -> Self {
                Self(self.0 | 1 << class as u8)
            }

            /// Whether `class` is in the set.
            #[must_use]
            pub const fn contains(self, class: $class) -> bool {
                self.0 & (1 << class as u8) != 0
            }
        }

        impl FromIterator<$class> for $set {
            fn from_iter<I: IntoIterator<Item = $class>>(classes: I) -> Self {
                classes.into_iter().fold(Self::NONE, Self::with)
            }
        }
    };
}

class_set!(
    /// A set of isolation classes.
    IsolationSet,
    Isolation
);
class_set!(
    /// A set of architectures.
    ArchitectureSet,
    Architecture
);

/// What keeps a function apart from its neighbours, from the lightest to the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isolation {
    /// WebAssembly: a process shared with others, memory kept apart by the compiler.
    Wasm,
    /// Linux namespaces and seccomp, such as bubblewrap or a plain container.
    Namespace,
    /// A kernel in user space: gVisor.
    Gvisor,
    /// A virtual machine of its own.
    Microvm,
    /// Whatever the provider does; trusted as it stands.
    Provider,
}

impl Isolation {
    /// Each class.
    pub const EACH: [Self; 5] = [Self::Wasm, Self::Namespace, Self::Gvisor, Self::Microvm, Self::Provider];

    /// Its word, as in terms and configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Wasm => "wasm",
            Self::Namespace => "namespace",
            Self::Gvisor => "gvisor",
            Self::Microvm => "microvm",
            Self::Provider => "provider",
        }
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Isolation {
    type Err = UnknownIsolation;

    fn from_str(word: &str) -> Result<Self, UnknownIsolation> {
        let known = Self::EACH.into_iter().find(|class| class.word() == word);
        known.ok_or_else(|| UnknownIsolation(word.chars().take(40).collect()))
    }
}

/// A word that names no isolation class.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an isolation class; use wasm, namespace, gvisor, microvm or provider")]
pub struct UnknownIsolation(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        for number in [0, 1, 63, 64, 127, 128, 255] {
            let index = VenueIndex::new(number);
            let set = VenueSet::NONE.with(index);
            assert!(set.contains(index));
            assert!(!set.contains(VenueIndex::new(number.wrapping_add(1))));
            assert_eq!(set.without(index), VenueSet::NONE);
            assert!(!VenueSet::ALL.without(index).contains(index));
            assert_eq!(set.and(VenueSet::ALL), set);
        }
        let set: RegionSet = [3, 200].map(RegionIndex::new).into_iter().collect();
        assert_eq!(format!("{set:?} {:?}", RegionSet::ALL), "{3, 200} all");
    }

    #[test]
    fn classes_have_words() {
        for isolation in Isolation::EACH {
            assert_eq!(isolation.word().parse(), Ok(isolation));
            assert!(IsolationSet::NONE.with(isolation).contains(isolation));
        }
        assert!(!ArchitectureSet::NONE.with(Architecture::Arm64).contains(Architecture::X86_64));
        assert_eq!(
            "vm".parse::<Isolation>().unwrap_err().to_string(),
            "`vm` is not an isolation class; use wasm, namespace, gvisor, microvm or provider"
        );
    }
}
