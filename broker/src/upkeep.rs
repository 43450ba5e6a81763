//! What has to be done now and then: void expired holds, turn the month, refresh prices that
//! went stale, store what was learned, forget what is past its time.

use std::sync::Arc;
use std::time::Duration;

use merit_units::Micros;

use crate::Broker;
use crate::clock::month_of;

const TICK: Duration = Duration::from_secs(1);
/// Ticks between two storings of what was learned.
const STORE_EVERY: u64 = 30;
/// Ticks between two sweeps of what is past its time.
const SWEEP_EVERY: u64 = 60;
/// Rows deleted in one sweep of each kind: a short pause for the writer.
const SWEEP_ROWS: u32 = 10_000;

/// Runs until dropped.
pub async fn run(broker: Arc<Broker>, receipts_kept: Micros) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for tick in 1_u64.. {
        ticks.tick().await;
        tick_once(&broker);
        if tick.is_multiple_of(STORE_EVERY)
            && let Err(error) = broker.store_learned().await
        {
            tracing::warn!(%error, "what was learned could not be stored");
        }
        // Some hundred bytes. What was used and not stored is there again after a crash, and looks free.
        if broker.usage.is_unstored()
            && let Err(error) = broker.store_usage().await
        {
            tracing::warn!(%error, "what was used this month could not be stored");
        }
        if tick.is_multiple_of(SWEEP_EVERY) {
            sweep(&broker, receipts_kept).await;
        }
    }
}

fn tick_once(broker: &Broker) {
    let now = broker.clock.now();
    let expired = broker.ledger.expire(now);
    if !expired.is_empty() {
        tracing::warn!(count = expired.len(), "holds that nobody settled were voided");
    }
    if broker.usage.turn(month_of(now)) {
        tracing::info!(month = %month_of(now), "a new month: grants and tiers begin again");
        broker.refresh_prices(now);
    }
    broker.refresh_stale(now);
}

async fn sweep(broker: &Broker, receipts_kept: Micros) {
    let now = broker.clock.now();
    broker.feed.sweep(now);
    let swept = async {
        broker.store.delete_expired_idempotency(now, SWEEP_ROWS).await?;
        broker.store.delete_receipts_before(now - receipts_kept, SWEEP_ROWS).await?;
        broker.sweep_events().await
    };
    if let Err(error) = swept.await {
        tracing::warn!(%error, "what is past its time could not be deleted");
    }
}
