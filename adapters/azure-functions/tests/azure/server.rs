//! The cards' server as a function app and as Entra, and venues that reach it.

use std::sync::Arc;
use std::time::Duration;

use merit_venue::conformance::calls::call_of;
pub(crate) use merit_venue::conformance::calls::{target, until_ready};
pub(crate) use merit_venue::conformance::server::{Answer, Received, TestServer, echo, head, reply};
use merit_venue::{Call, Reply, Venue, VenueError};
use merit_venue_azure_functions::{AzureConfig, AzureVenue, Entra, EntraFrom};

pub(crate) const TENANT: &str = "11111111-1111-1111-1111-111111111111";
pub(crate) const CLIENT: &str = "22222222-2222-2222-2222-222222222222";
pub(crate) const SCOPE: &str = "api://33333333-3333-3333-3333-333333333333/.default";

pub(crate) fn venue_at(url: &str, change: impl FnOnce(&mut AzureConfig)) -> Arc<AzureVenue> {
    let mut config = AzureConfig {
        endpoint_url: Some(format!("{url}/api")),
        function_key: Some("the-key".to_owned()),
        connect_timeout: Duration::from_secs(1),
        ..AzureConfig::new("eastus")
    };
    change(&mut config);
    Arc::new(AzureVenue::try_new(config).expect("a good configuration"))
}

/// An app registration whose tokens are had at `authority`.
pub(crate) fn entra(authority: &str, secret: &str) -> Entra {
    Entra {
        scope: Some(SCOPE.to_owned()),
        from: EntraFrom::ClientSecret {
            tenant: TENANT.to_owned(),
            client_id: CLIENT.to_owned(),
            client_secret: secret.to_owned(),
        },
        authority_url: Some(authority.to_owned()),
    }
}

/// Entra's answer with a token.
pub(crate) fn issued(token: &str) -> Vec<u8> {
    let body = format!(r#"{{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"{token}"}}"#);
    reply(200, &[("content-type", "application/json")], body)
}

/// A call of `resize` with ten seconds left.
pub(crate) fn call(payload: &'static str) -> Call {
    Call { attempt: 2, ..call_of("resize", payload) }
}

pub(crate) async fn invoke(venue: &AzureVenue, payload: &'static str) -> Result<Reply, VenueError> {
    venue.invoke(call(payload)).await
}
