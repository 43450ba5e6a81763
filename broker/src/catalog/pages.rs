//! A price list of several pages: each fetched as a file is, one after another, with a pause between.
//!
//! Invariants: a page is only ever asked for where the first one was (scheme, host and port), no address is asked twice,
//! there are at most so many pages, and all of them together have at most the bytes that one file may have. A page
//! that fails is asked for again by itself; what was read before it stays read.
//!
//! Known limitation: pages are not one snapshot. A list that changes between two of them is read partly new and partly
//! old, which the next look mends; what contradicts itself is held.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use merit_pricing::Date;
use reqwest::Url;

use super::feeds::Feed;
use super::fetch::{self, Ask, FetchError, FetchLimits, Fetched, Validators};
use super::list::{List, Next, Read};
use super::products::Products;

/// What bounds the pages of one list.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageLimits {
    pub(super) fetch: FetchLimits,
    pub(super) max_pages: usize,
    pub(super) pause: Duration,
}

/// Who asks.
#[derive(Clone, Default)]
pub(super) struct Who<'a> {
    /// The key of Google's.
    pub(super) key: Option<&'a str>,
    /// The signer of AWS's `GetProducts`.
    pub(super) products: Option<Arc<Products>>,
}

/// What a look at a list came to.
pub(super) enum Looked {
    NotModified,
    Read(Read, Validators),
}

/// Fetches and reads a list; unless it is one file and the one that is known.
pub(super) async fn look(
    feed: &Feed,
    who: Who<'_>,
    known: &Validators,
    limits: PageLimits,
    today: Date,
) -> Result<Looked, String> {
    let whole = tokio::time::timeout(limits.fetch.timeout, look_untimed(feed, who, known, limits, today));
    let too_slow = || FetchError::TooSlow(limits.fetch.timeout.as_millis()).to_string();
    whole.await.unwrap_or_else(|_| Err(too_slow()))
}

async fn look_untimed(
    feed: &Feed,
    who: Who<'_>,
    known: &Validators,
    limits: PageLimits,
    today: Date,
) -> Result<Looked, String> {
    let client = fetch::client(&feed.url, who.key, who.products.is_some())?;
    let known = if feed.format.is_one_file() { known.clone() } else { Validators::default() };
    let (mut way, mut ask) = Way::from(&feed.url, who.products)?;
    let mut reading = Reading { list: feed.format.list(), digest: Context::new(&SHA256), today };
    let mut used = 0;
    loop {
        let left = FetchLimits { used, ..limits.fetch };
        let fetched = fetch::fetch(&client, &ask, &known, left).await.map_err(|error| way.told(&error))?;
        let Fetched::File(packed) = fetched else { return Ok(Looked::NotModified) };
        let validators = packed.validators.clone();
        let read = tokio::task::spawn_blocking(move || {
            let bytes = packed.unpack(left).map_err(|error| error.to_string())?;
            let next = reading.add(&bytes)?;
            Ok::<_, String>((reading, next, bytes.len()))
        });
        let (back, next, bytes) =
            read.await.map_err(|error| error.to_string())?.map_err(|problem| way.told(&problem))?;
        (reading, used) = (back, used + bytes);
        let Some(next) = next else {
            let (feed, Reading { list, digest, today }) = (feed.clone(), reading);
            let version = version(digest);
            let made = tokio::task::spawn_blocking(move || list.finish(&feed, today, version));
            return Ok(Looked::Read(made.await.map_err(|error| error.to_string())??, validators));
        };
        ask = way.follow(&next, limits.max_pages)?;
        tokio::time::sleep(limits.pause).await;
    }
}

/// A list and the digest of its pages so far.
struct Reading {
    list: List,
    digest: Context,
    today: Date,
}

impl Reading {
    fn add(&mut self, bytes: &[u8]) -> Result<Option<Next>, String> {
        self.digest.update(bytes);
        self.list.add(bytes, self.today)
    }
}

/// What a list is called that has no version of its own.
fn version(digest: Context) -> String {
    let digest = digest.finish();
    let short: String = digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{short}")
}

/// As [`version`], of one file.
pub(super) fn version_of(bytes: &[u8]) -> String {
    let mut digest = Context::new(&SHA256);
    digest.update(bytes);
    version(digest)
}

/// From page to page, and never astray.
struct Way {
    first: Url,
    asked: BTreeSet<String>,
    products: Option<Arc<Products>>,
}

impl Way {
    fn from(url: &str, products: Option<Arc<Products>>) -> Result<(Self, Ask), String> {
        let first = Url::parse(url).map_err(|error| error.to_string())?;
        let ask = match &products {
            None => Ask::Get(url.to_owned()),
            Some(products) => Ask::Products(Arc::clone(products), url.to_owned(), None),
        };
        Ok((Self { asked: BTreeSet::from([first.to_string()]), first, products }, ask))
    }

    fn follow(&mut self, next: &Next, max_pages: usize) -> Result<Ask, String> {
        if self.asked.len() >= max_pages {
            return Err(format!("it has more than catalog.max_pages = {max_pages} pages"));
        }
        let url = match next {
            // A link may be relative, and may name the port that goes without saying.
            Next::Link(link) => self.first.join(link).map_err(|error| format!("its next page is nowhere: {error}"))?,
            Next::Token(token) => {
                let mut url = self.first.clone();
                url.query_pairs_mut().append_pair("pageToken", token);
                url
            }
        };
        if url.origin() != self.first.origin() {
            let (first, other) = (self.first.origin().ascii_serialization(), url.origin().ascii_serialization());
            return Err(format!("its next page is at {other}, and the list at {first}"));
        }
        if !self.asked.insert(url.to_string()) {
            return Err(format!("its pages go in a circle: page {} again leads to an earlier one", self.asked.len()));
        }
        Ok(match (&self.products, next) {
            (Some(products), Next::Token(token)) => {
                Ask::Products(Arc::clone(products), self.first.to_string(), Some(token.clone()))
            }
            _ => Ask::Get(url.into()),
        })
    }

    /// A problem with the page it is of, when there are several.
    fn told(&self, problem: &dyn std::fmt::Display) -> String {
        match self.asked.len() {
            1 => problem.to_string(),
            page => format!("page {page}: {problem}"),
        }
    }
}
