//! Offers as a story: quoted, matched, held, killed, expired, gone. Time is moved by hand.

mod kept;
mod vouched;

use std::collections::BTreeMap;
use std::sync::Arc;

use merit_config::{Config, Env, Source};
use merit_market::{Exclusion, Terms};
use merit_units::{FunctionId, Micros};
use merit_wire::{CapsSpec, FunctionSpec, KillSpec, OfferSpec, OffersTaken};

use super::{Provider, Switch};
use crate::Broker;
use crate::clock::Clock;
use crate::function::Function;
use crate::serve;
use crate::testing::START;
use crate::venue::VenueEntry;

const CONFIG: &str = "[providers]\ntrial_calls = 0\nmax_offers = 4\n\
    [venues.pool]\nkind = \"provider\"\nregion = \"here\"\noffers = [\"*\"]\nvouch = true\n\
    [functions.thumbnail]\n[functions.resize]\nclass = \"images\"\n";

/// A broker with one provider's venue, `pool`, and two functions.
struct Stage {
    broker: Arc<Broker>,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        Self::with(CONFIG).await
    }

    async fn with(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = format!("[store]\ndir = \"{}\"\n{config}", folder.path().join("store").display());
        let config = Config::parse(&store, &Source::Defaults, &Env::default()).unwrap();
        let ready = Box::pin(serve::start(&config, &Env::default(), Clock::manual(START))).await;
        let stage = Self { broker: ready.map_err(|error| error.to_string()).unwrap().broker, _folder: folder };
        stage.publish(1, "0.000001").await.unwrap();
        let (venue, provider) = stage.pool();
        provider.adapter.put_endpoint("http://pool.example.com/", &secret()).unwrap();
        assert!(venue.readiness_changed());
        stage
    }

    fn pool(&self) -> (Arc<VenueEntry>, Arc<Provider>) {
        let venue = Arc::clone(self.broker.directory.load().venue("pool").unwrap());
        let provider = Arc::clone(venue.provider.as_ref().unwrap());
        (venue, provider)
    }

    async fn publish(&self, seq: u64, price: &str) -> Result<(), String> {
        self.publish_with(seq, price, "").await
    }

    async fn publish_with(&self, seq: u64, price: &str, more: &str) -> Result<(), String> {
        let sheet = format!(
            "name = \"pool\"\ncurrency = \"USD\"\nseq = {seq}\nsource = \"own\"\n{more}\
             lines = [{{ meter = \"request\", rate = \"{price}\" }}]\n\
             [sources.own]\ntitle = \"own\"\nretrieved = \"2026-11-21\"\n"
        );
        let published = self.broker.publish_sheet(&self.pool().0, &sheet).await;
        published.map(drop).map_err(|refusal| refusal.to_string())
    }

    fn quote(&self, offer: OfferSpec) -> OffersTaken {
        let (venue, provider) = self.pool();
        self.broker.quote_offer(&venue, &provider, offer, None).unwrap()
    }

    /// Quotes one price of one offer; the words of what was held or refused.
    fn price(&self, price: &str) -> Vec<String> {
        let taken = self.quote(OfferSpec { prices: [("request".to_owned(), price.to_owned())].into(), ..offer("a") });
        taken.held.into_iter().chain(taken.rejected).map(|reason| reason.reason).collect()
    }

    async fn pass(&self, time: Micros) {
        self.broker.clock.advance(time);
        self.broker.tick_providers(self.broker.clock.now());
        self.broker.requote().await;
    }

    fn function(&self, name: &str) -> Arc<Function> {
        self.broker.functions.get(name).unwrap()
    }

    /// What the book of a function says of each deployment: its expected cost, or why there is none.
    async fn book(&self, function: &str) -> BTreeMap<String, String> {
        self.broker.requote().await;
        let view = self.function(function).view();
        let (terms, now) = (Terms::default(), self.broker.clock.now());
        let verdicts = view.book.verdicts(&terms, now);
        verdicts
            .map(|(row, verdict)| {
                let word = verdict.map_or_else(|why| why.word().to_owned(), |()| view.cost(row).to_string());
                (view.deployment(row).id.to_string(), word)
            })
            .collect()
    }

    async fn ask(&self, function: &str) -> String {
        self.book(function).await.remove("pool.a").unwrap_or_else(|| "nothing".to_owned())
    }
}

fn secret() -> String {
    format!("whsec_{}", "A".repeat(32))
}

fn offer(id: &str) -> OfferSpec {
    OfferSpec {
        id: id.to_owned(),
        function: Some("thumbnail".to_owned()),
        target: "/{function}".to_owned(),
        memory_mb: 128,
        slots: 4,
        ttl_ms: 60_000,
        ..OfferSpec::default()
    }
}

#[tokio::test]
async fn an_offer_that_no_function_is_called_by_is_told_so() {
    let stage = Stage::with(&format!("[limits]\nmax_deployments_per_function = 1\n{CONFIG}")).await;
    let idle = |offer: OfferSpec| {
        let taken = stage.quote(offer);
        assert_eq!(taken.accepted, 1, "{taken:?}");
        taken.idle.into_iter().map(|reason| reason.reason).collect::<Vec<_>>()
    };
    assert_eq!(idle(offer("a")), [""; 0]);
    assert_eq!(idle(offer("b")), ["function_full"]);
    assert_eq!(idle(offer("b")), ["function_full"], "also when it is sent again");
    assert_eq!(idle(OfferSpec { function: Some("nowhere".to_owned()), ..offer("c") }), ["no_function"]);
    let class = OfferSpec { function: None, class: Some("sounds".to_owned()), ..offer("d") };
    assert_eq!(idle(class), ["no_function"]);
    let (venue, provider) = stage.pool();
    assert!(stage.broker.cancel_offer(&venue, &provider, "a"));
    assert_eq!(idle(offer("b")), [""; 0], "there is room now");
    assert_eq!(stage.book("thumbnail").await.keys().collect::<Vec<_>>(), ["pool.b"]);
}

#[tokio::test]
async fn an_offer_is_in_the_book_until_it_expires_is_cancelled_or_replaced() {
    let stage = Stage::new().await;
    assert_eq!(stage.ask("thumbnail").await, "nothing");
    assert_eq!(stage.quote(offer("a")).accepted, 1);
    assert_eq!(stage.ask("thumbnail").await, "0.000001");
    assert_eq!(stage.price("0.0000011"), Vec::<String>::new());
    assert_eq!(stage.ask("thumbnail").await, "0.0000011");
    stage.pass(Micros::from_millis(59_999)).await;
    assert_eq!(stage.ask("thumbnail").await, "0.0000011");
    stage.pass(Micros::from_millis(1)).await;
    assert_eq!(stage.ask("thumbnail").await, "offer-expired");
    let (venue, provider) = stage.pool();
    assert_eq!(stage.quote(offer("a")).accepted, 1);
    assert_eq!(stage.ask("thumbnail").await, "0.000001");
    assert!(stage.broker.cancel_offer(&venue, &provider, "a") && !stage.broker.cancel_offer(&venue, &provider, "a"));
    assert_eq!(stage.ask("thumbnail").await, "no-offer");
    stage.quote(offer("a"));
    stage.broker.mass_quote(&venue, &provider, vec![offer("b")], None).unwrap();
    let book = stage.book("thumbnail").await;
    assert_eq!((book["pool.a"].as_str(), book["pool.b"].as_str()), ("no-offer", "0.000001"));
    stage.pass(Micros::from_secs(601)).await;
    stage.pass(Micros::from_secs(60)).await;
    assert_eq!(stage.book("thumbnail").await.keys().collect::<Vec<_>>(), ["pool.b"], "long gone is forgotten");
}

#[tokio::test]
async fn an_offer_for_a_class_is_one_for_each_of_its_functions_also_of_those_to_come() {
    let stage = Stage::new().await;
    stage.quote(OfferSpec { function: None, class: Some("images".to_owned()), ..offer("a") });
    assert_eq!((stage.ask("resize").await, stage.ask("thumbnail").await), ("0.000001".into(), "nothing".into()));
    let put = |name: &str, class: Option<&str>| {
        let spec = FunctionSpec { class: class.map(str::to_owned), ..FunctionSpec::default() };
        let id = FunctionId::try_new(name).unwrap();
        stage.broker.functions.put(&stage.broker, &id, &spec).map(drop)
    };
    put("crop", Some("images")).unwrap();
    assert_eq!(stage.ask("crop").await, "0.000001");
    let target = stage.function("crop").view().deployment(0).target.as_str().to_owned();
    assert_eq!(target, "/crop");
    put("crop", Some("videos")).unwrap();
    assert_eq!(stage.ask("crop").await, "nothing", "it is of another class now");
    assert!(put("crop", Some("a b")).is_err());
    stage.quote(OfferSpec { function: Some("later".to_owned()), ..offer("b") });
    put("later", None).unwrap();
    assert_eq!(stage.book("later").await.get("pool.b").map(String::as_str), Some("0.000001"));
}

#[tokio::test]
async fn a_price_that_leaves_its_band_is_held_until_it_is_confirmed_or_the_band_has_moved() {
    let stage = Stage::new().await;
    let (venue, provider) = stage.pool();
    assert_eq!(stage.price("0.0000005"), ["price_fell"], "the first price is compared with the sheet's");
    assert_eq!(stage.ask("thumbnail").await, "quote-held");
    assert_eq!(stage.price("0.0000007"), Vec::<String>::new());
    assert_eq!(stage.ask("thumbnail").await, "0.0000007");
    assert_eq!(stage.price("0.0000025"), ["price_rose"]);
    assert_eq!(stage.broker.confirm_offer(&venue, &provider, "a"), Some(true));
    assert_eq!(stage.broker.confirm_offer(&venue, &provider, "a"), Some(false));
    assert_eq!(stage.broker.confirm_offer(&venue, &provider, "z"), None);
    assert_eq!(stage.ask("thumbnail").await, "0.0000025");
    assert_eq!(stage.price("0.000001"), ["price_fell"], "what was confirmed is the mean now");
    for _ in 0..5 {
        assert_eq!(stage.ask("thumbnail").await, "quote-held");
        stage.pass(Micros::from_secs(50)).await;
        assert_eq!(stage.price("0.000001").len(), usize::from(stage.ask("thumbnail").await == "quote-held"));
    }
    assert_eq!(stage.ask("thumbnail").await, "0.000001", "the band has reached it");
    assert_eq!(stage.price("0"), ["price_crossed_zero"]);
    for _ in 0..10 {
        stage.pass(Micros::from_secs(50)).await;
        assert_eq!(stage.price("0"), ["price_crossed_zero"], "time does not free it");
    }
    assert_eq!(stage.price("-1"), ["bad_price"]);
}

#[tokio::test]
async fn withdrawing_an_offer_or_naming_it_otherwise_does_not_escape_the_band() {
    let stage = Stage::new().await;
    let (venue, provider) = stage.pool();
    stage.price("0.000001");
    stage.broker.cancel_offer(&venue, &provider, "a");
    assert_eq!(stage.price("0.0000001"), ["price_fell"]);
    let cheap = OfferSpec { prices: [("request".to_owned(), "0.0000001".to_owned())].into(), ..offer("b") };
    assert_eq!(stage.quote(cheap).held[0].reason, "price_fell");
    stage.quote(offer("c"));
    stage.publish(2, "0.0000001").await.unwrap();
    let book = stage.book("thumbnail").await;
    assert_eq!(book["pool.c"], "quote-held", "nor does another sheet: {book:?}");
    assert_eq!(stage.quote(offer("d")).held[0].reason, "price_fell");
    assert!(stage.publish(2, "0.000001").await.unwrap_err().contains("use a higher one"));
    assert_eq!(stage.publish(2, "0.0000001").await, Ok(()), "the one in force is taken again");
}

#[tokio::test]
async fn a_sheet_that_bills_otherwise_holds_all_offers_until_one_is_confirmed() {
    let stage = Stage::new().await;
    let (venue, provider) = stage.pool();
    stage.quote(offer("a"));
    stage.quote(offer("b"));
    // The rates stay, and every call is billed for at least an hour.
    let hour = "rule = { granularity_us = 1000, minimum_us = 3600000000 }\n";
    stage.publish_with(2, "0.000001", hour).await.unwrap();
    assert_eq!(stage.ask("thumbnail").await, "quote-held");
    assert_eq!(stage.quote(offer("c")).held[0].reason, "terms_changed", "nor does a new name escape");
    stage.pass(Micros::from_secs(30)).await;
    assert_eq!(stage.ask("thumbnail").await, "quote-held", "time does not free it");
    assert_eq!(stage.broker.confirm_offer(&venue, &provider, "c"), Some(true));
    stage.pass(Micros::from_millis(20)).await;
    let book = stage.book("thumbnail").await;
    assert!(book.values().all(|word| word == "0.000001"), "the terms are the sheet's, and are meant: {book:?}");
    assert_eq!(stage.price("0.0000001"), ["price_fell"], "prices have their bands as before");
    // A sheet with the terms that were in force at first is another one again.
    stage.publish(3, "0.000001").await.unwrap();
    assert_eq!(stage.book("thumbnail").await["pool.b"], "quote-held");
}

#[tokio::test]
async fn how_long_offers_stand_is_said_for_all_venues_and_for_one() {
    let stage = Stage::with(&CONFIG.replace("kind = \"provider\"\n", "kind = \"provider\"\nmax_ttl_ms = 2000\n")).await;
    let refused = stage.quote(offer("a")).rejected.remove(0);
    assert!(refused.reason == "bad_ttl" && refused.message.contains("100 to 2000"), "{refused:?}");
    assert_eq!(stage.quote(OfferSpec { ttl_ms: 2000, ..offer("a") }).accepted, 1);
}

#[tokio::test]
async fn one_provider_leaves_room_for_others_and_an_offer_that_comes_back_is_in_the_book() {
    let config = CONFIG.replace("max_offers = 4", "max_offers = 4\nmax_offers_per_function = 2");
    let stage = Stage::with(&config).await;
    let (venue, provider) = stage.pool();
    let idle = |id: &str| stage.quote(offer(id)).idle.len();
    assert_eq!(["a", "b", "c"].map(idle), [0, 0, 1], "two of one venue");
    let named = async || stage.book("thumbnail").await.into_iter().filter(|(_, word)| word == "0.000001");
    let live = async || named().await.map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!(live().await, ["pool.a", "pool.b"]);
    stage.broker.cancel_offer(&venue, &provider, "a");
    assert_eq!((idle("c"), live().await), (0, vec!["pool.b".to_owned(), "pool.c".to_owned()]));
    assert_eq!((idle("a"), live().await.len()), (1, 2), "its place has been given to another");
    stage.broker.cancel_offer(&venue, &provider, "b");
    assert_eq!((idle("a"), live().await), (0, vec!["pool.a".to_owned(), "pool.c".to_owned()]));
}

#[tokio::test]
async fn an_offer_for_a_class_counts_as_many_quotes_as_it_has_functions() {
    let config = CONFIG.replace("max_offers = 4", "max_offers = 4\nmax_quotes_per_second = 3");
    let stage = Stage::with(&format!("{config}[functions.crop]\nclass = \"images\"\n")).await;
    let (venue, provider) = stage.pool();
    let class = |id: &str| OfferSpec { function: None, class: Some("images".to_owned()), ..offer(id) };
    let put = |ids: &[&str]| {
        let offers = ids.iter().map(|id| class(id)).collect();
        stage.broker.mass_quote(&venue, &provider, offers, None).map_err(|why| why.message)
    };
    let refused = put(&["a", "b"]).unwrap_err();
    assert!(refused.contains("counts as 4 quotes") && refused.ends_with("is 3; send fewer at once"), "{refused}");
    assert!(stage.book("crop").await.is_empty(), "what was refused changed nothing");
    assert_eq!(put(&["a"]).map(|taken| taken.accepted), Ok(1));
    // What is sent again unchanged counts as one: three in all, for which there is room within a second.
    let taken = loop {
        match put(&["a", "b"]) {
            Ok(taken) => break taken.accepted,
            Err(refused) => assert!(refused.contains("send this again later"), "{refused}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!((taken, stage.book("crop").await.len()), (2, 2));
}

#[tokio::test]
async fn what_is_kept_of_a_provider_changes_at_a_pace_and_a_kill_switch_goes_on_always() {
    let config = CONFIG.replace("max_offers = 4", "max_offers = 4\nmax_changes_per_minute = 2");
    let stage = Stage::with(&config).await;
    let (venue, provider) = stage.pool();
    let switch = |by, on, why: &str| stage.broker.switch(&venue, &provider, by, &KillSpec { on, why: why.to_owned() });
    assert_eq!(switch(Switch::Provider, true, "a"), Ok(true));
    assert_eq!(switch(Switch::Provider, true, "a"), Ok(false), "it is on already");
    assert_eq!(switch(Switch::Provider, false, ""), Ok(true));
    assert_eq!(switch(Switch::Provider, true, "b"), Ok(true));
    assert_eq!(switch(Switch::Provider, false, ""), Ok(true));
    assert_eq!(provider.take_change().unwrap_err().word, "rate_limited");
    assert_eq!(switch(Switch::Provider, true, "c"), Ok(true), "on it goes always");
    assert_eq!(switch(Switch::Provider, false, "").unwrap_err().word, "rate_limited");
    assert_eq!((switch(Switch::Operator, true, "d"), switch(Switch::Operator, false, "")), (Ok(true), Ok(true)));
}

#[tokio::test]
async fn either_kill_switch_stops_the_venue_at_once() {
    let stage = Stage::new().await;
    let (venue, provider) = stage.pool();
    stage.quote(offer("a"));
    stage.ask("thumbnail").await;
    let view = stage.function("thumbnail").view();
    let terms = Terms::default();
    let verdict = || view.book.verdicts(&terms, START).next().unwrap().1;
    let switch = |by, on| {
        stage.broker.switch(&venue, &provider, by, &KillSpec { on, why: "a test".to_owned() }).unwrap();
    };
    assert_eq!(verdict(), Ok(()));
    switch(Switch::Provider, true);
    assert_eq!(verdict(), Err(Exclusion::Killed), "in the book there was");
    assert!(view.book.decide(&Terms::default(), START, 0).is_err());
    switch(Switch::Operator, true);
    switch(Switch::Provider, false);
    assert_eq!(verdict(), Err(Exclusion::Killed), "the operator's is still on");
    assert_eq!(stage.ask("thumbnail").await, "killed");
    switch(Switch::Operator, false);
    assert_eq!(stage.ask("thumbnail").await, "0.000001");
}

#[tokio::test]
async fn caps_hold_and_are_checked() {
    let stage = Stage::new().await;
    let (venue, provider) = stage.pool();
    stage.quote(offer("a"));
    let caps = |caps: CapsSpec| stage.broker.set_caps(&venue, &provider, caps).map_err(|refused| refused.message);
    caps(CapsSpec { calls: Some(2), window_ms: Some(10_000), ..CapsSpec::default() }).unwrap();
    stage.ask("thumbnail").await;
    let view = stage.function("thumbnail").view();
    for _ in 0..2 {
        let mut pick = view.book.decide(&Terms::default(), START, 0).unwrap();
        pick.reservation.charged(0);
    }
    assert_eq!(stage.ask("thumbnail").await, "cap-reached");
    stage.pass(Micros::from_secs(10)).await;
    assert_eq!(stage.ask("thumbnail").await, "0.000001");
    caps(CapsSpec { spend: Some("0.0000009".to_owned()), ..CapsSpec::default() }).unwrap();
    assert_eq!(stage.ask("thumbnail").await, "cap-reached", "one call could cost more");
    caps(CapsSpec { concurrency: Some(0), ..CapsSpec::default() }).unwrap();
    assert_eq!(stage.ask("thumbnail").await, "venue-at-capacity");
    caps(CapsSpec::default()).unwrap();
    assert_eq!(stage.ask("thumbnail").await, "0.000001");
    for (bad, why) in [
        (CapsSpec { window_ms: Some(999), ..CapsSpec::default() }, "1000 to 86400000"),
        (CapsSpec { spend: Some("-1".to_owned()), ..CapsSpec::default() }, "below zero"),
        (CapsSpec { spend: Some("1e3".to_owned()), ..CapsSpec::default() }, "plain decimal"),
    ] {
        let told = caps(bad).unwrap_err();
        assert!(told.contains(why), "{told}");
    }
}

#[tokio::test]
async fn there_are_never_more_offers_than_allowed() {
    let stage = Stage::new().await;
    let (venue, provider) = stage.pool();
    let many = |count: usize| (0..count).map(|number| offer(&format!("o{number}"))).collect();
    let refused = stage.broker.mass_quote(&venue, &provider, many(5), None).unwrap_err();
    assert_eq!((refused.word, refused.message.contains("providers.max_offers, 4")), ("too_many_offers", true));
    let taken = stage.broker.mass_quote(&venue, &provider, many(4), None).unwrap();
    assert_eq!(taken.accepted, 4);
    assert_eq!(stage.quote(offer("one-more")).rejected[0].reason, "too_many_offers");
    for round in 0..20 {
        let others = (0..4).map(|number| offer(&format!("r{round}-{number}"))).collect();
        assert_eq!(stage.broker.mass_quote(&venue, &provider, others, None).unwrap().accepted, 4);
    }
    assert!(provider.offers().iter().count() <= 8);
    assert!(stage.function("thumbnail").places().len() <= 8);
    let twice = stage.broker.mass_quote(&venue, &provider, vec![offer("t"), offer("t")], None).unwrap();
    assert_eq!((twice.accepted, twice.rejected.len()), (1, 1), "{twice:?}");
}

#[tokio::test]
async fn only_what_the_operator_allows_is_offered_and_nobody_registers_at_a_providers_venue() {
    let config = CONFIG.replace("\"*\"", "\"thumbnail\"");
    let stage = Stage::with(&config).await;
    assert_eq!(
        stage.quote(OfferSpec { function: Some("resize".to_owned()), ..offer("a") }).rejected[0].reason,
        "not_allowed"
    );
    assert_eq!(stage.quote(offer("a")).accepted, 1);
    let deployments = "[functions.f.deployments.d]\nvenue = \"pool\"\ntarget = \"f\"\nmemory_mb = 128\n";
    let config = Config::parse(&format!("{config}{deployments}"), &Source::Defaults, &Env::default()).unwrap();
    let mistakes = stage.broker.reload(&config, &config).await.unwrap_err();
    assert!(mistakes[0].contains("its provider offers what it runs"), "{mistakes:?}");
}

#[tokio::test]
async fn what_was_said_outlives_a_reload_and_new_prices_do_not_touch_what_was_quoted() {
    let stage = Stage::new().await;
    stage.quote(offer("a"));
    stage.ask("thumbnail").await;
    let view = stage.function("thumbnail").view();
    stage.price("0.0000019");
    assert_eq!(stage.ask("thumbnail").await, "0.0000019");
    let used = merit_pricing::Usage { duration: Micros::from_millis(5), ..Default::default() };
    let billed =
        |view: &crate::function::View| view.bill(0, &used, merit_venue::MeterBasis::Reported).charge.to_string();
    assert_eq!(billed(&view), "0.000001", "what was quoted is what is charged");
    assert_eq!(billed(&stage.function("thumbnail").view()), "0.0000019");
    let config = Config::parse(CONFIG, &Source::Defaults, &Env::default()).unwrap();
    stage.broker.reload(&config, &config).await.unwrap();
    assert_eq!(stage.ask("thumbnail").await, "0.0000019");
}

#[tokio::test]
async fn whatever_a_provider_says_was_used_a_call_is_charged_no_more_than_was_held() {
    let stage = Stage::new().await;
    stage.quote(OfferSpec { vcpu: Some("1".to_owned()), ..offer("a") });
    let lines = "rule = { granularity_us = 1000 }\n[[lines]]\nmeter = \"cpu_ms\"\nrate = \"0.000001\"\n";
    let sheet = format!(
        "name = \"pool\"\ncurrency = \"USD\"\nseq = 2\nsource = \"own\"\n{lines}\
         [sources.own]\ntitle = \"own\"\nretrieved = \"2026-11-22\"\n"
    );
    let (venue, provider) = stage.pool();
    stage.broker.publish_sheet(&venue, &sheet).await.unwrap();
    assert_eq!(stage.broker.confirm_offer(&venue, &provider, "a"), Some(true));
    stage.ask("thumbnail").await;
    let view = stage.function("thumbnail").view();
    let bill = |cpu| {
        let used = merit_pricing::Usage { duration: Micros::from_millis(5), cpu, ..Default::default() };
        view.bill(0, &used, merit_venue::MeterBasis::Reported)
    };
    let charged = |cpu| bill(Some(cpu)).charge;
    assert_eq!(charged(Micros::from_millis(7)).to_string(), "0.000007");
    let most = view.ceiling(0);
    assert_eq!(charged(Micros::from_secs(1_000_000)), most);
    assert_eq!(charged(stage.function("thumbnail").timeout), most, "a call that uses its whole time is paid in full");
    let untold = bill(None);
    assert_eq!((untold.charge.to_string().as_str(), untold.basis), ("0.000005", merit_venue::MeterBasis::OwnClock));
}

#[tokio::test]
async fn what_was_learned_of_an_offer_is_known_again_when_it_is_offered_after_a_restart() {
    let stage = Stage::new().await;
    stage.quote(OfferSpec { rule: Some("by the hour".into()), ..offer("a") });
    stage.ask("thumbnail").await;
    let function = stage.function("thumbnail");
    let deployment = Arc::clone(function.view().deployment(0));
    assert_eq!(deployment.offer.as_ref().and_then(|offer| offer.rule()), Some("by the hour".into()));
    let used = merit_pricing::Usage { duration: Micros::from_millis(5), ..Default::default() };
    function.learn(&stage.broker, &deployment, &used, Micros::from_millis(6), START);
    stage.broker.store_learned().await.unwrap();
    // As after a restart: nothing is offered, and the profiles are read again.
    let (venue, provider) = stage.pool();
    stage.broker.cancel_offers(&venue, &provider, None, "a test");
    stage.pass(Micros::from_secs(601)).await;
    stage.pass(Micros::from_secs(60)).await;
    assert!(stage.book("thumbnail").await.is_empty());
    stage.broker.restore_profiles(START).unwrap();
    stage.quote(offer("a"));
    stage.ask("thumbnail").await;
    assert_eq!(stage.function("thumbnail").view().deployment(0).profile().samples(), 1);
}
