//! What the caches of tokens and of signing keys save: a hit beside a miss.
//!
//! A miss of the tokens is what a first call waits for: the library is set up, the metadata server on loopback is asked,
//! and its token kept. A real one is as far away as the cloud's is.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, header};
use merit_cloud_wire::tc3::Signer;
use merit_load::report;
use merit_transport::tokens::{Keyring, Token, TokenSource};
use merit_units::Timestamp;
use merit_venue::Venue as _;
use tokio::time::Instant;

use crate::{PAYLOAD_BYTES, call, venues};

/// Hits that are measured together, and misses.
const HITS: u32 = 100_000;
const MISSES: u32 = 200;

const DAY_S: u64 = 86_400;

/// A source that has its token at hand: what is measured is the cache.
#[derive(Debug)]
struct AtHand;

impl TokenSource for AtHand {
    fn token(self: Arc<Self>) -> BoxFuture<'static, Result<Token, String>> {
        async { Token::try_new("Bearer eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2ln", None) }.boxed()
    }

    fn forget(&self) {}
}

/// Prints the costs in wall time of a single caller.
pub(crate) async fn measure(address: SocketAddr) -> anyhow::Result<()> {
    report::line(&format!("\nhits: {HITS} at a time, misses: {MISSES}; one caller"))?;
    let (token_hit, token_miss) = (token_hit().await?, token_miss(address).await?);
    let (key_hit, key_miss) = (signature(HITS, 0)?, signature(HITS, DAY_S)?);
    let rows = [
        ["", "hit ns", "miss ns", "miss / hit"].map(str::to_owned),
        row("token (google-run, metadata server on loopback; a call each)", token_hit, token_miss),
        row("signing key of the day (tencent-scf; a signature each)", key_hit, key_miss),
    ];
    Ok(report::line(&report::table(&rows.map(|row| row.to_vec())))?)
}

fn row(name: &str, hit: Duration, miss: Duration) -> [String; 4] {
    let ratio = miss.as_nanos() / hit.as_nanos().max(1);
    [name.to_owned(), hit.as_nanos().to_string(), miss.as_nanos().to_string(), ratio.to_string()]
}

/// A token that is there.
async fn token_hit() -> anyhow::Result<Duration> {
    let keyring = Keyring::start(Arc::new(AtHand), Duration::from_secs(10));
    let ends = Instant::now() + Duration::from_mins(10);
    keyring.token(ends).await.map_err(|none| anyhow::anyhow!("{}", none.reason))?;
    let begun = Instant::now();
    for _ in 0..HITS {
        let token = keyring.token(black_box(ends)).await;
        drop(black_box(token.map_err(|none| anyhow::anyhow!("{}", none.reason))?));
    }
    Ok(begun.elapsed() / HITS)
}

/// A first call, less what a later one takes.
async fn token_miss(address: SocketAddr) -> anyhow::Result<Duration> {
    let (mut first, mut later) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..MISSES {
        let venue = venues::google(address, 1)?;
        for took in [&mut first, &mut later] {
            let begun = Instant::now();
            let reply = venue.invoke(call()?).await?;
            anyhow::ensure!(reply.payload.len() == PAYLOAD_BYTES, "a reply of {} bytes", reply.payload.len());
            *took += begun.elapsed();
        }
    }
    Ok(first.saturating_sub(later) / MISSES)
}

/// A signature, each `apart` seconds from the former.
fn signature(count: u32, apart: u64) -> anyhow::Result<Duration> {
    let signer = Signer::try_new("AKIDEXAMPLE", "secret", None)?;
    let body = vec![b'x'; PAYLOAD_BYTES];
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_static("scf.tencentcloudapi.com"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let begun = Instant::now();
    for number in 0..u64::from(count) {
        let now = Timestamp::from_micros((1_795_235_256 + number % 2 * apart) * 1_000_000);
        signer.sign(&Method::POST, "/", None, &mut headers, black_box(&body), now)?;
    }
    Ok(begun.elapsed() / count)
}
