//! Tencent SCF: what its two invoking actions take and answer, and the list of functions.
//!
//! Every answer has the HTTP status 200. A refusal of the API is in `Response.Error`; a call that was taken answers with
//! `Response.Result`, which tells of a failure by an [`ErrMsg`] and a [`Status`]. Payload and reply are texts within
//! JSON, so that SCF carries JSON and nothing else; [`GatewayEvent`] is the shape in which its gateway hands any other
//! body to a function.
//!
//! Sources: the official SDK tencentcloud-sdk-python-scf 3.1.100, cloud.tencent.com/document/product/583/17243 (Invoke),
//! 583/58400 (InvokeFunction), read 2026-11-21.

mod gateway;
mod status;

use serde::{Deserialize, Serialize};

pub use gateway::{GatewayEvent, GatewayReply};
pub use status::Status;

use crate::AuthError;

/// The version of the API.
pub const VERSION: &str = "2018-04-16";
/// The action of a synchronous call.
pub const INVOKE_FUNCTION: &str = "InvokeFunction";
/// The older action, which can also make an asynchronous call; 100 requests a second of an account.
pub const INVOKE: &str = "Invoke";
/// The action that lists functions.
pub const LIST_FUNCTIONS: &str = "ListFunctions";

/// The largest payload and the largest reply of a synchronous call, in bytes.
pub const MOST_SYNC_BYTES: usize = 6 * 1024 * 1024;
/// The largest payload of an asynchronous call, in bytes.
pub const MOST_ASYNC_BYTES: usize = 128 * 1024;
/// The longest a synchronous call may run, in seconds.
pub const MOST_DURATION_S: u64 = 900;
/// Functions of one page at most.
pub const MOST_PER_PAGE: u64 = 100;

/// What `InvokeFunction` takes. Absent parts are the service's defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct InvokeFunction<'t> {
    /// The function.
    #[serde(borrow)]
    pub function_name: std::borrow::Cow<'t, str>,
    /// The version or alias, `$DEFAULT` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qualifier: Option<std::borrow::Cow<'t, str>>,
    /// The payload, JSON as a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<std::borrow::Cow<'t, str>>,
    /// `None` or `Tail`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_type: Option<std::borrow::Cow<'t, str>>,
    /// The namespace, `default` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<std::borrow::Cow<'t, str>>,
    /// What weighted aliases route by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routing_key: Option<std::borrow::Cow<'t, str>>,
}

/// What `Invoke` takes. Absent parts are the service's defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Invoke<'t> {
    /// The function.
    #[serde(borrow)]
    pub function_name: std::borrow::Cow<'t, str>,
    /// `RequestResponse` or `Event`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invocation_type: Option<std::borrow::Cow<'t, str>>,
    /// The version or alias, `$LATEST` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qualifier: Option<std::borrow::Cow<'t, str>>,
    /// The payload, JSON as a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_context: Option<std::borrow::Cow<'t, str>>,
    /// `None` or `Tail`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_type: Option<std::borrow::Cow<'t, str>>,
    /// The namespace, `default` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<std::borrow::Cow<'t, str>>,
    /// What weighted aliases route by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routing_key: Option<std::borrow::Cow<'t, str>>,
}

/// Any answer: `{"Response": {...}}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer<T> {
    /// What is in it.
    pub response: Response<T>,
}

/// What an answer says: an error, or the action's own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Response<T> {
    /// Why the action was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ApiError>,
    /// What came of the action otherwise.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub done: Option<T>,
    /// The request's id.
    #[serde(default)]
    pub request_id: String,
}

/// A refusal of the API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ApiError {
    /// Its name, such as `ResourceNotFound.Function`.
    pub code: String,
    /// In words.
    pub message: String,
}

/// What came of a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Invoked {
    /// The result.
    pub result: CallResult,
}

/// The result of a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CallResult {
    /// The call's id.
    pub function_request_id: String,
    /// The end of the log, where it was asked for.
    pub log: String,
    /// What the function returned.
    pub ret_msg: String,
    /// What went wrong; empty when nothing did. An [`ErrMsg`] in JSON, or plain words.
    pub err_msg: String,
    /// 0 when it went well.
    pub invoke_result: i64,
    /// The most memory it had, in bytes.
    pub mem_usage: u64,
    /// What it took, in milliseconds.
    pub duration: f64,
    /// What of it is billed, in milliseconds.
    pub bill_duration: u64,
}

/// What went wrong with a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ErrMsg {
    /// Its kind: the exception's name where it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_type: Option<String>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// The status, as the table of function statuses has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_code: Option<u16>,
}

impl CallResult {
    /// What went wrong, if anything did: the status and the words.
    ///
    /// The status is that of `ErrMsg` or, in older answers, `InvokeResult` itself; a failure without either is the
    /// function's own.
    #[must_use]
    pub fn failure(&self) -> Option<(Status, ErrMsg)> {
        if self.invoke_result == 0 && self.err_msg.is_empty() {
            return None;
        }
        let said: ErrMsg = serde_json::from_str(&self.err_msg).unwrap_or_else(|_| ErrMsg {
            error_message: Some(self.err_msg.clone()).filter(|text| !text.is_empty()),
            ..ErrMsg::default()
        });
        let numbered = u16::try_from(self.invoke_result).ok().filter(|number| *number >= 400);
        let status = said.status_code.filter(|number| *number >= 400).or(numbered);
        Some((status.map_or(Status::USER_CODE, Status::numbered), said))
    }
}

/// What `ListFunctions` takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListFunctions {
    /// How many to skip.
    pub offset: u64,
    /// How many to list.
    pub limit: u64,
    /// Of which namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// A page of functions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FunctionsPage {
    /// The functions.
    pub functions: Vec<Function>,
    /// How many there are in all.
    pub total_count: u64,
}

/// A function, as a list tells of it; its memory is not told there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Function {
    /// Its name.
    pub function_name: String,
    /// Its namespace.
    pub namespace: String,
    /// What it runs on, such as `Python3.10`.
    pub runtime: String,
    /// `Active`, or why it can't be called.
    pub status: String,
    /// Its labels.
    pub tags: Vec<Tag>,
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

/// What a request that is not believed is answered.
#[must_use]
pub const fn code_of_auth(error: &AuthError) -> &'static str {
    match error {
        AuthError::Missing | AuthError::Malformed(_) => "AuthFailure.InvalidAuthorization",
        AuthError::UnknownKey => "AuthFailure.SecretIdNotFound",
        AuthError::BadToken => "AuthFailure.TokenFailure",
        AuthError::Stale(_) => "AuthFailure.SignatureExpire",
        AuthError::Mismatch => "AuthFailure.SignatureFailure",
    }
}

#[cfg(test)]
mod tests;
