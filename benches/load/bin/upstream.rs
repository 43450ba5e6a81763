//! The function at the far end: a bare hyper server that reads the payload and answers with a
//! fixed body. It does as little as a server can, so that what is measured is what stands before it.
//! With `--lambda` it answers as AWS Lambda does, with the end of a log in which a REPORT line stands.

use bytes::Bytes;
use clap::Parser;
use http_body_util::{BodyExt, Full};
use hyper::Response;
use hyper::header::{HeaderName, HeaderValue};
use merit_load::server;

/// What Lambda sends beside the reply: `REPORT RequestId: 8f10...\tDuration: 0.01 ms\tBilled Duration: 1 ms\t...`,
/// short enough to be true of a call over loopback.
const LAMBDA: [(HeaderName, HeaderValue); 3] = [
    (HeaderName::from_static("x-amzn-requestid"), HeaderValue::from_static("8f10f676-9f28-4dd8-ae05-83fe17ac5f8e")),
    (HeaderName::from_static("x-amz-executed-version"), HeaderValue::from_static("$LATEST")),
    (
        HeaderName::from_static("x-amz-log-result"),
        HeaderValue::from_static(
            "UkVQT1JUIFJlcXVlc3RJZDogOGYxMGY2NzYtOWYyOC00ZGQ4LWFlMDUtODNmZTE3YWM1ZjhlCUR1cmF0aW9uOiAwLjAxIG\
             1zCUJpbGxlZCBEdXJhdGlvbjogMSBtcwlNZW1vcnkgU2l6ZTogMTI4IE1CCU1heCBNZW1vcnkgVXNlZDogNzAgTUIJCg==",
        ),
    ),
];

/// Answers every request with the same bytes.
#[derive(Parser)]
struct Args {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Bytes of the reply.
    #[arg(long, default_value_t = 1024)]
    reply_bytes: usize,
    /// Answer as AWS Lambda does.
    #[arg(long)]
    lambda: bool,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let body = Bytes::from(vec![b'y'; args.reply_bytes]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(args.threads).enable_all().build()?;
    runtime.block_on(server::serve(args.port, move |request| {
        let body = body.clone();
        async move {
            // A payload that breaks off needs no answer, but hyper wants one.
            let _payload = request.into_body().collect().await;
            let mut response = Response::new(Full::new(body));
            if args.lambda {
                response.headers_mut().extend(LAMBDA);
            }
            response
        }
    }))
}
