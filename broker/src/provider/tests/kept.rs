//! Held prices over a restart, which ends the broker without a word.

use super::*;

/// A broker on the same folder. The one before is dropped, and has written no more than it had before.
async fn restarted(stage: Stage) -> Stage {
    let Stage { broker, _folder: folder } = stage;
    drop(broker);
    let store = format!("[store]\ndir = \"{}\"\n{CONFIG}", folder.path().join("store").display());
    let config = Config::parse(&store, &Source::Defaults, &Env::default()).unwrap();
    let ready = Box::pin(serve::start(&config, &Env::default(), Clock::manual(START))).await;
    let stage = Stage { broker: ready.map_err(|error| error.to_string()).unwrap().broker, _folder: folder };
    let (venue, provider) = stage.pool();
    provider.adapter.put_endpoint("http://pool.example.com/", &secret()).unwrap();
    venue.readiness_changed();
    stage
}

#[tokio::test]
async fn a_held_price_is_still_held_after_a_restart_until_it_is_confirmed() {
    let stage = Stage::new().await;
    assert_eq!(stage.price("0.0000019"), Vec::<String>::new());
    for _ in 0..8 {
        stage.pass(Micros::from_secs(50)).await;
        assert_eq!(stage.price("0.0000019"), Vec::<String>::new());
    }
    // Compared with the sheet it would be in its band.
    assert_eq!(stage.price("0.000001"), ["price_fell"]);
    stage.broker.keep_prices().await;
    let stage = restarted(stage).await;
    assert_eq!(stage.price("0.000001"), ["price_fell"]);
    assert_eq!(stage.ask("thumbnail").await, "quote-held");
    stage.broker.keep_prices().await;
    let stage = restarted(stage).await;
    assert_eq!(stage.price("0.000001"), ["price_fell"], "nor after another");
    let (venue, provider) = stage.pool();
    assert_eq!(stage.broker.confirm_offer(&venue, &provider, "a"), Some(true));
    assert_eq!(stage.ask("thumbnail").await, "0.000001");
    stage.broker.keep_prices().await;
    let stage = restarted(stage).await;
    assert_eq!(stage.price("0.000001"), Vec::<String>::new(), "what was confirmed is");
}

#[tokio::test]
async fn a_new_sheet_and_new_terms_are_held_after_a_restart_as_before_it() {
    let stage = Stage::new().await;
    stage.quote(offer("a"));
    // Nothing has been written since but the sheet itself.
    stage.publish(2, "0.0000001").await.unwrap();
    let stage = restarted(stage).await;
    assert_eq!(stage.quote(offer("a")).held[0].reason, "price_fell");
    assert_eq!(stage.quote(offer("new")).held[0].reason, "price_fell");
    let (venue, provider) = stage.pool();
    assert_eq!(stage.broker.confirm_offer(&venue, &provider, "a"), Some(true));
    stage.publish_with(3, "0.0000001", "rule = { granularity_us = 1000, minimum_us = 3600000000 }\n").await.unwrap();
    assert_eq!(stage.quote(offer("a")).held[0].reason, "terms_changed");
    let stage = restarted(stage).await;
    assert_eq!(stage.quote(offer("a")).held[0].reason, "terms_changed");
}
