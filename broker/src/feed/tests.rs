//! Market data from the producers to a reader's own book.

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use merit_cli::feed::{Broken, LocalBook, Step};
use merit_units::{DeploymentId, FunctionId, Money, VenueId};
use merit_wire::feed::{FeedBody, FeedChannel, FeedData, FeedMessage, FillView, StandingView};
use tokio::time::{Duration, timeout};

use super::book::{Ladder, Level};
use super::reader::{Closing, Frame, Mark, Queue, Reader};
use super::topic::Topic;
use super::{Name, subscribe};
use crate::testing::{START, Stage, Step as Call};

/// Far more than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn name(channel: FeedChannel, function: Option<&str>) -> Name {
    Name { channel, function: function.map(|function| FunctionId::try_new(function).unwrap()) }
}

/// Some levels, mostly as they were, of a dozen and a half deployments.
fn next_levels(random: &mut Rng, former: &BTreeMap<usize, Level>) -> BTreeMap<usize, Level> {
    let mut levels = former.clone();
    for _ in 0..random.usize(0..4) {
        let number = random.usize(0..18);
        if random.u8(0..5) == 0 {
            levels.remove(&number);
            continue;
        }
        let why = (random.u8(0..6) == 0).then_some("stale-price");
        let capacity = if why.is_some() { 0 } else { random.u32(1..5) };
        let level = Level {
            deployment: DeploymentId::try_new(&format!("d{number}")).unwrap(),
            venue: VenueId::try_new("pool").unwrap(),
            // Few prices, so that many levels share one; some in need of more digits than others.
            cost: Money::from_pico(i128::from(random.u8(1..6)) * 10_i128.pow(u32::from(random.u8(0..3)))),
            free: random.u32(0..=capacity),
            capacity,
            why,
        };
        levels.insert(number, level);
    }
    levels
}

/// A snapshot and updates of a seeded market, and the book after each of them.
fn market(seed: u64, updates: usize) -> (Vec<FeedMessage>, Vec<FeedBody>) {
    let mut random = Rng::with_seed(seed);
    let (mut ladder, mut levels) = (Ladder::default(), BTreeMap::new());
    for _ in 0..random.usize(0..30) {
        levels = next_levels(&mut random, &levels);
    }
    ladder.step(levels.values().cloned().collect());
    let data = |seq: u64, prev_seq, body| FeedData {
        id: None,
        function: "work".to_owned(),
        seq,
        prev_seq,
        at: String::new(),
        body,
    };
    let mut messages = vec![FeedMessage::Snapshot(data(1, None, ladder.whole()))];
    let mut books = vec![ladder.whole()];
    while messages.len() <= updates {
        levels = next_levels(&mut random, &levels);
        if let Some(body) = ladder.step(levels.values().cloned().collect()) {
            let seq = u64::try_from(messages.len()).unwrap();
            messages.push(FeedMessage::Update(data(seq + 1, Some(seq), body)));
            books.push(ladder.whole());
        }
    }
    (messages, books)
}

/// The heartbeat after `messages`.
fn heartbeat(messages: &[FeedMessage]) -> FeedMessage {
    let Some(FeedMessage::Snapshot(last) | FeedMessage::Update(last)) = messages.last() else { panic!("data") };
    let standing = vec![StandingView { channel: FeedChannel::Book, function: last.function.clone(), seq: last.seq }];
    FeedMessage::Heartbeat { at: String::new(), standing }
}

/// What a reader's book says about messages, up to the first that breaks it.
fn read(messages: &[FeedMessage]) -> Result<LocalBook, Broken> {
    let mut book = LocalBook::new("work");
    for message in messages {
        book.apply(message)?;
    }
    Ok(book)
}

#[test]
fn a_local_book_is_the_brokers_after_every_update() {
    for seed in 0..200 {
        let (messages, books) = market(seed, 100);
        let mut local = LocalBook::new("work");
        for (message, book) in messages.iter().zip(&books) {
            assert_eq!(local.apply(message), Ok(Step::Changed), "seed {seed}");
            let FeedBody::Book { levels, .. } = book else { panic!("a book") };
            assert!(local.levels().eq(levels), "seed {seed}: {message:?}");
        }
        assert_eq!(local.apply(&heartbeat(&messages)), Ok(Step::Unchanged), "seed {seed}");
    }
}

#[test]
fn a_frame_that_is_dropped_repeated_or_moved_is_noticed() {
    for seed in 0..300 {
        let (mut messages, _) = market(seed, 30);
        let last = heartbeat(&messages);
        let mut random = Rng::with_seed(seed);
        let at = random.usize(1..messages.len());
        let what = match seed % 3 {
            0 => {
                messages.remove(at);
                "dropped"
            }
            1 => {
                messages.insert(random.usize(at..messages.len()) + 1, messages[at].clone());
                "repeated"
            }
            _ => {
                let to = random.usize(1..messages.len() - 1);
                let moved = messages.remove(at);
                messages.insert(if to >= at { to + 1 } else { to }, moved);
                "moved"
            }
        };
        messages.push(last);
        assert!(read(&messages).is_err(), "seed {seed}: frame {at} was {what}");
    }
}

#[test]
fn a_level_that_is_damaged_on_the_way_is_noticed() {
    for seed in 0..100 {
        let (mut messages, _) = market(seed, 20);
        let damage = |message: &mut FeedMessage| match message {
            FeedMessage::Update(FeedData { body: FeedBody::Book { levels, .. }, .. }) => {
                levels.iter_mut().find(|level| level.capacity > 0).map(|level| level.free += 1).is_some()
            }
            _ => false,
        };
        let damaged = messages.iter_mut().position(damage).expect("a level");
        messages.truncate(damaged + 1);
        match read(&messages) {
            Err(Broken::Checksum { .. }) => {}
            // Below the tenth level the checksum does not look.
            Ok(book) => assert!(book.levels().count() > 10, "seed {seed}"),
            Err(other) => panic!("seed {seed}: {other}"),
        }
    }
}

#[test]
fn a_level_without_a_price_is_gone_and_says_why() {
    let mut ladder = Ladder::default();
    let level = Level {
        deployment: DeploymentId::try_new("a").unwrap(),
        venue: VenueId::try_new("a").unwrap(),
        cost: Money::from_pico(5),
        free: 1,
        capacity: 2,
        why: None,
    };
    let gone = Level { cost: Money::ZERO, free: 0, capacity: 0, why: Some("no-price"), ..level.clone() };
    assert!(ladder.step(vec![gone.clone()]).is_none(), "it was never there");
    assert!(ladder.step(vec![level]).is_some());
    let Some(FeedBody::Book { levels, checksum }) = ladder.step(vec![gone.clone()]) else { panic!("a book") };
    assert_eq!((levels[0].capacity, levels[0].why.as_deref(), checksum), (0, Some("no-price"), 0));
    assert!(ladder.step(vec![gone]).is_none(), "it is told once");
}

async fn next(queue: &mut Queue) -> (FeedMessage, Option<Mark>) {
    let frame: Frame = timeout(PATIENCE, queue.recv()).await.expect("a message comes").expect("the queue is open");
    (serde_json::from_str(&frame.text).expect("a message"), frame.mark.map(|(_, mark)| mark))
}

async fn fills(queue: &mut Queue) -> Vec<FillView> {
    match next(queue).await.0 {
        FeedMessage::Snapshot(FeedData { body: FeedBody::Tape { fills, .. }, .. })
        | FeedMessage::Update(FeedData { body: FeedBody::Tape { fills, .. }, .. }) => fills,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn fills_come_with_their_price_and_nothing_of_the_caller() {
    let stage = Stage::new(true, &["0.001", "0.002"]).await;
    let (reader, mut queue) = Reader::new(64);
    assert!(!stage.broker.feed.wants_fills());
    subscribe(&stage.broker, &reader, &name(FeedChannel::Tape, Some("work")), None).unwrap();
    assert!(stage.broker.feed.wants_fills());
    assert_eq!(fills(&mut queue).await, []);
    stage.call(&[("merit-tags", "team=search")]).await.unwrap();
    let told = fills(&mut queue).await;
    insta::assert_snapshot!(serde_json::to_string(&told).unwrap(), @r#"[{"at":"2026-11-21T10:44:00Z","function":"work","venue":"a","deployment":"a","charge":"0.001","estimated":false,"size":{"memory_mb":128,"architecture":"x86_64"}}]"#);
}

#[tokio::test]
async fn an_attempt_that_did_not_start_is_no_fill() {
    use merit_venue::{ErrorKind, Outcome};
    let stage = Stage::new(true, &["0.001", "0.002"]).await;
    let (reader, mut queue) = Reader::new(64);
    subscribe(&stage.broker, &reader, &name(FeedChannel::Tape, None), None).unwrap();
    assert_eq!(fills(&mut queue).await, []);
    stage.venues[0].then([Call::Fail(Outcome::NotStarted, ErrorKind::Connect)]);
    stage.call(&[]).await.unwrap();
    let venues: Vec<_> = fills(&mut queue).await.into_iter().map(|fill| fill.venue).collect();
    assert_eq!(venues, ["b"]);
    // One that may have run is charged as an estimate, and so is the fill.
    stage.venues[0].then([Call::Fail(Outcome::Unknown, ErrorKind::Timeout)]);
    stage.call(&[]).await.unwrap();
    let mut told = fills(&mut queue).await;
    told.retain(|fill| fill.venue == "a");
    assert_eq!(told.len(), 1);
}

#[tokio::test]
async fn candles_are_counted_before_anybody_reads_them() {
    let stage = Stage::new(true, &["0.001", "0.002"]).await;
    stage.call(&[]).await.unwrap();
    let (reader, mut queue) = Reader::new(64);
    subscribe(&stage.broker, &reader, &name(FeedChannel::Candles, Some("work")), None).unwrap();
    let candles = async |queue: &mut Queue| match next(queue).await.0 {
        FeedMessage::Snapshot(FeedData { body: FeedBody::Candles { candles }, .. })
        | FeedMessage::Update(FeedData { body: FeedBody::Candles { candles }, .. }) => candles,
        other => panic!("{other:?}"),
    };
    let before = candles(&mut queue).await;
    assert_eq!((before.len(), before[0].volume, before[0].partial), (1, 1, false), "{before:?}");
    stage.call(&[]).await.unwrap();
    let after = candles(&mut queue).await;
    assert_eq!((after.len(), after[0].volume, after[0].charged.as_str()), (1, 2, "0.002"), "{after:?}");
    stage.broker.clock.advance(merit_units::Micros::from_secs(60));
    assert!(candles(&mut queue).await[0].done);
}

#[tokio::test]
async fn a_reader_that_falls_behind_is_closed_and_the_others_go_on() {
    let stage = Stage::new(true, &["0.001"]).await;
    let topic = Topic::new(name(FeedChannel::Book, Some("work")), None, &stage.broker);
    let ((slow, _unread), (quick, mut queue)) = (Reader::new(16), Reader::new(16));
    for reader in [&slow, &quick] {
        topic.join(reader, None, START);
    }
    let mut local = LocalBook::new("work");
    local.apply(&next(&mut queue).await.0).unwrap();
    for free in 1..=40 {
        let level = Level {
            deployment: DeploymentId::try_new("a").unwrap(),
            venue: VenueId::try_new("a").unwrap(),
            cost: Money::from_pico(7),
            free,
            capacity: 40,
            why: None,
        };
        assert!(topic.book(vec![level], &stage.broker, START));
        assert_eq!(local.apply(&next(&mut queue).await.0), Ok(Step::Changed));
    }
    assert_eq!(slow.closing().await, Closing::SlowReader);
    assert_eq!(local.levels().next().unwrap().free, 40);
}

#[tokio::test]
async fn a_book_follows_the_calls_and_ends_with_its_function() {
    let stage = Stage::new(true, &["0.001"]).await;
    let (reader, mut queue) = Reader::new(64);
    let book = name(FeedChannel::Book, Some("work"));
    subscribe(&stage.broker, &reader, &book, Some(7)).unwrap();
    let mut local = LocalBook::new("work");
    let (snapshot, _) = next(&mut queue).await;
    assert!(matches!(&snapshot, FeedMessage::Snapshot(FeedData { id: Some(7), prev_seq: None, .. })), "{snapshot:?}");
    local.apply(&snapshot).unwrap();
    assert_eq!(local.levels().map(|level| (level.free, level.capacity)).collect::<Vec<_>>(), [(1000, 1000)]);

    stage.venues[0].then([Call::Hang]);
    let call = stage.call(&[]);
    tokio::pin!(call);
    let update = tokio::select! {
        _ = &mut call => panic!("it hangs"),
        update = next(&mut queue) => update.0,
    };
    local.apply(&update).unwrap();
    assert_eq!(local.levels().next().unwrap().free, 999);

    // Once more: a new snapshot, and no update twice.
    subscribe(&stage.broker, &reader, &book, None).unwrap();
    assert!(matches!(next(&mut queue).await.0, FeedMessage::Snapshot(_)));
    stage.broker.functions.remove("work").unwrap();
    let (last, mark) = next(&mut queue).await;
    assert!(matches!(&last, FeedMessage::Unsubscribed { reason, .. } if reason == "function_removed"), "{last:?}");
    assert_eq!(mark, Some(Mark::Ended));
    assert!(subscribe(&stage.broker, &reader, &book, None).is_err());
}

#[tokio::test]
async fn nothing_is_made_when_the_last_reader_has_gone() {
    let stage = Stage::new(true, &["0.001"]).await;
    let (reader, mut queue) = Reader::new(64);
    for channel in [FeedChannel::Book, FeedChannel::Tape, FeedChannel::Candles] {
        subscribe(&stage.broker, &reader, &name(channel, Some("work")), None).unwrap();
        next(&mut queue).await;
    }
    assert!(stage.broker.feed.wants_fills());
    stage.broker.feed.leave(&reader);
    let gone = async {
        while stage.broker.feed.wants_fills() || !stage.broker.feed.topics().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("the producers end");
    assert_eq!(Arc::strong_count(&reader), 1);
}
