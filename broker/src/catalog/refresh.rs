//! One look at the feeds: fetched, read, judged, stored, and only then in force.

use std::sync::Arc;
use std::time::Duration;

use merit_config::Secret;
use merit_pricing::{Change, Date, MoveLimit};
use merit_store::StoreError;
use merit_units::{SheetName, Timestamp};

use super::feeds::{Feed, aws_region};
use super::fetch::FetchLimits;
use super::list::{Format, Read};
use super::pages::{self, Looked, PageLimits, Who};
use super::plan::{Plan, in_force, json, unlimited};
use super::products::Products;
use super::rates;
use super::state::{FeedState, State};
use crate::Broker;
use crate::clock::rfc3339;
use crate::refusal::Refusal;

/// What a look at the feeds came to.
#[derive(Clone, Debug, Default)]
pub struct Refreshed {
    /// Each feed with what came of it.
    pub feeds: Vec<FeedOutcome>,
    /// Sheets that came into force.
    pub put: Vec<SheetName>,
    /// How many sheets in force were confirmed.
    pub confirmed: usize,
    /// Sheets held.
    pub held: Vec<SheetName>,
}

/// What came of a look at one feed.
#[derive(Clone, Debug)]
pub struct FeedOutcome {
    /// Its name.
    pub feed: String,
    /// What happened, or why it failed.
    pub outcome: Result<String, String>,
}

impl Broker {
    /// Looks at these feeds, one after another.
    pub async fn refresh_feeds(&self, feeds: &[Feed]) -> Refreshed {
        let mut all = Refreshed::default();
        for feed in feeds {
            let outcome = match self.ask(feed).await {
                Ok((looked, now)) => self.take(feed, looked, now, &mut all).await,
                Err(problem) => Err(problem),
            };
            let outcome = match outcome {
                Ok(done) => Ok(done),
                Err(problem) => Err(self.note_problem(feed, problem).await),
            };
            all.feeds.push(FeedOutcome { feed: feed.name.clone(), outcome });
        }
        self.count_catalog();
        all
    }

    /// Fetches and reads; nothing changes.
    async fn ask(&self, feed: &Feed) -> Result<(Looked, Timestamp), String> {
        let settings = self.settings.load_full();
        let catalog = &settings.catalog;
        let limits = PageLimits {
            fetch: FetchLimits {
                max_bytes: catalog.max_file_bytes,
                used: 0,
                timeout: Duration::from_millis(catalog.timeout_ms),
            },
            max_pages: catalog.max_pages,
            pause: Duration::from_millis(catalog.page_pause_ms),
        };
        let who = match feed.format {
            Format::GoogleSkus => Who { key: catalog.google_api_key.as_ref().map(Secret::expose), ..Who::default() },
            Format::AwsProducts => Who { products: self.products(feed), ..Who::default() },
            _ => Who::default(),
        };
        let state = self.catalog.state();
        let known = state.feeds.get(&feed.name).filter(|known| known.url == feed.url);
        let validators = known.map(|known| known.validators.clone()).unwrap_or_default();
        let today = day_of(self.clock.now());
        let looked = pages::look(feed, who, &validators, limits, today).await?;
        Ok((looked, self.clock.now()))
    }

    /// Who asks AWS's API for a region's prices.
    fn products(&self, feed: &Feed) -> Option<Arc<Products>> {
        let settings = self.settings.load();
        let (own, region) = (settings.catalog.aws_products.as_ref()?, aws_region(&feed.name)?);
        Some(Arc::new(Products::new(own, self.clock.clone(), region)))
    }

    /// Judges an answer, stores what follows, and puts it in force.
    async fn take(&self, feed: &Feed, looked: Looked, now: Timestamp, all: &mut Refreshed) -> Result<String, String> {
        let _changing = self.catalog.changing.lock().await;
        let state = self.catalog.state();
        let mut known = state.feeds.get(&feed.name).cloned().unwrap_or_default();
        let mut problems = Vec::new();
        let (plan, outcome) = match looked {
            Looked::NotModified => (Plan::confirming(feed, &state, now), "not modified".to_owned()),
            Looked::Read(mut read, validators) => {
                known.validators = validators;
                let same = known.version == read.version && known.url == feed.url;
                known.version.clone_from(&read.version);
                let limit = MoveLimit { percent: self.settings.load().catalog.max_move_percent };
                let outcome = format!("read version {}{}", read.version, if same { ", as before" } else { "" });
                self.refuse_unknown_currencies(&mut read);
                let rates = read.rates.as_ref().map(|list| self.judge_rates(list, now));
                let mut plan = Plan::of(feed, read, &state, limit, now);
                if let Some((rates, refused)) = rates {
                    (known.rates, problems) = (rates::storable(&rates), refused);
                    plan.rates = Some(rates);
                }
                (plan, outcome)
            }
        };
        let at = now.micros();
        let known = FeedState { url: feed.url.clone(), checked_at: at, confirmed_at: at, problem: None, ..known };
        self.tell(&plan, all);
        self.carry_out(plan, Some((feed.name.clone(), known)), now).await.map_err(|error| error.to_string())?;
        if problems.is_empty() { Ok(outcome) } else { Err(problems.join("; ")) }
    }

    pub(super) fn tell(&self, plan: &Plan, all: &mut Refreshed) {
        all.put.extend(plan.live.iter().map(|(name, _)| name.clone()));
        all.confirmed += plan.rows.confirmed.len();
        all.held.extend(plan.held.iter().map(|(name, _)| name.clone()));
    }

    /// What could be charged in a currency only that nobody can convert is no use, and says what to do.
    pub(super) fn refuse_unknown_currencies(&self, read: &mut Read) {
        for (_, offered) in &mut read.sheets {
            let why = offered.as_ref().ok().and_then(|sheet| self.unknown_currency(sheet.currency()));
            if let Some(why) = why {
                *offered = Err(vec![why]);
            }
        }
    }

    /// Stores, and then puts in force.
    pub(super) async fn carry_out(
        &self,
        plan: Plan,
        feed: Option<(String, FeedState)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Plan { mut rows, live, held, rates } = plan;
        rows.at = now;
        rows.feed = feed.as_ref().map(|(name, state)| (name.clone(), json(state)));
        let (confirmed, settled) = (rows.confirmed.clone(), rows.settled.clone());
        self.store.put_catalog(rows).await?;
        let former = self.catalog.state();
        let mut next = (*former).clone();
        next.feeds.extend(feed);
        for name in &confirmed {
            if let Some(live) = next.live.get_mut(name) {
                live.confirmed_at = now;
            }
        }
        settled.iter().for_each(|name| drop(next.held.remove(name)));
        next.live.extend(live.iter().cloned());
        next.held.extend(held);
        let converted = rates.is_some();
        next.rates = rates.unwrap_or(next.rates);
        self.catalog.state.store(Arc::new(next));
        if converted {
            self.put_rates(now);
        }
        for (name, live) in &live {
            let functions = self.put_catalog_sheet(in_force(&former, name).as_ref(), &live.sheet, now);
            tracing::info!(sheet = %name, seq = live.sheet.seq(), functions, feed = live.feed, "live prices are in force");
        }
        for name in &confirmed {
            if let Some(sheet) = in_force(&former, name) {
                self.confirm_catalog_sheet(&sheet, now);
            }
        }
        Ok(())
    }

    /// Keeps why a look failed. What is in force stays.
    async fn note_problem(&self, feed: &Feed, problem: String) -> String {
        tracing::warn!(feed = feed.name, url = feed.url, problem, "the price feed fails; the last good prices stay");
        self.metrics.feed_failed(&feed.name);
        let _changing = self.catalog.changing.lock().await;
        let now = self.clock.now();
        let known = self.catalog.state().feeds.get(&feed.name).cloned().unwrap_or_default();
        let known =
            FeedState { url: feed.url.clone(), checked_at: now.micros(), problem: Some(problem.clone()), ..known };
        if let Err(error) = self.carry_out(Plan::default(), Some((feed.name.clone(), known)), now).await {
            tracing::error!(%error, "the state of a price feed could not be stored");
        }
        problem
    }

    /// Puts held sheets in force on a person's word: these, or all that can be when none is named.
    ///
    /// # Errors
    /// [`Refusal`] for a name of which nothing is held or can be used; then nothing has changed.
    pub async fn accept_held(&self, names: &[String], by: &str) -> Result<Refreshed, Refusal> {
        let _changing = self.catalog.changing.lock().await;
        let (state, now) = (self.catalog.state(), self.clock.now());
        let mut plan = Plan::default();
        let chosen: Vec<SheetName> = match names {
            [] => state.held.iter().filter(|(_, held)| held.sheet.is_some()).map(|(name, _)| name.clone()).collect(),
            names => names.iter().map(|name| held_name(&state, name)).collect::<Result<_, _>>()?,
        };
        for name in chosen {
            let held = &state.held[&name];
            let Some(sheet) = &held.sheet else {
                let why = held.reasons.join("; ");
                return Err(Refusal::BadRequest(format!("{name} has no usable prices to put in force: {why}")));
            };
            let last = in_force(&state, &name);
            let change = last.as_ref().map_or_else(Change::default, |last| unlimited(last, sheet, now));
            let sheet = sheet.numbered(last.map_or(1, |last| last.seq().saturating_add(1)));
            plan.put(&state, name, sheet, &change.differences, (&held.feed, by), now);
        }
        let put = plan.live.iter().map(|(name, _)| name.clone()).collect();
        self.carry_out(plan, None, now).await.map_err(|error| Refusal::Internal(error.to_string()))?;
        self.count_catalog();
        Ok(Refreshed { put, ..Refreshed::default() })
    }

    pub(crate) fn count_catalog(&self) {
        let state = self.catalog.state();
        let confirmed = |feed: &FeedState| Timestamp::from_micros(feed.confirmed_at);
        let feeds = state.feeds.iter().map(|(name, feed)| (name.as_str(), confirmed(feed)));
        self.metrics.catalog(state.held.len(), feeds);
    }
}

fn held_name(state: &State, name: &str) -> Result<SheetName, Refusal> {
    let found = state.held.get_key_value(name).map(|(name, _)| name.clone());
    found.ok_or_else(|| Refusal::Unknown {
        kind: "held sheet",
        name: name.to_owned(),
        near: crate::venue::near(name, state.held.keys().map(SheetName::as_str)),
    })
}

pub(super) fn day_of(now: Timestamp) -> Date {
    rfc3339(now)[..10].parse().expect("invariant: a time begins with its day")
}
