//! The fuzz target of token services' answers, on its seeds and a few thousand mutations (`make fuzz` searches further).

#[path = "../../../fuzz/src/targets/google_token.rs"]
mod google_token;
#[path = "../../../fuzz/src/smoke.rs"]
mod smoke;

#[test]
fn answers_of_token_services() {
    smoke::smoke(google_token::run, &google_token::seeds());
}
