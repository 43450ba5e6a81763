//! `merit book --follow` and `merit tape`: market data as it comes.
//!
//! On a terminal the book is drawn anew in place; elsewhere, and for fills, what is new is written below. With `--json`
//! each line is a JSON value.
//!
//! A connection that ends is opened again, with growing pauses and a word on stderr for each; a book begins anew then
//! with its snapshot. Both end when the broker refuses: the first connection, the key, or the subscription.
//!
//! Known limitation: of the fills between two connections those are told that the broker's snapshot has, and of those
//! before, which it may have too, some are told twice.

use std::time::Duration;

use clap::Args;
use merit_units::FunctionId;
use merit_wire::feed::{EVERY_FUNCTION, FeedBody, FeedChannel, FeedData, FeedMessage, FillView, LevelView};
use serde::Serialize;

use crate::Exit;
use crate::client::Client;
use crate::failure::Failure;
use crate::feed::{Feed, LocalBook, Step};
use crate::output::{Output, Table};
use crate::values::{dollars, per_million};

/// Between the end of a connection and the next attempt, at first and at most.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Options of `tape`.
#[derive(Args, Clone, Debug)]
pub struct TapeArgs {
    /// The function; without it the fills of all
    #[arg(value_parser = FunctionId::try_new)]
    pub function: Option<FunctionId>,
}

/// A book as `--json` tells it.
#[derive(Serialize)]
struct BookLine<'a> {
    function: &'a str,
    seq: u64,
    at: &'a str,
    levels: Vec<&'a LevelView>,
}

/// A subscription that outlives its connection.
struct Lasting<'a> {
    client: &'a Client,
    channel: FeedChannel,
    function: &'a str,
    feed: Feed,
}

impl<'a> Lasting<'a> {
    async fn open(client: &'a Client, channel: FeedChannel, function: &'a str) -> Result<Self, Failure> {
        let mut feed = Feed::connect(client).await?;
        feed.subscribe(channel, &[function]).await.map_err(Failure::Feed)?;
        Ok(Self { client, channel, function, feed })
    }

    /// The next message; `None` when the connection is another now.
    async fn next(&mut self, output: &mut Output<'_>) -> Result<Option<FeedMessage>, Failure> {
        match self.feed.next().await {
            Ok(message) => Ok(Some(message)),
            Err(why) => self.reopen(why, output).await.map(|()| None),
        }
    }

    /// Asks for a new snapshot.
    async fn again(&mut self, output: &mut Output<'_>) -> Result<(), Failure> {
        match self.feed.subscribe(self.channel, &[self.function]).await {
            Ok(()) => Ok(()),
            Err(why) => self.reopen(why, output).await,
        }
    }

    async fn reopen(&mut self, mut why: String, output: &mut Output<'_>) -> Result<(), Failure> {
        let mut pause = PAUSE;
        loop {
            let seconds = pause.as_secs_f64();
            output.message(&format!("the connection ended: {why}; connecting again in {seconds} s"))?;
            tokio::time::sleep(pause).await;
            match Self::open(self.client, self.channel, self.function).await {
                Ok(opened) => {
                    *self = opened;
                    return Ok(());
                }
                Err(failure) if failure.may_pass() => why = failure.to_string(),
                Err(failure) => return Err(failure),
            }
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }
}

/// Shows a book, and again whenever it changes.
pub(crate) async fn follow(function: &str, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let mut feed = Lasting::open(client, FeedChannel::Book, function).await?;
    let mut book = LocalBook::new(function);
    let in_place = output.out_terminal() && !output.json();
    loop {
        let Some(message) = feed.next(output).await? else {
            book = LocalBook::new(function);
            continue;
        };
        match book.apply(&message) {
            Ok(Step::Changed) => {}
            Ok(Step::Unchanged) => {
                refused(&message)?;
                continue;
            }
            Err(broken) => {
                output.message(&format!("{broken}; asking for a new snapshot"))?;
                feed.again(output).await?;
                continue;
            }
        }
        if in_place {
            output.clear()?;
        }
        show(function, &book, data(&message).map_or("", |data| &data.at), output)?;
    }
}

/// Shows fills as they come.
pub(crate) async fn tape(args: &TapeArgs, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let function = args.function.as_ref().map_or(EVERY_FUNCTION, FunctionId::as_str);
    let mut feed = Lasting::open(client, FeedChannel::Tape, function).await?;
    loop {
        let Some(message) = feed.next(output).await? else { continue };
        let Some(FeedData { body: FeedBody::Tape { fills, lost }, .. }) = data(&message) else {
            refused(&message)?;
            continue;
        };
        if *lost > 0 {
            output.message(&format!("{lost} fills came faster than the broker tells them, and are missing here"))?;
        }
        for fill in fills {
            if output.json() { output.json_line(fill)? } else { output.line(&line(fill))? }
        }
    }
}

fn data(message: &FeedMessage) -> Option<&FeedData> {
    match message {
        FeedMessage::Snapshot(data) | FeedMessage::Update(data) => Some(data),
        _ => None,
    }
}

/// Fails when the broker refuses the subscription or ends it.
fn refused(message: &FeedMessage) -> Result<(), Failure> {
    match message {
        FeedMessage::Error { reason, message, .. } => {
            Err(Failure::Subscription { reason: reason.clone(), message: message.clone() })
        }
        FeedMessage::Unsubscribed { function, reason, .. } => {
            Err(Failure::Feed(format!("the subscription to `{function}` ended: {reason}")))
        }
        _ => Ok(()),
    }
}

fn show(function: &str, book: &LocalBook, at: &str, output: &mut Output<'_>) -> std::io::Result<()> {
    let seq = book.seq().unwrap_or_default();
    let levels: Vec<&LevelView> = book.levels().collect();
    if output.json() {
        return output.json_line(&BookLine { function, seq, at, levels });
    }
    output.heading(&format!("{function}: {} levels, seq {seq}, {at}", levels.len()))?;
    let mut table = Table::new(&["venue", "deployment", "per million", "free"]);
    for level in levels {
        table.row([
            level.venue.clone(),
            level.deployment.clone(),
            per_million(&level.cost),
            format!("{}/{}", level.free, level.capacity),
        ]);
    }
    output.table(&table)
}

fn line(fill: &FillView) -> String {
    let FillView { at, function, venue, deployment, charge, estimated, size } = fill;
    let guess = if *estimated { " (estimated)" } else { "" };
    format!("{at}  {function}  {venue}  {deployment}  {} MB  {}{guess}", size.memory_mb, dollars(charge))
}
