//! A look at a server, step by step, without sending it a request: its name, a connection, TLS.

use std::sync::Arc;
use std::time::Duration;

use merit_venue::Step;
use rustls::pki_types::ServerName;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use crate::connect::{Connector, connect_tcp, speaks_http2, tls_failure};
use crate::route::Origin;

/// For TLS, besides the configured time for a connection.
const TLS_PATIENCE: Duration = Duration::from_secs(10);

impl Connector {
    /// Ends at the first step that failed.
    pub(crate) async fn look(&self, origin: &Origin) -> Vec<Step> {
        let until = Instant::now() + self.timeout;
        let addresses = match timeout(self.timeout, self.resolve(origin)).await {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(error)) => return vec![Step::of_error("name", &error)],
            Err(_) => {
                let found = format!("`{}` did not resolve within {:?}", origin.host(), self.timeout);
                return vec![Step::failed("name", found, "check this machine's name servers")];
            }
        };
        let mut steps = vec![Step::ok("name", format!("{} is {}", origin.host(), addresses[0].ip()))];
        let begun = Instant::now();
        let tcp = match connect_tcp(&addresses, origin, until).await {
            Ok(tcp) => tcp,
            Err(error) => {
                steps.push(Step::of_error("connection", &error));
                return steps;
            }
        };
        let millis = begun.elapsed().as_millis();
        steps.push(Step::ok("connection", format!("{} in {millis} ms", origin.authority())));
        let (true, Some(config)) = (origin.tls(), &self.tls) else {
            steps.push(Step::none("tls", "it is reached by http: nothing is encrypted"));
            return steps;
        };
        let Ok(name) = ServerName::try_from(origin.host().to_owned()) else {
            steps.push(Step::failed("tls", "no certificate can hold its name", "write the URL with a host name"));
            return steps;
        };
        steps.push(match timeout(TLS_PATIENCE, TlsConnector::from(Arc::clone(config)).connect(name, tcp)).await {
            Ok(Ok(tls)) if speaks_http2(&tls) => Step::ok("tls", "its certificate is trusted, and it speaks HTTP/2"),
            Ok(Ok(_)) => Step::ok("tls", "its certificate is trusted"),
            Ok(Err(error)) => Step::of_error("tls", &tls_failure(origin, error)),
            Err(_) => Step::failed("tls", format!("no answer within {TLS_PATIENCE:?}"), "check that it speaks TLS"),
        });
        steps
    }
}
