//! Quotes that are refused, each by its word and counted; what an acknowledgement tells; and what was earned, by the
//! statement and by the ledger.

use std::collections::BTreeMap;
use std::time::Duration;

use merit_units::Money;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::providers::{is, put, setup};
use crate::support::provider::{SECRET, Session, offer, own_sheet, provider_key, signed, signs};
use crate::support::{Audit, Client, PATIENCE, Reply, Seen, Upstream, dollars, script};

/// How often each kind was refused, by the metrics.
async fn refused(client: &Client) -> BTreeMap<String, u64> {
    let page = Reply::of(client.bare(Method::GET, "/metrics")).await.text();
    let rows = page.lines().filter_map(|line| line.strip_prefix("merit_quotes_refused_total{kind=\""));
    rows.map(|row| {
        let (kind, count) = row.split_once("\"} ").expect("a label and a number");
        (kind.to_owned(), count.parse().expect("a number"))
    })
    .collect()
}

#[tokio::test]
async fn quotes_that_come_too_fast_are_refused_by_name_and_counted() {
    let setup = setup(&["pool"]).set("providers", "max_quotes_per_second", 5);
    let (broker, admin) = setup.start_with_client().await;
    let key = provider_key(&admin, &["pool"]).await;
    admin.with_key(&key).put_sheet("pool", own_sheet("pool", "0.0001", 1)).await.expect(200);
    let mut session = Session::open(&broker, "pool", &key).await;
    let quote = |seq: u64| json!({ "type": "quote", "seq": seq, "offer": offer("a", "f") }).to_string();
    for seq in 1..=60 {
        session.send(&quote(seq)).await;
    }
    let (mut taken, mut late) = (0, 0);
    for seq in 1..=60 {
        let answer = session.answer().await;
        assert_eq!(answer["seq"], seq, "in order, whatever became of it: {answer}");
        match answer["type"].as_str() {
            Some("ack") => taken += 1,
            _ => {
                assert_eq!(answer["reason"], "rate_limited", "{answer}");
                late += 1;
            }
        }
    }
    assert!(taken >= 5 && late > 0, "{taken} and {late}");
    assert_eq!(refused(&admin).await["rate_limited"], late);

    // The session stands, and what comes slowly is taken; a mass quote counts as many as it has offers.
    let mut seq = 60;
    let many: Vec<Value> = (0..5).map(|number| offer(&number.to_string(), "f")).collect();
    for frame in [json!({ "type": "quote", "offer": offer("a", "f") }), json!({ "type": "mass_quote", "offers": many })]
    {
        loop {
            seq += 1;
            let mut frame = frame.clone();
            frame["seq"] = seq.into();
            session.send(&frame.to_string()).await;
            if session.answer().await["type"] == "ack" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
    let mut at_once = 0;
    for _ in 0..2 {
        seq += 1;
        session.send(&json!({ "type": "mass_quote", "seq": seq, "offers": many }).to_string()).await;
        at_once += u32::from(session.answer().await["type"] == "ack");
    }
    assert!(at_once < 2, "ten offers in one moment");
}

#[tokio::test]
async fn bad_quotes_by_rest_are_refused_with_the_reason_and_counted() {
    let setup =
        setup(&["pool", "other"]).set("providers", "max_offers", 2).set("providers", "max_message_bytes", 65_536);
    let (_broker, admin) = setup.start_with_client().await;
    let provider = admin.with_key(&provider_key(&admin, &["pool"]).await);
    provider.put_sheet("pool", own_sheet("pool", "0.0001", 2)).await.expect(200);
    // A sheet with a lower number, or the same number and other prices, is not taken.
    for (price, seq) in [("0.0002", 2), ("0.0001", 1)] {
        let problem = provider.put_sheet("pool", own_sheet("pool", price, seq)).await.problem(400, "bad-request");
        assert!(problem.detail.contains("2 is stored already; use a higher one"), "{problem:?}");
    }
    provider.put_sheet("pool", own_sheet("pool", "0.0001", 2)).await.expect(200);

    let priced = |price: &str| {
        let mut offer = offer("a", "f");
        offer["prices"] = json!({ "request": price });
        offer
    };
    let mut expired = offer("a", "f");
    expired["ttl_ms"] = 0.into();
    for (bad, word) in [
        (priced("1e-4"), "bad_price"),
        (priced("NaN"), "bad_price"),
        (priced("-0.0001"), "bad_price"),
        (priced("0.0000000000000000001"), "bad_price"),
        (expired, "bad_ttl"),
    ] {
        let answer: Value = put(&provider, "pool/offers", &json!({ "offers": [bad] })).await.json(200);
        assert_eq!((&answer["accepted"], &answer["rejected"][0]["reason"]), (&json!(0), &json!(word)), "{answer}");
    }
    for (url, why) in [
        ("http://169.254.169.254/latest/", "a link-local address, where metadata services live"),
        ("http://[fd00:ec2::254]:80/", "AWS's metadata and link services"),
    ] {
        let endpoint = json!({ "url": url, "secret": SECRET });
        let problem = put(&provider, "pool/endpoint", &endpoint).await.problem(400, "bad-request");
        assert!(problem.detail.contains(why) && problem.detail.ends_with("(bad_endpoint)"), "{problem:?}");
    }
    put(&provider, "other/offers", &json!({ "offers": [offer("a", "f")] })).await.problem(403, "forbidden");
    let three: Vec<Value> = (0..3).map(|number| offer(&number.to_string(), "f")).collect();
    let many = put(&provider, "pool/offers", &json!({ "offers": three })).await.problem(400, "bad-request");
    assert!(many.detail.ends_with("(too_many_offers)"), "{many:?}");
    let million = format!("{{\"offers\":[{}]}}", vec!["{}"; 1_000_000].join(","));
    let request = provider.request(Method::PUT, "/v1/venues/pool/offers").body(million);
    Reply::of(request).await.problem(413, "payload-too-large");
    let request = provider.request(Method::PUT, "/v1/venues/pool/offers").body("{\"offers\":[{\"slots\":1e400}]}");
    Reply::of(request).await.problem(400, "bad-request");

    let counted = refused(&admin).await;
    for (word, times) in [
        ("bad_price", 4),
        ("bad_ttl", 1),
        ("not_your_venue", 1),
        ("too_many_offers", 1),
        ("too_large", 1),
        ("malformed", 1),
    ] {
        assert_eq!(counted.get(word), Some(&times), "{word}: {counted:?}");
    }
    let list: Value = provider.get("/v1/venues/pool/offers").await;
    assert_eq!(list["offers"], json!([]), "none of them stands");
}

#[tokio::test]
async fn an_acknowledgement_tells_which_offers_no_call_can_come_to() {
    let setup = setup(&["pool"]).set("limits", "max_deployments_per_function", 1);
    let (broker, admin) = setup.start_with_client().await;
    let key = provider_key(&admin, &["pool"]).await;
    let mut session = Session::open(&broker, "pool", &key).await;
    session.tell(json!({ "type": "price_sheet", "sheet": own_sheet("pool", "0.0001", 1) })).await;
    let offers = [offer("a", "f"), offer("b", "f"), offer("c", "nowhere")];
    let ack = session.tell(json!({ "type": "mass_quote", "offers": offers })).await;
    assert_eq!(ack["accepted"], 3, "{ack}");
    let idle: Vec<_> = ack["idle"].as_array().expect("a list").iter().map(|one| (&one["id"], &one["reason"])).collect();
    assert_eq!(idle, [(&json!("b"), &json!("function_full")), (&json!("c"), &json!("no_function"))], "{ack}");
    let list: Value = admin.get("/v1/venues/pool/offers").await;
    let functions: Vec<_> = list["offers"].as_array().expect("a list").iter().map(|one| &one["functions"]).collect();
    assert_eq!(functions, [1, 0, 0]);
}

/// Takes the signature for granted; fails the function for the payload `fail`, and has no room for `full`.
fn answers(seen: Seen) -> Option<http::Response<http_body_util::Full<bytes::Bytes>>> {
    let (id, at) = (seen.header("webhook-id").to_owned(), seen.header("webhook-timestamp").to_owned());
    let payload = seen.payload;
    let mut response = signed(&id, &at, payload.clone());
    match &*payload {
        b"fail" => drop(response.headers_mut().insert("merit-function-error", "Asked".parse().expect("a header"))),
        b"full" => {
            // What did not run has no meters.
            response.headers_mut().remove("merit-meter-duration-us");
            *response.status_mut() = http::StatusCode::TOO_MANY_REQUESTS;
        }
        _ => {}
    }
    Some(response)
}

#[tokio::test]
async fn a_statement_is_what_the_ledger_took_from_the_callers() {
    let pool = Upstream::start(script::of(|seen: Seen| async move { answers(seen) })).await;
    let own = Upstream::start(script::echoes()).await;
    let setup = setup(&["pool"]).flat("own", &own.url(), "0.5");
    let (broker, admin) = setup.start_with_client().await;
    let provider = admin.with_key(&provider_key(&admin, &["pool"]).await);
    provider.put_sheet("pool", own_sheet("pool", "0.000123", 1)).await.expect(200);
    put(&provider, "pool/endpoint", &json!({ "url": pool.url(), "secret": SECRET })).await.expect(204);
    let mut session = Session::open(&broker, "pool", &provider_key(&admin, &["pool"]).await).await;
    session.tell(json!({ "type": "quote", "offer": offer("a", "f") })).await;
    is(&admin, "pool.a", "live").await;

    let callers = [admin.caller("first", &["invoke"]).await, admin.caller("second", &["invoke"]).await];
    let mut charged = Money::ZERO;
    for number in 0..30 {
        let payload = if number % 5 == 0 { "fail" } else { "ok" };
        let reply = callers[number % 2].invoke("f", payload).await;
        assert_eq!(reply.venue(), "pool", "{}", reply.text());
        charged += reply.charge();
    }

    // The price changes: what was charged before stays as it was.
    provider.put_sheet("pool", own_sheet("pool", "0.000124", 2)).await.expect(200);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = callers[1].invoke("f", "ok").await.expect(200);
        assert_eq!(reply.venue(), "pool");
        charged += reply.charge();
        if reply.charge() == dollars("0.000124") {
            break;
        }
        assert!(Instant::now() < deadline, "no call at the new price");
    }

    // What the pool has no room for goes to another venue, which charges more.
    let spec =
        json!({ "idempotent": true, "deployments": { "own": { "venue": "own", "target": "f", "memory_mb": 128 } } });
    let _: Value = admin.put("/v1/functions/f", &spec).await;
    let elsewhere = callers[0].invoke("f", "full").await.expect(200);
    assert_eq!((elsewhere.venue(), elsewhere.charge()), ("own", dollars("0.5")));

    let mut ledger = Money::ZERO;
    for account in ["first", "second"] {
        ledger += dollars(&Audit::check_books(&admin, account).await.spent);
    }
    let statement: Value = provider.get("/v1/venues/pool/statement?fills=1000").await;
    let text = |value: &Value| dollars(value.as_str().expect("dollars"));
    let sum = |list: &str, of: &str| -> Money {
        statement[list].as_array().expect("a list").iter().map(|row| text(&row[of])).sum()
    };
    let earned = text(&statement["earned"]);
    assert_eq!(earned, charged, "what the callers were told: {statement}");
    assert_eq!(earned, ledger - dollars("0.5"), "what the ledger has, less the call that went elsewhere");
    assert_eq!((sum("rows", "earned"), sum("latest", "charge")), (earned, earned));
    assert_eq!((text(&statement["posted"]), &statement["complete_from"]), (earned, &Value::Null), "{statement}");
    let of_venue: Money = admin
        .spend("venue")
        .await
        .rows
        .iter()
        .filter(|row| row.group["venue"] == "pool")
        .map(|row| dollars(&row.charge))
        .sum();
    assert_eq!(of_venue, earned);
    let heard = session.next("fill").await;
    assert_eq!(heard["charge"], "0.000123");
}

#[tokio::test]
async fn offers_are_confirmed_and_taken_back_by_rest() {
    let upstream = Upstream::start(signs()).await;
    let setup = setup(&["pool"]);
    let (_broker, admin) = setup.start_with_client().await;
    let provider = admin.with_key(&provider_key(&admin, &["pool"]).await);
    provider.put_sheet("pool", own_sheet("pool", "0.0001", 1)).await.expect(200);
    put(&provider, "pool/endpoint", &json!({ "url": upstream.url(), "secret": SECRET })).await.expect(204);
    let mut dear = offer("a", "f");
    dear["prices"] = json!({ "request": "0.001" });
    let answer: Value = put(&provider, "pool/offers", &json!({ "offers": [dear, offer("b", "f")] })).await.json(200);
    assert_eq!((&answer["accepted"], &answer["held"][0]["reason"]), (&json!(2), &json!("price_rose")), "{answer}");
    is(&admin, "pool.a", "quote-held").await;
    is(&admin, "pool.b", "live").await;
    let send = async |method: Method, path: &str| {
        Reply::of(provider.request(method, &format!("/v1/venues/pool/offers{path}"))).await
    };
    send(Method::POST, "/a/confirm").await.expect(204);
    is(&admin, "pool.a", "live").await;
    send(Method::POST, "/a/confirm").await.problem(400, "bad-request");
    send(Method::POST, "/c/confirm").await.problem(404, "not-found");
    send(Method::DELETE, "/a").await.expect(204);
    is(&admin, "pool.a", "no-offer").await;
    send(Method::DELETE, "/a").await.problem(404, "not-found");
    assert_eq!(admin.invoke("f", "x").await.expect(200).charge(), dollars("0.0001"), "the other one stands");
    send(Method::DELETE, "").await.expect(204);
    is(&admin, "pool.b", "no-offer").await;
    admin.invoke("f", "x").await.problem(422, "no-eligible-venue");
}

#[tokio::test]
async fn a_broker_that_is_killed_knows_what_prices_were_held() {
    let upstream = Upstream::start(signs()).await;
    let setup = setup(&["pool"]);
    let (broker, admin) = setup.start_with_client().await;
    let key = provider_key(&admin, &["pool"]).await;
    let endpoint = json!({ "url": upstream.url(), "secret": SECRET });
    let provider = admin.with_key(&key);
    provider.put_sheet("pool", own_sheet("pool", "0.0001", 1)).await.expect(200);
    put(&provider, "pool/endpoint", &endpoint).await.expect(204);
    let quote = async |provider: &Client| -> Value {
        put(provider, "pool/offers", &json!({ "offers": [offer("a", "f")] })).await.json(200)
    };
    assert!(quote(&provider).await.get("held").is_none());
    is(&admin, "pool.a", "live").await;
    provider.put_sheet("pool", own_sheet("pool", "0.00001", 2)).await.expect(200);
    is(&admin, "pool.a", "quote-held").await;
    broker.kill().await;

    let (_broker, admin) = setup.start_with_client().await;
    let provider = admin.with_key(&key);
    put(&provider, "pool/endpoint", &endpoint).await.expect(204);
    let answer = quote(&provider).await;
    assert_eq!(answer["held"][0]["reason"], "price_fell", "{answer}");
    is(&admin, "pool.a", "quote-held").await;
    admin.invoke("f", "x").await.problem(422, "no-eligible-venue");
    Reply::of(provider.request(Method::POST, "/v1/venues/pool/offers/a/confirm")).await.expect(204);
    is(&admin, "pool.a", "live").await;
    assert_eq!(admin.invoke("f", "x").await.expect(200).charge(), dollars("0.00001"));
}
