//! The functions of the region, page by page, with their labels. Their memory is not told by a list.
//!
//! It needs `scf:ListFunctions`. A page is a read, and is asked for once.

use std::time::Duration;

use http::StatusCode;
use merit_cloud_wire::scf::{self, Answer as ScfAnswer, Function, FunctionsPage, ListFunctions};
use merit_pricing::Architecture;
use merit_transport::Answer;
use merit_venue::{Discovered, ErrorKind, VenueError};
use tokio::time::Instant;

use crate::venue::ScfVenue;

/// For one page.
const PAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest page, in bytes.
const PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Pages read at most: a region has 50 functions in each of 5 namespaces by default, and more on request.
const MOST_PAGES: u64 = 1000;

impl ScfVenue {
    pub(crate) async fn list(&self) -> Result<Vec<Discovered>, VenueError> {
        let mut found = Vec::new();
        for page in 0..MOST_PAGES {
            let offset = page * scf::MOST_PER_PAGE;
            let FunctionsPage { functions, total_count } = self.page(offset).await?;
            let last = functions.is_empty() || offset + scf::MOST_PER_PAGE >= total_count;
            found.extend(functions.into_iter().filter(|function| !function.function_name.is_empty()).map(discovered));
            if last {
                found.sort_by(|a: &Discovered, b| a.target.cmp(&b.target));
                return Ok(found);
            }
        }
        let message = format!("the list of functions did not end after {MOST_PAGES} pages");
        Err(VenueError::not_started(ErrorKind::MalformedReply, message))
    }

    async fn page(&self, offset: u64) -> Result<FunctionsPage, VenueError> {
        let shown = format!("the list of functions in {}", self.config.region);
        self.lockout.check(&shown)?;
        let request = ListFunctions { offset, limit: scf::MOST_PER_PAGE, namespace: None };
        let body = bytes::Bytes::from(serde_json::to_vec(&request).expect("invariant: numbers are JSON"));
        let ends = Instant::now() + PAGE_TIMEOUT;
        let _place = self.transport.admit(&self.route, ends).await?;
        let answer = self.transport.send(&self.route, ends, |_| self.request(scf::LIST_FUNCTIONS, body.clone())).await;
        let Answer { head, body, .. } = answer?;
        if head.status != StatusCode::OK {
            return Err(self.refused_before(&shown, head, body).await);
        }
        let malformed =
            |why: String| VenueError::not_started(ErrorKind::MalformedReply, format!("`{shown}` is none: {why}"));
        let (text, _) = body.whole(PAGE_BYTES, ends).await.map_err(|error| malformed(format!("{error:?}")))?;
        let answer: ScfAnswer<FunctionsPage> =
            serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?;
        match (answer.response.error, answer.response.done) {
            (Some(error), _) => Err(self.refusal(&shown, &error)),
            (None, Some(page)) => Ok(page),
            (None, None) => Err(malformed("it has neither functions nor an error".to_owned())),
        }
    }
}

fn discovered(function: Function) -> Discovered {
    let Function { function_name: name, namespace, tags, .. } = function;
    let target =
        if matches!(namespace.as_str(), "" | "default") { name.clone() } else { format!("{namespace}/{name}") };
    Discovered {
        target,
        name,
        architecture: Some(Architecture::X86_64),
        tags: tags.into_iter().map(|tag| (tag.key, tag.value)).collect(),
        ..Discovered::default()
    }
}
