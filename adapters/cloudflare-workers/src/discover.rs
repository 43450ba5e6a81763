//! The scripts of the account, by Cloudflare's API.
//!
//! It needs a token with the right to read Workers' scripts. All scripts come in one answer.

use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method};
use merit_cloud_wire::workers::{Script, Scripts};
use merit_transport::{Answer, Route};
use merit_units::MemoryMb;
use merit_venue::{Discovered, ErrorKind, VenueError};
use tokio::time::Instant;

use crate::venue::WorkersVenue;

/// For the whole list.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The longest list, in bytes: 500 scripts on the paid plan, and more on request.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// The memory of every Worker.
const MEMORY_MB: u64 = 128;

impl WorkersVenue {
    /// The scripts, or `None` where no account is configured.
    pub(crate) async fn list(&self) -> Result<Option<Vec<Discovered>>, VenueError> {
        let Some((origin, path, token)) = &self.api else { return Ok(None) };
        let path = PathAndQuery::try_from(path.as_str()).expect("invariant: an id and a URL's path");
        let route = Route::new(origin, path);
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(AUTHORIZATION, token.clone());
        headers.insert(USER_AGENT, merit_transport::headers::USER_AGENT);
        let ends = Instant::now() + TIMEOUT;
        let _place = self.transport.admit(&route, ends).await?;
        let answer =
            self.transport.send(&route, ends, |_| route.request(Method::GET, headers.clone(), "".into())).await;
        let Answer { head, body, .. } = answer?;
        let status = head.status.as_u16();
        let refuse = |kind, why: String| {
            VenueError::not_started(kind, format!("`{}` sent no list of scripts: {why}", route.shown()))
        };
        let (text, _) = body
            .whole(MOST_BYTES, ends)
            .await
            .map_err(|error| refuse(ErrorKind::MalformedReply, format!("{error:?}")))?;
        let read: Option<Scripts> = serde_json::from_slice(&text).ok();
        match read {
            Some(scripts) if scripts.success => Ok(Some(found(self, scripts.result))),
            other => {
                let said = other.and_then(|scripts| scripts.errors.into_iter().next());
                let said = said.map_or_else(String::new, |error| format!(" {}: {}", error.code, error.message));
                let kind = match status {
                    401 | 403 => ErrorKind::BadCredentials,
                    404 => ErrorKind::NotFound,
                    429 => ErrorKind::Throttled,
                    500..=599 => ErrorKind::Unavailable,
                    _ => ErrorKind::MalformedReply,
                };
                Err(refuse(kind, format!("it was answered {status}{said}")))
            }
        }
    }
}

fn found(venue: &WorkersVenue, scripts: Vec<Script>) -> Vec<Discovered> {
    let memory = MemoryMb::try_new(MEMORY_MB).ok();
    let timeout = Some(venue.config.whole_timeout);
    let discovered = scripts.into_iter().filter(|script| !script.id.is_empty()).map(|script| Discovered {
        target: script.id.clone(),
        name: script.id,
        memory,
        timeout,
        tags: script.tags.unwrap_or_default().iter().map(|tag| split(tag)).collect(),
        ..Discovered::default()
    });
    let mut all: Vec<Discovered> = discovered.collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// A script's tags are plain words; `name=value` makes a label.
fn split(tag: &str) -> (String, String) {
    let (name, value) = tag.split_once('=').unwrap_or((tag, ""));
    (name.to_owned(), value.to_owned())
}
