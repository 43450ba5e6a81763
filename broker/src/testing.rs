//! A broker for tests: a real store in a temporary folder, a clock set by hand, scripted venues.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use merit_config::Config;
use merit_ledger::Budget;
use merit_market::{Architecture, Isolation, RegionIndex, VenueIndex, VenueSlots};
use merit_pricing::{PriceSheet, Usage};
use merit_store::Store;
use merit_units::{AccountId, FunctionId, Micros, Money, Timestamp, VenueId};
use merit_venue::{Call, Discovered, ErrorKind, FunctionError, Limits, MeterBasis, Outcome, Reply, Venue, VenueError};
use merit_wire::{DeploymentSpec, FunctionSpec};

use crate::admit;
use crate::clock::{Clock, Stopwatch, month_of};
use crate::keys::{Key, Keys, Role};
use crate::prices::{AccountPools, Exchange, MonthlyUsage, NewSheet, Prices};
use crate::refusal::Refusal;
use crate::secrets::Secrets;
use crate::settings::Settings;
use crate::settle::Settled;
use crate::venue::{Directory, VenueEntry};
use crate::{Broker, BrokerParts, dispatch, quote};

/// 2026-11-21T10:44:00Z.
pub(crate) const START: Timestamp = Timestamp::from_micros(1_795_257_840_000_000);

/// What a scripted venue does with its next call.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Replies after using this long.
    Reply(Micros),
    /// Replies after using this long, and tells no meters.
    ByClock(Micros),
    /// Replies with this.
    Say(&'static str),
    /// Replies, and tells that an artefact of this digest ran.
    Ran(&'static str),
    /// Replies with an error of the function's own.
    FunctionError,
    /// Fails.
    Fail(Outcome, ErrorKind),
    /// Never answers.
    Hang,
}

/// A venue that does what its script says, and replies in 10 ms when it is at its end.
#[derive(Default)]
pub(crate) struct Scripted {
    script: Mutex<VecDeque<Step>>,
    pub(crate) calls: AtomicUsize,
    /// What it was called with, in order.
    pub(crate) payloads: Mutex<Vec<Bytes>>,
}

impl Scripted {
    pub(crate) fn then(&self, steps: impl IntoIterator<Item = Step>) {
        self.script.lock().unwrap().extend(steps);
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

impl Venue for Scripted {
    fn kind(&self) -> &'static str {
        "scripted"
    }

    fn invoke(&self, call: Call) -> BoxFuture<'_, Result<Reply, VenueError>> {
        self.payloads.lock().unwrap().push(call.payload);
        self.calls.fetch_add(1, Ordering::Relaxed);
        let step = self.script.lock().unwrap().pop_front().unwrap_or(Step::Reply(Micros::from_millis(10)));
        Box::pin(async move {
            match step {
                Step::Reply(duration) => Ok(reply(duration)),
                Step::ByClock(duration) => Ok(Reply { meters: MeterBasis::OwnClock, ..reply(duration) }),
                Step::Say(text) => {
                    Ok(Reply { payload: Bytes::from_static(text.as_bytes()), ..reply(Micros::from_millis(10)) })
                }
                Step::Ran(digest) => Ok(Reply { digest: Some(digest.into()), ..reply(Micros::from_millis(10)) }),
                Step::FunctionError => {
                    let error = FunctionError { kind: "Boom".to_owned(), message: "no".to_owned() };
                    Ok(Reply { function_error: Some(error), ..reply(Micros::from_millis(10)) })
                }
                Step::Fail(outcome, kind) => Err(VenueError::new(outcome, kind, "as scripted")),
                Step::Hang => std::future::pending().await,
            }
        })
    }

    fn discover(&self) -> BoxFuture<'_, Result<Option<Vec<Discovered>>, VenueError>> {
        Box::pin(async { Ok(None) })
    }

    fn price_sheet(&self) -> BoxFuture<'_, Result<Option<PriceSheet>, VenueError>> {
        Box::pin(async { Ok(None) })
    }

    fn limits(&self) -> Limits {
        Limits {
            request_bytes: 1 << 20,
            reply_bytes: 1 << 20,
            duration: std::time::Duration::from_secs(60),
            in_flight: None,
        }
    }
}

fn reply(duration: Micros) -> Reply {
    Reply {
        payload: Bytes::from_static(b"done"),
        content_type: None,
        status: 200,
        function_error: None,
        usage: Usage { duration, ..Usage::default() },
        meters: MeterBasis::Reported,
        cold: false,
        log_tail: None,
        version: None,
        digest: None,
        headers: None,
    }
}

/// A sheet that bills `price` dollars a call and nothing else.
pub(crate) fn per_call(price: &str) -> Arc<PriceSheet> {
    let text = format!(
        r#"
name = "test/per-call"
currency = "USD"
source = "test"
rule = {{ granularity_us = 1 }}
lines = [{{ meter = "request", rate = "{price}" }}]
[sources.test]
title = "made for this test"
retrieved = "2026-11-21"
"#
    );
    Arc::new(PriceSheet::parse_toml(&text).unwrap_or_else(|errors| panic!("{errors}")))
}

/// A broker with function `work` at scripted venues `a`, `b`, ... of rising price.
pub(crate) struct Stage {
    pub(crate) broker: Arc<Broker>,
    pub(crate) venues: Vec<Arc<Scripted>>,
    bearer: String,
    _folder: tempfile::TempDir,
}

impl Stage {
    /// With one venue for each price in dollars a call.
    pub(crate) async fn new(idempotent: bool, prices: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(START);
        let (store, _) = Store::open(folder.path(), clock.now()).unwrap();
        let mut settings = Settings::of(&Config::default());
        settings.market.exploration_ppm = 0;
        let usage = MonthlyUsage::new(month_of(START), AccountPools::new());
        let broker = Broker::new(BrokerParts { clock, settings, store, usage, secrets: Secrets::default() });
        let mut directory = Directory::default();
        let mut venues = Vec::new();
        let mut deployments = BTreeMap::new();
        for (number, price) in prices.iter().enumerate() {
            let name = char::from(b'a' + u8::try_from(number).unwrap()).to_string();
            let scripted = Arc::new(Scripted::default());
            let entry = entry(&broker, &name, u8::try_from(number).unwrap(), price, Arc::clone(&scripted)).await;
            directory.venues.insert(entry.id.clone(), Arc::new(entry));
            deployments.insert(name.clone(), deployment(&name));
            venues.push(scripted);
        }
        broker.directory.store(Arc::new(directory));
        let equivalence = Some("declared".to_owned());
        let spec = FunctionSpec { idempotent, equivalence, deployments: Some(deployments), ..FunctionSpec::default() };
        broker.functions.put(&broker, &FunctionId::try_new("work").unwrap(), &spec).unwrap();
        let account = AccountId::try_new("payer").unwrap();
        let (secret, record) = Keys::generate(account, [Role::Invoke].into_iter().collect());
        let number = broker.store.open_account(&record.account).await.unwrap();
        broker.keys.insert(&record, number);
        Self { broker, venues, bearer: format!("Bearer {secret}"), _folder: folder }
    }

    /// Sets the account's hard budget.
    pub(crate) async fn budget(&self, dollars: &str) {
        let hard = Some(dollars.parse().unwrap());
        let number = self.broker.ledger.account("payer").unwrap();
        self.broker.ledger.set_budget(number, Budget { hard, soft: None }).await.unwrap().unwrap();
    }

    /// Sends a call with these headers.
    pub(crate) async fn call(&self, headers: &[(&'static str, &str)]) -> Result<Settled, Refusal> {
        let mut map = HeaderMap::new();
        map.insert("authorization", self.bearer.parse().unwrap());
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let id = self.broker.new_invocation();
        let admission = admit::admit(&self.broker, id, Stopwatch::start(), "work", &map)?;
        let quoted = quote::quote(Arc::clone(&self.broker), admission.with_payload(Bytes::new())).await?;
        Ok(dispatch::dispatch(quoted).await)
    }

    /// The key that calls are sent with.
    pub(crate) fn key(&self) -> Arc<Key> {
        self.broker.keys.authenticate(Some(self.bearer.as_bytes())).unwrap()
    }

    /// What the account has spent and what is held for it.
    pub(crate) fn balance(&self) -> (Money, Money) {
        let number = self.broker.ledger.account("payer").unwrap();
        let balance = self.broker.ledger.balance(number, month_of(START)).unwrap();
        assert!(self.broker.ledger.conserved());
        (balance.spent, balance.held)
    }
}

async fn entry(broker: &Broker, name: &str, number: u8, price: &str, adapter: Arc<Scripted>) -> VenueEntry {
    let id = VenueId::try_new(name).unwrap();
    let sheet = NewSheet {
        sheet: Some(per_call(price)),
        awaits: None,
        agreed: Arc::default(),
        now: START,
        exchange: Exchange::At { rate: merit_units::ExchangeRate::USD, until: Timestamp::from_micros(u64::MAX) },
        confirmed_at: START,
        stale_after: Micros::from_secs(86_400),
    };
    VenueEntry {
        billing_account: Box::default(),
        shown: crate::venue::shown(name),
        index: VenueIndex::new(number),
        region: "test".parse().unwrap(),
        region_index: RegionIndex::new(0),
        isolation: Isolation::Provider,
        architecture: Architecture::X86_64,
        adapter,
        slots: Arc::new(VenueSlots::new(1000)),
        prices: Arc::new(Prices::new(sheet, broker.usage.of(""))),
        own_prices: Arc::new(Mutex::new(BTreeMap::new())),
        ledger_account: broker.store.open_venue(&id).await.unwrap(),
        metrics: broker.metrics.venue(&id),
        functions: Arc::new(Mutex::new(BTreeSet::new())),
        provider: None,
        disabled: AtomicBool::new(false),
        unready: AtomicBool::new(false),
        id,
    }
}

fn deployment(venue: &str) -> DeploymentSpec {
    DeploymentSpec {
        venue: venue.to_owned(),
        target: "work".to_owned(),
        memory_mb: 128,
        vcpu: None,
        architecture: None,
        concurrency: None,
        instance_concurrency: None,
        kept_instances: None,
        sheet: None,
        digest: None,
    }
}
