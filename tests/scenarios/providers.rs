//! Providers through the public door only: by REST and in a session, well-behaved and not.

use std::time::Duration;

use merit_units::Money;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::provider::{SECRET, Session, connect, offer, own_sheet, provider_key, signature, signed, signs};
use crate::support::{Client, Process, Reply, Setup, Upstream, Worth, dollars, script, until};

/// A broker with provider venues, trusted, and the function `f` deployed nowhere.
pub(crate) fn setup(venues: &[&str]) -> Setup {
    let setup = Setup::new().set("functions.f", "idempotent", true);
    venues.iter().fold(setup, |setup, venue| {
        let section = format!("venues.{venue}");
        setup
            .text(&section, "kind", "provider")
            .text(&section, "region", "here")
            .set(&section, "offers", "[\"*\"]")
            .set(&section, "vouch", true)
            .set(&section, "private_addresses", true)
            .set(&section, "trial_calls", 0)
    })
}

/// Why no deployment takes a call of `f`, by deployment; those that take one say so.
pub(crate) async fn state(client: &Client, deployment: &str) -> String {
    let quote: Value =
        Reply::of(client.request(Method::POST, "/v1/functions/f/quotes").json(&json!({}))).await.json(200);
    let of = |list: &str| quote[list].as_array().expect("a list").clone();
    if of("asks").iter().any(|ask| ask["deployment"] == deployment) {
        return "live".to_owned();
    }
    let excluded = of("excluded").into_iter().find(|excluded| excluded["deployment"] == deployment);
    excluded.map_or_else(|| "nothing".to_owned(), |why| why["reason"].as_str().expect("a word").to_owned())
}

/// Waits until a deployment is in this state.
pub(crate) async fn is(client: &Client, deployment: &str, expected: &str) {
    let what = format!("{deployment} is {expected}");
    until(&what, async || (state(client, deployment).await == expected).then_some(())).await;
}

/// Puts JSON below `/v1/venues/`.
pub(crate) async fn put(client: &Client, path: &str, body: &Value) -> Reply {
    Reply::of(client.request(Method::PUT, &format!("/v1/venues/{path}")).json(body)).await
}

#[tokio::test]
async fn a_provider_joins_by_rest_alone_and_is_paid_for_what_it_ran() {
    let upstream = Upstream::start(signs()).await;
    let setup = setup(&["pool", "other"]);
    let (_broker, admin) = setup.start_with_client().await;
    let provider = admin.with_key(&provider_key(&admin, &["pool"]).await);
    assert_eq!(state(&admin, "pool.a").await, "nothing");
    let early = put(&provider, "pool/offers", &json!({ "offers": [offer("a", "f")] })).await;
    assert_eq!(early.json::<Value>(200)["rejected"][0]["reason"], "no_price_sheet");
    provider.put_sheet("pool", own_sheet("pool", "0.0001", 1)).await.expect(200);
    let taken: Value = put(&provider, "pool/offers", &json!({ "offers": [offer("a", "f")] })).await.json(200);
    assert_eq!(taken, json!({ "accepted": 1 }));
    is(&admin, "pool.a", "venue-unready").await;
    put(&provider, "pool/endpoint", &json!({ "url": upstream.url(), "secret": SECRET })).await.expect(204);
    is(&admin, "pool.a", "live").await;

    let reply = admin.invoke("f", "hello").await.expect(200);
    assert_eq!((reply.text().as_str(), reply.venue(), reply.charge()), ("hello", "pool", dollars("0.0001")));
    let seen = upstream.seen().remove(0);
    assert_eq!(seen.path, "/f");
    let expected = signature(seen.header("webhook-id"), seen.header("webhook-timestamp"), b"hello");
    assert_eq!(seen.header("webhook-signature"), expected);
    assert!(seen.header("webhook-id").starts_with(reply.invocation()));

    let statement: Value = provider.get("/v1/venues/pool/statement").await;
    assert_eq!((&statement["fills"], &statement["earned"]), (&json!(1), &json!("0.0001")), "{statement}");
    assert_eq!(statement["latest"][0]["invocation"], reply.invocation());
    assert!(!statement.to_string().contains("default"), "who called is not told: {statement}");
    let past: Value = provider.get("/v1/venues/pool/statement?month=2020-02").await;
    assert_eq!((&past["fills"], &past["earned"]), (&json!(0), &json!("0")));
    assert!(past["complete_from"].is_string() && past["posted"].is_null(), "nothing is known of it any more: {past}");
    let coming = provider.request(Method::GET, "/v1/venues/pool/statement?month=9999-12");
    assert!(Reply::of(coming).await.problem(400, "bad-request").detail.contains("9999-12 has not begun"));

    // Another's venue is none of its business, whether there is one or not.
    for venue in ["other", "nowhere"] {
        put(&provider, &format!("{venue}/offers"), &json!({ "offers": [] })).await.problem(403, "forbidden");
        provider.put_sheet(venue, own_sheet(venue, "1", 1)).await.problem(403, "forbidden");
    }
    Reply::of(provider.order("f").body("x")).await.problem(403, "forbidden");
    Reply::of(provider.request(Method::GET, "/v1/spend?account=default")).await.problem(403, "forbidden");
    let caller = admin.caller("app", &["invoke"]).await;
    put(&caller, "pool/offers", &json!({ "offers": [] })).await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_session_quotes_hears_of_its_fills_and_cancels_when_it_ends() {
    let upstream = Upstream::start(signs()).await;
    let setup = setup(&["pool"]);
    let (broker, admin) = setup.start_with_client().await;
    let key = provider_key(&admin, &["pool"]).await;
    let mut session = Session::open(&broker, "pool", &key).await;
    session.join("pool", &upstream.url(), "0.0001").await;
    let ack = session.tell(json!({ "type": "mass_quote", "offers": [offer("a", "f"), offer("b", "f")] })).await;
    assert_eq!(ack, json!({ "type": "ack", "seq": 3, "accepted": 2 }));
    is(&admin, "pool.a", "live").await;
    admin.invoke("f", "x").await.expect(200);
    let fill = session.next("fill").await;
    assert_eq!((&fill["charge"], &fill["function"], &fill["result"]), (&json!("0.0001"), &json!("f"), &json!("ok")));

    let dear = json!({ "request": "0.001" });
    let mut held = offer("a", "f");
    held["prices"] = dear;
    let ack = session.tell(json!({ "type": "quote", "offer": held })).await;
    assert_eq!(ack["held"][0]["reason"], "price_rose", "{ack}");
    is(&admin, "pool.a", "quote-held").await;
    session.tell(json!({ "type": "confirm", "id": "a" })).await;
    is(&admin, "pool.a", "live").await;
    session.tell(json!({ "type": "cancel", "id": "a" })).await;
    is(&admin, "pool.a", "no-offer").await;

    let closed = Instant::now();
    drop(session);
    is(&admin, "pool.b", "no-offer").await;
    // The promise is a second; the bound here is for machines that are busy.
    assert!(closed.elapsed() < Duration::from_secs(5), "{:?}", closed.elapsed());
    admin.invoke("f", "x").await.problem(422, "no-eligible-venue");
}

#[tokio::test]
async fn a_newer_session_takes_over_and_a_silent_one_is_over() {
    let upstream = Upstream::start(signs()).await;
    let setup = setup(&["pool"]).set("providers", "heartbeat_ms", 300);
    let (broker, admin) = setup.start_with_client().await;
    let key = provider_key(&admin, &["pool"]).await;
    let mut first = Session::open(&broker, "pool", &key).await;
    first.join("pool", &upstream.url(), "0.0001").await;
    first.tell(json!({ "type": "quote", "offer": offer("a", "f") })).await;
    let mut second = Session::open(&broker, "pool", &key).await;
    assert_eq!(first.next("bye").await["reason"], "replaced");
    is(&admin, "pool.a", "no-offer").await;
    second.tell(json!({ "type": "quote", "offer": offer("b", "f") })).await;
    is(&admin, "pool.b", "live").await;
    // It reads and says nothing: three heartbeats later it is over.
    assert_eq!(second.next("bye").await["reason"], "silent");
    is(&admin, "pool.b", "no-offer").await;

    let mut third = Session::open(&broker, "pool", &key).await;
    let id = key.split('_').nth(1).expect("an id");
    Reply::of(admin.request(Method::DELETE, &format!("/v1/keys/{id}"))).await.expect(204);
    assert_eq!(third.next("bye").await["reason"], "revoked");
    assert_eq!(connect(&broker, "pool", &key).await.map(drop), Err(401));
}

#[tokio::test]
async fn bad_frames_are_refused_with_the_reason_and_counted() {
    let setup = setup(&["pool"]).set("providers", "max_offers", 2).set("providers", "max_message_bytes", 4096);
    let (broker, admin) = setup.start_with_client().await;
    let key = provider_key(&admin, &["pool"]).await;
    let mut session = Session::open(&broker, "pool", &key).await;
    let refused = async |session: &mut Session, text: &str| {
        session.send(text).await;
        session.next("reject").await["reason"].as_str().expect("a word").to_owned()
    };
    session.tell(json!({ "type": "price_sheet", "sheet": own_sheet("pool", "0.0001", 1) })).await;
    let quote = |seq: u64, price: &str| {
        let mut offer = offer("a", "f");
        offer["prices"] = json!({ "request": price });
        json!({ "type": "quote", "seq": seq, "offer": offer }).to_string()
    };
    assert_eq!(refused(&mut session, &quote(1, "0.0001")).await, "replayed");
    assert_eq!(refused(&mut session, &quote(3, "0.0001")).await, "out_of_order");
    assert_eq!(refused(&mut session, &quote(2, "0.0001").replace("\"0.0001\"", "NaN")).await, "malformed");
    assert_eq!(refused(&mut session, &quote(2, "0.0001").replace("\"0.0001\"", "1e-4")).await, "malformed");
    assert_eq!(refused(&mut session, &quote(2, "1").replace("quote", "buy")).await, "malformed");
    for price in ["1e-4", "NaN", "-0.0001", "0.0000000000000000001"] {
        let frame: Value = serde_json::from_str(&quote(0, price)).expect("JSON");
        assert_eq!(session.tell(frame).await["rejected"][0]["reason"], "bad_price", "{price}");
    }
    let many: Vec<Value> = (0..3).map(|number| offer(&number.to_string(), "f")).collect();
    let answer = session.tell(json!({ "type": "mass_quote", "offers": many })).await;
    assert_eq!((&answer["type"], &answer["reason"]), (&json!("reject"), &json!("too_many_offers")));
    let million = format!("{{\"type\":\"mass_quote\",\"seq\":7,\"offers\":[{}]}}", vec!["{}"; 1_000_000].join(","));
    session.send(&million).await;
    assert_eq!(session.next("bye").await["reason"], "unreadable");
    let provider = admin.with_key(&key);
    put(&provider, "pool/offers", &json!({ "offers": vec![offer("a", "f"); 100] }))
        .await
        .problem(413, "payload-too-large");

    let metrics = Reply::of(admin.request(Method::GET, "/metrics")).await.text();
    for counted in [
        "merit_quotes_refused_total{kind=\"replayed\"} 1",
        "merit_quotes_refused_total{kind=\"out_of_order\"} 1",
        "merit_quotes_refused_total{kind=\"malformed\"} 3",
        "merit_quotes_refused_total{kind=\"bad_price\"} 4",
        "merit_quotes_refused_total{kind=\"too_many_offers\"} 1",
        "merit_quotes_refused_total{kind=\"unreadable\"} 1",
    ] {
        assert!(metrics.contains(counted), "{counted} is not in {metrics}");
    }
}

/// A broker with a session whose offer `pool.a` of `f` is live.
async fn joined(setup: &Setup, upstream: &Upstream) -> (Process, Client, Client, Session) {
    let (broker, admin) = setup.start_with_client().await;
    let key = provider_key(&admin, &["pool"]).await;
    let mut session = Session::open(&broker, "pool", &key).await;
    session.join("pool", &upstream.url(), "0.0001").await;
    session.tell(json!({ "type": "quote", "offer": offer("a", "f") })).await;
    is(&admin, "pool.a", "live").await;
    let provider = admin.with_key(&key);
    (broker, admin, provider, session)
}

#[tokio::test]
async fn a_reply_that_is_not_signed_is_an_unknown_outcome_and_shuts_the_venue() {
    let upstream = Upstream::start(script::replies("forged")).await;
    let setup = setup(&["pool"]).set("functions.f", "idempotent", false);
    let (_broker, admin, provider, _session) = joined(&setup, &upstream).await;
    let problem = admin.invoke("f", "x").await.problem(502, "venues-failed");
    assert_eq!(problem.attempts[0].outcome, "unknown", "{problem:?}");
    assert_eq!(problem.attempts[0].result, "unsigned-reply", "{problem:?}");
    is(&admin, "pool.a", "venue-unready").await;
    assert_eq!(upstream.count(), 1);
    // A signature of another call does not help.
    upstream.play(script::of(|seen| async move {
        let at = seen.header("webhook-timestamp").to_owned();
        Some(signed("another-1", &at, seen.payload))
    }));
    let endpoint = json!({ "url": upstream.url(), "secret": SECRET });
    put(&provider, "pool/endpoint", &endpoint).await.expect(204);
    is(&admin, "pool.a", "live").await;
    let problem = admin.invoke("f", "x").await.problem(502, "venues-failed");
    assert_eq!(problem.attempts[0].outcome, "unknown", "{problem:?}");
    upstream.play(signs());
    put(&provider, "pool/endpoint", &endpoint).await.expect(204);
    is(&admin, "pool.a", "live").await;
    admin.invoke("f", "x").await.expect(200);
}

#[tokio::test]
async fn what_a_provider_said_outlives_a_restart_and_its_offers_do_not() {
    let upstream = Upstream::start(signs()).await;
    let setup = setup(&["pool"]);
    std::fs::write(setup.path("secrets.key"), "0f".repeat(32)).expect("a file");
    let setup = setup.text("secrets", "key_file", "secrets.key");
    let (mut broker, admin, provider, session) = joined(&setup, &upstream).await;
    put(&provider, "pool/caps", &json!({ "calls": 7, "window_ms": 60_000, "spend": "1.5" })).await.expect(200);
    put(&admin, "pool/kill-switch", &json!({ "on": true, "why": "a look" })).await.expect(200);
    let own: Value = put(&provider, "pool/kill-switch", &json!({ "on": true, "why": "repairs" })).await.json(200);
    assert_eq!(own["killed"].as_array().map(Vec::len), Some(2), "{own}");
    assert_eq!(state(&admin, "pool.a").await, "killed");
    drop(session);
    broker.stop().await;

    let (broker, admin) = setup.start_with_client().await;
    let provider = Client::new(broker.address(), "").with_key(&provider_key(&admin, &["pool"]).await);
    let list: Value = provider.get("/v1/venues/pool/offers").await;
    assert_eq!(list["endpoint"], upstream.url(), "{list}");
    assert_eq!(list["caps"], json!({ "calls": 7, "window_ms": 60_000, "spend": "1.5" }));
    assert_eq!(list["offers"], json!([]));
    put(&provider, "pool/offers", &json!({ "offers": [offer("a", "f")] })).await.expect(200);
    is(&admin, "pool.a", "killed").await;
    put(&provider, "pool/kill-switch", &json!({ "on": false })).await.expect(200);
    is(&admin, "pool.a", "killed").await;
    put(&admin, "pool/kill-switch", &json!({ "on": false })).await.expect(200);
    is(&admin, "pool.a", "live").await;
    admin.invoke("f", "x").await.expect(200);
    let stored = std::fs::read(setup.store().join("merit.db")).expect("the database");
    assert!(!stored.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()), "the secret is in clear");
}

#[tokio::test]
async fn a_new_provider_is_on_trial_until_its_calls_are_as_quoted() {
    let (upstream, own) = (Upstream::start(signs()).await, Upstream::start(script::echoes()).await);
    let setup = setup(&["pool"])
        .flat("own", &own.url(), "0.0002")
        .set("venues.pool", "trial_calls", 5)
        .set("market", "trial_ppm", 300_000)
        .function("f", Worth::Idempotent, &["own"]);
    let (_broker, admin, _, _session) = {
        let (broker, admin) = setup.start_with_client().await;
        let key = provider_key(&admin, &["pool"]).await;
        let mut session = Session::open(&broker, "pool", &key).await;
        session.join("pool", &upstream.url(), "0.0001").await;
        session.tell(json!({ "type": "quote", "offer": offer("a", "f") })).await;
        is(&admin, "pool.a", "on-trial").await;
        (broker, admin.clone(), admin, session)
    };
    let venue: Value = admin.get("/v1/venues/pool").await;
    assert_eq!(venue["trial"], "0 of 5 calls, 0 failed");
    until("the trial is passed", async || {
        admin.invoke("f", "x").await.expect(200);
        (state(&admin, "pool.a").await == "live").then_some(())
    })
    .await;
    assert!(own.count() > 0 && upstream.count() >= 5, "{} and {}", own.count(), upstream.count());
    let venue: Value = admin.get("/v1/venues/pool").await;
    assert_eq!((&venue["trial"], &venue["honesty_percent"]), (&Value::Null, &json!(100.0)));
    assert!(admin.spend("venue").await.rows.iter().all(|row| dollars(&row.charge) > Money::ZERO));
}
