//! What the headers of an invocation ask for.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName};
use merit_lambda_wire::error::{ErrorCode, LambdaError};
use merit_lambda_wire::invoke::{
    CLIENT_CONTEXT, DURABLE_EXECUTION_NAME, INVOCATION_TYPE, InvocationType, LOG_TYPE, MOST_CLIENT_CONTEXT_BYTES,
    TENANT_ID,
};
use merit_venue::LambdaContext;

/// Longest name of a durable execution, by the service model.
const MOST_DURABLE_CHARS: usize = 64;
/// Longest tenant, by the service model.
const MOST_TENANT_CHARS: usize = 256;

/// The headers of an invocation, read.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// What the caller waits for.
    pub(super) kind: InvocationType,
    /// What is passed on to the function; `None` when there is nothing.
    pub(super) lambda: Option<Arc<LambdaContext>>,
    /// The name under which the call runs once.
    pub(super) durable: Option<String>,
    /// The client context's `custom`, where terms may be.
    pub(super) custom: Option<serde_json::Map<String, serde_json::Value>>,
}

impl Head {
    /// Reads them.
    ///
    /// # Errors
    /// Lambda's own, for the first that can't be read.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, LambdaError> {
        let kind = text(headers, &INVOCATION_TYPE)?.map_or(Ok(InvocationType::RequestResponse), kind)?;
        let log_tail = text(headers, &LOG_TYPE)?.map_or(Ok(false), log_tail)?;
        let tenant = text(headers, &TENANT_ID)?.map(tenant).transpose()?;
        let durable = text(headers, &DURABLE_EXECUTION_NAME)?.map(durable).transpose()?;
        let client_context = text(headers, &CLIENT_CONTEXT)?;
        let custom = client_context.map(custom).transpose()?.flatten();
        let lambda = (log_tail || tenant.is_some() || client_context.is_some()).then(|| {
            let client_context = client_context.map(Into::into);
            Arc::new(LambdaContext { client_context, tenant, log_tail })
        });
        Ok(Self { kind, lambda, durable, custom })
    }

    /// Whether the caller wants the end of the log.
    pub(super) fn log_tail(&self) -> bool {
        self.lambda.as_ref().is_some_and(|lambda| lambda.log_tail)
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, LambdaError> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str().map_err(|_| bad_header(name, "it has characters that are not ASCII"))?;
    Ok(Some(text.trim()).filter(|text| !text.is_empty()))
}

fn bad_header(name: &HeaderName, reason: &str) -> LambdaError {
    LambdaError::new(ErrorCode::InvalidRequestContent, format!("header `{name}`: {reason}"))
}

/// A value that the service model does not allow, worded as AWS words it.
fn invalid(value: &str, member: &str, constraint: &str) -> LambdaError {
    let value: String = value.chars().take(140).collect();
    let message = format!(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
    );
    LambdaError::new(ErrorCode::InvalidParameterValue, message)
}

fn kind(text: &str) -> Result<InvocationType, LambdaError> {
    let values = "Member must satisfy enum value set: [Event, RequestResponse, DryRun]";
    InvocationType::parse(text).ok_or_else(|| invalid(text, "invocationType", values))
}

fn log_tail(text: &str) -> Result<bool, LambdaError> {
    match text {
        "Tail" => Ok(true),
        "None" => Ok(false),
        other => Err(invalid(other, "logType", "Member must satisfy enum value set: [None, Tail]")),
    }
}

fn tenant(text: &str) -> Result<Box<str>, LambdaError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/=+-@ ".contains(&byte);
    if text.len() <= MOST_TENANT_CHARS && text.bytes().all(allowed) {
        return Ok(text.into());
    }
    let pattern = "Member must have at most 256 characters of the pattern: [a-zA-Z0-9\\._:\\/=+\\-@ ]+";
    Err(invalid(text, "tenantId", pattern))
}

fn durable(text: &str) -> Result<String, LambdaError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if text.len() <= MOST_DURABLE_CHARS && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    let pattern = "Member must have at most 64 characters of the pattern: [a-zA-Z0-9-_]+";
    Err(invalid(text, "durableExecutionName", pattern))
}

/// The member `custom` of a client context.
fn custom(text: &str) -> Result<Option<serde_json::Map<String, serde_json::Value>>, LambdaError> {
    if text.len() > MOST_CLIENT_CONTEXT_BYTES {
        let (size, most) = (text.len(), MOST_CLIENT_CONTEXT_BYTES);
        return Err(bad_header(&CLIENT_CONTEXT, &format!("it has {size} bytes of base64; {most} are the most")));
    }
    let json = STANDARD.decode(text).map_err(|_| bad_header(&CLIENT_CONTEXT, "it is not base64"))?;
    let context: serde_json::Value = serde_json::from_slice(&json)
        .map_err(|error| bad_header(&CLIENT_CONTEXT, &format!("it is not JSON in base64: {error}")))?;
    Ok(match context {
        serde_json::Value::Object(mut context) => match context.remove("custom") {
            Some(serde_json::Value::Object(custom)) => Some(custom),
            _ => None,
        },
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn of(pairs: &[(&'static str, &str)]) -> Result<Head, LambdaError> {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"))
        };
        Head::of(&pairs.iter().map(pair).collect())
    }

    #[test]
    fn nothing_asked_is_a_plain_call() {
        let head = of(&[("x-amz-date", "20261121T000000Z")]).expect("a head");
        assert_eq!(head.kind, InvocationType::RequestResponse);
        assert!(head.lambda.is_none() && head.durable.is_none() && !head.log_tail());
    }

    #[test]
    fn everything_that_can_be_asked() {
        let context = STANDARD.encode(r#"{"client":{"app_title":"a"},"custom":{"merit-max-price":"0.1","k":1}}"#);
        let head = of(&[
            ("x-amz-invocation-type", "Event"),
            ("x-amz-log-type", "Tail"),
            ("x-amz-client-context", &context),
            ("x-amz-tenant-id", "team a/b"),
            ("x-amz-durable-execution-name", "order-17"),
        ])
        .expect("a head");
        assert_eq!((head.kind, head.durable.as_deref()), (InvocationType::Event, Some("order-17")));
        let lambda = head.lambda.as_deref().expect("something to pass on");
        assert_eq!((lambda.client_context.as_deref(), lambda.tenant.as_deref()), (Some(&*context), Some("team a/b")));
        assert!(lambda.log_tail);
        assert_eq!(head.custom.expect("custom")["merit-max-price"], "0.1");
    }

    #[test]
    fn what_the_model_does_not_allow_is_refused_by_name() {
        let long = "x".repeat(MOST_CLIENT_CONTEXT_BYTES + 1);
        for (name, value, code, words) in [
            ("x-amz-invocation-type", "event", ErrorCode::InvalidParameterValue, "'event' at 'invocationType'"),
            ("x-amz-log-type", "tail", ErrorCode::InvalidParameterValue, "[None, Tail]"),
            ("x-amz-tenant-id", "a,b", ErrorCode::InvalidParameterValue, "'tenantId'"),
            ("x-amz-durable-execution-name", "a b", ErrorCode::InvalidParameterValue, "'durableExecutionName'"),
            ("x-amz-client-context", "!", ErrorCode::InvalidRequestContent, "not base64"),
            ("x-amz-client-context", "eA==", ErrorCode::InvalidRequestContent, "not JSON"),
            ("x-amz-client-context", &long, ErrorCode::InvalidRequestContent, "3583 are the most"),
        ] {
            let error = of(&[(name, value)]).expect_err(name);
            assert!(error.code == code && error.message.contains(words), "{error}");
        }
    }
}
