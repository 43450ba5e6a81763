//! A process of the demo as its HTTP client sees it: JSON and TOML over connections that are kept.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;

use crate::DemoError;

/// Beyond any deadline of the demo's calls.
const TIMEOUT: Duration = Duration::from_mins(1);

/// One process.
#[derive(Clone)]
pub(crate) struct Peer {
    client: Client,
    base: String,
    key: Option<String>,
}

impl Peer {
    /// The process at `base`, such as `http://127.0.0.1:8780`.
    ///
    /// # Errors
    /// When the client can't be made.
    pub(crate) fn new(base: String, key: Option<String>) -> Result<Self, DemoError> {
        let client = Client::builder().no_proxy().timeout(TIMEOUT).build();
        let client = client
            .map_err(|error| DemoError::Request { request: "setting up HTTP".to_owned(), reason: error.to_string() })?;
        Ok(Self { client, base, key })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.base
    }

    /// A request with the key, if there is one.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// `GET`, answered in JSON.
    ///
    /// # Errors
    /// [`DemoError::Request`].
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, DemoError> {
        json(path, self.send(Method::GET, path, None).await?).await
    }

    /// `GET`, answered in text.
    ///
    /// # Errors
    /// [`DemoError::Request`].
    pub(crate) async fn text(&self, path: &str) -> Result<String, DemoError> {
        let response = self.send(Method::GET, path, None).await?;
        response.text().await.map_err(|error| failed(path, &error))
    }

    /// A request with a body, answered in JSON.
    ///
    /// # Errors
    /// [`DemoError::Request`].
    pub(crate) async fn send_body<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        media_type: &str,
        body: String,
    ) -> Result<T, DemoError> {
        json(path, self.send(method, path, Some((media_type, body))).await?).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<(&str, String)>) -> Result<Response, DemoError> {
        let mut request = self.request(method, path);
        if let Some((media_type, body)) = body {
            request = request.header(CONTENT_TYPE, media_type).body(body);
        }
        let response = request.send().await.map_err(|error| failed(path, &error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let said = response.text().await.unwrap_or_default();
        Err(DemoError::Request { request: path.to_owned(), reason: format!("{status}: {said}") })
    }
}

async fn json<T: DeserializeOwned>(path: &str, response: Response) -> Result<T, DemoError> {
    response.json().await.map_err(|error| failed(path, &error))
}

fn failed(path: &str, error: &reqwest::Error) -> DemoError {
    DemoError::Request { request: path.to_owned(), reason: chain(error) }
}

/// An error with its causes, which are the telling part of a client's errors.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
