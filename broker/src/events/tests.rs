//! What a function's errors, refusals, age and destinations lead to, with a clock that is set by hand.

use std::collections::BTreeMap;
use std::time::Duration;

use merit_store::record::{EventDelivery, EventFilter};
use merit_venue::{ErrorKind, Outcome};
use merit_wire::{DeploymentSpec, EventSpec, FunctionSpec};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::*;
use crate::functions::spec_of;
use crate::testing::{START, Stage, Step};

/// An event of function `work` as it stands after so many errors and refusals.
pub(super) fn row(at: Timestamp, max_age: Micros, function_errors: u32, refusals: u32) -> EventRow {
    EventRow {
        id: InvocationId::from_bits(1),
        state: EventState::Queued,
        next_at: at,
        at,
        function: "work".parse().unwrap(),
        url: None,
        account: "payer".parse().unwrap(),
        key: "k1".parse().unwrap(),
        max_age,
        expires_at: at + max_age,
        deliveries: function_errors + refusals,
        function_errors,
        refusals,
        bytes: 2,
        error: None,
    }
}

/// A broker that delivers events to function `work` at one scripted venue, and to `index` behind it.
struct Story {
    stage: Stage,
    worker: JoinHandle<()>,
}

impl Story {
    async fn new(rules: EventSpec) -> Self {
        let stage = Stage::new(false, &["0.001"]).await;
        let broker = &stage.broker;
        let work = broker.functions.get("work").unwrap();
        let work = FunctionSpec { events: Some(rules), ..spec_of(&work) };
        let deployments: BTreeMap<String, DeploymentSpec> = work.deployments.clone().unwrap();
        broker.functions.put(broker, &"work".parse().unwrap(), &work).unwrap();
        let equivalence = Some("declared".to_owned());
        let index = FunctionSpec { equivalence, deployments: Some(deployments), ..FunctionSpec::default() };
        broker.functions.put(broker, &"index".parse().unwrap(), &index).unwrap();
        let worker = tokio::spawn(run(Arc::clone(broker)));
        Self { stage, worker }
    }

    fn broker(&self) -> &Arc<Broker> {
        &self.stage.broker
    }

    /// Changes the settings.
    fn set(&self, change: impl FnOnce(&mut Limits)) {
        let mut settings = (*self.broker().settings.load_full()).clone();
        change(&mut settings.events);
        self.broker().settings.store(Arc::new(settings));
    }

    fn venue_does(&self, steps: impl IntoIterator<Item = Step>) {
        self.stage.venues[0].then(steps);
    }

    fn calls(&self) -> usize {
        self.stage.venues[0].calls()
    }

    fn event(&self, payload: &'static str) -> NewEvent {
        NewEvent {
            id: self.broker().new_invocation(),
            key: self.stage.key(),
            function: self.broker().functions.get("work").unwrap(),
            stated: Stated::default(),
            headers: PassedOn::default(),
            payload: payload.into(),
            max_age: None,
            lambda: None,
        }
    }

    async fn send(&self, payload: &'static str) -> EventId {
        let id = enqueue(self.broker(), self.event(payload)).await.unwrap();
        self.quiet().await;
        id
    }

    fn is_quiet(&self) -> bool {
        let now = self.broker().clock.now();
        let state = self.broker().events.lock();
        state.schedule.running() == 0 && state.schedule.next_at().is_none_or(|at| at > now)
    }

    /// Waits until nothing runs and nothing is due.
    async fn quiet(&self) {
        let quiet = async {
            loop {
                if self.is_quiet() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), quiet).await.expect("the events come to rest");
    }

    /// Lets time pass, and everything happen that is due then.
    async fn pass(&self, seconds: u64) {
        self.broker().clock.advance(Micros::from_secs(seconds));
        self.broker().events.wake();
        self.quiet().await;
    }

    fn look(&self, id: EventId) -> (EventRow, Vec<EventDelivery>) {
        self.broker().store.event(id).unwrap().expect("an event")
    }

    /// State, deliveries, and seconds from now until it is due.
    fn stands(&self, id: EventId) -> (EventState, u32, u64) {
        let (row, _) = self.look(id);
        (row.state, row.deliveries, row.next_at.since(self.broker().clock.now()).get() / 1_000_000)
    }

    fn all(&self) -> Vec<EventRow> {
        self.broker().store.events(&EventFilter::default(), None, 100).unwrap()
    }
}

fn to(destination: &str) -> EventSpec {
    EventSpec {
        on_success: Some(destination.to_owned()),
        on_failure: Some(destination.to_owned()),
        ..EventSpec::default()
    }
}

#[tokio::test]
async fn an_event_is_an_invocation_with_receipt_and_charge() {
    let story = Story::new(EventSpec::default()).await;
    let id = story.send("{}").await;
    let (row, history) = story.look(id);
    assert_eq!((row.state, row.deliveries, row.error), (EventState::Delivered, 1, None));
    assert_eq!((history.len(), history[0].result.as_str()), (1, "ok"));
    let invocation = history[0].invocation.expect("an invocation of its own");
    assert_ne!(invocation, id);
    story.broker().store.flush().await.unwrap();
    let receipt = story.broker().store.receipt(invocation).unwrap().expect("a receipt");
    assert_eq!(receipt.charge.to_string(), "0.001");
    assert_eq!(crate::receipt::view(&receipt).unwrap().event, Some(id.to_string()));
    assert_eq!(story.stage.balance().1, merit_units::Money::ZERO, "nothing is held any more");
    assert_eq!(story.broker().events.backlog(START), Backlog::default());
}

#[tokio::test]
async fn a_functions_errors_are_retried_after_one_and_two_minutes_and_then_kept() {
    let story = Story::new(EventSpec::default()).await;
    story.venue_does([Step::FunctionError, Step::FunctionError, Step::FunctionError]);
    let id = story.send("{}").await;
    assert_eq!(story.stands(id), (EventState::Queued, 1, 60));
    story.pass(59).await;
    assert_eq!(story.calls(), 1, "not before its time");
    story.pass(1).await;
    assert_eq!(story.stands(id), (EventState::Queued, 2, 120));
    story.pass(120).await;
    let (row, history) = story.look(id);
    assert_eq!((row.state, row.deliveries), (EventState::Dead, 3));
    assert_eq!(row.error.as_deref(), Some("Boom: no"));
    assert!(history.iter().all(|delivery| delivery.result == "function-error" && delivery.invocation.is_some()));
    story.pass(100_000).await;
    assert_eq!((story.calls(), story.broker().events.backlog(START).dead), (3, 1));
}

#[tokio::test]
async fn a_function_has_rules_of_its_own() {
    let rules = EventSpec { max_retries: Some(1), retry_delay_s: Some(5), max_age_s: Some(30), ..EventSpec::default() };
    let story = Story::new(rules).await;
    story.venue_does([Step::FunctionError, Step::FunctionError]);
    let id = story.send("{}").await;
    assert_eq!(story.stands(id), (EventState::Queued, 1, 5));
    story.pass(5).await;
    assert_eq!(story.stands(id).0, EventState::Dead);
}

#[tokio::test]
async fn what_no_venue_ran_is_tried_with_growing_waits_until_its_time_is_over() {
    let story = Story::new(EventSpec { max_age_s: Some(600), ..EventSpec::default() }).await;
    let throttled = || Step::Fail(Outcome::NotStarted, ErrorKind::Throttled);
    story.venue_does(std::iter::repeat_with(throttled).take(100));
    let id = story.send("{}").await;
    let mut waits = Vec::new();
    while let (EventState::Queued, deliveries, wait) = story.stands(id) {
        // Its lane pauses for ten seconds in the end, which may be longer than what is left of its time.
        if deliveries as usize > waits.len() {
            waits.push(wait);
        }
        assert_eq!(deliveries as usize, waits.len());
        story.pass(wait + 1).await;
    }
    // Each is drawn between half and the whole of 1, 2, 4, ... seconds.
    assert!(waits.len() > 8, "{waits:?}");
    for (number, wait) in waits.iter().enumerate().take(8) {
        assert!(*wait <= 1 << number && *wait >= (1 << number) / 2 - u64::from(number == 1), "{waits:?}");
    }
    let (row, _) = story.look(id);
    assert_eq!(row.state, EventState::Dead);
    let age = row.next_at.since(START).get() / 1_000_000;
    assert!((600..=611).contains(&age), "given up after {age} s");
    assert!(row.error.expect("a reason").contains("as scripted"));
}

#[tokio::test]
async fn an_unknown_outcome_is_delivered_again_though_the_function_is_not_idempotent() {
    let story = Story::new(EventSpec::default()).await;
    story.venue_does([Step::Fail(Outcome::Unknown, ErrorKind::ConnectionCut)]);
    let id = story.send("{}").await;
    let (_, history) = story.look(id);
    assert_eq!(history[0].result, "venues-failed");
    story.pass(2).await;
    assert_eq!((story.stands(id).0, story.calls()), (EventState::Delivered, 2));
}

#[tokio::test]
async fn a_function_that_takes_too_long_counts_as_its_own_error() {
    let story = Story::new(EventSpec { max_retries: Some(0), ..EventSpec::default() }).await;
    story.venue_does([Step::Fail(Outcome::Unknown, ErrorKind::Timeout)]);
    let id = story.send("{}").await;
    let (row, history) = story.look(id);
    assert_eq!((row.state, history[0].result.as_str()), (EventState::Dead, "timeout"));
}

#[tokio::test]
async fn a_budget_that_is_exhausted_waits_and_holds_up_nobody_else() {
    let story = Story::new(EventSpec::default()).await;
    story.stage.budget("0").await;
    let id = story.send("{}").await;
    assert_eq!(story.look(id).1[0].result, "budget-exhausted");
    assert_eq!(story.calls(), 0);
    story.stage.budget("1").await;
    story.pass(1).await;
    assert_eq!(story.stands(id).0, EventState::Delivered);
}

#[tokio::test]
async fn a_destination_is_told_of_success_and_of_failure() {
    let story = Story::new(EventSpec { max_retries: Some(0), ..to("index") }).await;
    let id = story.send(r#"{"n": 1}"#).await;
    let record = |call: usize| -> Value {
        serde_json::from_slice(&story.stage.venues[0].payloads.lock().unwrap()[call]).expect("a record")
    };
    assert_eq!(story.calls(), 2, "work, then index");
    let told = record(1);
    assert_eq!(told["requestContext"]["requestId"], id.to_string());
    assert_eq!(told["requestContext"]["condition"], "Success");
    assert_eq!(told["requestContext"]["approximateInvokeCount"], 1);
    assert_eq!(told["requestPayload"]["n"], 1);
    assert_eq!(told["responsePayload"], "done");
    story.venue_does([Step::FunctionError]);
    story.send("{}").await;
    let told = record(3);
    assert_eq!(told["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(told["responseContext"]["functionError"], "Unhandled");
    assert_eq!(told["requestContext"]["error"], "Boom: no");
}

#[tokio::test]
async fn destinations_that_feed_each_other_come_to_an_end() {
    let story = Story::new(to("work")).await;
    story.send("{}").await;
    assert_eq!(story.calls(), 17, "the event and sixteen records");
    assert!(story.all().iter().all(|row| row.state == EventState::Delivered));
}

#[tokio::test]
async fn an_http_destination_on_a_private_network_is_refused_and_tried_again() {
    let story = Story::new(to("http://127.0.0.1:9/told")).await;
    let id = story.send("{}").await;
    assert_eq!(story.stands(id).0, EventState::Delivered, "the event itself has done its work");
    let record = story.all().into_iter().find(|row| row.url.is_some()).expect("a record");
    assert_eq!((record.state, record.deliveries), (EventState::Queued, 1));
    assert!(record.error.expect("a reason").contains("address-forbidden"));
}

#[tokio::test]
async fn a_full_queue_refuses_and_names_the_setting() {
    let story = Story::new(EventSpec::default()).await;
    story.set(|limits| {
        limits.max_queued = 2;
        limits.max_payload_bytes = 10;
        limits.max_queued_bytes = 12;
    });
    story.venue_does(std::iter::repeat_with(|| Step::FunctionError).take(2));
    story.send("1").await;
    story.send("2").await;
    let refused = enqueue(story.broker(), story.event("3")).await.expect_err("two wait");
    assert!(matches!(refused, Refusal::EventQueueFull { named: "events.max_queued", queued: 2, limit: 2, .. }));
    let refused = enqueue(story.broker(), story.event("a payload of 24 bytes")).await.expect_err("too large");
    assert!(matches!(refused, Refusal::PayloadTooLarge { named: "events.max_payload_bytes", limit: 10 }));
    story.pass(60).await;
    story.venue_does([Step::FunctionError]);
    story.send("1234567").await;
    let refused = enqueue(story.broker(), story.event("7 bytes")).await.expect_err("two of nine bytes");
    assert!(matches!(refused, Refusal::EventQueueFull { named: "events.max_queued_bytes", limit: 12, .. }));
}

#[tokio::test]
async fn terms_nobody_can_meet_are_refused_at_once() {
    let story = Story::new(EventSpec::default()).await;
    let mut event = story.event("{}");
    event.stated.venues.allow.push("nowhere".to_owned());
    let refused = enqueue(story.broker(), event).await.expect_err("no such venue");
    assert!(matches!(refused, Refusal::MalformedTerms { .. }));
    assert_eq!(story.all(), []);
}

#[tokio::test]
async fn dead_letters_are_redriven_with_all_retries_and_dropped_for_good() {
    let story = Story::new(EventSpec { max_retries: Some(0), ..EventSpec::default() }).await;
    story.venue_does([Step::FunctionError, Step::FunctionError]);
    let (first, second) = (story.send("1").await, story.send("2").await);
    story.pass(30_000).await;
    let one = EventFilter { id: Some(first), ..EventFilter::default() };
    let queued = story.broker().store.redrive_events(&one, story.broker().clock.now(), 10).await.unwrap();
    assert_eq!(queued.len(), 1);
    story.broker().events.redriven(&queued, 64);
    story.quiet().await;
    assert_eq!((story.stands(first).0, story.stands(second).0), (EventState::Delivered, EventState::Dead));
    let two = EventFilter { id: Some(second), ..EventFilter::default() };
    let dropped = story.broker().store.drop_events(&two, 10).await.unwrap();
    story.broker().events.forget(&dropped);
    assert_eq!(story.broker().store.event(second).unwrap(), None);
    assert_eq!(story.broker().events.backlog(START).dead, 0);
}

#[tokio::test]
async fn a_delivery_that_is_cut_is_due_at_the_next_start() {
    let mut story = Story::new(EventSpec::default()).await;
    story.venue_does([Step::Hang]);
    let id = enqueue(story.broker(), story.event("{}")).await.unwrap();
    while story.calls() == 0 {
        tokio::task::yield_now().await;
    }
    story.broker().start_draining();
    story.broker().cut_calls();
    (&mut story.worker).await.unwrap();
    let (row, history) = story.look(id);
    assert_eq!((row.state, row.deliveries, history.len()), (EventState::Queued, 0, 0));
    assert_eq!(story.stage.balance().1, merit_units::Money::ZERO, "the cut call was settled");
    let waiting = story.broker().store.queued_events().unwrap();
    assert_eq!(waiting.iter().map(|event| event.id).collect::<Vec<_>>(), [id]);
}

#[tokio::test]
async fn events_past_their_time_are_forgotten() {
    let story = Story::new(EventSpec { max_retries: Some(0), ..EventSpec::default() }).await;
    story.venue_does([Step::Reply(Micros::from_millis(1)), Step::FunctionError, Step::FunctionError]);
    let delivered = story.send("1").await;
    let older = story.send("2").await;
    story.pass(1).await;
    let dead = [older, story.send("3").await];
    let day = Micros::from_secs(86_400);
    let kept = Kept { delivered: day, dead: Micros::new(10 * day.get()), max_dead: 1, max_dead_bytes: 100 };
    story.set(|limits| limits.kept = kept);
    story.pass(1).await;
    story.broker().sweep_events().await.unwrap();
    let left = |story: &Story| story.all().iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(left(&story), [dead[1], delivered], "the oldest dead letter is one too many");
    story.pass(86_400).await;
    story.broker().sweep_events().await.unwrap();
    assert_eq!(left(&story), [dead[1]]);
    story.set(|limits| limits.kept.max_dead_bytes = 1);
    story.broker().sweep_events().await.unwrap();
    assert_eq!(left(&story), []);
    assert_eq!(story.broker().events.backlog(START).dead, 0);
}
