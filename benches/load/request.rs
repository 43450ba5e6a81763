//! The request that a run repeats, written out once so that sending it costs nothing but the write.

use std::net::SocketAddr;

use anyhow::{Context, ensure};

/// A whole HTTP/1.1 request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where to.
    pub address: SocketAddr,
    /// Head and payload as they go over the wire.
    pub bytes: Vec<u8>,
}

impl Request {
    /// A request to a URL such as `http://127.0.0.1:8780/path`.
    ///
    /// # Errors
    /// When the URL is not plain HTTP to an address, or the address is not a loopback one: load is
    /// for this machine only.
    pub fn new(method: &str, url: &str, headers: &[String], payload: &[u8]) -> anyhow::Result<Self> {
        let rest = url.strip_prefix("http://").with_context(|| format!("{url:?} does not begin with http://"))?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let address: SocketAddr = host.parse().with_context(|| format!("{host:?} is not an address with a port"))?;
        ensure!(address.ip().is_loopback(), "{host} is not on this machine; load is only sent to loopback addresses");
        let length = payload.len();
        let mut head = format!("{method} /{path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\n");
        for header in headers {
            ensure!(header.contains(':'), "{header:?} is not a header; write `name: value`");
            head.push_str(header);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        Ok(Self { address, bytes: [head.as_bytes(), payload].concat() })
    }

    /// A `POST` of `payload_bytes` bytes.
    ///
    /// # Errors
    /// As for [`Request::new`].
    pub fn post(url: &str, headers: &[String], payload_bytes: usize) -> anyhow::Result<Self> {
        Self::new("POST", url, headers, &vec![b'x'; payload_bytes])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_written_out() {
        let request = Request::post("http://127.0.0.1:80/a/b", &["x: y".to_owned()], 3).expect("valid");
        assert_eq!(request.bytes, b"POST /a/b HTTP/1.1\r\nhost: 127.0.0.1:80\r\ncontent-length: 3\r\nx: y\r\n\r\nxxx");
    }

    #[test]
    fn other_machines_are_refused() {
        for url in ["http://192.0.2.1:80/", "https://127.0.0.1:1/", "http://localhost/", "http://10.0.0.1:8780/x"] {
            assert!(Request::post(url, &[], 0).is_err(), "{url}");
        }
    }
}
