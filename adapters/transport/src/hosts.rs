//! Where calls and credentials may go: hosts by name or pattern, and paths that stay below their base.
//!
//! A pattern is a host's name, `fn.example.com`, or `*.example.com` for all below it. Letters' case does not matter.

/// Whether the host is the pattern's, or below it when that begins with `*.`.
#[must_use]
pub fn host_matches(pattern: &str, host: &str) -> bool {
    let Some(parent) = pattern.strip_prefix("*.") else {
        return host.eq_ignore_ascii_case(pattern);
    };
    let Some(split) = host.len().checked_sub(parent.len() + 1) else { return false };
    let (below, end) = (&host.as_bytes()[..split], &host.as_bytes()[split..]);
    !below.is_empty() && end[0] == b'.' && end[1..].eq_ignore_ascii_case(parent.as_bytes())
}

/// Checks that a configured text is a pattern.
///
/// # Errors
/// What it should be like.
pub fn check_host_pattern(pattern: &str) -> Result<(), String> {
    let name = pattern.strip_prefix("*.").unwrap_or(pattern);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if name.is_empty() || !name.bytes().all(allowed) {
        return Err(format!(
            "`{pattern}` is not a host: write `name.example.com`, or `*.example.com` for all below it"
        ));
    }
    Ok(())
}

/// Whether a server could read the path as leading upwards; `%2e` is a dot too. What follows a `?` is no path.
#[must_use]
pub fn has_dot_segment(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    if !path.contains('.') && !path.contains('%') {
        return false;
    }
    path.split('/').any(|segment| {
        let plain = segment.replace("%2e", ".").replace("%2E", ".");
        plain == "." || plain == ".."
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_its_host_or_all_below_it() {
        for (pattern, host, matches) in [
            ("fn.example.com", "FN.example.com", true),
            ("fn.example.com", "a.fn.example.com", false),
            ("*.example.com", "fn.Example.com", true),
            ("*.example.com", "a.fn.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("*.example.com", "evilexample.com", false),
            ("*.example.com", "\u{e9}xample.com", false),
        ] {
            assert_eq!(host_matches(pattern, host), matches, "{pattern} {host}");
        }
    }

    #[test]
    fn a_pattern_is_a_host() {
        for good in ["fn.example.com", "*.example.com", "localhost", "[::1]"] {
            assert_eq!(check_host_pattern(good), Ok(()), "{good}");
        }
        for bad in ["", "*.", "a b", "https://example.com", "*.*.com"] {
            assert!(check_host_pattern(bad).is_err_and(|error| error.contains("is not a host")), "{bad}");
        }
    }

    #[test]
    fn dots_that_lead_upwards_are_seen_however_they_are_written() {
        for bad in ["..", "a/../b", "a/.", "a/%2e%2E/b", "a/.%2e?x"] {
            assert!(has_dot_segment(bad), "{bad}");
        }
        for good in ["", "a/b", "a.b/c..d", "a?b=/../c", "%2ea/b"] {
            assert!(!has_dot_segment(good), "{good}");
        }
    }
}
