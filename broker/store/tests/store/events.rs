//! Events: on disk when acknowledged, moved on in one step, listed, redriven, dropped and forgotten.

use merit_store::Store;
use merit_store::record::{
    Event, EventBody, EventCount, EventCursor, EventDelivery, EventFilter, EventNext, EventOutcome, EventRow,
    EventState, EventTotals,
};
use merit_units::{InvocationId, Micros, Timestamp};

use super::fixture::{NOW, as_if_killed, fresh, id, open};

fn at(second: u64) -> Timestamp {
    NOW + Micros::from_secs(second)
}

fn event(number: u64, second: u64, function: &str) -> Event {
    let max_age = Micros::from_secs(100);
    let row = EventRow {
        id: id(number),
        state: EventState::Queued,
        next_at: at(second),
        at: at(second),
        function: function.parse().unwrap(),
        url: None,
        account: if number.is_multiple_of(2) { "ada" } else { "bob" }.parse().unwrap(),
        key: "k1".parse().unwrap(),
        max_age,
        expires_at: at(second) + max_age,
        deliveries: 0,
        function_errors: 0,
        refusals: 0,
        bytes: 10,
        error: None,
    };
    Event { row, body: EventBody { envelope: "{}".to_owned(), payload: vec![7; 8] } }
}

/// The end of a delivery.
fn outcome(number: u64, next: EventNext, count: EventCount, second: u64) -> EventOutcome {
    let error = (next != EventNext::Delivered).then(|| "Boom".to_owned());
    let delivery = EventDelivery {
        number: 1,
        at: at(second),
        invocation: Some(id(1000 + number)),
        result: "ok".to_owned(),
        error: error.clone(),
    };
    EventOutcome { id: id(number), delivery: Some(delivery), count, next, at: at(second), error, record: None }
}

fn enqueue(store: &Store, events: impl IntoIterator<Item = Event>) {
    for event in events {
        assert!(store.enqueue_event(event).wait().unwrap());
    }
}

fn end(store: &Store, outcome: EventOutcome) -> bool {
    store.end_delivery(outcome).wait().unwrap()
}

fn dead(store: &Store, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        assert!(end(store, outcome(number, EventNext::Dead, EventCount::FunctionError, 50 + number)));
    }
}

fn numbers(rows: &[EventRow]) -> Vec<u64> {
    rows.iter().map(|row| (0..100).find(|number| id(*number) == row.id).unwrap()).collect()
}

fn of(state: EventState) -> EventFilter {
    EventFilter { state: Some(state), ..EventFilter::default() }
}

#[test]
fn an_acknowledged_event_survives_the_process() {
    let (dir, store) = fresh();
    enqueue(&store, [event(1, 5, "work"), event(2, 3, "work")]);
    assert!(!store.enqueue_event(event(1, 9, "other")).wait().unwrap(), "the id is taken");
    let killed = as_if_killed(dir.path());
    let store = open(killed.path());
    let waiting: Vec<_> = store.queued_events().unwrap().iter().map(|event| (event.id, event.due_at)).collect();
    assert_eq!(waiting, [(id(2), at(3)), (id(1), at(5))], "what is due first comes first");
    assert_eq!(store.queued_event(id(1)).unwrap(), Some(event(1, 5, "work")));
    assert_eq!(store.queued_event(id(3)).unwrap(), None);
}

#[test]
fn an_end_and_what_follows_from_it_are_written_together() {
    let (_dir, store) = fresh();
    enqueue(&store, [event(1, 0, "work")]);
    let again = EventNext::Again { due_at: at(60) };
    assert!(end(&store, outcome(1, again, EventCount::FunctionError, 1)));
    assert!(end(&store, outcome(1, again, EventCount::Refusal, 2)));
    let (row, history) = store.event(id(1)).unwrap().unwrap();
    assert_eq!((row.deliveries, row.function_errors, row.refusals), (2, 1, 1));
    assert_eq!((row.next_at, row.error.as_deref(), history.len()), (at(60), Some("Boom"), 1), "of the same number");
    let record = Event {
        row: EventRow { url: Some("https://a/b".to_owned()), ..event(9, 61, "work").row },
        ..event(9, 61, "work")
    };
    let told =
        EventOutcome { record: Some(record.clone()), ..outcome(1, EventNext::Delivered, EventCount::Nothing, 61) };
    assert!(end(&store, told.clone()));
    assert_eq!(store.queued_event(id(9)).unwrap(), Some(record));
    let (row, _) = store.event(id(1)).unwrap().unwrap();
    assert_eq!((row.state, row.refusals, row.error), (EventState::Delivered, 0, None));
    assert!(!end(&store, told), "it has ended");
    // Its payload is gone.
    assert_eq!(store.queued_event(id(1)).unwrap(), None);
}

#[test]
fn an_end_that_comes_after_a_drop_changes_nothing() {
    let (_dir, store) = fresh();
    enqueue(&store, [event(1, 0, "work")]);
    let one = EventFilter { id: Some(id(1)), ..EventFilter::default() };
    assert_eq!(store.drop_events(&one, 10).wait().unwrap(), [event(1, 0, "work").row]);
    let record = Some(event(9, 1, "told"));
    assert!(!end(&store, EventOutcome { record, ..outcome(1, EventNext::Delivered, EventCount::Nothing, 1) }));
    assert_eq!(store.events(&EventFilter::default(), None, 10).unwrap(), []);
}

#[test]
fn lists_go_by_state_and_time_and_page_by_page() {
    let (_dir, store) = fresh();
    enqueue(&store, (1..=6).map(|number| event(number, 10 - number, if number < 4 { "work" } else { "other" })));
    dead(&store, [2, 5]);
    assert!(end(&store, outcome(1, EventNext::Delivered, EventCount::Nothing, 70)));
    let all = EventFilter::default();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = store.events(&all, after, 2).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(EventCursor { state: last.state, next_at: last.next_at, id: last.id });
        seen.extend(numbers(&page));
    }
    assert_eq!(seen, [6, 4, 3, 2, 5, 1]);
    assert_eq!(numbers(&store.events(&of(EventState::Dead), None, 10).unwrap()), [2, 5]);
    let work = EventFilter { function: Some("work".parse().unwrap()), ..EventFilter::default() };
    assert_eq!(numbers(&store.events(&work, None, 10).unwrap()), [3, 2, 1]);
    let bobs = EventFilter { account: Some("bob".parse().unwrap()), ..of(EventState::Queued) };
    assert_eq!(numbers(&store.events(&bobs, None, 10).unwrap()), [3]);
    assert_eq!(store.event_totals(EventState::Dead).unwrap(), EventTotals { events: 2, bytes: 20 });
    assert_eq!(store.event_totals(EventState::Queued).unwrap(), EventTotals { events: 3, bytes: 30 });
}

#[test]
fn a_redriven_event_has_its_whole_time_and_all_retries() {
    let (_dir, store) = fresh();
    enqueue(&store, (1..=4).map(|number| event(number, 0, if number < 4 { "work" } else { "other" })));
    dead(&store, 1..=4);
    let work = EventFilter { function: Some("work".parse().unwrap()), ..EventFilter::default() };
    let first = store.redrive_events(&work, at(1000), 2).wait().unwrap();
    assert_eq!(first.iter().map(|event| event.id).collect::<Vec<InvocationId>>(), [id(1), id(2)]);
    let (row, history) = store.event(id(1)).unwrap().unwrap();
    assert_eq!((row.state, row.next_at, row.expires_at), (EventState::Queued, at(1000), at(1100)));
    assert_eq!((row.deliveries, row.function_errors, history.len()), (1, 0, 1), "what was is remembered");
    assert_eq!(store.redrive_events(&work, at(1000), 2).wait().unwrap().len(), 1);
    assert_eq!(store.redrive_events(&work, at(1000), 2).wait().unwrap(), []);
    assert_eq!(numbers(&store.events(&of(EventState::Dead), None, 10).unwrap()), [4]);
}

#[test]
fn what_ended_long_ago_is_forgotten_oldest_first() {
    let (_dir, store) = fresh();
    enqueue(&store, (1..=4).map(|number| event(number, 0, "work")));
    dead(&store, [3, 1, 2]);
    let gone = store.drop_events_before(EventState::Dead, at(53), 1).wait().unwrap();
    assert_eq!(numbers(&gone), [1]);
    assert_eq!(numbers(&store.drop_events_before(EventState::Dead, at(53), 9).wait().unwrap()), [2]);
    assert_eq!(store.drop_events_before(EventState::Delivered, at(99), 9).wait().unwrap(), []);
    assert_eq!(numbers(&store.events(&EventFilter::default(), None, 9).unwrap()), [4, 3]);
    assert_eq!(store.event(id(1)).unwrap(), None);
}
