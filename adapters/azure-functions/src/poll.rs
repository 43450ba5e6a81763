//! What a starter of Durable Functions answers, and how an orchestration is told to be doing.
//!
//! Source: learn.microsoft.com/azure/azure-functions/durable/durable-functions-http-api, 2026-11-21.

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri, header};
use merit_venue::FunctionError;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The largest answer that is looked at for a place to ask, in bytes.
const MOST_START_BYTES: usize = 64 * 1024;

/// Where to ask, as a starter says in its body.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Started {
    #[serde(alias = "StatusQueryGetUri")]
    status_query_get_uri: String,
}

/// How an orchestration is doing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    runtime_status: String,
    #[serde(borrow, default)]
    output: Option<&'a RawValue>,
}

/// How an orchestration is doing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It has not ended.
    Running,
    /// It has ended well, with this output: JSON, or nothing.
    Completed(Bytes),
    /// It has ended otherwise, with the word for it and what it says.
    Failed(FunctionError),
}

/// Where to ask about what was begun: in the body, else where `location` says. `None` when it is no starter's answer.
pub(crate) fn status_url(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<Uri> {
    if status != StatusCode::ACCEPTED {
        return None;
    }
    let small = body.get(..body.len().min(MOST_START_BYTES)).unwrap_or_default();
    let told = serde_json::from_slice::<Started>(small).ok().and_then(|told| told.status_query_get_uri.parse().ok());
    let place = || headers.get(header::LOCATION)?.to_str().ok()?.parse::<Uri>().ok();
    told.or_else(place).filter(|uri: &Uri| uri.host().is_some())
}

/// What an answer to the question says; an error says why it is none.
pub(crate) fn read(status: StatusCode, body: &[u8]) -> Result<Doing, &'static str> {
    let told: Told<'_> = match serde_json::from_slice(body) {
        Ok(told) => told,
        // 202 is answer enough.
        Err(_) if status == StatusCode::ACCEPTED => return Ok(Doing::Running),
        Err(_) => return Err("it does not say how the orchestration is doing"),
    };
    let output = told.output.map_or("", RawValue::get);
    match told.runtime_status.as_str() {
        "Completed" => {
            Ok(Doing::Completed(Bytes::copy_from_slice(if output == "null" { b"" } else { output.as_bytes() })))
        }
        "Failed" | "Terminated" | "Canceled" => {
            let said = serde_json::from_str::<String>(output).unwrap_or_else(|_| output.to_owned());
            Ok(Doing::Failed(FunctionError::new(told.runtime_status, said)))
        }
        "Pending" | "Running" | "ContinuedAsNew" | "Suspended" => Ok(Doing::Running),
        _ => Err("it tells a runtimeStatus that is not known"),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const URL: &str = "https://orders.azurewebsites.net/runtime/webhooks/durabletask/instances/abc?code=k";

    #[test]
    fn a_place_to_ask_is_in_the_body_or_the_head() {
        let body = format!(r#"{{"id":"abc","statusQueryGetUri":"{URL}","purgeHistoryDeleteUri":"x"}}"#);
        let mut headers = HeaderMap::new();
        let of = |status, headers: &HeaderMap, body: &str| {
            status_url(status, headers, body.as_bytes()).map(|uri| uri.to_string())
        };
        assert_eq!(of(StatusCode::ACCEPTED, &headers, &body).as_deref(), Some(URL));
        assert_eq!(of(StatusCode::OK, &headers, &body), None, "that is a reply like any other");
        assert_eq!(of(StatusCode::ACCEPTED, &headers, "accepted"), None);
        headers.insert(header::LOCATION, HeaderValue::from_static(URL));
        assert_eq!(of(StatusCode::ACCEPTED, &headers, "accepted").as_deref(), Some(URL));
        headers.insert(header::LOCATION, HeaderValue::from_static("/relative"));
        assert_eq!(of(StatusCode::ACCEPTED, &headers, "{}"), None, "whose host would it be");
    }

    #[test]
    fn every_status_is_known_and_others_are_not_believed() {
        let of = |status: u16, body: &str| read(StatusCode::from_u16(status).expect("a status"), body.as_bytes());
        let told = |word: &str, output: &str| format!(r#"{{"runtimeStatus":"{word}","input":1,"output":{output}}}"#);
        assert_eq!(
            of(200, &told("Completed", r#"{"n": 1}"#)),
            Ok(Doing::Completed(Bytes::from_static(br#"{"n": 1}"#)))
        );
        assert_eq!(of(200, &told("Completed", "null")), Ok(Doing::Completed(Bytes::new())));
        for word in ["Pending", "Running", "ContinuedAsNew", "Suspended"] {
            assert_eq!(of(202, &told(word, "null")), Ok(Doing::Running), "{word}");
        }
        for word in ["Failed", "Terminated", "Canceled"] {
            let error = FunctionError::new(word.to_owned(), "no such order".to_owned());
            assert_eq!(of(200, &told(word, "\"no such order\"")), Ok(Doing::Failed(error)), "{word}");
        }
        assert_eq!(of(202, ""), Ok(Doing::Running));
        for bad in ["", "<html>", "{}", r#"{"runtimeStatus":7}"#, r#"{"runtimeStatus":"Dreaming"}"#] {
            assert!(of(200, bad).is_err(), "{bad}");
        }
    }
}
