//! A single value of the file or the environment, as exact text: numbers are never floats here.

use std::ops::RangeInclusive;

use toml::de::DeValue;

/// What a value is in TOML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `"text"`
    String,
    /// `12`
    Integer,
    /// `1.5`, kept as its digits
    Float,
    /// `true`
    Boolean,
    /// `2026-11-20`
    Date,
    /// An array or a table.
    Other,
    /// From the environment: any of them.
    Environment,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::String | Self::Environment => "a string",
            Self::Integer => "a whole number",
            Self::Float => "a decimal",
            Self::Boolean => "true or false",
            Self::Date => "a date",
            Self::Other => "an array or table",
        }
    }
}

/// A value with its kind.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    kind: Kind,
    /// The value as text, without quotes.
    pub(crate) text: String,
}

impl Scalar {
    pub(crate) fn of_environment(text: &str) -> Self {
        Self { kind: Kind::Environment, text: text.to_owned() }
    }

    pub(crate) fn of_toml(value: &DeValue<'_>) -> Self {
        let (kind, text) = match value {
            DeValue::String(text) => (Kind::String, text.to_string()),
            DeValue::Integer(number) => (Kind::Integer, decimal_digits(number)),
            DeValue::Float(number) => (Kind::Float, number.as_str().to_owned()),
            DeValue::Boolean(value) => (Kind::Boolean, value.to_string()),
            DeValue::Datetime(date) => (Kind::Date, date.to_string()),
            DeValue::Array(_) | DeValue::Table(_) => (Kind::Other, String::new()),
        };
        Self { kind, text }
    }

    /// The text, when the value is of one of the kinds.
    pub(crate) fn of_kind(&self, kinds: &[Kind]) -> Result<&str, String> {
        if self.kind == Kind::Environment || kinds.contains(&self.kind) {
            return Ok(&self.text);
        }
        let wanted = kinds[0].name();
        let got = if self.text.is_empty() { String::new() } else { format!(" `{}`", self.text) };
        Err(format!("must be {wanted}, got {}{got}", self.kind.name()))
    }
}

/// A whole number as plain digits, whatever its radix was.
fn decimal_digits(number: &toml::de::DeInteger<'_>) -> String {
    i128::from_str_radix(number.as_str(), number.radix()).map_or_else(|_| number.to_string(), |value| value.to_string())
}

/// A whole number within a range.
pub(crate) fn in_range<T: TryFrom<u64>>(text: &str, range: &RangeInclusive<u64>) -> Result<T, String> {
    let number = text.parse::<u64>().ok().filter(|number| range.contains(number));
    number
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| format!("must be {} to {}, got {text}", range.start(), range.end()))
}
