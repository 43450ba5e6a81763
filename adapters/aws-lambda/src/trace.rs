//! W3C trace context in the form X-Ray has, so that a function's trace joins the caller's.
//!
//! `00-{32 digits}-{16 digits}-{flags}` becomes `Root=1-{8}-{24};Parent={16};Sampled={0|1}`, as the
//! propagators of OpenTelemetry do it. `tracestate` has no place there.

use http::HeaderValue;

/// X-Ray's form of a `traceparent`; `None` when it is malformed.
pub(crate) fn x_ray(traceparent: &HeaderValue) -> Option<HeaderValue> {
    let text = traceparent.to_str().ok()?;
    let mut parts = text.split('-');
    let mut hex = |digits| {
        let part = parts.next()?;
        let valid = part.len() == digits && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        valid.then_some(part)
    };
    let (_version, trace, parent, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    let sampled = u8::from_str_radix(flags, 16).ok()? & 1;
    HeaderValue::from_str(&format!("Root=1-{}-{};Parent={parent};Sampled={sampled}", &trace[..8], &trace[8..])).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_becomes_x_rays_and_nonsense_nothing() {
        let of = |text: &'static str| x_ray(&HeaderValue::from_static(text));
        let x_ray = "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1";
        assert_eq!(of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").expect("valid"), x_ray);
        assert!(of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00").is_some_and(|value| value != x_ray));
        for bad in ["", "00-0af7-b7ad-01", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
