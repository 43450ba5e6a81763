//! Where Lambda's API is, and where each of its operations is there.

use std::sync::Arc;

use aws_sdk_lambda::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
use http::Uri;
use http::uri::PathAndQuery;
use merit_transport::{Origin, Route};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::target::Called;

/// What stands in a path or query as it is: the unreserved characters of RFC 3986.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// `Invoke`.
    Invoke,
    /// `InvokeWithResponseStream`.
    Stream,
}

/// The server of the API, and the path before its own.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) origin: Arc<Origin>,
    /// Without a slash at its end.
    base: String,
}

impl Endpoint {
    /// The endpoint at that URL.
    ///
    /// # Errors
    /// Why it is none, to complete "`URL` ...".
    pub(crate) fn at(url: &str) -> Result<Self, &'static str> {
        let uri: Uri = url.parse().map_err(|_| "is not a URL: write it like `http://127.0.0.1:9001`")?;
        let origin = Arc::new(Origin::of_url(&uri)?);
        Ok(Self { origin, base: uri.path().trim_end_matches('/').to_owned() })
    }

    /// AWS's own in a region, by the rules of its SDK: they know the partitions.
    ///
    /// # Errors
    /// What the rules say.
    pub(crate) async fn of_region(region: &str) -> Result<Self, String> {
        let params = Params::builder().region(region).build().map_err(|error| error.to_string())?;
        let found = DefaultResolver::new().resolve_endpoint(&params).await.map_err(|error| error.to_string())?;
        Self::at(found.url()).map_err(|why| format!("`{}` {why}", found.url()))
    }

    /// The way to a function.
    pub(crate) fn route(&self, called: &Called, operation: Operation) -> Route {
        let (version, method) = match operation {
            Operation::Invoke => ("2015-03-31", "invocations"),
            Operation::Stream => ("2021-11-15", "response-streaming-invocations"),
        };
        let function = utf8_percent_encode(&called.function, &RESERVED);
        let mut path = format!("{}/{version}/functions/{function}/{method}", self.base);
        if let Some(qualifier) = &called.qualifier {
            path.push_str("?Qualifier=");
            path.extend(utf8_percent_encode(qualifier, &RESERVED));
        }
        let path = PathAndQuery::try_from(path).expect("invariant: a path and encoded names are a path");
        Route::new(&self.origin, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_partition_has_its_own_name() {
        for (region, authority) in [
            ("eu-west-1", "lambda.eu-west-1.amazonaws.com"),
            ("cn-north-1", "lambda.cn-north-1.amazonaws.com.cn"),
            ("us-gov-west-1", "lambda.us-gov-west-1.amazonaws.com"),
        ] {
            let endpoint = Endpoint::of_region(region).await.expect(region);
            assert_eq!((endpoint.origin.authority().as_str(), endpoint.origin.tls()), (authority, true));
        }
    }

    #[test]
    fn operations_are_below_the_configured_path() {
        let endpoint = Endpoint::at("https://vpce-1.example.com/prod/").expect("a URL");
        let called = |qualifier: Option<&str>| Called {
            function: "arn:aws:lambda:eu-west-1:1:function:f".to_owned(),
            qualifier: qualifier.map(str::to_owned),
        };
        let named = "functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A1%3Afunction%3Af";
        let route = endpoint.route(&called(Some("$LATEST")), Operation::Invoke);
        assert_eq!(route.uri.to_string(), format!("/prod/2015-03-31/{named}/invocations?Qualifier=%24LATEST"));
        let route = endpoint.route(&called(None), Operation::Stream);
        assert_eq!(route.uri.to_string(), format!("/prod/2021-11-15/{named}/response-streaming-invocations"));
        assert!(Endpoint::at("ftp://x/").unwrap_err().contains("is not a URL"));
    }
}
