//! Requests as providers' own clients sent them, beside what an adapter sends.
//!
//! A capture is the request as it stood on the wire: its line, its headers, an empty line, its body. What a client says of
//! itself (its name, its tracing) is set aside by name; everything else has to be the same, byte for byte, up to what
//! changes with each request (times, nonces, signatures), which has to have the same form.

use std::collections::BTreeMap;

use super::server::Received;

/// A captured request, and what may differ from it.
#[derive(Clone, Copy, Debug)]
pub struct Captured<'a> {
    /// The request, with line feeds alone at the ends of its lines.
    pub request: &'a str,
    /// Headers that are set aside, in lower case, whoever sends them.
    pub aside: &'a [&'a str],
    /// Headers whose values change with each request, in lower case.
    pub changing: &'a [&'a str],
}

impl<'a> Captured<'a> {
    /// Checks a request against it, the body too.
    ///
    /// # Panics
    /// When it differs, with what differs.
    pub fn is(&self, received: &Received) {
        assert_eq!(String::from_utf8_lossy(&received.body), self.head_is(received), "the body");
    }

    /// Checks all but the body, and returns the body that was captured: of JSON, other bytes may be the same.
    ///
    /// # Panics
    /// When it differs, with what differs.
    #[must_use]
    pub fn head_is(&self, received: &Received) -> &'a str {
        let (head, body) = self.request.split_once("\n\n").expect("a head and a body");
        assert_eq!(received.request_line(), head.lines().next().unwrap_or_default(), "the request line");
        let [theirs, ours] = [head, &received.head].map(|head| self.headers(head));
        assert_eq!(ours, theirs, "the headers (ours, then theirs) of\n{}", received.head);
        body
    }

    /// What is compared of headers, by name in lower case.
    fn headers(&self, head: &str) -> BTreeMap<String, String> {
        let pairs = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let mut headers = BTreeMap::new();
        for (name, value) in pairs {
            let name = name.to_ascii_lowercase();
            // Where it is sent to is the test's own address, and how long it is follows from its body.
            if matches!(&*name, "host" | "content-length") || self.aside.contains(&&*name) {
                continue;
            }
            let value = if self.changing.contains(&&*name) { form(value) } else { value.to_owned() };
            assert!(headers.insert(name, value).is_none(), "a header was sent twice: {head}");
        }
        headers
    }
}

/// A value without its digits, hexadecimal ones among them, and without the names of the headers that are signed.
fn form(value: &str) -> String {
    let signed = value.split_once("SignedHeaders=").and_then(|(_, rest)| rest.split(',').next());
    let value = signed.map_or_else(|| value.to_owned(), |signed| value.replace(signed, "..."));
    value.chars().map(|char| if matches!(char, '0'..='9' | 'a'..='f') { '0' } else { char }).collect()
}
