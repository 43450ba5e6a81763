//! Cloudflare Workers: how a Worker is told who calls, the error pages in front of it, the list of scripts.
//!
//! A Worker is called by plain HTTPS; there is no API for it. What stands in front of it answers with a page of its own
//! when the Worker can't be run, and names the error by a number in the page: `error code: 1101`.
//!
//! Sources: developers.cloudflare.com, "Errors and exceptions" and "Limits" of Workers, "Cloudflare 1xxx errors", and
//! "Service tokens" of Access, read 2026-11-21.

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

    /// The error that a body names: all of a text `error code: 1101`, or a page of HTML with it in its title or text.
    ///
    /// What a Worker itself answers may have such words in it too, so a caller asks only of an answer whose status is
    /// an error's.
    #[must_use]
    pub fn in_body(body: &[u8]) -> Option<Self> {
        let start = &body[..body.len().min(LOOKED_AT_BYTES)];
        let text = String::from_utf8_lossy(start).to_ascii_lowercase();
        let found = MARKS.iter().filter_map(|mark| text.split_once(mark)).map(|(_, rest)| rest);
        found.filter_map(number_at).find_map(Self::numbered)
    }
}

/// The number comes in the head of the page.
const LOOKED_AT_BYTES: usize = 16 * 1024;

/// What stands before the number: in the short text, in the page's source, and in its heading.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_its_error() {
        for (body, error) in [
            ("error code: 1101", Some(PageError::Exception)),
            ("error code: 1027\n", Some(PageError::DailyLimit)),
            ("<html><title>Worker threw exception</title><span>Error</span>\n<span>1101</span>", None),
            ("<h1><span>Error</span><span>1102</span></h1>", Some(PageError::CpuLimit)),
            ("<span class=x>Error code</span><span> 1015</span>", Some(PageError::RateLimited)),
            ("error code: 9999", None),
            ("error code: 11011", None),
            ("my own error 1101", None),
            ("", None),
        ] {
            assert_eq!(PageError::in_body(body.as_bytes()), error, "{body}");
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
