//! The operator's word for all that a venue's provider offers.

use super::*;

/// `merit.toml` as it is, or without the word.
async fn reload(stage: &Stage, vouched: bool) {
    let config = if vouched { CONFIG.to_owned() } else { CONFIG.replace("vouch = true\n", "") };
    let config = Config::parse(&config, &Source::Defaults, &Env::default()).unwrap();
    Box::pin(stage.broker.reload(&config, &config)).await.unwrap();
}

#[tokio::test]
async fn an_offer_is_equal_by_the_word_of_the_file_as_long_as_it_is_said() {
    let stage = Stage::new().await;
    stage.quote(offer("a"));
    assert_eq!(stage.ask("thumbnail").await, "0.000001");
    let proof = || {
        let function = stage.function("thumbnail");
        stage.broker.equivalence.proof_of(&function, &function.places()[0])
    };
    assert_eq!(proof(), Some(("merit.toml".to_owned(), START, 0)));
    stage.pass(Micros::from_secs(5)).await;
    reload(&stage, true).await;
    assert_eq!(proof(), Some(("merit.toml".to_owned(), START, 0)), "the word is as old as it was");
    reload(&stage, false).await;
    assert_eq!((stage.ask("thumbnail").await.as_str(), proof()), ("not-proven-equal", None));
    stage.quote(offer("b"));
    assert_eq!(stage.book("thumbnail").await["pool.b"], "not-proven-equal", "nor is one that comes now");
    let function = stage.function("thumbnail");
    stage.broker.vouch(&function, &function.places()[..1], "0a1b2c3d").await.unwrap();
    assert_eq!(stage.ask("thumbnail").await, "0.000001");
    assert_eq!(proof().map(|(who, ..)| who).as_deref(), Some("0a1b2c3d"));
    let (venue, provider) = stage.pool();
    assert!(stage.broker.cancel_offer(&venue, &provider, "a"));
    stage.quote(offer("a"));
    assert_eq!(stage.ask("thumbnail").await, "0.000001", "the proof outlives the offer");
    stage.quote(OfferSpec { target: "/other".to_owned(), ..offer("a") });
    assert_eq!(stage.ask("thumbnail").await, "not-proven-equal", "and not what it was given for");
}
