//! What is kept of a provider over a restart: its endpoint, caps, kill switches and record, and
//! what prices are compared with. Its offers are sent again.
//!
//! The endpoint's secret is encrypted, as the secrets of keys that sign are. Without a key to encrypt with, the endpoint
//! is not kept and has to be put again after a restart.

use std::sync::Arc;

use merit_market::TrackRecord;
use merit_store::StoreError;
use merit_store::record::ProviderRow;
use merit_units::Timestamp;
use merit_wire::{CapsSpec, EndpointSpec};
use serde::{Deserialize, Serialize};

use super::kept::KeptPrices;
use super::{Killed, Provider, Refused, Switches};
use crate::Broker;
use crate::venue::VenueEntry;

/// As it is stored. Fields that a former version lacks are as if nothing had been said.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Stored {
    endpoint: Option<String>,
    caps: CapsSpec,
    killed_by_provider: Option<StoredKill>,
    killed_by_operator: Option<StoredKill>,
    record: StoredRecord,
    prices: KeptPrices,
}

#[derive(Debug, Deserialize, Serialize)]
struct StoredKill {
    why: String,
    at: u64,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct StoredRecord {
    passed: bool,
    calls: u64,
    failures: u64,
    expected_us: u64,
    took_us: u64,
    fills: u64,
    // As text: not every reader of JSON keeps 128 bits.
    quoted_pico: String,
    charged_pico: String,
}

impl Broker {
    /// Puts a provider's endpoint, and keeps it.
    ///
    /// # Errors
    /// What is wrong with it; then nothing has changed. Or that it could not be stored.
    pub(crate) async fn put_endpoint(
        &self,
        venue: &Arc<VenueEntry>,
        provider: &Provider,
        endpoint: &EndpointSpec,
    ) -> Result<(), Refused> {
        let put = provider.adapter.put_endpoint(&endpoint.url, &endpoint.secret);
        put.map_err(|error| Refused::new("bad_endpoint", error.to_string()))?;
        *provider.secret() = Some(endpoint.secret.clone());
        if venue.readiness_changed() {
            self.requotes.mark_all(venue.functions().iter());
        }
        tracing::info!(venue = %venue.id, url = %endpoint.url, "calls go to this endpoint");
        self.store_provider(venue, provider).await
    }

    /// Gives providers back what was kept of them. Reads the disk.
    ///
    /// # Errors
    /// When the store can't be read.
    pub(crate) fn restore_providers(&self) -> Result<(), StoreError> {
        let directory = self.directory.load();
        for row in self.store.providers()? {
            let Some(venue) = directory.venues.get(&row.venue) else { continue };
            if let Some(provider) = &venue.provider {
                self.restore_provider(venue, provider, &row);
                provider.judge_trial(venue);
            }
        }
        Ok(())
    }

    /// Keeps what is known of a provider.
    pub(crate) async fn store_provider(&self, venue: &VenueEntry, provider: &Provider) -> Result<(), Refused> {
        let stored = self.store.put_provider(self.provider_row(venue, provider)).await;
        stored.map_err(|error| Refused::new("unavailable", format!("it holds, but could not be stored: {error}")))
    }

    /// Keeps what is known of all providers.
    pub(crate) async fn store_providers(&self) -> Result<(), StoreError> {
        let directory = self.directory.load_full();
        for venue in directory.venues.values() {
            if let Some(provider) = &venue.provider {
                self.store.put_provider(self.provider_row(venue, provider)).await?;
            }
        }
        Ok(())
    }

    fn provider_row(&self, venue: &VenueEntry, provider: &Provider) -> ProviderRow {
        let secret = provider.secret().clone();
        let sealed_secret = secret.and_then(|secret| self.secrets.seal(&sealed_for(venue), &secret).ok());
        let kill = |killed: &Option<Killed>| {
            killed.as_ref().map(|killed| StoredKill { why: killed.why.clone(), at: killed.at.micros() })
        };
        let record = *provider.track();
        let prices = provider.offers().keep(self.clock.now());
        let held = provider.held();
        let stored = Stored {
            endpoint: provider.adapter.endpoint().filter(|_| sealed_secret.is_some()).map(|url| url.to_string()),
            caps: held.caps.clone(),
            killed_by_provider: kill(&held.provider),
            killed_by_operator: kill(&held.operator),
            record: StoredRecord::of(&record),
            prices,
        };
        drop(held);
        let state = serde_json::to_string(&stored).expect("invariant: plain values are serialisable");
        ProviderRow { venue: venue.id.clone(), state, sealed_secret }
    }

    /// Gives a provider back what was kept of it.
    fn restore_provider(&self, venue: &VenueEntry, provider: &Provider, row: &ProviderRow) {
        let stored: Stored = match serde_json::from_str(&row.state) {
            Ok(stored) => stored,
            Err(error) => {
                tracing::error!(venue = %row.venue, %error, "what was kept of a provider can't be read");
                return;
            }
        };
        let killed =
            |kill: Option<StoredKill>| kill.map(|kill| Killed { why: kill.why, at: Timestamp::from_micros(kill.at) });
        *provider.track() = stored.record.read();
        provider.offers().take_back(&stored.prices, self.clock.now());
        {
            let mut held: std::sync::MutexGuard<'_, Switches> = provider.held();
            held.provider = killed(stored.killed_by_provider);
            held.operator = killed(stored.killed_by_operator);
            venue.slots.set_stopped(held.provider.is_some() || held.operator.is_some());
        }
        if let Err(refused) = self.set_caps(venue, provider, stored.caps) {
            tracing::warn!(venue = %row.venue, why = refused.message, "the caps that were kept do not hold");
        }
        let (Some(url), Some(sealed)) = (stored.endpoint, &row.sealed_secret) else { return };
        let opened = self.secrets.open(&sealed_for(venue), sealed).map_err(|error| error.to_string());
        let put = opened.and_then(|secret| {
            provider.adapter.put_endpoint(&url, &secret).map_err(|error| error.to_string())?;
            *provider.secret() = Some(secret);
            Ok(())
        });
        if let Err(error) = put {
            tracing::warn!(venue = %row.venue, error, "the endpoint that was kept can't be used and has to be put again");
        }
    }
}

/// What a secret is sealed for, so that it opens nothing else.
fn sealed_for(venue: &VenueEntry) -> String {
    format!("provider/{}", venue.id)
}

impl StoredRecord {
    fn of(record: &TrackRecord) -> Self {
        let TrackRecord { passed, calls, failures, expected_us, took_us, fills, quoted_pico, charged_pico } = *record;
        let (quoted_pico, charged_pico) = (quoted_pico.to_string(), charged_pico.to_string());
        Self { passed, calls, failures, expected_us, took_us, fills, quoted_pico, charged_pico }
    }

    fn read(&self) -> TrackRecord {
        let pico = |text: &str| text.parse().unwrap_or(0);
        TrackRecord {
            passed: self.passed,
            calls: self.calls,
            failures: self.failures,
            expected_us: self.expected_us,
            took_us: self.took_us,
            fills: self.fills,
            quoted_pico: pico(&self.quoted_pico),
            charged_pico: pico(&self.charged_pico),
        }
    }
}
