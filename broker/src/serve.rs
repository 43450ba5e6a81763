//! Starting, reloading and stopping a broker.
//!
//! Order of a start: everything that can be wrong is found before a port is bound: the
//! configuration, the database, the venues. Order of a stop: no new connections, calls in
//! flight end, what was learned is stored, the store is closed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use merit_config::{Config, Env};
use merit_ledger::Budget;
use merit_store::record::KeyRow;
use merit_store::{Options, Store};
use merit_units::{AccountId, DeploymentId, Micros, vcpu_text};
use merit_wire::{DeploymentSpec, EventSpec, FunctionSpec};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::clock::Clock;
use crate::equivalence::shadow;
use crate::keys::aws::AwsSecret;
use crate::keys::{KeyRecord, Keys, Role, Roles};
use crate::lanes::Lanes;
use crate::prices::{AccountPools, MonthlyUsage};
use crate::secrets::{SECRETS_KEY, Secrets};
use crate::settings::Settings;
use crate::{Broker, BrokerParts, catalog, events, profiles, provider, server, upkeep};

/// Environment variable with a key that the broker lets in with the roles `admin` and `invoke`, for
/// account [`FIRST_ACCOUNT`]: for a first start without hands, and for tests.
pub const BOOTSTRAP_KEY: &str = "MERIT_BOOTSTRAP_KEY";

/// The account of the first key.
pub const FIRST_ACCOUNT: &str = "default";

/// Why a broker could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store's folder could not be opened.
    #[error(transparent)]
    Open(#[from] merit_store::OpenError),
    /// The store failed while starting.
    #[error(transparent)]
    Store(#[from] merit_store::StoreError),
    /// The configuration names what can't be made.
    #[error("{}", .0.join("\n"))]
    Mistakes(Vec<String>),
    /// The address can't be listened on.
    #[error("cannot listen on {address}; is another broker running? choose another with server.listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A thread or signal handler could not be made.
    #[error(transparent)]
    System(#[from] std::io::Error),
}

/// A broker that is ready to listen.
pub struct Ready {
    /// The broker.
    pub broker: Arc<Broker>,
    /// A key that was just made because there was none; to be shown once.
    pub first_key: Option<String>,
}

/// Opens the store and makes the broker.
///
/// # Errors
/// [`StartError`]; nothing is bound then.
pub async fn start(config: &Config, env: &Env, clock: Clock) -> Result<Ready, StartError> {
    let now = clock.now();
    let secrets = Secrets::load(env.get(SECRETS_KEY), config.secrets.key_file.as_deref());
    let secrets = secrets.map_err(|mistake| StartError::Mistakes(vec![mistake]))?;
    let options = Options {
        receipts_queued_max: config.store.queue,
        group_rows: config.store.group_commit_rows,
        group_wait: std::time::Duration::from_millis(config.store.group_commit_ms),
        idempotency_kept: Micros::from_secs(config.limits.idempotency_ttl_hours * 3600),
        ..Options::default()
    };
    let (store, recovered) = Store::open_with(&config.store.dir, now, &options)?;
    if recovered.replayed > 0 || !recovered.voided.is_empty() {
        tracing::info!(
            replayed = recovered.replayed,
            open_holds = recovered.open_holds,
            voided = recovered.voided.len(),
            "recovered from a stop without warning"
        );
    }
    let (month, pools) = profiles::stored_usage(&store, now, || seeded(config))?;
    let usage = MonthlyUsage::new(month, pools);
    let broker = Broker::new(BrokerParts { clock, settings: Settings::of(config), store, usage, secrets });
    broker.catalog.load(&broker.store)?;
    broker.load_equivalence()?;
    broker.apply(config).await.map_err(StartError::Mistakes)?;
    broker.restore_providers()?;
    broker.restore_profiles(now)?;
    broker.post_open_reconciliations().await.map_err(|refusal| StartError::Mistakes(vec![refusal.to_string()]))?;
    broker.count_catalog();
    let first_key = load_keys(&broker, env).await?;
    let waiting = broker.load_events()?;
    if waiting > 0 {
        tracing::info!(waiting, "events wait to be delivered");
    }
    Ok(Ready { broker, first_key })
}

/// Usage before Merit counted, from the configuration.
fn seeded(config: &Config) -> AccountPools {
    let mut accounts = AccountPools::new();
    for (name, venue) in &config.venues {
        let Some(sheet) = &venue.sheet else { continue };
        let pools = accounts.entry(venue.billing_account.as_str().into()).or_default();
        let used = venue.month_to_date.iter();
        let used = used.copied().try_fold(sheet.zero(), |used, (meter, quantity)| used.with(meter, quantity));
        let seeded = used
            .map_err(|error| error.to_string())
            .and_then(|used| pools.record(sheet, &used).map_err(|error| error.to_string()));
        if let Err(error) = seeded {
            tracing::warn!(venue = %name, error, "month_to_date is ignored");
        }
    }
    accounts
}

async fn load_keys(broker: &Arc<Broker>, env: &Env) -> Result<Option<String>, StartError> {
    let rows = broker.store.keys()?;
    for row in rows.iter().filter(|row| row.revoked_at.is_none()) {
        let roles: Result<Roles, String> = row.roles.split(',').map(str::parse::<Role>).collect();
        let roles = roles.map_err(|error| StartError::Mistakes(vec![format!("stored key {}: {error}", row.id)]))?;
        let Some(aws) = opened(broker, row) else { continue };
        let (account, venues) = (row.account.clone(), row.venues.clone());
        let record = KeyRecord { id: row.id.clone(), hash: row.secret_hash, account, roles, aws, venues };
        let number = broker.store.open_account(&record.account).await?;
        broker.keys.insert(&record, number);
    }
    let account = AccountId::try_new(FIRST_ACCOUNT).expect("invariant: a valid name");
    let roles = Roles::from_iter([Role::Admin, Role::Invoke]);
    if let Some(chosen) = env.get(BOOTSTRAP_KEY) {
        let record = Keys::chosen(chosen, account, roles)
            .map_err(|error| StartError::Mistakes(vec![format!("{BOOTSTRAP_KEY}: {error}")]))?;
        let number = broker.store.open_account(&record.account).await?;
        broker.keys.insert(&record, number);
        return Ok(None);
    }
    if !rows.is_empty() {
        return Ok(None);
    }
    let (secret, record) = Keys::generate(account, roles);
    let number = broker.store.open_account(&record.account).await?;
    let row = KeyRow {
        id: record.id.clone(),
        secret_hash: record.hash,
        sealed_secret: None,
        account: record.account.clone(),
        roles: roles.names().join(","),
        note: "made at the first start".to_owned(),
        created_at: broker.clock.now(),
        revoked_at: None,
        venues: Vec::new(),
    };
    broker.store.insert_key(row).await?;
    broker.keys.insert(&record, number);
    Ok(Some(secret))
}

/// The secret of a key that signs requests. One that can't be had leaves the key out, and says so.
fn opened(broker: &Broker, row: &KeyRow) -> Option<Option<AwsSecret>> {
    let Some(sealed) = &row.sealed_secret else { return Some(None) };
    match broker.secrets.open(row.id.as_str(), sealed) {
        Ok(secret) => Some(Some(AwsSecret::new(&secret))),
        Err(error) => {
            tracing::error!(key = %row.id, %error, "a key that signs requests is left out");
            broker.keys.leave_out(&row.id, error);
            None
        }
    }
}

impl Broker {
    /// Brings everything in line with a configuration: settings, venues, functions, budgets.
    ///
    /// # Errors
    /// Every mistake; what came before the first one has been applied.
    pub async fn apply(&self, config: &Config) -> Result<(), Vec<String>> {
        let settings = Settings::of(config);
        self.keys.set_rates(settings.per_key, settings.per_account);
        self.settings.store(Arc::new(settings));
        self.apply_everything(config).await
    }

    /// [`Self::apply`] with a way back: when there is a mistake, `former` is applied again.
    ///
    /// # Errors
    /// Every mistake.
    pub async fn reload(&self, config: &Config, former: &Config) -> Result<(), Vec<String>> {
        let Err(mistakes) = self.apply(config).await else { return Ok(()) };
        if let Err(again) = self.apply(former).await {
            tracing::error!("the former configuration can't be applied any more either:\n{}", again.join("\n"));
        }
        Err(mistakes)
    }

    async fn apply_everything(&self, config: &Config) -> Result<(), Vec<String>> {
        self.apply_venues(config).await?;
        let mut mistakes = self.put_stored_functions();
        for (id, function) in &config.functions {
            let spec = function_spec(function);
            if let Err(refusal) = self.functions.put_from(self, id, &spec, self.clock.now()) {
                mistakes.push(format!("functions.{id}: {refusal}"));
            }
        }
        for (account, budget) in &config.accounts {
            let budget = Budget { hard: budget.hard, soft: budget.soft };
            if let Err(mistake) = self.set_budget(account, budget).await {
                mistakes.push(format!("accounts.{account}: {mistake}"));
            }
        }
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
    }

    async fn set_budget(&self, account: &AccountId, budget: Budget) -> Result<(), String> {
        let number = self.store.open_account(account).await.map_err(|error| error.to_string())?;
        let set = self.ledger.set_budget(number, budget).await.map_err(|error| error.to_string())?;
        set.map_err(|rejection| rejection.to_string())
    }

    /// Functions that were put through the API. One whose venue is gone is left out, and said so.
    fn put_stored_functions(&self) -> Vec<String> {
        let rows = match self.store.functions() {
            Ok(rows) => rows,
            Err(error) => return vec![error.to_string()],
        };
        for row in rows {
            let own: Result<FunctionSpec, _> = serde_json::from_str(&row.spec);
            let deployments = row.deployments.iter().map(|(name, text)| {
                Ok::<_, serde_json::Error>((name.to_string(), serde_json::from_str::<DeploymentSpec>(text)?))
            });
            let put = own
                .and_then(|own| Ok(FunctionSpec { deployments: Some(deployments.collect::<Result<_, _>>()?), ..own }));
            let put = put
                .map_err(|error| error.to_string())
                .and_then(|spec| self.functions.put(self, &row.name, &spec).map_err(|refusal| refusal.to_string()));
            if let Err(mistake) = put {
                tracing::error!(function = %row.name, mistake, "a stored function is left out");
            }
        }
        Vec::new()
    }
}

fn function_spec(function: &merit_config::Function) -> FunctionSpec {
    let deployment = |(name, deployment): (&DeploymentId, &merit_config::Deployment)| {
        let spec = DeploymentSpec {
            venue: deployment.venue.to_string(),
            target: deployment.target.clone(),
            memory_mb: deployment.memory.megabytes().into(),
            vcpu: deployment.vcpu_milli.map(vcpu_text),
            architecture: deployment.architecture.map(|architecture| architecture.to_string()),
            concurrency: Some(deployment.concurrency),
            instance_concurrency: Some(deployment.instance_concurrency).filter(|calls| *calls > 1),
            kept_instances: Some(deployment.kept_instances).filter(|kept| *kept > 0),
            sheet: deployment.sheet.as_ref().map(ToString::to_string),
            digest: deployment.digest.clone(),
        };
        (name.to_string(), spec)
    };
    FunctionSpec {
        idempotent: function.idempotent,
        class: function.class.clone(),
        timeout_ms: Some(function.timeout_ms),
        value_of_time: Some(function.value_of_time.to_string()),
        equivalence: Some(function.equivalence.word().to_owned()),
        digest: function.digest.clone(),
        compare: Some(function.compare.word().to_owned()),
        shadow_ppm: function.shadow_ppm,
        events: Some(event_spec(&function.events)),
        deployments: Some(function.deployments.iter().map(deployment).collect()),
    }
}

fn event_spec(events: &merit_config::FunctionEvents) -> EventSpec {
    EventSpec {
        max_retries: events.max_retries,
        retry_delay_s: events.retry_delay_s,
        max_age_s: events.max_age_s,
        on_success: events.on_success.clone(),
        on_failure: events.on_failure.clone(),
    }
}

/// Listens, serves until SIGTERM or SIGINT, and stops in order. `listening` is told the address.
///
/// # Errors
/// [`StartError`] when the address can't be bound, or the store can't be closed properly.
pub async fn serve(
    broker: Arc<Broker>,
    config: &Config,
    config_path: Option<PathBuf>,
    listening: impl FnOnce(SocketAddr),
) -> Result<(), StartError> {
    let address = config.server.listen;
    let listener = TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })?;
    let lanes = Lanes::start(config.server.worker_threads)?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let hangup = signal(SignalKind::hangup())?;
    let reloading = tokio::spawn(reload_on_hangup(Arc::clone(&broker), config.clone(), config_path, hangup));
    let kept = Micros::from_secs(u64::from(config.store.receipts_retention_days) * 86_400);
    let upkeep = tokio::spawn(upkeep::run(Arc::clone(&broker), kept));
    let deliveries = tokio::spawn(events::run(Arc::clone(&broker)));
    let catalog = tokio::spawn(catalog::run(Arc::clone(&broker)));
    let requotes = tokio::spawn(provider::requote::run(Arc::clone(&broker)));
    let shadows = tokio::spawn(shadow::run(Arc::clone(&broker)));
    listening(listener.local_addr()?);
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: draining"),
            _ = interrupt.recv() => tracing::info!("interrupted: draining"),
        }
    };
    let limits = broker.settings.load().server;
    let cut = server::serve(Arc::clone(&broker), listener, limits, lanes, stop).await;
    if cut > 0 {
        tracing::warn!(cut, "connections were still busy after server.drain_timeout_ms and are cut");
    }
    // What is still posted to a destination is cut; calls have ended, and what follows from them is written.
    broker.cut_calls();
    if let Err(error) = deliveries.await {
        tracing::error!(%error, "the delivery of events ended in a fault");
    }
    if let Err(error) = shadows.await {
        tracing::error!(%error, "shadow calls ended in a fault");
    }
    reloading.abort();
    upkeep.abort();
    catalog.abort();
    requotes.abort();
    broker.store_learned().await?;
    let store = broker.store.clone();
    tokio::task::spawn_blocking(move || store.close()).await.map_err(std::io::Error::other)??;
    Ok(())
}

/// Names what a reload can't change.
fn tell_unapplied(former: &Config, config: &Config) {
    for (section, changed) in [
        ("server", former.server != config.server),
        ("store", former.store != config.store),
        ("secrets", former.secrets != config.secrets),
        ("log", former.log != config.log),
    ] {
        if changed {
            tracing::warn!(section, "was changed too: all of it but the limits on calls needs a restart");
        }
    }
}

async fn reload_on_hangup(broker: Arc<Broker>, config: Config, path: Option<PathBuf>, mut hangup: Signal) {
    let mut former = config;
    while hangup.recv().await.is_some() {
        match Config::load(path.as_deref(), &Env::of_process()) {
            Err(errors) => tracing::error!("the configuration is not reloaded, the old one holds:\n{errors}"),
            Ok(config) => match broker.reload(&config, &former).await {
                Ok(()) => {
                    tracing::info!("the configuration is reloaded");
                    tell_unapplied(&former, &config);
                    former = config;
                }
                Err(mistakes) => {
                    tracing::error!("the configuration is not reloaded, the old one holds:\n{}", mistakes.join("\n"));
                }
            },
        }
    }
}
