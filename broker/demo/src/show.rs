//! The run itself: the tour, the load, the two incidents, and the figures at the end.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::bills::{Bill, Bills};
use crate::books;
use crate::calls::{Calls, Sums};
use crate::config::POOL;
use crate::hints::{self, Places};
use crate::incident::{self, Incident, Moved, What};
use crate::live::Live;
use crate::load;
use crate::report::Report;
use crate::sample::SAMPLES;
use crate::saving::Saving;
use crate::screen::{Screen, Style};
use crate::stage::Stage;
use crate::story;
use crate::{DemoError, Options};

/// How often a live table is drawn.
const REDRAW: Duration = Duration::from_secs(1);

/// How often plain lines are written instead: six times in all, and not more often than a second.
const PLAIN_PARTS: u64 = 6;

/// Runs the load and reports.
///
/// # Errors
/// When a process does not answer as it should, or the output can't be written.
pub(crate) async fn show(options: &Options, stage: &Stage, screen: &mut Screen) -> Result<Report, DemoError> {
    let Options { seconds, rate, .. } = options;
    screen.say(
        Style::Faint,
        &format!(
            "the tour: each function {} at each venue, to learn prices ...",
            if options.tour == 1 { "once".to_owned() } else { format!("{} times", options.tour) }
        ),
    )?;
    let tour_calls = load::tour(&stage.broker, &stage.venues(), options.tour).await?;
    let asks = stage.broker.book(SAMPLES[0].name).await?.asks;
    let rule = asks.iter().find(|ask| ask.venue == POOL).and_then(|ask| ask.rule.as_ref());
    if let Some(text) = rule.and_then(story::price_rule) {
        screen.say(Style::Plain, &format!("{text}\n"))?;
    }
    // Everything from here on is the load: the report ends where the next one begins.
    let from = stage.broker.alternatives(&start_of(&options.today)).await?.to;
    screen.say(Style::Faint, "importing the bills of the clouds that tell no meters ...")?;
    let mut bills = Bills::default();
    let tour_bills = bills.import(stage, &start_of(&options.today), &from).await?;
    screen.say(Style::Faint, &format!("the load: {rate} calls a second for {seconds} s\n"))?;

    let length = Duration::from_secs(*seconds);
    let calls = Arc::new(Calls::default());
    let run = Run { stage, calls: &calls, start: Instant::now(), length, screen: Mutex::new(screen) };
    let (incidents, ()) = tokio::select! {
        both = async { tokio::join!(run.incidents(), load::drive(&stage.broker, &calls, run.start, length, *rate)) } => both,
        Err(error) = run.draw() => return Err(error),
    };
    let incidents = incidents?;
    run.say(Style::Plain, "")?;
    let to = stage.broker.alternatives(&from).await?.to;
    let bills = [tour_bills, bills.import(stage, &from, &to).await?];
    report(options, stage, Before { tour_calls, bills, from }, &calls, incidents, length).await
}

/// The load while it runs.
struct Run<'a> {
    stage: &'a Stage,
    calls: &'a Arc<Calls>,
    start: Instant,
    length: Duration,
    screen: Mutex<&'a mut Screen>,
}

impl Run<'_> {
    /// Raises a price at a third and kills a cloud at two thirds.
    async fn incidents(&self) -> Result<Vec<Incident>, DemoError> {
        let mut incidents = Vec::new();
        for (part, what) in [(1, What::Raised), (2, What::Killed)] {
            sleep_until(self.start + self.length * part / 3).await;
            let leader = incident::leader(self.calls, &self.stage.clouds, self.start.elapsed(), &incidents);
            if let Some((venue, share)) = leader {
                incidents.push(self.happen(what, venue, share).await?);
            }
        }
        Ok(incidents)
    }

    async fn happen(&self, what: What, venue: String, share: f64) -> Result<Incident, DemoError> {
        let Stage { clouds, broker, .. } = self.stage;
        let from = self.start.elapsed();
        let books = match what {
            What::Raised => incident::raise(clouds, broker, &venue).await?,
            What::Killed => clouds.kill(&venue).await.map(|()| 0)?,
        };
        let incident = Incident { what, venue, from, until: self.start.elapsed() };
        self.say(Style::Event, &story::announcement(&incident, share, books))?;
        Ok(incident)
    }

    /// Draws the live table, or writes plain lines, until something goes wrong.
    async fn draw(&self) -> Result<Infallible, DemoError> {
        let is_live = self.screen.lock().unwrap_or_else(PoisonError::into_inner).is_live();
        let plain = Duration::from_secs((self.length.as_secs() / PLAIN_PARTS).max(1));
        let mut ticks = interval(if is_live { REDRAW } else { plain });
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        ticks.tick().await;
        let mut live = Live::new(self.stage.small(0).into_iter().map(|(venue, _)| venue).collect());
        loop {
            ticks.tick().await;
            live.update(&self.stage.broker, self.calls).await?;
            let now = self.start.elapsed();
            if is_live {
                let lines = live.lines(&self.calls.all(), now, self.length);
                self.screen.lock().unwrap_or_else(PoisonError::into_inner).draw(&lines)?;
            } else if now <= self.length {
                let lines = live.plain_lines(&self.calls.all(), now, self.length);
                self.say(Style::Plain, &lines.join("\n"))?;
            }
        }
    }

    fn say(&self, style: Style, text: &str) -> Result<(), DemoError> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner).say(style, text)
    }
}

/// What there is to report beside the load.
struct Before {
    tour_calls: u64,
    bills: [Vec<Bill>; 2],
    /// When the load began.
    from: String,
}

async fn report(
    options: &Options,
    stage: &Stage,
    Before { tour_calls, bills, from }: Before,
    calls: &Calls,
    incidents: Vec<Incident>,
    length: Duration,
) -> Result<Report, DemoError> {
    let Stage { broker, clouds, .. } = stage;
    let calls = calls.all().clone();
    let alternatives = broker.alternatives(&from).await?;
    let saving = Saving::of(&alternatives, &broker.spend(&from).await?, stage.small(options.pool_slots));
    let everything = broker.spend(&start_of(&options.today)).await?;
    let books = books::compare(broker, clouds, &everything, &calls, &incidents).await?;
    let ends: Vec<Duration> = incidents.iter().skip(1).map(|next| next.from).chain([length]).collect();
    let moved = incidents.into_iter().zip(ends).map(|(incident, end)| {
        let moved = Moved::measure(&calls, &incident, end);
        (incident, moved)
    });
    let incidents = moved.collect();
    let pool_needed = pool_needed(stage, &calls, length).await?;
    Ok(Report { length, tour_calls, calls, incidents, saving, pool_needed, bills, books })
}

/// Calls at once that the pool would have had, had it run everything: calls a second times their median length there.
async fn pool_needed(stage: &Stage, calls: &[crate::calls::Call], length: Duration) -> Result<f64, DemoError> {
    let mut busy_s = 0.0;
    for (function, sample) in SAMPLES.iter().enumerate() {
        let book = stage.broker.book(sample.name).await?;
        let length_ms = book.asks.iter().find(|ask| ask.venue == POOL).map_or(0.0, |ask| ask.latency_ms_p50);
        let own = Sums::of(calls.iter().filter(|call| call.function == function));
        busy_s += crate::calls::ratio(own.calls, 1000) * length_ms;
    }
    Ok(busy_s / length.as_secs_f64())
}

/// Tells the report and how to go on.
///
/// # Errors
/// When the output can't be written.
pub(crate) fn tell(options: &Options, stage: &Stage, report: &Report, screen: &mut Screen) -> Result<(), DemoError> {
    let parts = [
        ("What happened", story::happened(report)),
        ("What it cost", story::cost(report)),
        ("The books", story::books(report)),
    ];
    for (heading, text) in parts {
        screen.say(Style::Heading, heading)?;
        screen.say(Style::Plain, &format!("{text}\n"))?;
    }
    screen.json(report)?;
    if options.once {
        return Ok(());
    }
    let killed = report.incidents.iter().find(|(incident, _)| incident.what == What::Killed);
    let broker = stage.broker.url();
    let places = Places {
        program: &options.called,
        broker,
        broker_is_default: broker.strip_prefix("http://") == Some(options.looked_at.as_str()),
        clouds: stage.clouds.url(),
        key: &stage.key,
        folder: &stage.folder.display().to_string(),
        killed: killed.map(|(incident, _)| incident.venue.as_str()),
        invocation: report.telling_call(),
    };
    screen.say(Style::Heading, "Go on by hand")?;
    screen.say(Style::Plain, &hints::by_hand(&places))?;
    screen.say(Style::Event, &format!("\nThe broker stays up at {broker} until Ctrl-C."))
}

/// The beginning of a day, before any call of the demo.
fn start_of(day: &str) -> String {
    format!("{day}T00:00:00Z")
}
