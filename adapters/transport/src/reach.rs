//! How a venue's servers are reached: what every such venue's configuration has.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use merit_venue::{ConfigError, no_call, no_time};

use crate::address::AddressPolicy;

/// Timeouts, bounds and addresses of a venue's connections.
#[derive(Clone, Debug)]
pub struct Reach {
    /// For name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// From the request to the answer's head.
    pub first_byte_timeout: Duration,
    /// The most connections open at once, in use or idle, over all hosts. Calls beyond it wait.
    pub max_connections: u32,
    /// The most connections kept open for reuse.
    pub max_idle: u32,
    /// How long a connection is kept open for reuse. Keep it below the server's own limit: a server that
    /// closes just then leaves a call's outcome unknown.
    pub idle_timeout: Duration,
    /// After how long a server is tried again whose name did not resolve or whose certificate was not trusted.
    pub unreachable_retry: Duration,
    /// Networks that lift the ban on link-local, metadata and other addresses no venue has.
    pub allow_addresses: Vec<IpNet>,
    /// Whether loopback and private networks may be called.
    pub private_addresses: bool,
    /// A PEM file of certificate authorities to trust besides the system's.
    pub ca_pem: Option<PathBuf>,
    /// HTTP/2 where a server with TLS offers it; `None`: never asked for.
    pub http2: Option<Http2>,
}

/// How HTTP/2 is spoken: many calls on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2 {
    /// The most calls at once on one connection; a server may allow fewer.
    pub calls: u32,
    /// How many bytes of one call's reply a server may send before they are read. A connection's window is this for
    /// each of its calls, so that no call that is read slowly holds up another.
    pub window: u32,
    /// How long after the last one a connection with calls on it is asked for a sign of life (PING).
    pub ping: Duration,
    /// How long it may take to give one. Then it is closed, and its calls fail with an unknown outcome.
    pub ping_timeout: Duration,
}

impl Default for Http2 {
    /// A hundred calls, what RFC 9113 (section 6.5.2) asks of servers at least; 256 KiB for each, which carries
    /// 5 MB a second over 50 ms. The pings are those of Google's own clients for Go: every 30 seconds or so, and 15
    /// to answer.
    fn default() -> Self {
        Self { calls: 100, window: 256 * 1024, ping: Duration::from_secs(30), ping_timeout: Duration::from_secs(15) }
    }
}

/// The largest window of HTTP/2, in bytes.
pub(crate) const MAX_WINDOW: u32 = (1 << 31) - 1;

impl Default for Reach {
    /// Three seconds to connect and five minutes to an answer, the default of Cloud Run and Knative; 256
    /// connections; idle ones are kept four seconds, because Node's servers close theirs after five; no HTTP/2.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            first_byte_timeout: Duration::from_mins(5),
            max_connections: 256,
            max_idle: 64,
            idle_timeout: Duration::from_secs(4),
            unreachable_retry: Duration::from_secs(10),
            allow_addresses: Vec::new(),
            private_addresses: true,
            ca_pem: None,
            http2: None,
        }
    }
}

impl Reach {
    /// What an address is that may not be called. Connections are checked for themselves, whatever this said before.
    #[must_use]
    pub fn refusal(&self, address: IpAddr) -> Option<&'static str> {
        self.policy().refusal(address)
    }

    pub(crate) fn policy(&self) -> AddressPolicy {
        AddressPolicy { allow: self.allow_addresses.clone(), private: self.private_addresses }
    }

    /// Adds what is wrong with the numbers; certificates are checked where they are parsed.
    pub fn check(&self, errors: &mut Vec<ConfigError>) {
        let timeouts = [("connect_timeout", self.connect_timeout), ("first_byte_timeout", self.first_byte_timeout)];
        errors.extend(no_time(timeouts));
        errors.extend(no_call([("max_connections", self.max_connections == 0)]));
        if let Some(http2) = &self.http2 {
            errors.extend(no_time([("http2_ping", http2.ping), ("http2_ping_timeout", http2.ping_timeout)]));
            errors.extend(no_call([("http2_calls", http2.calls == 0)]));
            if !(1..=MAX_WINDOW).contains(&http2.window) {
                let message = format!("must be 1 to {MAX_WINDOW} bytes, got {}", http2.window);
                errors.push(ConfigError { field: "http2_window", message });
            }
        }
    }
}
