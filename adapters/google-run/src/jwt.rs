//! The one thing read of a token that others made: when it ends.
//!
//! Its signature is not checked: it is for the service it is made out to.

use serde::Deserialize;

/// The longest token that is looked at, in bytes; Google's have about 900.
const MOST_BYTES: usize = 16 * 1024;

#[derive(Deserialize)]
struct Claims {
    exp: u64,
}

/// When a token ends, in seconds since 1970.
///
/// # Errors
/// When it is none.
pub(crate) fn expiry(token: &str) -> Result<u64, String> {
    if token.len() > MOST_BYTES {
        return Err(format!("the answer is no ID token: it has {} bytes", token.len()));
    }
    let claims = jsonwebtoken::dangerous::insecure_decode_claims::<Claims>(token);
    claims.map(|claims| claims.exp).map_err(|_| {
        "the answer is no ID token: check the address it is asked of, and that no proxy answers in its place".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_read_and_nothing_else_is_a_token() {
        // {"alg":"RS256"} and {"exp":1795235332}
        assert_eq!(expiry("eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjE3OTUyMzUzMzJ9.c2ln"), Ok(1_795_235_332));
        for bad in ["", "a.b.c", "<html>", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOi0xfQ.c2ln"]
        {
            assert!(expiry(bad).is_err_and(|why| why.contains("no ID token")), "{bad}");
        }
        assert!(expiry(&"x".repeat(MOST_BYTES + 1)).is_err());
    }
}
