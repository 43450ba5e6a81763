//! What Google's front end says in place of a service, and its interfaces when they refuse.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

/// A page of the front end.
pub(super) fn page(status: StatusCode) -> Response<Bytes> {
    let reason = status.canonical_reason().unwrap_or("Error");
    let says = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "Your client does not have permission to get this URL.",
        StatusCode::NOT_FOUND => "The requested URL was not found on this server.",
        StatusCode::PAYLOAD_TOO_LARGE => "Your client issued a request that was too large.",
        _ => "The server encountered an error and could not complete your request.",
    };
    let html = format!(
        "<html><head>\n<meta http-equiv=\"content-type\" content=\"text/html;charset=utf-8\">\n\
         <title>{} {reason}</title>\n</head>\n<body text=#000000 bgcolor=#ffffff>\n<h1>Error: {reason}</h1>\n\
         <h2>{says}</h2>\n<h2></h2>\n</body></html>\n",
        status.as_u16()
    );
    typed(status, html, "text/html; charset=UTF-8")
}

/// A line of text, as the infrastructure below the front end answers.
pub(super) fn text(status: StatusCode, says: &str) -> Response<Bytes> {
    typed(status, says.to_owned(), "text/plain")
}

/// An answer in JSON.
pub(super) fn json_answer(status: StatusCode, value: &Value) -> Response<Bytes> {
    typed(status, value.to_string(), "application/json; charset=UTF-8")
}

/// A refusal of one of Google's interfaces.
pub(super) fn api_error(status: StatusCode, word: &str, message: &str) -> Response<Bytes> {
    json_answer(status, &json!({ "error": { "code": status.as_u16(), "message": message, "status": word } }))
}

fn typed(status: StatusCode, body: String, content_type: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
