//! Alibaba Function Compute 3.0: paths, headers, limits, error bodies, the list of functions.
//!
//! Sources: the API as the official SDK alibabacloud-fc20230330 4.8.3 calls it, and help.aliyun.com, Function Compute,
//! "Error codes" and "Limits", read 2026-11-21.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::AuthError;

mod task;

pub use task::{AsyncConfig, AsyncTask, TaskStatus, async_config_path, is_task_id, task_path};

/// The version of the API, in paths and in `x-acs-version`.
pub const VERSION: &str = "2023-03-30";

/// Which operation: `InvokeFunction`, `GetAsyncTask` or `ListFunctions`.
pub const ACTION_HEADER: &str = "x-acs-action";
/// Which version.
pub const VERSION_HEADER: &str = "x-acs-version";

/// `Sync` or `Async`.
pub const INVOCATION_TYPE: &str = "x-fc-invocation-type";
/// `None` or `Tail`.
pub const LOG_TYPE: &str = "x-fc-log-type";
/// The id of an asynchronous call: a second one with the same id is not run.
pub const ASYNC_TASK_ID: &str = "x-fc-async-task-id";

/// The id of a call.
pub const REQUEST_ID: &str = "x-fc-request-id";
/// The kind of error that the function ended with; the status is 200 all the same.
pub const ERROR_TYPE: &str = "x-fc-error-type";
/// What the call took, in whole milliseconds rounded up.
pub const DURATION_MS: &str = "x-fc-invocation-duration";
/// The most memory it had, in MB with decimals.
pub const MEMORY_MB: &str = "x-fc-max-memory-usage";
/// The end of the log, at most 4 KB, in base64.
pub const LOG_RESULT: &str = "x-fc-log-result";
/// The version that ran: `LATEST` or a number.
pub const SERVICE_VERSION: &str = "x-fc-invocation-service-version";
/// The CRC-64 of the code package that ran, a decimal number as in [`Function::code_checksum`]. Functions that are images tell
/// none.
pub const CODE_CHECKSUM: &str = "x-fc-code-checksum";
/// Of an HTTP trigger: its own error, such as `FcCommonError`; the function did not run.
pub const TRIGGER_ERROR: &str = "FcCommonError";

/// The largest payload and the largest reply of a synchronous call, in bytes.
pub const MOST_SYNC_BYTES: usize = 32 * 1024 * 1024;
/// The largest payload of an asynchronous call, in bytes.
pub const MOST_ASYNC_BYTES: usize = 128 * 1024;
/// The longest a function may run, in seconds.
pub const MOST_DURATION_S: u64 = 86_400;
/// The longest id of an asynchronous call, in bytes.
pub const MOST_TASK_ID_BYTES: usize = 128;
/// Functions of one page at most.
pub const MOST_PER_PAGE: usize = 100;

/// All but the unreserved characters of RFC 3986.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Where a function is called, without query.
#[must_use]
pub fn invocations_path(function: &str) -> String {
    format!("/{VERSION}/functions/{}/invocations", utf8_percent_encode(function, SEGMENT))
}

/// Where functions are listed, without query.
#[must_use]
pub fn functions_path() -> String {
    format!("/{VERSION}/functions")
}

/// A value of a query.
#[must_use]
pub fn query_value(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $status:literal;)*) => {
        /// The errors of the API that matter to calls, by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)*
        }

        impl ErrorCode {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name, as it is sent.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The HTTP status it comes with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }
        }
    };
}

codes! {
    /// A parameter is wrong.
    InvalidArgument = "InvalidArgument", 400;
    /// A header is missing.
    MissingRequiredHeader = "MissingRequiredHeader", 400;
    /// No such path.
    PathNotSupported = "PathNotSupported", 400;
    /// The payload is too large.
    EntityTooLarge = "EntityTooLarge", 400;
    /// The key may not do this.
    AccessDenied = "AccessDenied", 403;
    /// The signature is another.
    SignatureNotMatch = "SignatureNotMatch", 403;
    /// No such key.
    InvalidAccessKeyId = "InvalidAccessKeyID", 403;
    /// The token is not the key's, or over.
    InvalidSecurityToken = "InvalidSecurityToken", 403;
    /// The clocks differ by more than 15 minutes.
    RequestTimeTooSkewed = "RequestTimeTooSkewed", 403;
    /// No such function.
    FunctionNotFound = "FunctionNotFound", 404;
    /// No asynchronous call of that id, or none that is remembered.
    AsyncTaskNotFound = "StatefulAsyncInvocationNotFound", 404;
    /// No such alias.
    AliasNotFound = "AliasNotFound", 404;
    /// No such version.
    VersionNotFound = "VersionNotFound", 404;
    /// Something else is being done with it.
    ConcurrentUpdateError = "ConcurrentUpdateError", 409;
    /// An asynchronous call of that id is there already.
    AsyncTaskAlreadyExists = "StatefulAsyncInvocationAlreadyExists", 409;
    /// The function is not ready: its image is being prepared, or it failed to be.
    FunctionNotReady = "FunctionNotReady", 412;
    /// Too many instances, or more of them at once than may be added.
    ResourceExhausted = "ResourceExhausted", 429;
    /// The caller closed the connection.
    ClientClosedRequest = "ClientClosedRequest", 499;
    /// The service failed.
    InternalServerError = "InternalServerError", 500;
    /// The service is short of machines.
    ResourceThrottled = "ResourceThrottled", 503;
}

impl ErrorCode {
    /// The error of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }

    /// What a request that is not believed is answered.
    #[must_use]
    pub const fn of_auth(error: &AuthError) -> Self {
        match error {
            AuthError::Missing | AuthError::Malformed(_) => Self::MissingRequiredHeader,
            AuthError::UnknownKey => Self::InvalidAccessKeyId,
            AuthError::BadToken => Self::InvalidSecurityToken,
            AuthError::Stale(_) => Self::RequestTimeTooSkewed,
            AuthError::Mismatch => Self::SignatureNotMatch,
        }
    }
}

/// The body of an error. The service writes `Code` or `errorCode`, by which of its parts answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ErrorBody {
    /// The error's name.
    #[serde(alias = "errorCode")]
    pub code: String,
    /// In words.
    #[serde(alias = "errorMessage")]
    pub message: String,
    /// The request's id.
    pub request_id: String,
}

impl ErrorBody {
    /// Reads a body; `None` when it is no error of this service.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok().filter(|read: &Self| !read.code.is_empty())
    }
}

/// The body of a reply whose function failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FunctionErrorBody {
    /// The kind, such as `ValueError`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_type: Option<String>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}

/// A page of functions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FunctionsPage {
    /// The functions.
    pub functions: Vec<Function>,
    /// Where the next page begins; nothing, or an empty text, on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// A function, as far as it matters to calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Function {
    /// Its name.
    pub function_name: String,
    /// Configured memory in MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_size: Option<u64>,
    /// Configured vCPUs, a number with decimals such as `0.35`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<serde_json::Number>,
    /// After how many seconds a call is ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// Calls one instance takes at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_concurrency: Option<u32>,
    /// A CRC-64 of its code package, a decimal number: that of `LATEST`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_checksum: Option<String>,
    /// What it runs on, such as `python3.12`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// Its labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<Tag>>,
}

/// A package's CRC-64 as a digest; `None` where the text is no number of 64 bits.
#[must_use]
pub fn digest(checksum: &str) -> Option<String> {
    let is_number = checksum.bytes().all(|byte| byte.is_ascii_digit()) && checksum.parse::<u64>().is_ok();
    is_number.then(|| format!("crc64:{checksum}"))
}

/// A label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Tag {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read_in_either_spelling_and_named_once() {
        let v3 = br#"{"RequestId":"1-abc","Code":"FunctionNotFound","Message":"function 'f' does not exist"}"#;
        let v2 = br#"{"errorCode":"FunctionNotFound","errorMessage":"function 'f' does not exist"}"#;
        for body in [&v3[..], v2] {
            let read = ErrorBody::read(body).expect("an error");
            assert_eq!(ErrorCode::named(&read.code), Some(ErrorCode::FunctionNotFound));
            assert_eq!(read.message, "function 'f' does not exist");
        }
        for other in [&b"<html>"[..], b"", b"{}", br#"{"Message":"x"}"#, b"[1]"] {
            assert_eq!(ErrorBody::read(other), None, "{}", String::from_utf8_lossy(other));
        }
        let names: std::collections::BTreeSet<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), ErrorCode::ALL.len());
    }

    #[test]
    fn names_are_encoded_in_paths_as_the_sdk_does() {
        assert_eq!(invocations_path("my-func"), "/2023-03-30/functions/my-func/invocations");
        assert_eq!(invocations_path("a b/é$~"), "/2023-03-30/functions/a%20b%2F%C3%A9%24~/invocations");
        assert_eq!(query_value("LATEST"), "LATEST");
    }

    #[test]
    fn a_list_is_read_as_it_comes() {
        let text = r#"{"functions":[{"functionName":"f","cpu":0.35,"memorySize":512,"timeout":60,"codeChecksum":"2825179536350383358","runtime":"python3.12",
            "diskSize":512,"tags":[{"Key":"merit-function","Value":"thumbnail"}]}],"nextToken":"abc"}"#;
        let page: FunctionsPage = serde_json::from_str(text).expect("a page");
        let function = &page.functions[0];
        assert_eq!((function.function_name.as_str(), function.memory_size), ("f", Some(512)));
        assert_eq!(function.cpu.as_ref().map(ToString::to_string).as_deref(), Some("0.35"));
        assert_eq!(function.code_checksum.as_deref(), Some("2825179536350383358"));
        assert_eq!(page.next_token.as_deref(), Some("abc"));
        assert_eq!(digest("18446744073709551615").as_deref(), Some("crc64:18446744073709551615"));
        for bad in ["", "18446744073709551616", "-1", "+1", "0x1", "1.0"] {
            assert_eq!(digest(bad), None, "{bad}");
        }
    }
}
