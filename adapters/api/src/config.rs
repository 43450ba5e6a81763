//! Mistakes in an adapter's configuration: all of them at once, each with what to write instead.

use std::fmt;
use std::time::Duration;

use http::Uri;

/// A mistake in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {message}")]
pub struct ConfigError {
    /// The field of the adapter's configuration.
    pub field: &'static str,
    /// Names the value, and says what to write instead. Holds no secret.
    pub message: String,
}

/// All mistakes in a configuration; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// `Ok` when there are none.
    ///
    /// # Errors
    /// All of them.
    pub fn check(errors: Vec<ConfigError>) -> Result<(), Self> {
        if errors.is_empty() { Ok(()) } else { Err(Self(errors)) }
    }

    /// The mistakes, in the order of the fields.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// A mistake for each timeout in which nothing can happen.
pub fn no_time(timeouts: impl IntoIterator<Item = (&'static str, Duration)>) -> impl Iterator<Item = ConfigError> {
    let none = timeouts.into_iter().filter(|(_, timeout)| timeout.is_zero());
    none.map(|(field, _)| ConfigError { field, message: "0 leaves no time: give at least 1 ms".to_owned() })
}

/// A mistake for each bound that is 0 and so lets no call through.
pub fn no_call(zeros: impl IntoIterator<Item = (&'static str, bool)>) -> impl Iterator<Item = ConfigError> {
    let none = zeros.into_iter().filter(|(_, zero)| *zero);
    none.map(|(field, _)| ConfigError { field, message: "0 allows no call: give at least 1".to_owned() })
}

/// A URL as it may be shown: without a user, a password and a query, which may be secret.
#[must_use]
pub fn shown_url(url: &str) -> &str {
    url.rsplit('@').next().unwrap_or_default().split('?').next().unwrap_or_default()
}

/// Checks that a text is the address of a server; `like` is what one looks like.
///
/// # Errors
/// What is wrong, without what may be secret.
pub fn check_url(url: &str, like: &str) -> Result<(), String> {
    let refuse = |why: &str| Err(format!("`{}` {why}: write it like `{like}`", shown_url(url)));
    let Ok(uri) = url.parse::<Uri>() else { return refuse("is not a URL") };
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        return refuse("is not an http or https URL with a host");
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return refuse("has a user name in it");
    }
    if uri.query().is_some() { refuse("has a query") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_an_http_url_of_a_server_and_shows_no_secret() {
        for good in ["http://127.0.0.1:8790/azure", "https://example.com"] {
            assert_eq!(check_url(good, "x"), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("ftp://example.com", "`ftp://example.com` is not an http or https URL with a host: write it like `x`"),
            ("/v2", "`/v2` is not an http or https URL with a host: write it like `x`"),
            ("a b", "`a b` is not a URL: write it like `x`"),
            ("http://me:hunter2@h/", "`h/` has a user name in it: write it like `x`"),
            ("http://h/?key=hunter2", "`http://h/` has a query: write it like `x`"),
        ] {
            assert_eq!(check_url(bad, "x").expect_err(bad), why);
        }
    }

    #[test]
    fn a_bound_of_nothing_is_a_mistake_of_its_field() {
        let times = no_time([("a", Duration::ZERO), ("b", Duration::from_millis(1))]);
        let bounds = no_call([("c", false), ("d", true)]);
        let fields: Vec<_> = times.chain(bounds).map(|error| error.field).collect();
        assert_eq!(fields, ["a", "d"]);
    }
}
