//! Which of Merit's functions a request means, and what its ARN is.
//!
//! A name, a partial ARN and a full ARN all mean the function of that name; account and region are not looked at, so
//! that an application keeps its ARNs. `$LATEST` is the function itself. Any other qualifier `Q` of `NAME` means the
//! function `NAME.Q`: Merit has no versions, and Lambda's names have no dots, so an alias or a version that is
//! called by name becomes a function of its own, with its own book and receipts.

use std::borrow::Cow;

use http::request::Parts;
use merit_lambda_wire::error::ErrorCode;
use merit_lambda_wire::error::LambdaError;
use merit_lambda_wire::reference::{FunctionReference, is_qualifier};
use merit_lambda_wire::route::Operation;

use super::PREFIX;

/// Merit has no accounts of twelve digits; ARNs need some.
pub(super) const ACCOUNT: &str = "000000000000";

/// The region in ARNs where a request names none.
const REGION: &str = "us-east-1";

/// The name of the function that a path's segment and the query's `Qualifier` mean.
pub(super) fn name<'p>(segment: &'p str, query: Option<&str>) -> Result<Cow<'p, str>, LambdaError> {
    let from_query = qualifier_of(query)?;
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if from_query.is_none() && !segment.is_empty() && segment.len() <= 64 && segment.bytes().all(bare) {
        return Ok(Cow::Borrowed(segment));
    }
    let FunctionReference { name, qualifier, .. } = FunctionReference::of_segment(segment)?;
    let qualifier = match (qualifier, from_query) {
        (Some(own), Some(other)) if own != other => {
            let message = "The derived qualifier from the function name does not match the specified qualifier.";
            return Err(LambdaError::new(ErrorCode::InvalidParameterValue, message));
        }
        (own, other) => own.or(other),
    };
    Ok(match qualifier.as_deref() {
        None | Some("$LATEST" | "$LATEST.PUBLISHED") => Cow::Owned(name),
        Some(qualifier) => Cow::Owned(format!("{name}.{qualifier}")),
    })
}

fn qualifier_of(query: Option<&str>) -> Result<Option<String>, LambdaError> {
    let Some(qualifier) = parameter(query, "Qualifier") else { return Ok(None) };
    if is_qualifier(&qualifier) {
        return Ok(Some(qualifier));
    }
    let shown: String = qualifier.chars().take(140).collect();
    let message = format!(
        "1 validation error detected: Value '{shown}' at 'qualifier' failed to satisfy constraint: Member must satisfy \
         regular expression pattern: \\$(LATEST(\\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"
    );
    Err(LambdaError::new(ErrorCode::InvalidParameterValue, message))
}

/// The value of a query's parameter, if it is there and not empty.
pub(super) fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query?.as_bytes());
    pairs.find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.into_owned())
}

/// The ARN of a function in a region.
pub(super) fn arn(region: &str, name: &str) -> String {
    FunctionReference::arn(partition(region), region, ACCOUNT, name).to_string()
}

fn partition(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// The ARN of the function that a request names, for refusals: in the region of its signature.
pub(super) fn arn_of(parts: &Parts) -> String {
    let path = parts.uri.path();
    let operation = Operation::of(&parts.method, path.strip_prefix(PREFIX).unwrap_or(path));
    let segment = match operation {
        Operation::Invoke { function }
        | Operation::InvokeWithResponseStream { function }
        | Operation::InvokeAsync { function }
        | Operation::GetFunction { function }
        | Operation::GetFunctionConfiguration { function }
        | Operation::GetFunctionConcurrency { function } => function,
        Operation::ListTags { resource } => resource,
        _ => "",
    };
    let reference = FunctionReference::of_segment(segment).unwrap_or_else(|_| FunctionReference::named("*"));
    let qualifier = reference.qualifier.or_else(|| qualifier_of(parts.uri.query()).ok().flatten());
    let region = region_of(parts);
    FunctionReference::arn(partition(&region), &region, ACCOUNT, &reference.name)
        .with_qualifier(qualifier.as_deref())
        .to_string()
}

/// The region of a signature's scope, as far as it can be read.
fn region_of(parts: &Parts) -> String {
    let header = parts.headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let query = || parameter(parts.uri.query(), "X-Amz-Credential");
    let credential =
        header.and_then(|text| text.split_once("Credential=")).map(|(_, rest)| rest.to_owned()).or_else(query);
    let region = credential.as_deref().and_then(|credential| credential.split('/').nth(2));
    let named = |region: &&str| merit_lambda_wire::reference::is_region(region);
    region.filter(named).unwrap_or(REGION).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_has_many_names() {
        let full = "arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Athumb";
        for (segment, query, expected) in [
            ("thumb", None, "thumb"),
            ("thumb", Some("Qualifier=%24LATEST"), "thumb"),
            ("thumb", Some("Qualifier="), "thumb"),
            ("thumb%3A%24LATEST", None, "thumb"),
            ("123456789012%3Afunction%3Athumb", None, "thumb"),
            ("123456789012:function:thumb", None, "thumb"),
            (full, None, "thumb"),
            (&format!("{full}%3Aprod"), None, "thumb.prod"),
            ("thumb:prod", Some("Qualifier=prod"), "thumb.prod"),
            ("thumb", Some("X-Amz-Expires=5&Qualifier=7"), "thumb.7"),
            ("thumb.prod", None, "thumb.prod"),
        ] {
            assert_eq!(name(segment, query).expect(segment), expected, "{segment} {query:?}");
        }
        for (segment, query) in
            [("thumb:prod", Some("Qualifier=test")), ("thumb", Some("Qualifier=a%2Fb")), ("a%20b", None)]
        {
            let error = name(segment, query).expect_err(segment);
            assert_eq!(error.code, ErrorCode::InvalidParameterValue, "{error}");
        }
    }

    #[test]
    fn refusals_name_the_function_where_it_was_asked_for() {
        let arn = |uri: &str, authorization: &str| {
            let request = http::Request::post(uri).header("authorization", authorization).body(()).expect("a request");
            arn_of(&request.into_parts().0)
        };
        let path = "/aws/2015-03-31/functions/thumb/invocations?Qualifier=prod";
        assert_eq!(
            arn(path, "AWS4-HMAC-SHA256 Credential=K/20261121/cn-north-1/lambda/aws4_request, SignedHeaders=host"),
            "arn:aws-cn:lambda:cn-north-1:000000000000:function:thumb:prod"
        );
        assert_eq!(arn(path, "Bearer x"), "arn:aws:lambda:us-east-1:000000000000:function:thumb:prod");
        assert_eq!(
            arn("/nowhere", "AWS4 Credential=a/b/<script>/"),
            "arn:aws:lambda:us-east-1:000000000000:function:*"
        );
    }
}
