//! What a token service answers to an assertion: a token, or why there is none.

use serde::Deserialize;

/// The longest part of an answer that is passed on, in characters.
const EXCERPT_CHARS: usize = 160;

#[derive(Deserialize)]
struct Exchanged {
    id_token: String,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// The token of an answer, or what it says in its place.
pub(crate) fn read(body: &[u8], success: bool) -> Result<String, String> {
    if success && let Ok(Exchanged { id_token }) = serde_json::from_slice(body) {
        return Ok(id_token);
    }
    if let Ok(Refused { error, error_description }) = serde_json::from_slice(body) {
        let hint =
            if error == "invalid_grant" { " (the key may be revoked, or this machine's clock wrong)" } else { "" };
        let said: String = format!("{error}: {error_description}").chars().take(EXCERPT_CHARS).collect();
        return Err(format!(": {said}{hint}"));
    }
    Err(", which is no answer of a token service: check `token_uri` of the key".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_token_or_a_reason() {
        assert_eq!(read(br#"{"id_token":"eyJ.a.b"}"#, true), Ok("eyJ.a.b".to_owned()));
        let revoked = read(br#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#, false);
        let revoked = revoked.expect_err("refused");
        assert!(revoked.contains("Invalid JWT Signature.") && revoked.contains("revoked"), "{revoked}");
        for other in ["<html>", "{}", r#"{"access_token":"x"}"#, ""] {
            assert!(read(other.as_bytes(), true).is_err_and(|why| why.contains("token_uri")), "{other}");
        }
    }
}
