//! Where an ask runs, as small numbers and bit sets that terms can be checked against quickly.
//!
//! Venues and regions are numbered by whoever builds the asks; a number must keep its
//! meaning while a book or a set of terms made with it is in use. At most 256 of each.

use std::fmt;
use std::str::FromStr;

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

macro_rules! class {
    ($(#[$doc:meta])* $class:ident, $kind:literal, $(#[$set_doc:meta])* $set:ident, $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $class {
            $($(#[$variant_doc])* $variant),+
        }

        impl $class {
            /// Each of them.
            pub const EACH: &[Self] = &[$(Self::$variant),+];

            /// Its word, as in terms and configuration.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            pub(crate) const fn bit(self) -> u8 {
                1 << (self as u8)
            }
        }

        impl fmt::Display for $class {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }

        impl FromStr for $class {
            type Err = ClassError;
            fn from_str(word: &str) -> Result<Self, ClassError> {
                Self::EACH.iter().copied().find(|class| class.word() == word).ok_or_else(|| ClassError {
                    kind: $kind,
                    word: word.chars().take(40).collect(),
                    words: &[$($word),+],
                })
            }
        }

        $(#[$set_doc])*
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
                Self(self.0 | class.bit())
            }

            /// Whether `class` is in the set.
            #[must_use]
            pub const fn contains(self, class: $class) -> bool {
                self.0 & class.bit() != 0
            }
        }

        impl FromIterator<$class> for $set {
            fn from_iter<I: IntoIterator<Item = $class>>(classes: I) -> Self {
                classes.into_iter().fold(Self::NONE, Self::with)
            }
        }
    };
}

class!(
    /// What keeps a function apart from its neighbours, from the lightest to the strongest.
    Isolation, "isolation class",
    /// A set of isolation classes.
    IsolationSet,
    /// WebAssembly: a process shared with others, memory kept apart by the compiler.
    Wasm = "wasm",
    /// Linux namespaces and seccomp, such as bubblewrap or a plain container.
    Namespace = "namespace",
    /// A kernel in user space: gVisor.
    Gvisor = "gvisor",
    /// A virtual machine of its own.
    Microvm = "microvm",
    /// Whatever the provider does; trusted as it stands.
    Provider = "provider"
);
class!(
    /// The instruction set a deployment runs on.
    Architecture, "architecture",
    /// A set of architectures.
    ArchitectureSet,
    /// 64-bit x86.
    X86_64 = "x86_64",
    /// 64-bit Arm.
    Arm64 = "arm64"
);

/// A word that names no isolation class or architecture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not an {kind}; use one of {}", words.join(", "))]
pub struct ClassError {
    /// What it should have been.
    pub kind: &'static str,
    /// The refused word, cut to 40 characters.
    pub word: String,
    /// The words there are.
    pub words: &'static [&'static str],
}

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
        for &isolation in Isolation::EACH {
            assert_eq!(isolation.word().parse(), Ok(isolation));
            assert!(IsolationSet::NONE.with(isolation).contains(isolation));
        }
        assert_eq!("arm64".parse(), Ok(Architecture::Arm64));
        assert!(!ArchitectureSet::NONE.with(Architecture::Arm64).contains(Architecture::X86_64));
        assert_eq!(
            "vm".parse::<Isolation>().unwrap_err().to_string(),
            "`vm` is not an isolation class; use one of wasm, namespace, gvisor, microvm, provider"
        );
    }
}
