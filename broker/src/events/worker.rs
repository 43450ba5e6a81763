//! The loop that starts deliveries when they are due, and the sweep of what is past its time.

use std::sync::Arc;
use std::time::Duration;

use merit_store::StoreError;
use merit_store::record::EventState;
use merit_units::{InvocationId, Micros, Timestamp};
use tokio::task::JoinSet;

use super::deliver::deliver;
use super::schedule::{LaneHealth, LaneName};
use crate::Broker;

/// The loop looks at the clock at least this often, so that a wall clock that is set is noticed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How long an event waits whose delivery has told nothing.
const DELIVER_AGAIN: Micros = Micros::from_secs(1);

/// Events forgotten in one transaction: a short pause for the writer.
const SWEEP_EVENTS: u32 = 1000;

/// How long ended events are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Delivered ones.
    pub delivered: Micros,
    /// Dead letters.
    pub dead: Micros,
    /// Dead letters at most.
    pub max_dead: u64,
    /// Bytes of dead letters at most.
    pub max_dead_bytes: u64,
}

/// Delivers events until the broker drains, and then until the deliveries under way have ended or are cut.
pub async fn run(broker: Arc<Broker>) {
    let mut running = JoinSet::new();
    while !broker.is_draining() {
        start_due(&broker, &mut running);
        let wait = broker.events.next_in(broker.clock.now()).unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN);
        tokio::select! {
            () = broker.events.changed.notified() => {}
            () = tokio::time::sleep(wait) => {}
            Some(_) = running.join_next(), if !running.is_empty() => {}
        }
    }
    while running.join_next().await.is_some() {}
}

/// Starts everything that is due and has room.
fn start_due(broker: &Arc<Broker>, running: &mut JoinSet<()>) {
    let limits = broker.settings.load().events;
    while running.len() < limits.max_running {
        let taken = broker.events.lock().schedule.take(broker.clock.now(), limits.max_running_per_lane);
        let Some((lane, id)) = taken else { break };
        let broker = Arc::clone(broker);
        running.spawn(async move {
            // Ends the delivery's place in its lane, also if it panics.
            let mut place = Place { broker: &broker, lane, id, ended: None };
            place.ended = deliver(&broker, id).await;
        });
    }
    while running.try_join_next().is_some() {}
}

struct Place<'a> {
    broker: &'a Broker,
    lane: LaneName,
    id: InvocationId,
    ended: Option<LaneHealth>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let (now, bound) = (self.broker.clock.now(), self.broker.settings.load().events.max_running_per_lane);
        let mut state = self.broker.events.lock();
        if self.ended.is_none() {
            state.schedule.push(&self.lane, now + DELIVER_AGAIN, self.id, bound);
        }
        state.schedule.end(&self.lane, self.ended.unwrap_or(LaneHealth::Trouble), now, bound);
        drop(state);
        self.broker.events.changed.notify_one();
    }
}

impl Broker {
    /// Reads what waits from the disk: once, before [`run`].
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn load_events(&self) -> Result<usize, StoreError> {
        let queued = self.store.queued_events()?;
        let dead = self.store.event_totals(EventState::Dead)?;
        self.events.add(&queued, self.settings.load().events.max_running_per_lane);
        self.events.lock().dead = dead;
        Ok(queued.len())
    }

    /// Forgets events that ended long enough ago, and the oldest dead letters beyond their bounds.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn sweep_events(&self) -> Result<(), StoreError> {
        let (now, kept) = (self.clock.now(), self.settings.load().events.kept);
        self.forget_ended(EventState::Delivered, now - kept.delivered, u64::MAX).await?;
        self.forget_ended(EventState::Dead, now - kept.dead, u64::MAX).await?;
        let over = {
            let dead = self.events.lock().dead;
            let events = dead.events.saturating_sub(kept.max_dead);
            // The oldest ones are as large as any.
            let share = dead.bytes.saturating_sub(kept.max_dead_bytes).saturating_mul(dead.events);
            events.max(share.div_ceil(dead.bytes.max(1)))
        };
        if over > 0 {
            let count = self.forget_ended(EventState::Dead, now, over).await?;
            tracing::warn!(count, "the oldest dead letters are forgotten: there are more than are kept");
        }
        Ok(())
    }

    /// Forgets up to `limit` events that ended before a time, the oldest first. How many.
    async fn forget_ended(&self, state: EventState, before: Timestamp, limit: u64) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        while forgotten < limit {
            let batch = SWEEP_EVENTS.min(u32::try_from(limit - forgotten).unwrap_or(u32::MAX));
            let rows = self.store.drop_events_before(state, before, batch).await?;
            self.events.forget(&rows);
            forgotten += rows.len() as u64;
            if state == EventState::Dead {
                self.metrics.events.forgotten(rows.len());
            }
            if rows.len() < batch as usize {
                break;
            }
        }
        Ok(forgotten)
    }
}
