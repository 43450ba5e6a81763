//! What a test or the demo can do to a cloud while it runs, and the JSON that does it.
//!
//! A change is one atomic swap: calls that arrive later see all of it, calls under way none.

use std::num::NonZeroU64;

use merit_lambda_wire::error::{ErrorCode, ThrottleReason};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Everything that is wrong with a cloud. The default is a cloud in good health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Controls {
    /// Whether and how it is down.
    pub(crate) outage: Outage,
    /// Replies trickle at this many bytes a second of real time.
    pub(crate) slow_drip: Option<NonZeroU64>,
    /// The connection is cut after this many bytes of the reply's body. The call ran and is billed.
    pub(crate) cut_after_bytes: Option<u64>,
    /// What stands in place of a right answer. The call ran and is billed.
    pub(crate) wrong_answer: WrongAnswer,
    /// Added to every call's overhead, in modelled milliseconds.
    pub(crate) extra_latency_ms: u64,
    /// Calls at once, in place of the configured limit.
    pub(crate) concurrency: Option<u32>,
    /// The share of calls that fail with a 502 before they run, in parts per million. They are not billed.
    #[serde(rename = "error_rate", serialize_with = "as_share")]
    pub(crate) error_ppm: u32,
    /// Where AWS Lambda's protocol is spoken, the error that answers every invocation before it runs.
    pub(crate) lambda_error: Option<LambdaFault>,
    /// Where Function Compute's protocol is spoken, the checksum of every function's code package: another one was deployed.
    pub(crate) code_checksum: Option<u64>,
    /// Prices in percent of the sheet's.
    pub(crate) price_percent: u32,
}

/// An error of the Lambda API, written `CODE` or, for a throttle, `TooManyRequestsException/REASON`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LambdaFault {
    pub(crate) code: ErrorCode,
    pub(crate) reason: Option<ThrottleReason>,
}

/// How a cloud is down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outage {
    /// It is up.
    #[default]
    None,
    /// 503 at once. Nothing runs.
    Refuse,
    /// The request is taken and nothing ever comes back. Nothing runs.
    Hang,
    /// The request is taken and the connection is cut. Nothing runs.
    Reset,
}

/// What stands in place of a right answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WrongAnswer {
    /// The right answer.
    #[default]
    None,
    /// 200 with bytes that are no reply, and no meters.
    Garbage,
    /// The right reply with meters that are no numbers.
    MalformedMeters,
    /// 200 with the HTML page of a proxy in between.
    Html,
}

/// The body of `POST /_sim/clouds/{cloud}/control`: what is absent stays, `null` goes back to the default.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Patch {
    #[serde(default, deserialize_with = "present")]
    price_percent: Option<Option<u32>>,
    #[serde(default, deserialize_with = "present")]
    outage: Option<Option<Outage>>,
    #[serde(default, deserialize_with = "present")]
    slow_drip: Option<Option<NonZeroU64>>,
    #[serde(default, deserialize_with = "present")]
    cut_after_bytes: Option<Option<u64>>,
    #[serde(default, deserialize_with = "present")]
    wrong_answer: Option<Option<WrongAnswer>>,
    #[serde(default, deserialize_with = "present")]
    extra_latency_ms: Option<Option<u64>>,
    #[serde(default, deserialize_with = "present")]
    concurrency: Option<Option<u32>>,
    #[serde(default, deserialize_with = "present")]
    error_rate: Option<Option<Share>>,
    #[serde(default, deserialize_with = "present")]
    lambda_error: Option<Option<LambdaFault>>,
    #[serde(default, deserialize_with = "present")]
    code_checksum: Option<Option<u64>>,
    /// Evicts every warm instance, once.
    #[serde(default)]
    pub(crate) cold_all: bool,
}

/// A share from 0 to 1, kept in parts per million.
#[derive(Clone, Copy, Debug)]
struct Share(u32);

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let share = f64::deserialize(deserializer)?;
        if !(0.0..=1.0).contains(&share) {
            return Err(serde::de::Error::custom(format!("a share is 0 to 1, not {share}")));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1,000,000")]
        Ok(Self((share * 1e6).round() as u32))
    }
}

impl<'de> Deserialize<'de> for LambdaFault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (code, reason) = text.split_once('/').map_or((text.as_str(), None), |(code, reason)| (code, Some(reason)));
        let (code, reason) = (ErrorCode::named(code), reason.map(ThrottleReason::named));
        if matches!(code, ErrorCode::Other(_)) || matches!(reason, Some(ThrottleReason::Other(_))) {
            let problem = format!("`{text}` is no error of Lambda; write one such as ENILimitReachedException");
            return Err(serde::de::Error::custom(problem));
        }
        Ok(Self { code, reason })
    }
}

impl Serialize for LambdaFault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.reason {
            None => serializer.collect_str(&self.code),
            Some(reason) => serializer.collect_str(&format_args!("{}/{}", self.code, reason.as_str())),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn as_share<S: Serializer>(ppm: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(f64::from(*ppm) / 1e6)
}

/// A thousand times the list price. Sheets refuse rates beyond any sense, and so should this.
const MOST_PERCENT: u32 = 100_000;

/// Tells `null` from absent.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

impl Default for Controls {
    fn default() -> Self {
        Self {
            outage: Outage::None,
            slow_drip: None,
            cut_after_bytes: None,
            wrong_answer: WrongAnswer::None,
            extra_latency_ms: 0,
            concurrency: None,
            error_ppm: 0,
            lambda_error: None,
            code_checksum: None,
            price_percent: 100,
        }
    }
}

impl Patch {
    /// Reads the JSON.
    ///
    /// # Errors
    /// What is wrong with it, for the caller.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, String> {
        // By way of a map, because serde would also take a bare array of the values.
        let read = |json| serde_json::from_value(serde_json::Value::Object(serde_json::from_slice(json)?));
        let patch: Self = read(json).map_err(|error| format!("failed to read the control: {error}"))?;
        match patch.price_percent.flatten() {
            Some(percent) if percent > MOST_PERCENT => {
                Err(format!("price_percent is at most {MOST_PERCENT}, not {percent}"))
            }
            _ => Ok(patch),
        }
    }

    /// The controls with this change made.
    pub(crate) fn apply(&self, current: &Controls) -> Controls {
        Controls {
            outage: self.outage.map_or(current.outage, Option::unwrap_or_default),
            slow_drip: self.slow_drip.unwrap_or(current.slow_drip),
            cut_after_bytes: self.cut_after_bytes.unwrap_or(current.cut_after_bytes),
            wrong_answer: self.wrong_answer.map_or(current.wrong_answer, Option::unwrap_or_default),
            extra_latency_ms: self.extra_latency_ms.map_or(current.extra_latency_ms, Option::unwrap_or_default),
            concurrency: self.concurrency.unwrap_or(current.concurrency),
            error_ppm: self.error_rate.map_or(current.error_ppm, |share| share.map_or(0, |Share(ppm)| ppm)),
            lambda_error: self.lambda_error.clone().unwrap_or_else(|| current.lambda_error.clone()),
            code_checksum: self.code_checksum.unwrap_or(current.code_checksum),
            price_percent: self.price_percent.map_or(current.price_percent, |percent| percent.unwrap_or(100)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(json: &str, current: &Controls) -> Controls {
        Patch::parse(json.as_bytes()).expect("a control").apply(current)
    }

    #[test]
    fn changes_what_is_given_and_keeps_the_rest() {
        let down = patched(r#"{"outage":"hang","error_rate":0.25,"slow_drip":64}"#, &Controls::default());
        assert_eq!((down.outage, down.error_ppm, down.slow_drip), (Outage::Hang, 250_000, NonZeroU64::new(64)));
        let more = patched(r#"{"concurrency":0,"price_percent":250,"slow_drip":null}"#, &down);
        assert_eq!(
            (more.outage, more.concurrency, more.price_percent, more.slow_drip),
            (Outage::Hang, Some(0), 250, None)
        );
        let all = r#"{"outage":null,"error_rate":null,"concurrency":null,"price_percent":null}"#;
        assert_eq!(patched(all, &more), Controls::default());
    }

    #[test]
    fn says_what_is_wrong() {
        let refused = |json: &str| Patch::parse(json.as_bytes()).expect_err("refused");
        assert!(refused(r#"{"price":1}"#).contains("unknown field `price`, expected one of `price_percent`"));
        assert!(refused(r#"{"error_rate":1.5}"#).contains("a share is 0 to 1, not 1.5"));
        assert!(refused(r#"{"outage":"explode"}"#).contains("expected one of `none`, `refuse`, `hang`, `reset`"));
        assert!(refused(r#"{"slow_drip":0}"#).contains("expected a nonzero u64"));
        assert!(refused(r#"{"price_percent":100001}"#).contains("at most 100000"));
        assert!(refused(r#"{"lambda_error":"NoException"}"#).contains("`NoException` is no error of Lambda"));
        assert!(refused("{").contains("EOF"));
    }

    #[test]
    fn shows_the_names_it_takes() {
        let json = serde_json::to_value(Controls { error_ppm: 500_000, ..Controls::default() }).expect("JSON");
        assert_eq!(json["error_rate"], 0.5);
        assert_eq!(json["outage"], "none");
        assert_eq!(json["price_percent"], 100);
        let throttle = "TooManyRequestsException/CallerRateLimitExceeded";
        let throttled = patched(&format!(r#"{{"lambda_error":"{throttle}"}}"#), &Controls::default());
        assert_eq!(serde_json::to_value(throttled).expect("JSON")["lambda_error"], throttle);
    }
}
