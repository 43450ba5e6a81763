//! google-auth, Google's own Python library, over assertions of random keys, accounts, audiences and times.
//! `make setup` installs it in `tests/peers`.

#[path = "../../../../tests/peers/judge.rs"]
mod judge;

use serde_json::json;

use super::*;
use judge::judged;

const KEYS: usize = 4;
const ASSERTIONS: usize = 25;
const SEED: u64 = 20_261_122;

/// What google-auth says of each, a line an assertion; or how it fails.
fn verified(asked: &[Value]) -> Result<Vec<String>, String> {
    judged("google/verify.py", &[], asked)
}

/// What an account, a key's id or an audience may have, and what a token has to escape.
fn text(rng: &mut fastrand::Rng, most: usize) -> String {
    let letters: Vec<char> = "abcXYZ019-._~:/?#[]@!$&'()*+,;=% \"\\äß字😀".chars().collect();
    (0..rng.usize(1..=most)).map(|_| *rng.choice(&letters).expect("letters")).collect()
}

#[test]
fn google_auth_takes_assertions_of_any_key_and_time() {
    let mut rng = fastrand::Rng::with_seed(SEED);
    let (mut asked, mut expected) = (Vec::new(), Vec::new());
    for _ in 0..KEYS {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("a key");
        for _ in 0..ASSERTIONS {
            let (email, kid, audience) = (text(&mut rng, 40), text(&mut rng, 40), text(&mut rng, 80));
            // From the first day on, whose assertions begin with it, to 2099.
            let now = rng.u64(3600..4_102_444_800);
            let key = json!({ "client_email": email, "private_key_id": kid, "private_key": pair.serialize_pem(),
                "token_uri": "http://127.0.0.1:1/token" });
            let assertion = Assertion::elsewhere(&key, &audience).expect("a key").expect("elsewhere");
            let form = assertion.form(Duration::from_secs(now)).expect("signed");
            asked.push(
                json!({ "public": pair.public_key_pem(), "kid": kid, "audience": audience, "now": now, "lifetime": 3600, "form": form }),
            );
            expected.push(format!("verified {email}"));
        }
    }
    assert_eq!(verified(&asked).unwrap_or_else(|error| panic!("seed {SEED}: {error}")), expected);
    // A day later it has ended, so that the check could have failed; and another key's does not hold.
    let mut late = asked[0].clone();
    late["now"] = json!(late["now"].as_u64().expect("a time") + 86_400);
    assert!(verified(&[late]).expect_err("it has ended").contains("expired"));
    let mut foreign = asked[0].clone();
    foreign["public"] = asked[ASSERTIONS]["public"].clone();
    assert!(verified(&[foreign]).expect_err("another key").contains("the signature does not hold"));
}
