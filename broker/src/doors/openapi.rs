//! The OpenAPI document: the control API as it is routed, and the doors of invocations beside it.

use merit_wire::Problem;
use utoipa::OpenApi as _;

/// Calls a function. The body is the payload and is passed on unread; so is the reply's.
#[utoipa::path(post, path = "/v1/functions/{function}/invocations", tag = "invoke",
    params(
        ("function" = String, Path, description = "the function's name"),
        ("merit-order" = Option<String>, Header, description = "market (default), limit or rest"),
        ("merit-max-price" = Option<String>, Header, description = "most dollars the call may be expected to cost"),
        ("merit-deadline" = Option<String>, Header, description = "how long the caller waits, such as 250ms or 2s, or an RFC 3339 time"),
        ("merit-value-of-time" = Option<String>, Header, description = "dollars a second of waiting is worth"),
        ("merit-venues" = Option<String>, Header, description = "venues allowed, comma-separated; a leading ! excludes"),
        ("merit-regions" = Option<String>, Header, description = "regions allowed, likewise"),
        ("merit-isolation" = Option<String>, Header, description = "isolation classes allowed"),
        ("merit-architecture" = Option<String>, Header, description = "architectures allowed"),
        ("merit-max-latency" = Option<String>, Header, description = "highest 95th percentile of latency, such as 200ms"),
        ("merit-tags" = Option<String>, Header, description = "labels for spend reports: team=search,env=prod"),
        ("prefer" = Option<String>, Header, description = "respond-async: answer 202 when the call is on disk, and run it afterwards, at least once"),
        ("idempotency-key" = Option<String>, Header, description = "the same key and payload again get the same reply"),
    ),
    request_body(content = String, content_type = "*/*", description = "the payload"),
    responses(
        (status = 200, description = "the function's reply; Merit-Function-Error is set when it reported an error of its own",
            headers(
                ("merit-invocation-id" = String, description = "finds the receipt"),
                ("merit-venue" = String, description = "where it ran"),
                ("merit-deployment" = String, description = "which deployment ran it"),
                ("merit-charge" = String, description = "dollars charged over all attempts"),
                ("merit-attempts" = u32, description = "attempts made"),
                ("merit-overhead-us" = u64, description = "Merit's own microseconds"),
            )),
        (status = 202, description = "with respond-async: the call is on disk; Location is where to ask for it", content_type = "application/json",
            headers(
                ("merit-invocation-id" = String, description = "the event's id"),
                ("location" = String, description = "/v1/async/{id}"),
                ("preference-applied" = String, description = "respond-async"),
            )),
        (status = 400, body = Problem), (status = 401, body = Problem), (status = 402, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 413, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem),
        (status = 502, body = Problem), (status = 503, body = Problem), (status = 504, body = Problem),
    ))]
#[expect(dead_code, reason = "documents what doors::native serves")]
fn invoke() {}

/// Passes a request on to a function that is an app behind a URL: the method, the path below the function's name, which may
/// be nothing or have any number of parts, the query, the end-to-end headers and the body. Any method but CONNECT and TRACE.
/// The answer has the function's own status and headers.
#[utoipa::path(method(get, put, post, delete, patch, head, options), path = "/fn/{function}/{path}", tag = "invoke",
    params(
        ("function" = String, Path, description = "the function's name"),
        ("path" = String, Path, description = "the path that the function gets"),
        ("merit-authorization" = Option<String>, Header, description = "Bearer and the API key; then authorization is passed on, which else holds it"),
        ("idempotency-key" = Option<String>, Header, description = "the same key, method, path, query and body again get the same reply; passed on too"),
    ),
    request_body(content = String, content_type = "*/*", description = "passed on as it is"),
    responses(
        (status = "default", description = "the function's own answer, with Merit's headers as for an invocation",
            headers(
                ("merit-invocation-id" = String, description = "finds the receipt"),
                ("merit-venue" = String, description = "where it ran"),
                ("merit-deployment" = String, description = "which deployment ran it"),
                ("merit-charge" = String, description = "dollars charged over all attempts"),
                ("merit-attempts" = u32, description = "attempts made"),
                ("merit-overhead-us" = u64, description = "Merit's own microseconds"),
            )),
        (status = 400, body = Problem), (status = 401, body = Problem), (status = 402, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 405, body = Problem),
        (status = 409, body = Problem), (status = 413, body = Problem), (status = 414, body = Problem),
        (status = 422, body = Problem), (status = 429, body = Problem), (status = 431, body = Problem),
        (status = 502, body = Problem), (status = 503, body = Problem), (status = 504, body = Problem),
    ))]
#[expect(dead_code, reason = "documents what doors::plain serves")]
fn plain() {}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Merit", description = "An exchange for function calls."),
    paths(invoke, plain),
    components(schemas(merit_wire::ReceiptView)),
    modifiers(&BearerKey),
    security(("key" = []))
)]
struct Base;

struct BearerKey;

impl utoipa::Modify for BearerKey {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("an API key, mrt_...")).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(scheme));
    }
}

/// The whole document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    let (_, control) = super::control::documented().split_for_parts();
    let mut document = Base::openapi();
    document.merge(control);
    document
}
