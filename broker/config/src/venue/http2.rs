//! How HTTP/2 is spoken with a venue's servers, where they offer it.

use std::str::FromStr;

use crate::reader::{Kind, Section};

/// Many calls on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2 {
    /// The most calls at once on one connection.
    pub calls: u32,
    /// Bytes of one call's reply that may come before they are read.
    pub window_bytes: u32,
    /// Milliseconds after which a connection with calls on it is asked for a sign of life.
    pub ping_ms: u64,
    /// Milliseconds it has to give one.
    pub ping_timeout_ms: u64,
}

/// `None`: it is not asked for.
pub(super) fn read(section: &mut Section<'_, '_>, by_default: bool) -> Option<Http2> {
    let wanted = section.given("http2", &[Kind::Boolean], bool::from_str);
    let http2 = Http2 {
        calls: section.number_or("http2_calls", 1..=1000, 100),
        window_bytes: section.number_or("http2_window_bytes", 16_384..=16_777_216, 262_144),
        ping_ms: section.number_or("http2_ping_ms", 1000..=3_600_000, 30_000),
        ping_timeout_ms: section.number_or("http2_ping_timeout_ms", 1000..=600_000, 15_000),
    };
    wanted.unwrap_or_else(|| section.fall_back("http2", by_default)).then_some(http2)
}

#[cfg(test)]
mod tests {
    use super::Http2;
    use crate::{Config, Env, Source, VenueKind};

    const DEFAULTS: Http2 = Http2 { calls: 100, window_bytes: 262_144, ping_ms: 30_000, ping_timeout_ms: 15_000 };

    fn of(kind: &str, keys: &str) -> Result<Option<Http2>, String> {
        let text = format!("[venues.a]\nkind = \"{kind}\"\nregion = \"r\"\n{keys}\n");
        let config = Config::parse(&text, &Source::Defaults, &Env::default());
        let config = config.map_err(|errors| errors.to_string())?;
        let venue = config.venues.into_values().next().expect("a venue");
        Ok(match venue.kind {
            VenueKind::Http(own) => own.http2,
            VenueKind::GoogleRun(own) => own.http2,
            VenueKind::AzureFunctions(own) => own.http2,
            VenueKind::CloudflareWorkers(own) => own.http2,
            _ => None,
        })
    }

    #[test]
    fn it_is_on_at_cloud_run_and_off_elsewhere() {
        let elsewhere = [
            ("http", "url = \"https://functions.example.com/\""),
            ("azure-functions", ""),
            ("cloudflare-workers", "subdomain = \"my-team\""),
        ];
        assert_eq!(of("google-run", ""), Ok(Some(DEFAULTS)));
        assert_eq!(of("google-run", "http2 = false"), Ok(None));
        for (kind, needed) in elsewhere {
            assert_eq!(of(kind, needed), Ok(None), "{kind}");
            assert_eq!(of(kind, &format!("{needed}\nhttp2 = true")), Ok(Some(DEFAULTS)), "{kind}");
        }
        let refused = of("tencent-scf", "http2 = true").expect_err("it has none");
        assert!(refused.contains("http2: unknown key"), "{refused}");
    }

    #[test]
    fn its_limits_have_ranges() {
        let given = "http2_calls = 7\nhttp2_window_bytes = 16384\nhttp2_ping_ms = 1000\nhttp2_ping_timeout_ms = 2000";
        let wanted = Http2 { calls: 7, window_bytes: 16_384, ping_ms: 1000, ping_timeout_ms: 2000 };
        assert_eq!(of("google-run", given), Ok(Some(wanted)));
        for wrong in ["http2_calls = 0", "http2_window_bytes = 1", "http2_ping_ms = 0", "http2_ping_timeout_ms = 0"] {
            let key = wrong.split_once(' ').expect("a key").0;
            let refused = of("google-run", wrong).expect_err("out of range");
            assert!(refused.contains(key) && refused.contains("must be "), "{refused}");
        }
    }
}
