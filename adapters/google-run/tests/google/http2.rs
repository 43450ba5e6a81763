//! By HTTP/2, as Cloud Run's front end offers it: Node's server in its place.

use std::io::Write as _;
use std::process::Stdio;

use merit_transport::Http2;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::server::{invoke, venue_at};

/// Answers with what it saw.
const SERVER: &str = r"
const options = JSON.parse(process.argv[1]);
const sessions = new Set();
const server = require('http2').createSecureServer(options, (request, response) => {
  sessions.add(request.stream ? request.stream.session : request.socket);
  request.on('data', () => {}).on('end', () => response.end(JSON.stringify({
    version: request.httpVersion, authority: request.headers[':authority'] || request.headers.host,
    path: request.url, token: request.headers.authorization, attempt: request.headers['merit-attempt'],
    sessions: sessions.size,
  })));
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
";

/// The server, its port, and the certificate to trust.
async fn node() -> (Child, u16, NamedTempFile) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(certificate.pem().as_bytes()).expect("written");
    let options = json!({ "cert": certificate.pem(), "key": key.serialize_pem(), "allowHTTP1": true });
    let mut child = Command::new("node")
        .args(["-e", SERVER, &options.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("node is installed: `make setup`");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).await.expect("a line");
    (child, line.trim().parse().expect("a port"), file)
}

#[tokio::test]
async fn calls_go_by_http2_unless_told_otherwise() {
    let (_node, port, ca) = node().await;
    let url = format!("https://localhost:{port}");
    for (http2, version) in [(Some(Http2::default()), "2.0"), (None, "1.1")] {
        let venue = venue_at(&url, |config| {
            assert_eq!(config.http2, Some(Http2::default()), "it is on unless told otherwise");
            config.http2 = http2;
            config.ca_pem = Some(ca.path().to_owned());
        })
        .await;
        for _ in 0..2 {
            let reply = invoke(&venue, "x").await.expect("an answer");
            let seen: Value = serde_json::from_slice(&reply.payload).expect("JSON");
            assert_eq!(
                (&seen["version"], &seen["authority"], &seen["path"], &seen["attempt"]),
                (&json!(version), &json!(format!("localhost:{port}")), &json!("/resize"), &json!("2"))
            );
            assert!(seen["token"].as_str().is_some_and(|token| token.starts_with("Bearer ")), "{seen}");
            assert_eq!(seen["sessions"], if version == "2.0" { 1 } else { 2 }, "one connection for each of the two");
        }
    }
}
