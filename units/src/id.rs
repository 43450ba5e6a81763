//! Names and identifiers. Each kind is its own type, so that a venue never stands where
//! an account should.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a valid {kind} name: {reason}")]
pub struct NameError {
    /// What kind of name it should have been, such as `venue`.
    pub kind: &'static str,
    /// The refused text, cut to 80 characters.
    pub name: String,
    /// What is allowed.
    pub reason: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $max:literal, $extra:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks the name.
            ///
            /// # Errors
            /// [`NameError`] when it is empty, too long, or has a character that is not allowed.
            pub fn try_new(name: &str) -> Result<Self, NameError> {
                let refuse = |reason| {
                    Err(NameError { kind: $kind, name: name.chars().take(80).collect(), reason })
                };
                let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) || $extra.contains(&byte);
                if name.is_empty() || name.len() > $max {
                    return refuse(concat!("it must have 1 to ", $max, " characters"));
                }
                if !name.bytes().all(allowed) {
                    return refuse("use letters, digits, `-`, `_` and `.`");
                }
                if !name.as_bytes()[0].is_ascii_alphanumeric() {
                    return refuse("it must begin with a letter or digit");
                }
                Ok(Self(name.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::try_new(name)
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A logical function, such as `thumbnail`. At most 64 characters, as on AWS Lambda.
    FunctionId, "function", 64, b""
);
name!(
    /// A function's code at one venue with one size, such as `aws-us-east-1-512`; unique within its function.
    DeploymentId, "deployment", 128, b""
);
name!(
    /// A place where functions can run, such as `aws-us-east-1`.
    VenueId, "venue", 64, b""
);
name!(
    /// A provider's region, such as `us-east-1` or `cn-hangzhou`.
    RegionId, "region", 64, b""
);
name!(
    /// Who pays: the holder of a budget.
    AccountId, "account", 64, b""
);
name!(
    /// A price sheet of the catalogue, such as `aws-lambda/us-east-1/x86_64`.
    SheetName, "price sheet", 128, b"/"
);
name!(
    /// What an account has agreed on with its provider besides the price list, such as `savings-2026`.
    AdjustmentId, "adjustment", 64, b""
);
name!(
    /// The public part of an API key.
    KeyId, "key", 64, b""
);
name!(
    /// A caller's label for spend reports, such as `team=search`.
    Tag, "tag", 128, b"=:/@"
);

/// One invocation, from admission to receipt: a UUID, version 7 when Merit made it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvocationId(u128);

impl InvocationId {
    /// From the UUID's 128 bits.
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The UUID's 128 bits.
    #[must_use]
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// A version 7 UUID of a time in milliseconds since the epoch and 74 random bits (RFC 9562, section 5.7).
    #[must_use]
    pub const fn v7(unix_millis: u64, random: u128) -> Self {
        let time = (unix_millis as u128 & 0xFFFF_FFFF_FFFF) << 80;
        let rand_a = (random & 0xFFF) << 64;
        let rand_b = (random >> 12) & 0x3FFF_FFFF_FFFF_FFFF;
        Self(time | 0x7 << 76 | rand_a | 0b10 << 62 | rand_b)
    }
}

impl InvocationId {
    /// The UUID's text, `8-4-4-4-12` hexadecimal digits: written into several headers of every call.
    #[must_use]
    pub fn text(self) -> [u8; 36] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        const HYPHENS: [usize; 4] = [8, 13, 18, 23];
        let mut text = [b'-'; 36];
        let mut at = 0;
        for byte in self.0.to_be_bytes() {
            if HYPHENS.contains(&at) {
                at += 1;
            }
            text[at] = DIGITS[usize::from(byte >> 4)];
            text[at + 1] = DIGITS[usize::from(byte & 0xF)];
            at += 2;
        }
        text
    }
}

impl fmt::Display for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(std::str::from_utf8(&self.text()).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for InvocationId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = || NameError {
            kind: "invocation",
            name: text.chars().take(80).collect(),
            reason: "it is a UUID such as 0199f0a2-7c1e-7c3a-9d4e-0a1b2c3d4e5f",
        };
        let groups: Vec<&str> = text.split('-').collect();
        let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
        if lengths != [8, 4, 4, 4, 12] || !text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit()) {
            return Err(refuse());
        }
        u128::from_str_radix(&groups.concat(), 16).map(Self).map_err(|_| refuse())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_allowed() {
        assert!(FunctionId::try_new("thumbnail-v2").is_ok());
        assert!(SheetName::try_new("aws-lambda/us-east-1/x86_64").is_ok());
        for bad in ["", "a b", "-x", "é", "a/b", &"x".repeat(65)] {
            assert!(FunctionId::try_new(bad).is_err(), "{bad}");
        }
        let error = VenueId::try_new("a b").expect_err("a space");
        assert_eq!(error.to_string(), "`a b` is not a valid venue name: use letters, digits, `-`, `_` and `.`");
    }

    #[test]
    fn invocation_ids_are_version_7_uuids() {
        let id = InvocationId::v7(0x0199_F0A2_7C1E, u128::MAX);
        assert_eq!(id.to_string(), "0199f0a2-7c1e-7fff-bfff-ffffffffffff");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("0199f0a2".parse::<InvocationId>().is_err());
    }
}
