//! Which function a request means: a name, a partial or a full ARN, each with or without a qualifier.
//!
//! The grammar is the pattern of `NamespacedFunctionName` in Lambda's service model (botocore 1.44.5,
//! read 2026-11-21), except that an ARN must be whole: with region, account and `function`.
//!
//! Known limitation: a number of twelve digits before a colon is an account, as in AWS's own pattern; a
//! function named like that takes its qualifier from the query.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use crate::error::{ErrorCode, LambdaError};

/// A function as a request names it.
///
/// `parse` and `Display` are inverse: what was given comes back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FunctionReference {
    /// The function's name alone.
    pub name: String,
    /// The version or alias after the name, such as `$LATEST`, `7` or `prod`.
    pub qualifier: Option<String>,
    /// The account, twelve digits.
    pub account: Option<String>,
    /// The region, such as `us-east-1`.
    pub region: Option<String>,
    /// The partition of a full ARN, such as `aws` or `aws-cn`.
    pub partition: Option<String>,
    /// Whether the word `function:` stood before the name.
    worded: bool,
}

/// A reference that is none; worded as AWS words it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("1 validation error detected: Value '{value}' at 'functionName' failed to satisfy constraint: {constraint}")]
pub struct ReferenceError {
    value: String,
    constraint: &'static str,
}

/// The most characters a reference has, by the service model.
pub const MOST_CHARS: usize = 256;

const TOO_LONG: &str = "Member must have length less than or equal to 256";
const PATTERN: &str = "Member must satisfy regular expression pattern: \
    (arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?\
    ([a-zA-Z0-9-_\\.]+)(:(\\$LATEST(\\.PUBLISHED)?|[a-zA-Z0-9-_]+))?";

impl FunctionReference {
    /// A bare name, unchecked against AWS's pattern because the caller made it.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), qualifier: None, account: None, region: None, partition: None, worded: false }
    }

    /// A full ARN.
    #[must_use]
    pub fn arn(partition: &str, region: &str, account: &str, name: &str) -> Self {
        Self {
            account: Some(account.to_owned()),
            region: Some(region.to_owned()),
            partition: Some(partition.to_owned()),
            worded: true,
            ..Self::named(name)
        }
    }

    /// The same with a qualifier.
    #[must_use]
    pub fn with_qualifier(mut self, qualifier: Option<&str>) -> Self {
        self.qualifier = qualifier.map(str::to_owned);
        self
    }

    /// Parses a reference that is not percent-encoded.
    ///
    /// # Errors
    /// [`ReferenceError`] for what is not one.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let refuse = |constraint| Err(ReferenceError { value: text.chars().take(MOST_CHARS).collect(), constraint });
        if text.len() > MOST_CHARS {
            return refuse(TOO_LONG);
        }
        // At most `arn:aws:lambda:region:account:function:name:qualifier`.
        let parts: Vec<&str> = text.splitn(9, ':').collect();
        // The pattern is greedy: what can be a prefix is one, so the name alone is tried first.
        let alone = Self::of_parts(&parts, parts.len() - 1);
        let qualified = || parts.len().checked_sub(2).and_then(|name| Self::of_parts(&parts, name));
        alone.or_else(qualified).map_or_else(|| refuse(PATTERN), Ok)
    }

    /// Parses the segment of a path, percent-encoded as it came.
    ///
    /// # Errors
    /// [`ReferenceError`] for what is not a reference when decoded once.
    pub fn of_segment(segment: &str) -> Result<Self, ReferenceError> {
        let refuse = || ReferenceError { value: segment.chars().take(MOST_CHARS).collect(), constraint: PATTERN };
        Self::parse(&percent_decode_str(segment).decode_utf8().map_err(|_| refuse())?)
    }

    /// With the name at `name`, everything before it prefix and what follows the qualifier.
    fn of_parts(parts: &[&str], name: usize) -> Option<Self> {
        let (prefix, rest) = parts.split_at_checked(name)?;
        let (&bare, qualifier) = rest.split_first()?;
        if !is_name(bare) || !qualifier.iter().all(|qualifier| is_qualifier(qualifier)) {
            return None;
        }
        let mut reference = Self::named(bare).with_qualifier(qualifier.first().copied());
        let prefix = match *prefix {
            ["arn", partition, "lambda", region, account, "function"] if is_partition(partition) => {
                reference.partition = Some(partition.to_owned());
                &[region, account, "function"][..]
            }
            _ => prefix,
        };
        let whole = reference.partition.is_some();
        let prefix = match *prefix {
            [region, ref rest @ ..] if is_region(region) => {
                reference.region = Some(region.to_owned());
                rest
            }
            _ => prefix,
        };
        let prefix = match *prefix {
            [account, ref rest @ ..] if is_account(account) => {
                reference.account = Some(account.to_owned());
                rest
            }
            _ => prefix,
        };
        reference.worded = prefix == ["function"];
        let consumed = reference.worded || prefix.is_empty();
        let complete = !whole || (reference.region.is_some() && reference.account.is_some());
        (consumed && complete).then_some(reference)
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Whether `text` can be a version or an alias.
#[must_use]
pub fn is_qualifier(text: &str) -> bool {
    matches!(text, "$LATEST" | "$LATEST.PUBLISHED")
        || (1..=128).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn is_partition(text: &str) -> bool {
    let rest = text.strip_prefix("aws");
    rest.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-'))
}

/// Whether the text is an account's number: twelve digits.
#[must_use]
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The partition a region is in.
#[must_use]
pub fn partition_of(region: &str) -> &'static str {
    match region.split('-').next() {
        Some("cn") => "aws-cn",
        Some("eusc") => "aws-eusc",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ if region.starts_with("us-iso-") => "aws-iso",
        _ if region.starts_with("us-isob-") => "aws-iso-b",
        _ => "aws",
    }
}

/// Whether `text` has the form of a region's name.
#[must_use]
pub fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.strip_prefix("eusc-").unwrap_or(text).splitn(5, '-').collect();
    let letters = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase());
    let isolated = |text: &str| text == "gov" || text.starts_with("iso") && text.len() <= 4 && letters(text);
    let (area, place, number) = match *parts.as_slice() {
        [area, place, number] => (area, place, number),
        [area, kind, place, number] if isolated(kind) => (area, place, number),
        _ => return false,
    };
    area.len() == 2 && letters(area) && letters(place) && number.len() == 1 && number.as_bytes()[0].is_ascii_digit()
}

impl fmt::Display for FunctionReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(partition) = &self.partition {
            write!(f, "arn:{partition}:lambda:")?;
        }
        for part in [&self.region, &self.account].into_iter().flatten() {
            write!(f, "{part}:")?;
        }
        if self.worded {
            f.write_str("function:")?;
        }
        f.write_str(&self.name)?;
        self.qualifier.as_ref().map_or(Ok(()), |qualifier| write!(f, ":{qualifier}"))
    }
}

impl FromStr for FunctionReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Self::parse(text)
    }
}

impl From<ReferenceError> for LambdaError {
    fn from(error: ReferenceError) -> Self {
        Self::new(ErrorCode::InvalidParameterValue, error.to_string())
    }
}
