//! `merit async`, and where events meet the other commands.

use merit_wire::{DeliveryView, EventDetail, EventList, EventView, EventsChanged, Problem};

use super::broker::Broker;
use super::refused;

const FIRST: &str = "019ab0c4-0000-7000-8000-000000000001";
const SECOND: &str = "019ab0c4-0000-7000-8000-000000000002";
const INVOCATION: &str = "019ab0c4-0000-7000-8000-0000000000aa";

fn queued() -> EventView {
    EventView {
        id: FIRST.to_owned(),
        state: "queued".to_owned(),
        function: "thumbnail".to_owned(),
        destination: None,
        account: "search".to_owned(),
        at: "2026-11-21T10:44:00Z".to_owned(),
        due_at: Some("2026-11-21T10:45:00Z".to_owned()),
        ended_at: None,
        expires_at: "2026-11-21T16:44:00Z".to_owned(),
        deliveries: 1,
        function_errors: 1,
        bytes: 120,
        error: Some("Boom: no".to_owned()),
    }
}

fn dead() -> EventView {
    EventView {
        id: SECOND.to_owned(),
        state: "dead".to_owned(),
        destination: Some("https://ops.example.com/failed".to_owned()),
        due_at: None,
        ended_at: Some("2026-11-21T10:50:00Z".to_owned()),
        deliveries: 3,
        error: None,
        ..queued()
    }
}

fn detail() -> EventDetail {
    let delivery = DeliveryView {
        number: 1,
        at: "2026-11-21T10:44:01Z".to_owned(),
        invocation: Some(INVOCATION.to_owned()),
        result: "function-error".to_owned(),
        error: Some("Boom: no".to_owned()),
    };
    EventDetail { event: queued(), history: vec![delivery] }
}

#[tokio::test]
async fn events_are_listed_page_by_page() {
    let broker = Broker::start().await;
    let first = EventList { events: vec![queued()], next: Some("dead.1.x".to_owned()) };
    let second = EventList { events: vec![dead()], next: Some("dead.2.y".to_owned()) };
    broker.json("GET /v1/async?function=thumbnail&limit=2", &first);
    broker.json("GET /v1/async?function=thumbnail&limit=1&after=dead.1.x", &second);
    let listed = broker.run(&["async", "list", "--function", "thumbnail", "--limit", "2"]).await;
    insta::assert_snapshot!(listed.out, @r"
    EVENT                                 FUNCTION                                     STATE   ACCEPTED              DUE OR ENDED          DELIVERIES  ERROR
    019ab0c4-0000-7000-8000-000000000001  thumbnail                                    queued  2026-11-21T10:44:00Z  2026-11-21T10:45:00Z           1  Boom: no
    019ab0c4-0000-7000-8000-000000000002  thumbnail -> https://ops.example.com/failed  dead    2026-11-21T10:44:00Z  2026-11-21T10:50:00Z           3  -
    ");
    insta::assert_snapshot!(listed.err, @"there are more: --after dead.2.y");
    let json = broker.run(&["async", "list", "--function", "thumbnail", "--limit", "2", "--json"]).await;
    let list: EventList = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!((list.events.len(), list.next.as_deref()), (2, Some("dead.2.y")));
}

#[tokio::test]
async fn an_event_is_shown_with_its_deliveries() {
    let broker = Broker::start().await;
    broker.json(&format!("GET /v1/async/{FIRST}"), &detail());
    insta::assert_snapshot!(broker.run(&["async", "show", FIRST]).await.out, @r"
    thumbnail 019ab0c4-0000-7000-8000-000000000001: queued
    accepted   2026-11-21T10:44:00Z
    paid by    search
    payload    120 bytes with its terms
    due        2026-11-21T10:45:00Z, given up at 2026-11-21T16:44:00Z
    error      Boom: no

    deliveries
    NO  ENDED                 RESULT          INVOCATION                            ERROR
     1  2026-11-21T10:44:01Z  function-error  019ab0c4-0000-7000-8000-0000000000aa  Boom: no
    ");
}

#[tokio::test]
async fn explain_tells_an_event_from_an_invocation() {
    let broker = Broker::start().await;
    let problem = Problem { status: 404, title: "Not found".to_owned(), ..Problem::default() };
    broker.problem(&format!("GET /v1/invocations/{FIRST}"), &problem);
    broker.problem(&format!("GET /v1/async/{FIRST}"), &problem);
    let unknown = broker.run(&["explain", FIRST]).await;
    assert_eq!(unknown.out, "");
    broker.json(&format!("GET /v1/async/{FIRST}"), &detail());
    assert!(broker.run(&["explain", FIRST]).await.out.starts_with("thumbnail 019ab0c4"), "the event's own story");
}

#[tokio::test]
async fn dead_letters_are_redriven_and_dropped() {
    let broker = Broker::start().await;
    broker.json("POST /v1/async/redrive", &EventsChanged { events: 2 });
    broker.json("POST /v1/async/drop", &EventsChanged { events: 1 });
    let all = broker.run(&["async", "redrive", "--function", "thumbnail"]).await;
    assert_eq!((all.err.trim(), broker.last().body.as_str()), ("2 events queued anew", r#"{"function":"thumbnail"}"#));
    let one = broker.run(&["async", "drop", SECOND]).await;
    assert_eq!((one.err.trim(), broker.last().body), ("1 event dropped", format!(r#"{{"id":"{SECOND}"}}"#)));
    broker.run(&["async", "drop", "--function", "thumbnail", "--state", "queued"]).await;
    assert_eq!(broker.last().body, r#"{"function":"thumbnail","state":"queued"}"#);
    for line in [&["async", "redrive"][..], &["async", "drop", FIRST, "--function", "f"], &["async", "drop", "x"]] {
        refused(line);
    }
}

#[tokio::test]
async fn a_call_may_be_left_to_run_later() {
    let broker = Broker::start().await;
    let body = format!(r#"{{"id":"{FIRST}","state":"queued"}}"#);
    let line = "POST /v1/functions/thumbnail/invocations";
    broker.answer(line, 202, &[("content-type", "application/json")], body.as_bytes());
    let sent = broker.run(&["invoke", "thumbnail", "--data", "{}", "--async"]).await;
    assert_eq!((sent.out.trim(), broker.last().header("prefer")), (body.as_str(), Some("respond-async")));
}
