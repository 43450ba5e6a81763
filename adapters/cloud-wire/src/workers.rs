//! Cloudflare Workers: how a Worker is told who calls, the error pages in front of it, the list of scripts.
//!
//! A Worker is called by plain HTTPS; there is no API for it. What stands in front of it answers with a page of its own
//! when the Worker can't be run, and names the error by a number in the page: `error code: 1101`.
//!
//! Sources: developers.cloudflare.com, "Errors and exceptions" and "Limits" of Workers, "Cloudflare 1xxx errors", and
//! "Service tokens" of Access, read 2026-11-21.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The id of an Access service token.
pub const ACCESS_CLIENT_ID: &str = "cf-access-client-id";
/// Its secret.
pub const ACCESS_CLIENT_SECRET: &str = "cf-access-client-secret";
/// The id of a request, which Cloudflare's support asks for.
pub const RAY: &str = "cf-ray";

/// The largest payload of the Free and Pro plans, in bytes.
pub const MOST_REQUEST_BYTES: usize = 100 * 1024 * 1024;

macro_rules! pages {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $status:literal, $words:literal;)*) => {
        /// The errors in front of Workers, by number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum PageError {
            $($(#[$doc])* $name,)*
        }

        impl PageError {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The number.
            #[must_use]
            pub const fn number(self) -> u16 {
                match self { $(Self::$name => $number,)* }
            }

            /// The HTTP status it comes with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// In words.
            #[must_use]
            pub const fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)* }
            }
        }
    };
}

pages! {
    /// A rate limiting rule of the zone turned the caller away.
    RateLimited = 1015, 429, "you are being rate limited";
    /// A Worker called itself sixteen times over.
    Loop = 1019, 503, "a Worker loops back to itself";
    /// The Worker needs a feature that the plan or the account has not.
    FeatureMissing = 1022, 403, "the Worker asks for what its account has not";
    /// The requests of the day, on the free plan, are used up.
    DailyLimit = 1027, 429, "the Worker has used up its requests of the day";
    /// A Worker called a Worker of the same zone.
    SameZone = 1042, 404, "the Worker's address is not reachable from a Worker of the same zone";
    /// The Worker threw an exception.
    Exception = 1101, 500, "the Worker threw an exception";
    /// The Worker used more CPU time than it may.
    CpuLimit = 1102, 503, "the Worker exceeded its resources";
}

impl PageError {
    /// The error of that number.
    #[must_use]
    pub fn numbered(number: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|error| error.number() == number)
    }

    /// The error that an answer names: by a text that is nothing but `error code: 1101`, or in a page of Cloudflare's own.
    ///
    /// What a Worker itself answers may have such words in it too, so the status must be the error's, and a caller asks
    /// only of an answer whose status is an error's.
    #[must_use]
    pub fn named(status: u16, body: &[u8]) -> Option<Self> {
        let start = &body[..body.len().min(LOOKED_AT_BYTES)];
        let text = String::from_utf8_lossy(start).to_ascii_lowercase();
        let plain = text.trim().strip_prefix("error code: ").and_then(|number| number.parse().ok());
        let number = plain.or_else(|| {
            let rest = MARKS.iter().find_map(|mark| text.split_once(mark)).map(|(_, rest)| rest);
            rest.filter(|_| text.contains("cloudflare")).and_then(number_at)
        });
        number.and_then(Self::numbered).filter(|error| error.status() == status)
    }
}

/// The number comes in the head of the page.
const LOOKED_AT_BYTES: usize = 16 * 1024;

/// What stands before the number in a page.
const MARKS: [&str; 3] = ["error code: ", "error code</span><span>", "<span>error</span><span>"];

fn number_at(text: &str) -> Option<u16> {
    let digits = text.trim_start().split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    if digits.len() == 4 { digits.parse().ok() } else { None }
}

/// An answer of Cloudflare's API that lists scripts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scripts {
    /// Whether it went well.
    pub success: bool,
    /// What went wrong otherwise.
    pub errors: Vec<ApiError>,
    /// The scripts.
    #[serde(deserialize_with = "or_none")]
    pub result: Vec<Script>,
}

/// An error of Cloudflare's API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApiError {
    /// Its number, such as 10000 for credentials that are not taken.
    pub code: u64,
    /// In words.
    pub message: String,
}

/// A script: a Worker's code under its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Script {
    /// Its name.
    pub id: String,
    /// Its labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
}

/// A refusal has `null` where the list would be.
fn or_none<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Script>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// An answer of Cloudflare's analytics to a query of `workersInvocationsAdaptive`.
#[derive(Deserialize)]
struct Analytics {
    data: Option<AnalyticsData>,
}

#[derive(Deserialize)]
struct AnalyticsData {
    viewer: Viewer,
}

#[derive(Deserialize)]
struct Viewer {
    accounts: Vec<Account>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    workers_invocations_adaptive: Vec<Group>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Group {
    dimensions: Dimensions,
    sum: Sum,
    quantiles: Quantiles,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Dimensions {
    script_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Sum {
    requests: u64,
    cpu_time_us: Option<f64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Quantiles {
    #[serde(rename = "cpuTimeP50")]
    p50: Option<f64>,
    #[serde(rename = "cpuTimeP99")]
    p99: Option<f64>,
}

/// The mean CPU time of each script's calls in microseconds, from an answer of Cloudflare's analytics (GraphQL) to a
/// query of `workersInvocationsAdaptive` by `scriptName`.
///
/// It is the sum by the requests, where the query asked for both. From quantiles it is taken as if the lower half took
/// the median and the upper rose evenly to the 99th, which is rather too much than too little.
///
/// # Errors
/// What is wrong with the answer.
pub fn cpu_means(text: &[u8]) -> Result<BTreeMap<String, u64>, String> {
    let analytics: Analytics = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let data = analytics.data.ok_or("it has no data: the query was refused")?;
    let groups = data.viewer.accounts.into_iter().flat_map(|account| account.workers_invocations_adaptive);
    Ok(groups.filter_map(|group| Some((group.dimensions.script_name.clone()?, group.mean()?))).collect())
}

impl Group {
    fn mean(&self) -> Option<u64> {
        let Self { sum, quantiles, .. } = self;
        if let (Some(total), true) = (sum.cpu_time_us.and_then(whole), sum.requests > 0) {
            return Some(total.div_ceil(sum.requests));
        }
        let (p50, p99) = (whole(quantiles.p50?)?, whole(quantiles.p99?)?);
        Some((p50 * 50 + (p50 + p99) * 49 / 2 + p99) / 100)
    }
}

/// Whole microseconds, up to a day.
fn whole(micros: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    let whole = (0.0..=86_400e6).contains(&micros).then(|| micros.round() as u64);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_names_its_error() {
        for (status, body, error) in [
            (500, "error code: 1101", Some(PageError::Exception)),
            (429, "error code: 1027\n", Some(PageError::DailyLimit)),
            (503, "<h1><span>Error</span><span>1102</span></h1> Cloudflare Ray ID", Some(PageError::CpuLimit)),
            (429, "<span>Error code</span><span> 1015</span> Performance by Cloudflare", Some(PageError::RateLimited)),
            (503, "<h1><span>Error</span><span>1102</span></h1>", None),
            (200, "error code: 1101", None),
            (500, "error code: 9999", None),
            (500, "error code: 11011", None),
            (500, "it said error code: 1101", None),
            (500, "", None),
        ] {
            assert_eq!(PageError::named(status, body.as_bytes()), error, "{status} {body}");
        }
        for error in PageError::ALL {
            let text = format!("error code: {}", error.number());
            assert_eq!(PageError::named(error.status(), text.as_bytes()), Some(*error));
        }
    }

    #[test]
    fn analytics_give_a_mean_per_script() {
        let text = r#"{"data":{"viewer":{"accounts":[{"workersInvocationsAdaptive":[
            {"dimensions":{"scriptName":"summed"},"sum":{"requests":4,"cpuTimeUs":10001}},
            {"dimensions":{"scriptName":"resize"},"quantiles":{"cpuTimeP50":1000.0,"cpuTimeP99":9000.0}},
            {"dimensions":{"scriptName":"idle"},"sum":{"requests":0}},
            {"dimensions":{},"quantiles":{"cpuTimeP50":1.0,"cpuTimeP99":1.0}}]}]}},"errors":null}"#;
        let means = cpu_means(text.as_bytes()).expect("analytics");
        let expected = [("resize".to_owned(), 3040), ("summed".to_owned(), 2501)];
        assert_eq!(means, expected.into());
        for bad in ["", "{}", r#"{"data":null,"errors":[{"message":"no"}]}"#] {
            assert!(cpu_means(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn scripts_and_refusals_are_read() {
        let listed = r#"{"success":true,"errors":[],"messages":[],"result":[{"id":"resize","etag":"x",
            "handlers":["fetch"],"created_on":"2026-01-01T00:00:00Z"}]}"#;
        let scripts: Scripts = serde_json::from_str(listed).expect("a list");
        assert_eq!((scripts.success, scripts.result[0].id.as_str()), (true, "resize"));
        let refused = r#"{"success":false,"errors":[{"code":10000,"message":"Authentication error"}],"result":null}"#;
        let refused: Scripts = serde_json::from_str(refused).expect("a refusal");
        assert_eq!((refused.success, refused.errors[0].code, refused.result.len()), (false, 10_000, 0));
    }
}
