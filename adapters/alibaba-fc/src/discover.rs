//! The functions of the region, page by page, with their sizes and labels.
//!
//! It needs `fc:ListFunctions`. A page is a read, and is asked for once.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use http::uri::PathAndQuery;
use merit_cloud_wire::fc::{self, Function, FunctionsPage};
use merit_pricing::Architecture;
use merit_transport::{Answer, Route};
use merit_units::{MemoryMb, parse_vcpu};
use merit_venue::{Discovered, ErrorKind, VenueError};
use tokio::time::Instant;

use crate::venue::FcVenue;

/// For one page.
const PAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest page, in bytes: 100 functions with all that is configured of them.
const PAGE_BYTES: usize = 16 * 1024 * 1024;
/// Pages read at most: a region has 5,000 functions by default.
const MOST_PAGES: usize = 1000;

impl FcVenue {
    pub(crate) async fn list(&self) -> Result<Vec<Discovered>, VenueError> {
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let FunctionsPage { functions, next_token } = self.page(token.as_deref()).await?;
            found.extend(functions.into_iter().filter(|function| !function.function_name.is_empty()).map(discovered));
            token = next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                found.sort_by(|a, b| a.name.cmp(&b.name));
                return Ok(found);
            }
        }
        let message = format!("the list of functions did not end after {MOST_PAGES} pages");
        Err(VenueError::not_started(ErrorKind::MalformedReply, message))
    }

    async fn page(&self, token: Option<&str>) -> Result<FunctionsPage, VenueError> {
        let mut path = format!("{}{}?limit={}", self.place.prefix, fc::functions_path(), fc::MOST_PER_PAGE);
        if let Some(token) = token {
            path.push_str("&nextToken=");
            path.push_str(&fc::query_value(token));
        }
        let path = PathAndQuery::try_from(path).map_err(|error| {
            VenueError::not_started(ErrorKind::MalformedReply, format!("the next page can't be asked for: {error}"))
        })?;
        let route = Route::new(&self.place.origin, path);
        self.lockout.check(&route)?;
        let ends = Instant::now() + PAGE_TIMEOUT;
        let _place = self.transport.admit(&route, ends).await?;
        let answer = self
            .transport
            .send(&route, ends, |_| route.request(Method::GET, self.question(&route, "ListFunctions"), "".into()));
        let Answer { head, body, .. } = answer.await?;
        if head.status != 200 {
            return Err(self.refusal(&route, head, body).await);
        }
        let malformed = |why: String| {
            VenueError::not_started(
                ErrorKind::MalformedReply,
                format!("`{}` sent no list of functions: {why}", route.shown()),
            )
        };
        let (text, _) = body.whole(PAGE_BYTES, ends).await.map_err(|error| malformed(format!("{error:?}")))?;
        serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))
    }
}

fn discovered(function: Function) -> Discovered {
    let tags = function.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value));
    Discovered {
        target: function.function_name.clone(),
        name: function.function_name,
        memory: function.memory_size.and_then(|mb| MemoryMb::try_new(mb).ok()),
        vcpu_milli: function.cpu.and_then(|cpu| parse_vcpu(&cpu.to_string()).ok()),
        // All instances without GPU are x86.
        architecture: Some(Architecture::X86_64),
        timeout: function.timeout.map(Duration::from_secs),
        tags: tags.collect::<BTreeMap<_, _>>(),
        digest: function.code_checksum.and_then(|crc| fc::digest(&crc)),
        instance_concurrency: function.instance_concurrency.and_then(|calls| u16::try_from(calls).ok()),
        ..Discovered::default()
    }
}
