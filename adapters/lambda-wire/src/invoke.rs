//! The headers of an invocation, and the few words that stand in them.
//!
//! Source: the shapes of Invoke and InvokeWithResponseStream in Lambda's service model (botocore 1.44.5,
//! read 2026-11-21) and Lambda's quotas page for the limits.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderName;

/// `Event`, `RequestResponse` or `DryRun`; `RequestResponse` without it.
pub const INVOCATION_TYPE: HeaderName = HeaderName::from_static("x-amz-invocation-type");
/// `Tail` for the end of the log; `None` without it.
pub const LOG_TYPE: HeaderName = HeaderName::from_static("x-amz-log-type");
/// Base64 of the client's JSON context.
pub const CLIENT_CONTEXT: HeaderName = HeaderName::from_static("x-amz-client-context");
/// For functions that isolate tenants, whose call it is.
pub const TENANT_ID: HeaderName = HeaderName::from_static("x-amz-tenant-id");
/// Names a durable execution; the same name again is the same execution.
pub const DURABLE_EXECUTION_NAME: HeaderName = HeaderName::from_static("x-amz-durable-execution-name");
/// In an answer: the function failed, `Handled` or `Unhandled`.
pub const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
/// In an answer: base64 of the last 4 KiB of the log.
pub const LOG_RESULT: HeaderName = HeaderName::from_static("x-amz-log-result");
/// In an answer: the version that ran.
pub const EXECUTED_VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");

/// The largest payload of a synchronous call and of its reply, in bytes.
pub const MOST_SYNC_BYTES: usize = 6 * 1024 * 1024;
/// The largest payload of a queued call, in bytes.
pub const MOST_ASYNC_BYTES: usize = 1024 * 1024;
/// How much of the log's end is sent, in bytes.
pub const LOG_TAIL_BYTES: usize = 4 * 1024;
/// The longest client context, decoded, in bytes.
pub const MOST_CLIENT_CONTEXT_BYTES: usize = 3583;

/// What the caller waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum InvocationType {
    /// The reply.
    #[default]
    RequestResponse,
    /// Only that the call is queued.
    Event,
    /// Only whether it would be let in.
    DryRun,
}

impl InvocationType {
    /// As it stands in the header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequestResponse => "RequestResponse",
            Self::Event => "Event",
            Self::DryRun => "DryRun",
        }
    }

    /// From the header; `None` for any other word, which AWS refuses.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::RequestResponse, Self::Event, Self::DryRun].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A function's failure, by who told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FunctionErrorKind {
    /// The function returned an error of its own accord.
    Handled,
    /// The runtime found that it failed: an exception, a timeout, an exit.
    Unhandled,
}

impl FunctionErrorKind {
    /// As it stands in the header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Handled => "Handled",
            Self::Unhandled => "Unhandled",
        }
    }

    /// From the header. Whatever is there, the function failed, so an unknown word is [`Self::Unhandled`].
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text == "Handled" { Self::Handled } else { Self::Unhandled }
    }
}

/// A log's end as it goes into the header: the last 4 KiB, in base64.
#[must_use]
pub fn encode_tail(log: &[u8]) -> String {
    let mut start = log.len().saturating_sub(LOG_TAIL_BYTES);
    // Not through the middle of a character: the bytes that only continue one are 0b10xxxxxx.
    while log.get(start).is_some_and(|byte| byte & 0xc0 == 0x80) {
        start += 1;
    }
    STANDARD.encode(&log[start..])
}

/// A log's end out of the header; `None` when it is not base64.
#[must_use]
pub fn decode_tail(header: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(header.trim_ascii()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for kind in [InvocationType::RequestResponse, InvocationType::Event, InvocationType::DryRun] {
            assert_eq!(InvocationType::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(InvocationType::parse("event"), None, "AWS takes no other case");
        assert_eq!(FunctionErrorKind::parse("Handled"), FunctionErrorKind::Handled);
        assert_eq!(FunctionErrorKind::parse("whatever"), FunctionErrorKind::Unhandled);
    }

    #[test]
    fn a_tail_is_the_end_and_no_half_character() {
        assert_eq!(decode_tail(encode_tail(b"all of it").as_bytes()).as_deref(), Some(&b"all of it"[..]));
        let log = "é".repeat(LOG_TAIL_BYTES);
        let tail = decode_tail(encode_tail(format!("{log}x").as_bytes()).as_bytes()).expect("base64");
        assert_eq!(tail.len(), LOG_TAIL_BYTES - 1);
        assert!(String::from_utf8(tail).expect("whole characters").ends_with("éx"));
        assert_eq!(decode_tail(b"not base64!"), None);
    }
}
