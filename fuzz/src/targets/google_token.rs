//! What a token service answers, sizes as Google writes them, and the end of a token: a value or a reason.

use crate::{exchange, jwt, quantity};

/// Reads the bytes as an answer, as a token and as a size.
///
/// # Panics
/// When a reason says nothing, or a size is none.
pub fn run(data: &[u8]) {
    for success in [true, false] {
        match exchange::read(data, success) {
            Ok(_) => assert!(success, "a refusal has no token"),
            Err(why) => assert!(why.len() > 2, "{why}"),
        }
    }
    let text = String::from_utf8_lossy(data);
    if let Err(why) = jwt::expiry(&text) {
        assert!(why.contains("no ID token"), "{why}");
    }
    assert_ne!(quantity::memory_mb(&text), Some(0));
    assert_ne!(quantity::vcpu_milli(&text), Some(0));
}

/// A token, a refusal, and sizes.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjE3OTUyMzUzMzJ9.c2ln";
    [
        format!(r#"{{"id_token":"{token}"}}"#),
        r#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#.to_owned(),
        token.to_owned(),
        "1.5Gi".to_owned(),
        "583m".to_owned(),
    ]
    .into_iter()
    .map(String::into_bytes)
    .collect()
}
