//! A place to connect to, and what to ask for there.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;
use merit_venue::{ErrorKind, HttpHead, VenueError};

/// A server to connect to; connections to it are interchangeable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Of the rest, so that the pool's map hashes eight bytes a call and not every letter.
    hash: u64,
    tls: bool,
    authority: Authority,
}

impl Hash for Origin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Origin {
    /// The server with that name and port, by TLS or without.
    #[must_use]
    pub fn new(tls: bool, authority: Authority) -> Self {
        let mut hasher = DefaultHasher::new();
        (tls, &authority).hash(&mut hasher);
        Self { hash: hasher.finish(), tls, authority }
    }

    /// The server of an absolute URL.
    ///
    /// # Errors
    /// What keeps it from being called, to complete "`URL` ...".
    pub fn of_url(uri: &Uri) -> Result<Self, &'static str> {
        const SHAPE: &str = "is not a URL: write it like `https://gateway.example.com/function`";
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(SHAPE),
        };
        let authority = uri.authority().cloned().filter(|authority| !authority.host().is_empty()).ok_or(SHAPE)?;
        if authority.as_str().contains('@') {
            return Err("has a user name in it: put credentials where the configuration has a place for them");
        }
        Ok(Self::new(tls, authority))
    }

    /// Whether it is reached by TLS.
    #[must_use]
    pub const fn tls(&self) -> bool {
        self.tls
    }

    /// Its name and port as in a URL.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The host, an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.authority.host().trim_start_matches('[').trim_end_matches(']')
    }

    /// The port, the scheme's own when none is named.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(if self.tls { 443 } else { 80 })
    }

    /// What a request says as `host` unless told otherwise.
    ///
    /// # Panics
    /// Never: an authority is ASCII.
    #[must_use]
    pub fn host_header(&self) -> HeaderValue {
        HeaderValue::from_str(self.authority.as_str()).expect("invariant: an authority is ASCII")
    }
}

/// Where one call goes.
#[derive(Clone, Debug)]
pub struct Route {
    /// The server.
    pub origin: Arc<Origin>,
    /// In origin form: path and query only.
    pub uri: Uri,
    /// The `host` header.
    pub host: HeaderValue,
}

impl Route {
    /// The route to a path and query at a server, under its own name.
    #[must_use]
    pub fn new(origin: &Arc<Origin>, path: PathAndQuery) -> Self {
        Self { origin: Arc::clone(origin), uri: Uri::from(path), host: origin.host_header() }
    }

    /// This route, with the path and the query of a request of plain HTTP behind its own.
    ///
    /// # Errors
    /// [`ErrorKind::PayloadRefused`] when the two together are no path.
    pub fn below(self, http: &HttpHead) -> Result<Self, VenueError> {
        let own = if http.below.is_empty() { self.uri.path() } else { self.uri.path().trim_end_matches('/') };
        let queries = [self.uri.query(), http.query.as_deref()];
        let mut joined = [own, &http.below].concat();
        for (query, mark) in queries.into_iter().flatten().zip(["?", "&"]) {
            joined.push_str(mark);
            joined.push_str(query);
        }
        let path = PathAndQuery::from_maybe_shared(Bytes::from(joined)).map_err(|error| {
            let message = format!("what is asked for below `{self}` is no path of a URL: {error}");
            VenueError::not_started(ErrorKind::PayloadRefused, message)
        })?;
        Ok(Self { uri: Uri::from(path), ..self })
    }

    /// As in messages.
    #[must_use]
    pub fn shown(&self) -> String {
        self.to_string()
    }

    /// A request for this route. `host` is set; `headers` may replace it.
    #[must_use]
    pub fn request(&self, method: Method, mut headers: HeaderMap, payload: Bytes) -> Request<Full<Bytes>> {
        if !headers.contains_key(header::HOST) {
            headers.insert(header::HOST, self.host.clone());
        }
        if payload.is_empty() && [Method::POST, Method::PUT, Method::PATCH].contains(&method) {
            // hyper leaves it out, and strict gateways answer 411 to a POST without it (RFC 9110, 8.6).
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let mut request = Request::new(Full::new(payload));
        *request.method_mut() = method;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = headers;
        request
    }
}

impl fmt::Display for Route {
    /// Host and path, without a query, which may hold a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin.authority, self.uri.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_server_or_is_refused() {
        let of = |text: &str| Origin::of_url(&text.parse().expect("a URI"));
        let v6 = of("https://[::1]/x").expect("a server");
        assert_eq!((v6.host(), v6.port(), v6.tls()), ("::1", 443, true));
        assert_eq!(of("HTTP://gw:8080/a").expect("a server").port(), 8080);
        for bad in ["ftp://gw/", "gw", "/path"] {
            assert!(of(bad).unwrap_err().contains("is not a URL"), "{bad}");
        }
        assert!(of("http://user:pw@gw/").unwrap_err().contains("user name"));
    }

    #[test]
    fn what_is_asked_for_stands_behind_the_route() {
        let origin = Arc::new(Origin::of_url(&"http://gw:1/".parse().expect("a URI")).expect("a server"));
        let asked = |own: &'static str, below: &str, query: Option<&str>| {
            let query = query.map(Into::into);
            let http = HttpHead { method: Method::GET, below: below.into(), query, headers: HeaderMap::new() };
            Route::new(&origin, PathAndQuery::from_static(own)).below(&http).map(|route| route.uri.to_string())
        };
        for (own, below, query, whole) in [
            ("/", "", None, "/"),
            ("/", "/", None, "/"),
            ("/f", "", None, "/f"),
            ("/f", "/", None, "/f/"),
            ("/f/", "/a/b%2Fc", None, "/f/a/b%2Fc"),
            ("/f?code=x", "/a", None, "/f/a?code=x"),
            ("/f?code=x", "/a", Some("y=%20&z"), "/f/a?code=x&y=%20&z"),
            ("/", "//a", Some(""), "//a?"),
        ] {
            assert_eq!(asked(own, below, query).expect("a path"), whole);
        }
        assert!(asked("/f", "/a b", None).expect_err("a space").message.contains("no path"));
    }

    #[test]
    fn a_request_says_its_host_and_the_length_of_nothing() {
        let origin = Arc::new(Origin::of_url(&"http://gw:1/".parse().expect("a URI")).expect("a server"));
        let route = Route::new(&origin, PathAndQuery::from_static("/f?key=secret"));
        assert_eq!(route.shown(), "gw:1/f");
        let empty = route.request(Method::POST, HeaderMap::new(), Bytes::new());
        assert_eq!(
            (&empty.headers()["host"], &empty.headers()["content-length"]),
            (&route.host, &HeaderValue::from(0))
        );
        let get = route.request(Method::GET, HeaderMap::new(), Bytes::new());
        assert!(!get.headers().contains_key("content-length") && get.uri() == "/f?key=secret");
        let delete = route.request(Method::DELETE, HeaderMap::new(), Bytes::new());
        assert!(!delete.headers().contains_key("content-length"), "it may have no content at all");
    }
}
