//! A broker whose price list changes, breaks and comes back, on a server that says exactly what the test wants.

mod awaited;
mod import;
mod pages;
mod rates;
mod server;

use std::io::Write as _;
use std::path::Path;

use merit_config::{Config, Env, Source};
use merit_price_lists::aws::sample::OfferSample;
use merit_pricing::{Meter, PriceSheet};
use merit_units::Rate;

use self::server::{Answer, Server};
use super::*;
use crate::clock::Clock;
use crate::testing::START;

const X86: &str = "aws-lambda/us-east-1/x86_64";
const ARM: &str = "aws-lambda/us-east-1/arm64";
const FEED: &str = "aws-lambda/us-east-1";

/// A broker with one venue under `X86` and one deployment under `ARM` there.
async fn broker(folder: &Path, clock: &Clock, server: &Server, more: &str) -> Arc<Broker> {
    let text = format!(
        "[store]\ndir = \"{}\"\n[catalog]\naws_lambda_url = \"{}/{{region}}.json\"\nrefresh_hours = 24\n{more}\n\
         [venues.lambda]\nkind = \"http\"\nurl = \"http://127.0.0.1:9/\"\nregion = \"us-east-1\"\nsheet = \"{X86}\"\n\
         private_addresses = true\n\
         [functions.work.deployments.x86]\nvenue = \"lambda\"\ntarget = \"work\"\nmemory_mb = 128\n\
         [functions.work.deployments.arm]\nvenue = \"lambda\"\ntarget = \"work-arm\"\nmemory_mb = 128\n\
         architecture = \"arm64\"\nsheet = \"{ARM}\"\n",
        folder.display(),
        server.url,
    );
    let config = Config::parse(&text, &Source::Defaults, &Env::default()).unwrap_or_else(|errors| panic!("{errors}"));
    let env = Env::default();
    let started = Box::pin(crate::serve::start(&config, &env, clock.clone()));
    started.await.expect("a broker").broker
}

struct Stage {
    folder: tempfile::TempDir,
    clock: Clock,
    server: Server,
    broker: Arc<Broker>,
}

impl Stage {
    async fn new(more: &str) -> Self {
        let (folder, clock, server) = (tempfile::tempdir().unwrap(), Clock::manual(START), Server::start().await);
        let broker = broker(folder.path(), &clock, &server, more).await;
        Self { folder, clock, server, broker }
    }

    /// One look at the feeds under this answer.
    async fn look(&self, answer: Answer) -> Refreshed {
        self.server.then([answer]);
        self.clock.advance(Micros::from_secs(60));
        Box::pin(self.broker.refresh_feeds(&self.broker.feeds())).await
    }

    /// What the venue bills a request and a GB-second at, in the first tier.
    fn rates(&self) -> (String, String) {
        let sheet = self.sheet();
        let rate = |meter| sheet.prices().find(|price| price.meter == meter).map(|price| price.rate.to_string());
        (rate(Meter::Request).expect("billed"), rate(Meter::GbSecond).expect("billed"))
    }

    fn sheet(&self) -> Arc<PriceSheet> {
        self.broker.directory.load().venue("lambda").unwrap().prices.sheet().expect("a sheet")
    }

    fn metric(&self, line: &str) -> bool {
        self.broker.metrics.render().lines().any(|other| other == line)
    }
}

fn sample() -> OfferSample {
    OfferSample::of_regions(&["us-east-1"])
}

/// The sample with every regional price at `percent`.
fn at_percent(percent: u128) -> OfferSample {
    let mut sample = sample();
    for range in sample.products.iter_mut().flat_map(|product| &mut product.ranges) {
        let rate: Rate = range[2].parse().expect("a rate");
        range[2] = Rate::from_atto(rate.atto() * percent / 100).to_string();
    }
    sample.version = format!("20261121{percent:0>6}");
    sample
}

fn file(sample: &OfferSample, etag: &str) -> Answer {
    Answer::ok(sample.to_file().into_bytes()).header("ETag", etag)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn problem(refreshed: &Refreshed) -> &str {
    refreshed.feeds[0].outcome.as_ref().expect_err("it failed")
}

const DEFAULT: (&str, &str) = ("0.0000002", "0.0000166667");

fn same(rates: &(String, String), expected: (&str, &str)) -> bool {
    (rates.0.as_str(), rates.1.as_str()) == expected
}

#[tokio::test]
async fn a_price_list_comes_into_force_is_confirmed_and_outlives_a_restart() {
    let stage = Stage::new("").await;
    let first = stage.look(file(&sample(), "\"one\"")).await;
    assert_eq!(first.feeds[0].outcome.as_deref(), Ok("read version 20260521184754"));
    assert_eq!((first.put.len(), first.confirmed, first.held.len()), (4, 0, 0));
    assert_eq!(stage.sheet().source().title.split(',').next(), Some("AWS Price List"));
    assert_eq!(stage.sheet().seq(), 2);
    let books = stage.broker.metrics.book_builds.get();
    let dearer = stage.look(file(&at_percent(110), "\"two\"")).await;
    assert_eq!(dearer.put.len(), 4);
    assert!(same(&stage.rates(), ("0.00000022", "0.00001833337")), "{:?}", stage.rates());
    assert!(stage.broker.metrics.book_builds.get() > books, "its books are rebuilt");
    let function = stage.broker.functions.get("work").unwrap();
    let arm = function.deployments.iter().find(|deployment| deployment.id.as_str() == "arm").expect("there");
    assert_eq!(arm.prices.sheet().expect("a sheet").seq(), 3, "a deployment's own sheet is kept up too");

    let confirmed = stage.look(Answer::status(304)).await;
    assert_eq!(confirmed.feeds[0].outcome.as_deref(), Ok("not modified"));
    assert_eq!((confirmed.put.len(), confirmed.confirmed), (0, 4));
    assert_eq!(stage.server.last("if-none-match").as_deref(), Some("\"two\""));
    assert_eq!(stage.broker.catalog.confirmed_at(X86), Some(stage.clock.now()));

    let Stage { folder, clock, server, broker: former } = stage;
    former.store.clone().close().unwrap();
    drop(former);
    let again = Stage { broker: broker(folder.path(), &clock, &server, "").await, folder, clock, server };
    assert!(same(&again.rates(), ("0.00000022", "0.00001833337")), "{:?}", again.rates());
    assert_eq!(again.broker.catalog.confirmed_at(X86), Some(again.clock.now()));
    let after = again.look(Answer::status(304)).await;
    assert_eq!(after.confirmed, 4);
    assert_eq!(again.server.last("if-none-match").as_deref(), Some("\"two\""));
    let history = again.broker.store.catalog_history(&X86.parse().unwrap(), 9).unwrap();
    let entries: Vec<_> = history.iter().map(|row| (row.seq, row.feed.as_str())).collect();
    assert_eq!(entries, [(3, FEED), (2, FEED), (1, BUILT_IN)]);
}

#[tokio::test]
async fn a_broken_price_list_leaves_the_last_good_prices_and_warns() {
    let stage = Stage::new("max_file_bytes = 200000\ntimeout_ms = 60000").await;
    stage.look(file(&sample(), "\"good\"")).await;
    let text = sample().to_file();
    let long = Answer::ok(vec![b' '; 200_001]);
    let mut unit = sample();
    for product in unit.products.iter_mut().filter(|product| product.group.contains("-Duration")) {
        "Lambda-MB-Second".clone_into(&mut product.unit);
    }
    let cases: [(Answer, &str); 9] = [
        (Answer::ok(text.as_bytes()[..text.len() / 2].to_vec()), "EOF while parsing"),
        (Answer::ok(b"<html><body>sorry</body></html>".to_vec()), "it begins with `<html>"),
        (Answer::ok(Vec::new()), "it is empty"),
        (Answer::ok(text.replace("AWSLambda", "AmazonEC2").into_bytes()), "it is the offer `AmazonEC2`"),
        (Answer::ok(gzip(&vec![b' '; 50_000_000])).header("Content-Encoding", "gzip"), "unpacked it has more than"),
        (Answer::ok(b"no gzip".to_vec()).header("Content-Encoding", "gzip"), "it can't be unpacked"),
        (Answer::ok(b"x".to_vec()).header("Content-Encoding", "br"), "packed as `br`"),
        (long, "more than catalog.max_file_bytes = 200000"),
        (Answer::status(403), "403 Forbidden; it wants credentials"),
    ];
    for (number, (answer, wanted)) in cases.into_iter().enumerate() {
        let refreshed = stage.look(answer).await;
        assert!(problem(&refreshed).contains(wanted), "{wanted}: {refreshed:?}");
        assert!(same(&stage.rates(), DEFAULT) && refreshed.put.is_empty());
        let warning = stage.broker.catalog.warning(X86).expect("a warning");
        assert!(warning.contains(wanted), "{warning}");
        let failures = format!("merit_catalog_feed_failures_total{{feed=\"{FEED}\"}} {}", number + 1);
        assert!(stage.metric(&failures), "{failures} in\n{}", stage.broker.metrics.render());
    }
    // What was not read is not taken for known: the server compares with the last good one.
    let good = stage.look(file(&at_percent(105), "\"better\"")).await;
    assert_eq!(stage.server.last("if-none-match").as_deref(), Some("\"good\""));
    assert_eq!(good.put.len(), 4);
    assert_eq!(stage.broker.catalog.warning(X86), None);
    assert!(same(&stage.rates(), ("0.00000021", "0.000017500035")), "{:?}", stage.rates());
    let refreshed = stage.look(Answer::ok(unit.to_file().into_bytes())).await;
    assert_eq!(refreshed.held.len(), 4, "{refreshed:?}");
    assert!(stage.broker.catalog.warning(X86).expect("a warning").contains("the unit is `Lambda-MB-Second`"));
    assert!(stage.metric("merit_catalog_held 4"));
    let refusal = stage.broker.accept_held(&[X86.to_owned()], "mk_1").await.expect_err("nothing to put in force");
    assert!(refusal.to_string().contains("has no usable prices"), "{refusal}");
}

#[tokio::test]
async fn a_move_too_large_is_held_until_someone_accepts_it() {
    let stage = Stage::new("").await;
    stage.look(file(&sample(), "\"one\"")).await;
    let halved = stage.look(file(&at_percent(50), "\"half\"")).await;
    assert_eq!((halved.put.len(), halved.held.len()), (0, 4));
    assert!(same(&stage.rates(), DEFAULT));
    let warning = stage.broker.catalog.warning(X86).expect("a warning");
    assert!(warning.contains("request moves from 0.0000002 to 0.0000001, more than 25 %"), "{warning}");
    // Nothing new: what is held stays held, and is not confirmed.
    let again = stage.look(Answer::status(304)).await;
    assert_eq!((again.confirmed, stage.broker.catalog.state().held.len()), (0, 4));
    let near =
        stage.broker.accept_held(&["aws-lambda/us-east-1/x86_65".to_owned()], "mk_1").await.expect_err("unknown");
    assert!(near.to_string().contains(X86), "{near}");
    let accepted = stage.broker.accept_held(&[X86.to_owned()], "mk_1").await.expect("accepted");
    assert_eq!(accepted.put.len(), 1);
    assert!(same(&stage.rates(), ("0.0000001", "0.00000833335")), "{:?}", stage.rates());
    assert_eq!(stage.broker.catalog.warning(X86), None);
    let history = stage.broker.store.catalog_history(&X86.parse().unwrap(), 1).unwrap();
    assert_eq!(history[0].accepted_by, "mk_1");
    assert!(history[0].changes.contains(r#"{"what":"request","from":"0.0000002","to":"0.0000001"}"#));
    // The rest settles when the list says the former prices again.
    let back = stage.look(file(&sample(), "\"one\"")).await;
    assert_eq!((back.confirmed, back.held.len()), (3, 1), "{back:?}");
    assert_eq!(stage.broker.accept_held(&[], "mk_1").await.expect("accepted").put.len(), 1);
    assert!(same(&stage.rates(), DEFAULT));
}

#[tokio::test]
async fn a_sheet_that_is_gone_from_the_list_is_held_and_stays() {
    let stage = Stage::new("").await;
    stage.look(file(&sample(), "\"one\"")).await;
    let mut less = sample();
    less.products.retain(|product| !product.group.ends_with("-ARM"));
    let refreshed = stage.look(file(&less, "\"two\"")).await;
    assert_eq!((refreshed.confirmed, refreshed.held.len()), (2, 2));
    assert!(stage.broker.catalog.warning(ARM).expect("a warning").contains("has it no more"));
    assert!(stage.broker.catalog.find(ARM).is_some());
}

#[tokio::test]
async fn a_transfer_that_breaks_off_goes_on_where_it_stopped() {
    let stage = Stage::new("").await;
    let whole = gzip(at_percent(110).to_file().as_bytes());
    let (head, tail) = whole.split_at(whole.len() / 3);
    let part = Answer::ok(head.to_vec()).header("ETag", "\"x\"").header("Content-Encoding", "gzip");
    let range = format!("bytes {}-{}/{}", head.len(), whole.len() - 1, whole.len());
    let rest = Answer::partial(tail.to_vec()).header("Content-Range", &range);
    stage.server.then([part.cut_short_of(whole.len()), Answer::status(503)]);
    let refreshed = stage.look(rest).await;
    assert_eq!(refreshed.put.len(), 4, "{refreshed:?}");
    assert_eq!(stage.server.last("range").as_deref(), Some(format!("bytes={}-", head.len()).as_str()));
    assert_eq!(stage.server.last("if-range").as_deref(), Some("\"x\""));
    assert!(same(&stage.rates(), ("0.00000022", "0.00001833337")));

    // A server that has no ranges is asked for the whole again.
    let part = Answer::ok(head.to_vec()).header("ETag", "\"x\"").header("Content-Encoding", "gzip");
    stage.server.then([part.cut_short_of(whole.len()), Answer::status(404)]);
    let refreshed = stage.look(file(&at_percent(115), "\"y\"")).await;
    assert_eq!(refreshed.put.len(), 4, "{refreshed:?}");
    assert_eq!(stage.server.last("range"), None);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let stage = Stage::new("timeout_ms = 200").await;
    let refreshed = stage.look(Answer::silence()).await;
    assert!(problem(&refreshed).contains("not there within catalog.timeout_ms = 200"), "{refreshed:?}");
}

#[tokio::test]
async fn a_sheet_that_was_put_at_a_venue_is_left_alone() {
    let stage = Stage::new("").await;
    let own = Arc::new(stage.sheet().scaled(90));
    stage.broker.put_sheet("lambda", &own).unwrap();
    let refreshed = stage.look(file(&at_percent(110), "\"one\"")).await;
    assert_eq!(refreshed.put.len(), 4);
    assert!(Arc::ptr_eq(&stage.sheet(), &own));
}

#[tokio::test]
async fn feeds_are_due_by_the_schedule_and_sooner_after_a_failure() {
    let stage = Stage::new("").await;
    let due = || stage.broker.due_feeds(stage.clock.now()).len();
    let hours = |hours: u64| stage.clock.advance(Micros::from_secs(hours * 3600));
    assert_eq!(due(), 1, "never asked");
    stage.look(file(&sample(), "\"one\"")).await;
    assert_eq!(due(), 0);
    hours(23);
    assert_eq!(due(), 0);
    hours(1);
    assert_eq!(due(), 1);
    stage.look(Answer::status(404)).await;
    assert_eq!(due(), 0);
    hours(1);
    assert_eq!(due(), 1);
    let mut settings = (**stage.broker.settings.load()).clone();
    settings.catalog.refresh_hours = 0;
    stage.broker.settings.store(Arc::new(settings));
    assert_eq!(due(), 0, "nobody is asked unasked");
}

#[tokio::test]
async fn a_confirmed_price_is_fresh_and_one_that_is_not_confirmed_becomes_stale() {
    let stage = Stage::new("").await;
    stage.look(file(&sample(), "\"one\"")).await;
    let ineligible = || {
        let directory = stage.broker.directory.load();
        directory.venue("lambda").unwrap().prices.in_force().ineligible(stage.clock.now())
    };
    let days = |days: u64| stage.clock.advance(Micros::from_secs(days * 86_400));
    days(29);
    stage.look(Answer::status(304)).await;
    days(29);
    assert_eq!(ineligible(), None);
    days(2);
    assert!(ineligible().is_some(), "30 days without a word");
    stage.look(Answer::status(304)).await;
    assert_eq!(ineligible(), None);
}
