//! Lists of exchange rates against venues that are billed in yuan.

use merit_config::{Config, Env, Source};
use merit_market::Ineligible;

use super::server::{Answer, Server};
use super::*;
use crate::clock::Clock;
use crate::testing::START;

const FEED: &str = "exchange-rates";

struct Stage {
    folder: tempfile::TempDir,
    clock: Clock,
    server: Server,
    broker: Arc<Broker>,
}

async fn start(folder: &Path, clock: &Clock, server: &Server, own: &str) -> Arc<Broker> {
    let text = format!(
        "[store]\ndir = \"{}\"\n[exchange_rates]\nlist_url = \"{}/rates\"\nstale_after_days = 3\n{own}\n\
         [venues.fc]\nkind = \"http\"\nurl = \"http://127.0.0.1:9/\"\nregion = \"cn-hangzhou\"\n\
         sheet = \"alibaba-fc/cn\"\nprivate_addresses = true\n\
         [functions.work.deployments.one]\nvenue = \"fc\"\ntarget = \"work\"\nmemory_mb = 512\nvcpu = 0.5\n",
        folder.display(),
        server.url,
    );
    let env = Env::default();
    let config = Config::parse(&text, &Source::Defaults, &env).unwrap_or_else(|errors| panic!("{errors}"));
    let started = Box::pin(crate::serve::start(&config, &env, clock.clone()));
    started.await.expect("a broker").broker
}

impl Stage {
    async fn new(own: &str) -> Self {
        let (folder, clock, server) = (tempfile::tempdir().unwrap(), Clock::manual(START), Server::start().await);
        let broker = start(folder.path(), &clock, &server, own).await;
        Self { folder, clock, server, broker }
    }

    async fn look(&self, answer: Answer) -> Result<String, String> {
        self.server.then([answer]);
        let feeds = self.broker.feeds_named(&[FEED]).expect("configured");
        let refreshed = Box::pin(self.broker.refresh_feeds(&feeds)).await;
        refreshed.feeds[0].outcome.clone()
    }

    fn ineligible(&self) -> Option<Ineligible> {
        self.broker.directory.load().venue("fc").unwrap().prices.in_force().ineligible(self.clock.now())
    }

    /// Dollars for a yuan that count.
    fn rate(&self) -> Option<String> {
        let view = self.broker.rates_in_use(self.clock.now()).pop().expect("yuan are in use");
        view.usd.filter(|_| !view.stale)
    }
}

/// Yuan for a dollar, on a day of the month in which the broker starts.
fn list(day: &str, yuan: &str) -> Answer {
    let text = format!("{{\"base\":\"USD\",\"date\":\"{day}\",\"rates\":{{\"EUR\":0.9,\"CNY\":{yuan}}}}}");
    Answer::ok(text.into_bytes())
}

fn today() -> String {
    crate::clock::rfc3339(START)[..10].to_owned()
}

#[tokio::test]
async fn a_list_makes_venues_eligible_until_it_is_stale_and_outlives_a_restart() {
    let stage = Stage::new("").await;
    assert_eq!(stage.ineligible(), Some(Ineligible::NoExchangeRate));
    assert_eq!(stage.broker.feeds().iter().map(|feed| feed.name.as_str()).collect::<Vec<_>>(), [FEED], "it is needed");
    let books = stage.broker.metrics.book_builds.get();
    assert_eq!(stage.look(list(&today(), "8")).await, Ok(format!("read version of {}", today())));
    assert_eq!((stage.ineligible(), stage.rate().as_deref()), (None, Some("0.125")));
    assert!(stage.broker.metrics.book_builds.get() > books, "its books are rebuilt");

    let Stage { folder, clock, server, broker } = stage;
    broker.store.clone().close().unwrap();
    drop(broker);
    let broker = start(folder.path(), &clock, &server, "").await;
    let stage = Stage { folder, clock, server, broker };
    assert_eq!((stage.ineligible(), stage.rate().as_deref()), (None, Some("0.125")));
    stage.clock.advance(Micros::from_secs(4 * 86_400));
    assert_eq!((stage.ineligible(), stage.rate()), (Some(Ineligible::NoExchangeRate), None));
}

#[tokio::test]
async fn what_is_wrong_with_a_list_leaves_the_rates_and_says_so() {
    let stage = Stage::new("").await;
    stage.look(list(&today(), "8")).await.expect("a list");
    for (answer, wanted) in [
        (Answer::ok(b"<html>".to_vec()), "it is not a list of exchange rates"),
        (Answer::status(404), "the server answered 404"),
        (list(&today(), "0"), "CNY: the rate `0` is not above zero"),
        (list(&today(), "0.8"), "CNY moves from 0.125 to 1.25 dollars, more than 25 %; if that is right"),
        (list("2099-01-01", "8"), "it is of 2099-01-01, which is yet to come"),
        (Answer::ok(b"{\"base\":\"USD\",\"date\":\"2020-01-01\",\"rates\":{\"EUR\":0.9}}".to_vec()), "no rate for CNY"),
    ] {
        let problem = stage.look(answer).await.expect_err(wanted);
        assert!(problem.contains(wanted), "{wanted}: {problem}");
        assert_eq!(stage.rate().as_deref(), Some("0.125"), "{wanted}");
        let known = stage.broker.catalog.state().feeds[FEED].problem.clone();
        assert!(known.is_some_and(|known| known.contains(wanted)));
    }
    // An older list changes nothing.
    stage.look(list("2020-01-01", "7.9")).await.expect("a list");
    assert_eq!(stage.rate().as_deref(), Some("0.125"));
}

#[tokio::test]
async fn of_two_rates_the_later_one_counts_and_on_one_day_the_configured_one() {
    let own = |day: &str| format!("CNY = {{ usd = \"0.13\", date = \"{day}\" }}");
    let stage = Stage::new(&own(&today())).await;
    stage.look(list(&today(), "8")).await.expect("a list");
    assert_eq!(stage.rate().as_deref(), Some("0.13"));
    let stage = Stage::new(&own("2020-01-01")).await;
    assert_eq!(stage.ineligible(), Some(Ineligible::NoExchangeRate), "stale");
    stage.look(list(&today(), "8")).await.expect("a list");
    assert_eq!((stage.ineligible(), stage.rate().as_deref()), (None, Some("0.125")));
}

#[tokio::test]
async fn a_maintained_sheet_is_called_old_until_a_newer_one_is_imported() {
    let stage = Stage::new("CNY = { usd = \"0.13\", date = \"2026-11-20\" }").await;
    let age = || stage.broker.ages(stage.clock.now()).pop().expect("something is billed by it");
    let warning = || {
        let sheet = stage.broker.directory.load().venue("fc").unwrap().prices.sheet().expect("a sheet");
        stage.broker.price_warning(&sheet, stage.clock.now())
    };
    assert_eq!((age().sheet.as_str(), age().of.as_str(), age().age_days), ("alibaba-fc/cn", "2026-11-21", 0));
    stage.clock.advance(Micros::from_secs(120 * 86_400));
    assert!(!age().old && warning().is_none());
    stage.clock.advance(Micros::from_secs(86_400));
    assert!(age().old);
    let told = warning().expect("a warning");
    assert!(told.contains("of 2026-11-21, 121 days ago") && told.contains("`merit catalog import`"), "{told}");
    let newer = stage.broker.catalog.find("alibaba-fc/cn").expect("a sheet").scaled(105).to_toml();
    let newer = newer.replace("2026-11-21", "2027-03-01").into_bytes();
    let imported = Box::pin(stage.broker.import_prices("alibaba.toml", newer, "mk_1")).await.expect("a sheet");
    assert_eq!(imported.put.len(), 1, "{imported:?}");
    assert_eq!((age().of.as_str(), age().old, warning()), ("2027-03-01", false, None));
}
