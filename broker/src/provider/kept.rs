//! What prices of offers are compared with, as it is kept over a restart: or a held price could pass by waiting for one.
//!
//! Kept of a venue are its means and the sheet by whose terms its offers are meant to be billed; of its offers the means
//! of those that are held, and of those whose price the venue's means would hold. All others begin again from the
//! venue's.
//!
//! Invariant: what has changed is on disk within [`PAUSE`] and the time of a commit; a new sheet is put in force only
//! after what there was before it is ([`crate::sheets`]).
//!
//! Known limitation: means are kept, not the minutes they are of: after a restart a mean is what it was for as long as
//! anybody remembers, so that a held price waits for its band for five minutes again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use merit_market::Band;
use merit_pricing::{Meter, PriceSheet};
use merit_units::{Rate, Timestamp};
use serde::{Deserialize, Serialize};

use super::offers::Offers;
use super::standing::{Bands, MeterBands};
use crate::Broker;

/// How often what has changed is written.
const PAUSE: Duration = Duration::from_millis(500);

/// As it is stored.
#[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct KeptPrices {
    /// The sheet whose terms are meant, as TOML.
    meant: Option<String>,
    /// The venue's means.
    means: Vec<KeptMean>,
    /// Means of offers, by their names.
    offers: BTreeMap<String, Vec<KeptMean>>,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct KeptMean {
    meter: String,
    // In attounits, as text: not every reader of JSON keeps 128 bits.
    low: String,
    high: String,
}

impl Offers {
    /// What is to be kept.
    pub(super) fn keep(&self, now: Timestamp) -> KeptPrices {
        let limits = self.rules.bands;
        let own = self.iter().filter(|its| its.hold.is_some() || self.bands.would_hold(&its.bands, limits, now));
        let own = own.map(|its| (its.spec.id.clone(), keep(&its.bands, now)));
        // Those that were kept, and whose offers have not been sent again.
        let waiting = self.kept.iter().map(|(id, bands)| (id.to_string(), keep(bands, now)));
        KeptPrices {
            meant: self.meant.as_ref().map(|sheet| sheet.to_toml()),
            means: keep(&self.bands, now),
            offers: waiting.chain(own).collect(),
        }
    }

    /// Takes back what was kept.
    pub(super) fn take_back(&mut self, kept: &KeptPrices, now: Timestamp) {
        if let Some(sheet) = kept.meant.as_ref().and_then(|text| PriceSheet::parse_toml(text).ok()) {
            self.meant = Some(Arc::new(sheet));
        }
        let bands = restore(&kept.means, now);
        if !bands.is_empty() {
            self.bands = bands;
        }
        self.kept = kept.offers.iter().map(|(id, means)| (id.as_str().into(), restore(means, now))).collect();
    }
}

fn keep(bands: &Bands, now: Timestamp) -> Vec<KeptMean> {
    let kept = |rate: Rate| rate.atto().to_string();
    let means = bands.iter().map(|its| KeptMean {
        meter: its.meter.to_string(),
        low: kept(its.low.mean(now)),
        high: kept(its.high.mean(now)),
    });
    means.collect()
}

/// What can't be read is left out: a meter without a band is held as one that was free.
fn restore(means: &[KeptMean], now: Timestamp) -> Bands {
    let band = |text: &str| Some(Band::new(Rate::from_atto(text.parse().ok()?), now));
    let read = |its: &KeptMean| {
        let meter: Meter = its.meter.parse().ok()?;
        Some(MeterBands { meter, low: band(&its.low)?, high: band(&its.high)? })
    };
    means.iter().filter_map(read).collect()
}

impl Broker {
    /// Writes what has changed of what prices are compared with.
    pub(crate) async fn keep_prices(&self) {
        let directory = self.directory.load_full();
        for venue in directory.venues.values() {
            let Some(provider) = venue.provider.as_ref().filter(|provider| provider.offers().take_moved()) else {
                continue;
            };
            if let Err(refused) = self.store_provider(venue, provider).await {
                tracing::error!(venue = %venue.id, why = refused.message, "held prices may pass after a restart");
                provider.offers().moved();
            }
        }
    }
}

/// Keeps what prices are compared with, until dropped.
pub(super) async fn run(broker: Arc<Broker>) {
    let mut ticks = tokio::time::interval(PAUSE);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        broker.keep_prices().await;
    }
}
