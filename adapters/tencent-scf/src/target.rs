//! From a deployment's target to what a call names.

use merit_venue::{ErrorKind, Target, VenueError};

/// What a call names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Called<'t> {
    pub(crate) namespace: Option<&'t str>,
    pub(crate) function: &'t str,
    pub(crate) qualifier: Option<&'t str>,
}

/// What the target names: `namespace/name:qualifier`, of which only the name must be there.
///
/// # Errors
/// `Misconfigured`, when it names nothing.
pub(crate) fn called(target: &Target) -> Result<Called<'_>, VenueError> {
    let text = target.as_str();
    let (namespace, rest) = match text.split_once('/') {
        Some((namespace, rest)) => (Some(namespace), rest),
        None => (None, text),
    };
    let (function, qualifier) = match rest.split_once(':') {
        Some((function, qualifier)) => (function, Some(qualifier)),
        None => (rest, None),
    };
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.$".contains(&byte))
    };
    if target.uri().is_none() && namespace.is_none_or(plain) && plain(function) && qualifier.is_none_or(plain) {
        return Ok(Called { namespace, function, qualifier });
    }
    let message = format!(
        "the target `{target}` can't be called: write a function's name, `name:alias` or `name:version`, with \
         `namespace/` before it where it is not `default`"
    );
    Err(VenueError::not_started(ErrorKind::Misconfigured, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_versions_and_namespaces_are_read_and_nothing_else() {
        for (text, namespace, function, qualifier) in [
            ("resize", None, "resize", None),
            ("resize:$LATEST", None, "resize", Some("$LATEST")),
            ("prod/resize:3", Some("prod"), "resize", Some("3")),
        ] {
            let target = Target::try_new(text).expect(text);
            assert_eq!(called(&target).expect(text), Called { namespace, function, qualifier });
        }
        for bad in ["https://example.com/", "a/b/c", "/a", "a:", "a:b:c", "a\"b"] {
            let target = Target::try_new(bad).expect(bad);
            assert_eq!(called(&target).expect_err(bad).kind, ErrorKind::Misconfigured);
        }
    }
}
