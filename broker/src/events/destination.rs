//! HTTP destinations: a record is posted as JSON, and any 2xx means that it has arrived.
//!
//! They are reached by the client that venues are reached by, with its address rules: link-local and metadata
//! addresses never, private ones only if `events.private_destinations` says so, also after a name has changed its
//! address. Redirects are not followed.
//!
//! Known limitation: nothing signs a record or adds a header; a secret can only stand in the URL, which is shown in
//! lists of events.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::HeaderValue;
use merit_store::record::EventRow;
use merit_units::Micros;
use merit_venue::{Call, Target, Venue as _};
use merit_venue_http::{HttpConfig, HttpVenue};
use tokio::time::Instant;

use super::Limits;

/// Clients of more servers than this are made anew: each keeps connections open.
const CLIENTS_MAX: usize = 256;

/// Connections to one server.
const CONNECTIONS_MAX: u32 = 64;

/// The media type of a record.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The clients of HTTP destinations, by server.
#[derive(Default)]
pub(super) struct Destinations {
    clients: Mutex<HashMap<Server, Arc<HttpVenue>>>,
}

/// What a client is made for.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Server {
    base: String,
    private: bool,
    timeout: Micros,
}

impl Destinations {
    /// Posts a record.
    ///
    /// # Errors
    /// Why it has not arrived, or may not have.
    pub(super) async fn post(&self, url: &str, row: &EventRow, payload: Bytes, limits: &Limits) -> Result<(), String> {
        let target = Target::try_new(url).map_err(|error| error.to_string())?;
        let client = self.client(url, limits)?;
        let call = Call {
            invocation: row.id,
            attempt: u8::try_from(row.deliveries + 1).unwrap_or(u8::MAX),
            function: row.function.clone(),
            target: Arc::new(target),
            payload,
            content_type: Some(JSON),
            traceparent: None,
            tracestate: None,
            deadline: Instant::now() + limits.destination_timeout.to_std(),
            lambda: None,
            http: None,
        };
        let reply = client.invoke(call).await.map_err(|error| error.to_string())?;
        match reply.function_error {
            None => Ok(()),
            Some(error) => Err(format!("it answered {}: {}", reply.status, error.message)),
        }
    }

    fn client(&self, url: &str, limits: &Limits) -> Result<Arc<HttpVenue>, String> {
        let base = server_of(url);
        let (private, timeout) = (limits.private_destinations, limits.destination_timeout);
        let server = Server { base: base.to_owned(), private, timeout };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&server) {
            return Ok(Arc::clone(client));
        }
        if clients.len() >= CLIENTS_MAX {
            clients.clear();
        }
        let config = HttpConfig {
            private_addresses: private,
            connect_timeout: timeout.to_std(),
            first_byte_timeout: timeout.to_std(),
            whole_timeout: timeout.to_std(),
            max_request_bytes: usize::MAX,
            max_connections: CONNECTIONS_MAX,
            max_idle: CONNECTIONS_MAX,
            ..HttpConfig::new(base)
        };
        let client = Arc::new(HttpVenue::try_new(config).map_err(|errors| errors.to_string())?);
        clients.insert(server, Arc::clone(&client));
        Ok(client)
    }
}

/// Scheme and authority of a URL.
fn server_of(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at);
    &url[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_made_for_scheme_and_authority() {
        assert_eq!(server_of("https://ops.example.com:8443/a/b?c=d"), "https://ops.example.com:8443");
        assert_eq!(server_of("http://[::1]?x"), "http://[::1]");
        assert_eq!(server_of("https://ops.example.com"), "https://ops.example.com");
    }
}
