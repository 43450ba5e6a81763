//! ACS3-HMAC-SHA256: nothing holds that was not signed with the key, and everything that was does.
//!
//! The bytes are a request as text: `METHOD TARGET`, a header a line, an empty line, the body. After a first byte
//! that is odd, the request is signed before it is checked.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use merit_cloud_wire::AuthError;
use merit_cloud_wire::acs3::{Presented, Signer};
use merit_units::Timestamp;

const NOW: Timestamp = Timestamp::from_micros(1_795_235_256_000_000);
/// Nobody has signed a seed with it.
const SECRET: &str = "a secret that signed none of the seeds";

/// Checks the request as it is, or signs it first.
///
/// # Panics
/// When a signature holds that nobody made, or one that was made does not.
pub fn run(data: &[u8]) {
    let Some((&how, rest)) = data.split_first() else { return };
    let Some((method, target, mut headers, body)) = read(rest) else { return };
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    if how & 1 == 0 {
        let presented = Presented::of(&method, path, query, &headers);
        let checked = presented.and_then(|presented| presented.verify(SECRET, body));
        let error = checked.expect_err("nobody has signed with this secret").to_string();
        assert!(!error.is_empty() && error.len() < 1000);
        return;
    }
    headers.remove("authorization");
    headers.entry("host").or_insert(HeaderValue::from_static("h"));
    for name in ["x-acs-date", "x-acs-content-sha256", "x-acs-security-token", "x-acs-accesskey-id"] {
        headers.remove(name);
    }
    let signer = Signer::try_new("id", SECRET, None).expect("a key pair");
    let trigger = how & 2 == 2;
    let signed = if trigger {
        signer.sign_trigger(&method, path, query, &mut headers, NOW)
    } else {
        signer.sign(&method, path, query, &mut headers, body, NOW, "nonce")
    };
    if signed.is_err() {
        return;
    }
    let presented =
        Presented::of(&method, path, query, &headers).unwrap_or_else(|error| panic!("{error}: {headers:?}"));
    assert_eq!((presented.access_key_id(), presented.check_time(NOW)), ("id", Ok(())));
    assert_eq!(presented.verify(SECRET, body), Ok(()), "{target} {headers:?}");
    assert_eq!(presented.verify("another", body), Err(AuthError::Mismatch));
    assert_eq!(presented.verify(SECRET, &[body, b"."].concat()).is_ok(), trigger);
}

/// `None` where no HTTP server would have got as far.
fn read(data: &[u8]) -> Option<(Method, &str, HeaderMap, &[u8])> {
    let end = data.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = end.map_or((data, &[][..]), |end| (&data[..end], &data[end + 2..]));
    let mut lines = std::str::from_utf8(head).ok()?.split('\n');
    let (method, target) = lines.next()?.split_once(' ')?;
    let mut headers = HeaderMap::new();
    for line in lines.take(40) {
        let (name, value) = line.split_once(':')?;
        headers.append(name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?);
    }
    Some((method.parse().ok()?, target, headers, body))
}

/// Requests signed and not.
///
/// # Panics
/// Never: the key pair is one.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let signer = Signer::try_new("LTAI5tEXAMPLE", "x", Some("TOKEN/+=")).expect("a key pair");
    let mut headers = HeaderMap::new();
    for (name, value) in [("host", "h"), ("x-acs-action", "InvokeFunction"), ("x-fc-log-type", "Tail")] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let target = "/2023-03-30/functions/f/invocations?qualifier=LATEST&b=%20";
    let (path, query) = target.split_once('?').expect("a query");
    signer.sign(&Method::POST, path, Some(query), &mut headers, b"{}", NOW, "nonce").expect("signed");
    let lines: String =
        headers.iter().map(|(name, value)| format!("\n{name}:{}", String::from_utf8_lossy(value.as_bytes()))).collect();
    let request = format!("POST {target}{lines}\n\n{{}}");
    let mut seeds: Vec<Vec<u8>> = [0, 1, 3].map(|how| [&[how][..], request.as_bytes()].concat()).into();
    seeds.push(b"\x01GET /a/./b//c/../~x?b=2&a=1&a&=\nx-acs-a:  two  spaces \nvia: a\nvia: b\n\nbody".to_vec());
    seeds
}
