//! Requests for pages of AWS's `GetProducts`, which are signed (the Price List Query API, `AWSPriceListService`).
//!
//! It tells the same prices as the offer files, to whoever has a key with `pricing:GetProducts`: for networks that reach
//! the API and not the files. Each request is signed when it is made, so that one that is tried again is good too.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, header};
use merit_config::AwsProducts;
use merit_lambda_wire::sigv4::Signer;
use merit_units::RegionId;
use reqwest::{Client, RequestBuilder};
use serde_json::json;

use crate::clock::Clock;

/// The most products of a page.
const PAGE: u32 = 100;

/// Who asks, and for which region's prices.
pub(super) struct Products {
    signer: Signer,
    clock: Clock,
    region: RegionId,
}

impl Products {
    pub(super) fn new(own: &AwsProducts, clock: Clock, region: RegionId) -> Self {
        let token = own.session_token.as_ref().map(merit_config::Secret::expose);
        let signer =
            Signer::new(own.access_key_id.expose(), own.secret_access_key.expose(), token, signed_for(&own.url));
        Self { signer: signer.for_service("pricing"), clock, region }
    }

    /// A request for the page behind `token`, or the first one.
    pub(super) fn request(&self, client: &Client, url: &str, token: Option<&str>) -> Result<RequestBuilder, String> {
        let filter = json!([{ "Type": "TERM_MATCH", "Field": "regionCode", "Value": self.region.as_str() }]);
        let mut body =
            json!({ "ServiceCode": "AWSLambda", "FormatVersion": "aws_v1", "MaxResults": PAGE, "Filters": filter });
        if let Some(token) = token {
            body["NextToken"] = token.into();
        }
        let mut request = Request::post(url)
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"))
            .header(
                HeaderName::from_static("x-amz-target"),
                HeaderValue::from_static("AWSPriceListService.GetProducts"),
            )
            .body(Bytes::from(body.to_string()))
            .map_err(|error| error.to_string())?;
        self.signer.sign(&mut request, self.clock.now()).map_err(|error| error.to_string())?;
        let request = reqwest::Request::try_from(request).map_err(|error| error.to_string())?;
        Ok(RequestBuilder::from_parts(client.clone(), request))
    }
}

/// The region that the API's requests are signed for, by its host: `api.pricing.eu-central-1.amazonaws.com`.
fn signed_for(url: &str) -> &str {
    let host = url.split("//").nth(1).unwrap_or_default();
    let region = host.strip_prefix("api.pricing.").and_then(|rest| rest.split('.').next());
    region.unwrap_or("us-east-1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_signed_for_the_region_of_the_api() {
        assert_eq!(signed_for("https://api.pricing.eu-central-1.amazonaws.com/"), "eu-central-1");
        assert_eq!(signed_for("http://127.0.0.1:9000/prices"), "us-east-1");
    }
}
