//! What a function says about its events, and what follows from that and the settings.

use merit_config::range;
use merit_units::{FunctionId, Micros};
use merit_wire::EventSpec;

use crate::refusal::Refusal;

/// Who is told how an event ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A function, called with the record as its payload.
    Function(FunctionId),
    /// A URL the record is posted to.
    Url(Box<str>),
}

impl Destination {
    fn read(text: &str) -> Result<Self, String> {
        let text = range::destination(text)?;
        Ok(match FunctionId::try_new(&text) {
            Ok(function) => Self::Function(function),
            Err(_) => Self::Url(text.into()),
        })
    }

    fn text(&self) -> &str {
        match self {
            Self::Function(function) => function.as_str(),
            Self::Url(url) => url,
        }
    }
}

/// A function's own rules; what it leaves out is as the settings say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Retries after an error of its own.
    pub max_retries: Option<u32>,
    /// How long the first of them waits; the n-th n times as long.
    pub retry_delay: Option<Micros>,
    /// How long an event is tried.
    pub max_age: Option<Micros>,
    /// Who is told of one that was delivered.
    pub on_success: Option<Destination>,
    /// Who is told of one that was given up.
    pub on_failure: Option<Destination>,
}

impl Rules {
    /// Checks what was put.
    ///
    /// # Errors
    /// [`Refusal::BadRequest`] naming the field and its range.
    pub fn of(spec: &EventSpec) -> Result<Self, Refusal> {
        let within = |field: &str, value: Option<u64>, range: std::ops::RangeInclusive<u64>| match value {
            Some(value) if !range.contains(&value) => {
                let (least, most) = (range.start(), range.end());
                Err(Refusal::BadRequest(format!("async.{field} must be {least} to {most}, got {value}")))
            }
            value => Ok(value),
        };
        let destination = |field: &str, text: &Option<String>| {
            let read = text.as_deref().map(Destination::read).transpose();
            read.map_err(|error| Refusal::BadRequest(format!("async.{field} {error}")))
        };
        within("max_retries", spec.max_retries.map(u64::from), range::MAX_RETRIES)?;
        Ok(Self {
            max_retries: spec.max_retries,
            retry_delay: within("retry_delay_s", spec.retry_delay_s, range::RETRY_DELAY_S)?.map(Micros::from_secs),
            max_age: within("max_age_s", spec.max_age_s, range::MAX_AGE_S)?.map(Micros::from_secs),
            on_success: destination("on_success", &spec.on_success)?,
            on_failure: destination("on_failure", &spec.on_failure)?,
        })
    }

    /// As it would be put.
    #[must_use]
    pub fn spec(&self) -> EventSpec {
        let seconds = |length: Micros| length.get() / 1_000_000;
        EventSpec {
            max_retries: self.max_retries,
            retry_delay_s: self.retry_delay.map(seconds),
            max_age_s: self.max_age.map(seconds),
            on_success: self.on_success.as_ref().map(|destination| destination.text().to_owned()),
            on_failure: self.on_failure.as_ref().map(|destination| destination.text().to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_read_back() {
        let spec = EventSpec {
            max_retries: Some(0),
            retry_delay_s: Some(5),
            max_age_s: Some(60),
            on_success: Some("index".to_owned()),
            on_failure: Some("https://ops.example.com/failed?team=1".to_owned()),
        };
        assert_eq!(Rules::of(&spec).expect("right").spec(), spec);
        assert_eq!(Rules::of(&EventSpec::default()), Ok(Rules::default()));
    }

    #[test]
    fn each_mistake_is_named() {
        for (spec, message) in [
            (
                EventSpec { max_retries: Some(101), ..EventSpec::default() },
                "async.max_retries must be 0 to 100, got 101",
            ),
            (
                EventSpec { retry_delay_s: Some(0), ..EventSpec::default() },
                "async.retry_delay_s must be 1 to 3600, got 0",
            ),
            (EventSpec { max_age_s: Some(0), ..EventSpec::default() }, "async.max_age_s must be 1 to 1209600, got 0"),
            (
                EventSpec { on_failure: Some("ftp://x".to_owned()), ..EventSpec::default() },
                "async.on_failure must be a function's name or an http or https URL, got `ftp://x`",
            ),
        ] {
            assert_eq!(Rules::of(&spec), Err(Refusal::BadRequest(message.to_owned())));
        }
    }
}
