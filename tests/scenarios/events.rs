//! Calls that are answered before they run: none that was acknowledged is lost, whatever happens to the broker, and
//! an operator can see and mend what could not be delivered.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use merit_wire::{EventDetail, EventList};
use reqwest::Method;
use serde_json::Value;

use crate::command_line::{json, merit};
use crate::support::{Client, Gate, KEY, Reply, Script, Setup, Upstream, Worth, script, until, until_within};

const KILLS: usize = 20;
const CALLERS: usize = 8;
/// Acknowledged events in each life of the broker before it is killed.
const EVENTS: usize = 50;

async fn send(client: &Client, payload: &str) -> Reply {
    Reply::of(client.order("f").header("prefer", "respond-async").body(payload.to_owned())).await
}

/// An acknowledged event.
async fn sent(client: &Client, payload: &str) -> String {
    send(client, payload).await.expect(202).invocation().to_owned()
}

async fn event(client: &Client, id: &str) -> EventDetail {
    client.get(&format!("/v1/async/{id}")).await
}

async fn until_state(client: &Client, id: &str, state: &str) {
    until(&format!("{id} is {state}"), async || (event(client, id).await.event.state == state).then_some(())).await;
}

/// An upstream that reports an error of the function's own.
fn fails() -> Script {
    script::of(|_| async {
        let error = http::Response::builder().status(500).header("merit-function-error", "Trap");
        Some(error.body(Full::default()).expect("a response"))
    })
}

#[tokio::test]
async fn a_call_that_prefers_it_is_answered_when_it_is_on_disk() {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]);
    let (_broker, client) = setup.start_with_client().await;
    let reply = send(&client, "later").await.expect(202);
    let id = reply.invocation().to_owned();
    assert_eq!(reply.header("location"), format!("/v1/async/{id}"));
    assert_eq!(reply.header("preference-applied"), "respond-async");
    assert_eq!(reply.json::<Value>(202)["state"], "queued");
    until_state(&client, &id, "delivered").await;
    let detail: EventDetail = client.get(reply.header("location")).await;
    let invocation = detail.history[0].invocation.as_deref().expect("an invocation");
    assert_eq!(upstream.seen()[0].invocation(), invocation);
    let receipt = until("the receipt", async || {
        let reply = Reply::of(client.request(Method::GET, &format!("/v1/invocations/{invocation}"))).await;
        (reply.status == 200).then(|| reply.json::<Value>(200))
    })
    .await;
    assert_eq!((receipt["event"].as_str(), receipt["charge"].as_str()), (Some(id.as_str()), Some("0.01")));
    let stranger = client.caller("shop", &["invoke"]).await;
    Reply::of(stranger.request(Method::GET, reply.header("location"))).await.problem(404, "not-found");
    let keyed = |payload: &'static str| {
        client.order("f").header("prefer", "respond-async").header("idempotency-key", "k").body(payload)
    };
    let first = Reply::of(keyed("once")).await.expect(202);
    let again = Reply::of(keyed("once")).await.expect(202);
    assert_eq!((again.invocation(), again.header("idempotency-replayed")), (first.invocation(), "true"));
    Reply::of(keyed("twice")).await.problem(422, "idempotency-mismatch");
    let large = send(&client, &"x".repeat((1 << 20) + 1)).await.problem(413, "payload-too-large");
    assert!(large.detail.contains("events.max_payload_bytes, 1048576"), "{}", large.detail);
    until_state(&client, first.invocation(), "delivered").await;
    assert_eq!(upstream.count(), 2);
}

/// What senders were told is on disk.
#[derive(Clone, Default)]
struct Acknowledged(Arc<Mutex<BTreeSet<String>>>);

impl Acknowledged {
    fn all(&self) -> BTreeSet<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn send_until_it_dies(self, client: Client, sender: String, count: Arc<AtomicUsize>) {
        for number in 0_usize.. {
            let payload = format!("{sender}-{number}");
            let order = client.order("f").header("prefer", "respond-async").body(payload.clone());
            let Ok(reply) = Reply::try_of(order).await else { return };
            assert_eq!(reply.status, 202, "{}", reply.text());
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(payload);
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_under_load_lose_no_acknowledged_event() {
    let upstream = Upstream::start(script::echoes_after(Duration::from_millis(5))).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.000001").function("f", Worth::Once, &["a"]);
    let acknowledged = Acknowledged::default();
    for life in 0..KILLS {
        let (broker, client) = setup.start_with_client().await;
        let count = Arc::new(AtomicUsize::new(0));
        let senders: Vec<_> = (0..CALLERS)
            .map(|sender| {
                let sender = format!("{life}-{sender}");
                tokio::spawn(acknowledged.clone().send_until_it_dies(client.clone(), sender, Arc::clone(&count)))
            })
            .collect();
        until("some events", async || (count.load(Ordering::Relaxed) >= EVENTS).then_some(())).await;
        broker.kill().await;
        for sender in senders {
            sender.await.expect("every answer was a 202");
        }
    }
    let (_broker, client) = setup.start_with_client().await;
    until_within(Duration::from_secs(60), "nothing waits any more", async || {
        let list: EventList = client.get("/v1/async?state=queued&limit=1").await;
        list.events.is_empty().then_some(())
    })
    .await;
    let told = acknowledged.all();
    assert!(told.len() >= KILLS * EVENTS, "{} events", told.len());
    let seen: Vec<String> =
        upstream.seen().iter().map(|seen| String::from_utf8_lossy(&seen.payload).into_owned()).collect();
    let delivered: BTreeSet<String> = seen.iter().cloned().collect();
    let lost: Vec<_> = told.difference(&delivered).collect();
    assert!(lost.is_empty(), "{} of {} were lost: {lost:?}", lost.len(), told.len());
    let dead: EventList = client.get("/v1/async?state=dead").await;
    assert_eq!(dead.events, []);
    // Delivered again is only what a kill cut off: no more at once than run at once.
    assert!(seen.len() - delivered.len() <= KILLS * 64, "{} calls for {} events", seen.len(), delivered.len());
}

#[tokio::test]
async fn a_stop_in_the_middle_of_deliveries_leaves_them_for_the_next_start() {
    let gate = Gate::closed();
    let upstream = Upstream::start(script::echoes_behind(&gate)).await;
    let setup = Setup::new()
        .flat("a", &upstream.url(), "0.01")
        .function("f", Worth::Once, &["a"])
        .set("server", "drain_timeout_ms", 100)
        .set("events", "max_running_per_function", 2);
    let (mut broker, client) = setup.start_with_client().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(sent(&client, &number.to_string()).await);
    }
    upstream.begun(2).await;
    assert!(broker.stop().await.success(), "{}", broker.log());
    gate.open();
    let (_broker, client) = setup.start_with_client().await;
    for id in &ids {
        until_state(&client, id, "delivered").await;
    }
    assert_eq!(upstream.most_running(), 2, "the bound of a function holds");
}

#[tokio::test]
async fn a_full_queue_is_refused_until_there_is_room() {
    let gate = Gate::closed();
    let upstream = Upstream::start(script::echoes_behind(&gate)).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]).set(
        "events",
        "max_queued",
        3,
    );
    let (_broker, client) = setup.start_with_client().await;
    for _ in 0..3 {
        sent(&client, "x").await;
    }
    let refused = send(&client, "x").await;
    let problem = refused.problem(503, "event-queue-full");
    assert!(problem.retryable && problem.detail.contains("events.max_queued is 3"), "{problem:?}");
    assert_eq!(refused.header("retry-after"), "10");
    let page = Reply::of(client.bare(Method::GET, "/metrics")).await.text();
    assert!(page.contains("merit_events_queued 3"), "{page}");
    gate.open();
    until("room", async || (send(&client, "x").await.status == 202).then_some(())).await;
}

#[tokio::test]
async fn destinations_are_told_how_each_event_ended() {
    let (upstream, told) = (Upstream::start(script::echoes()).await, Upstream::start(script::cuts()).await);
    let url = format!("{}hook?team=1", told.url());
    let setup = Setup::new()
        .flat("a", &upstream.url(), "0.01")
        .function("f", Worth::Once, &["a"])
        .function("index", Worth::Once, &["a"])
        .set("events", "private_destinations", true)
        .set("events", "backoff_ms", 50)
        .set("functions.f.async", "max_retries", 0)
        .text("functions.f.async", "on_success", &url)
        .text("functions.f.async", "on_failure", "index");
    let (_broker, client) = setup.start_with_client().await;
    let id = sent(&client, r#"{"n":1}"#).await;
    told.begun(2).await;
    told.play(script::replies("thanks"));
    until("the record has arrived", async || {
        let list: EventList = client.get("/v1/async?state=queued").await;
        list.events.is_empty().then_some(())
    })
    .await;
    let last = told.seen().last().cloned().expect("a record");
    assert_eq!((last.path.as_str(), last.header("content-type")), ("/hook", "application/json"));
    let record: Value = serde_json::from_slice(&last.payload).expect("JSON");
    assert_eq!(record["requestContext"]["requestId"], id);
    assert_eq!(record["requestContext"]["condition"], "Success");
    assert_eq!((&record["requestPayload"]["n"], &record["responsePayload"]["n"]), (&1.into(), &1.into()));

    upstream.play(script::of(|seen| async move {
        if seen.path == "/f" { fails()(seen).await } else { Some(script::reply("noted")) }
    }));
    let failed = sent(&client, r#"{"n":2}"#).await;
    until_state(&client, &failed, "dead").await;
    let noted =
        until("the other function", async || upstream.seen().into_iter().find(|seen| seen.path == "/index")).await;
    let record: Value = serde_json::from_slice(&noted.payload).expect("JSON");
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(record["requestPayload"]["n"], 2);
}

#[tokio::test]
async fn an_operator_redrives_and_drops_dead_letters() {
    let upstream = Upstream::start(fails()).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]).set(
        "functions.f.async",
        "max_retries",
        0,
    );
    let (broker, client) = setup.start_with_client().await;
    let mut ids = Vec::new();
    for number in 0..4 {
        let id = sent(&client, &number.to_string()).await;
        until_state(&client, &id, "dead").await;
        ids.push(id);
    }
    let list = json(&broker, &["async", "list", "--function", "f", "--state", "dead"]).await;
    let listed: Vec<&str> =
        list["events"].as_array().expect("events").iter().filter_map(|event| event["id"].as_str()).collect();
    assert_eq!(listed, ids);
    let first = json(&broker, &["async", "list", "--state", "dead", "--limit", "3"]).await;
    let next = first["next"].as_str().expect("there is more");
    let rest = json(&broker, &["async", "list", "--state", "dead", "--after", next]).await;
    assert_eq!(rest["events"][0]["id"], ids[3]);
    let shown = merit(&broker, KEY, &["async", "show", &ids[0]]).await;
    assert!(shown.code == 0 && shown.out.contains("function-error"), "{}", shown.out);
    let explained = merit(&broker, KEY, &["explain", &ids[0]]).await;
    assert_eq!(explained.out, shown.out, "an event's id is explained, too");

    assert_eq!(json(&broker, &["async", "drop", &ids[0]]).await["events"], 1);
    assert_eq!(merit(&broker, KEY, &["async", "show", &ids[0]]).await.code, 6);
    upstream.play(script::echoes());
    assert_eq!(json(&broker, &["async", "redrive", &ids[1]]).await["events"], 1);
    until_state(&client, &ids[1], "delivered").await;
    assert_eq!(event(&client, &ids[2]).await.event.state, "dead");
    assert_eq!(json(&broker, &["async", "redrive", "--function", "f"]).await["events"], 2);
    for id in &ids[2..] {
        until_state(&client, id, "delivered").await;
    }
    assert_eq!(merit(&broker, KEY, &["async", "redrive", &ids[2]]).await.code, 6, "it is a dead letter no more");
    assert_eq!(json(&broker, &["async", "drop", "--function", "f", "--state", "delivered"]).await["events"], 3);
    let stranger = client.create_key("shop", &["invoke"]).await.secret;
    upstream.play(fails());
    let id = sent(&client, "mine").await;
    until_state(&client, &id, "dead").await;
    assert_eq!(merit(&broker, &stranger, &["async", "drop", &id]).await.code, 6, "another's is not there");
    assert_eq!(event(&client, &id).await.event.state, "dead");
}
