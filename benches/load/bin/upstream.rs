//! The function at the far end: a bare hyper server that reads the payload and answers with a
//! fixed body. It does as little as a server can, so that what is measured is what stands before it.

use bytes::Bytes;
use clap::Parser;
use http_body_util::{BodyExt, Full};
use hyper::Response;
use merit_load::server;

/// Answers every request with the same bytes.
#[derive(Parser)]
struct Args {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Bytes of the reply.
    #[arg(long, default_value_t = 1024)]
    reply_bytes: usize,
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
            Response::new(Full::new(body))
        }
    }))
}
