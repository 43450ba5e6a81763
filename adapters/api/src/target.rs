//! A deployment's address at its venue, parsed once when the deployment is registered.

use std::fmt;

use http::Uri;

/// Where a deployment is found at its venue: a URL, a path below the venue's own URL, an ARN or
/// a plain name. What it means is the adapter's to say.
///
/// Known limitation: the text is not checked against the venue before the first call.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    text: Box<str>,
    uri: Option<Uri>,
}

/// A target that no adapter could use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{target}` is not a valid target: {reason}")]
pub struct TargetError {
    /// The refused text, cut to 80 characters.
    pub target: String,
    /// What is allowed.
    pub reason: &'static str,
}

impl Target {
    /// The longest text, in bytes; as long as the longest URL common gateways take.
    pub const MAX_BYTES: usize = 2048;

    /// Checks the text. One that begins with `http://` or `https://` must be a whole URL without
    /// a user name: credentials belong in the venue's headers.
    ///
    /// # Errors
    /// [`TargetError`] when it is empty, too long, has a space or a control character, or is a URL
    /// that does not parse.
    pub fn try_new(text: &str) -> Result<Self, TargetError> {
        let refuse = |reason| Err(TargetError { target: text.chars().take(80).collect(), reason });
        if text.is_empty() || text.len() > Self::MAX_BYTES {
            return refuse("it must have 1 to 2048 characters");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refuse("use visible ASCII characters, percent-encode all others");
        }
        let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
        if !lower.starts_with("http://") && !lower.starts_with("https://") {
            return Ok(Self { text: text.into(), uri: None });
        }
        let Ok(uri) = text.parse::<Uri>() else {
            return refuse("it begins like a URL but is none");
        };
        if uri.host().is_none_or(str::is_empty) {
            return refuse("a URL needs a host");
        }
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return refuse("leave the user name out of the URL, and put credentials in the venue's headers");
        }
        Ok(Self { text: text.into(), uri: Some(uri) })
    }

    /// The text as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The parsed URL, when the text is an absolute one.
    #[must_use]
    pub const fn uri(&self) -> Option<&Uri> {
        self.uri.as_ref()
    }
}

impl fmt::Display for Target {
    /// The text without a query, which may hold a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text.split('?').next().unwrap_or_default())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_urls_from_names() {
        let url = Target::try_new("HTTPS://resize-abc.a.run.app/x?code=secret").expect("a URL");
        assert_eq!(url.uri().and_then(Uri::host), Some("resize-abc.a.run.app"));
        assert_eq!(format!("{url} {url:?}").matches("secret").count(), 0);
        for name in ["resize", "/function/resize.ns", "arn:aws:lambda:us-east-1:1:function:f", "http"] {
            let target = Target::try_new(name).expect(name);
            assert_eq!((target.as_str(), target.uri()), (name, None));
        }
    }

    #[test]
    fn refuses_what_no_adapter_could_use() {
        for (bad, reason) in [
            ("", "1 to 2048"),
            (&"x".repeat(2049), "1 to 2048"),
            ("a b", "visible ASCII"),
            ("a\r\nb", "visible ASCII"),
            ("https://", "begins like a URL"),
            ("https://user:pw@host/", "user name"),
        ] {
            let error = Target::try_new(bad).expect_err(bad);
            assert!(error.to_string().contains(reason), "{error}");
        }
    }
}
