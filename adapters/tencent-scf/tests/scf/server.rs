//! The cards' server as SCF, and venues that reach it.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use merit_cloud_wire::scf::{Answer as ScfAnswer, ApiError, CallResult, Invoked, Response};
use merit_cloud_wire::tc3::Presented;
use merit_venue::conformance::calls::call_of;
pub(crate) use merit_venue::conformance::calls::target;
pub(crate) use merit_venue::conformance::server::{Answer, Received, TestServer, head, reply};
use merit_venue::{Call, Reply, Venue, VenueError};
use merit_venue_tencent_scf::{Keys, ScfConfig, ScfVenue};

/// The venue's clock: 2026-11-21T04:27:37Z.
pub(crate) const NOW_S: u64 = 1_795_235_257;
pub(crate) const SECRET_KEY: &str = "secret";
pub(crate) const SECRET_ID: &str = "AKIDEXAMPLE";

pub(crate) fn keys(secret: &str) -> Option<Keys> {
    Some(Keys { secret_id: SECRET_ID.to_owned(), secret_key: secret.to_owned(), token: None })
}

pub(crate) fn venue_at(url: &str, change: impl FnOnce(&mut ScfConfig)) -> Arc<ScfVenue> {
    let mut config = ScfConfig {
        endpoint_url: Some(url.to_owned()),
        keys: keys(SECRET_KEY),
        ..ScfConfig::new("ap-guangzhou", || NOW_S)
    };
    config.reach.connect_timeout = Duration::from_secs(1);
    change(&mut config);
    Arc::new(ScfVenue::try_new(config).expect("a good configuration"))
}

/// A call of that target with ten seconds left.
pub(crate) fn call(at: &str, payload: &'static str) -> Call {
    Call { content_type: Some(HeaderValue::from_static("text/plain")), ..call_of(at, payload) }
}

pub(crate) async fn invoke(venue: &ScfVenue, payload: &'static str) -> Result<Reply, VenueError> {
    venue.invoke(call("resize", payload)).await
}

fn answer(response: Response<Invoked>) -> Vec<u8> {
    let body = serde_json::to_vec(&ScfAnswer { response }).expect("JSON");
    reply(200, &[("content-type", "application/json")], body)
}

/// A call that was taken, with this result.
pub(crate) fn result(result: CallResult) -> Vec<u8> {
    answer(Response { error: None, done: Some(Invoked { result }), request_id: "1".to_owned() })
}

/// A call that went well.
pub(crate) fn returned(text: &str) -> Vec<u8> {
    result(CallResult { ret_msg: text.to_owned(), bill_duration: 1, mem_usage: 1 << 20, ..CallResult::default() })
}

/// A call that ended with that status.
pub(crate) fn ended(status: u16, message: &str) -> Vec<u8> {
    let err_msg = serde_json::json!({ "errorCode": 1, "errorMessage": message, "statusCode": status }).to_string();
    result(CallResult { err_msg, invoke_result: 1, bill_duration: 1, mem_usage: 1 << 20, ..CallResult::default() })
}

/// A refusal of the API.
pub(crate) fn refused(code: &str) -> Vec<u8> {
    let error = ApiError { code: code.to_owned(), message: "what was wrong".to_owned() };
    answer(Response { error: Some(error), done: None, request_id: "1".to_owned() })
}

/// What a request presents, its head put back together.
pub(crate) fn presented(request: &Received) -> Presented {
    let mut headers = HeaderMap::new();
    for (name, value) in request.head.lines().skip(1).filter_map(|line| line.split_once(": ")) {
        let name: HeaderName = name.parse().expect("a name");
        headers.append(name, HeaderValue::from_str(value).expect("a value"));
    }
    Presented::of(&Method::POST, "/", None, &headers).expect("a signature")
}
