//! The producers: one task for each topic, which ends when nobody reads it.
//!
//! Pace: after an update a producer rests for the interval that `feed.updates_per_second` allows, and what changes
//! meanwhile is told together. After a rest without news the next change is told at once. Room is given and taken
//! without notice, and fills are counted so, so books and candles are looked at once an interval in any case.

use std::sync::Arc;
use std::time::Duration;

use super::fills::Fills;
use super::topic::{FILLS_A_MESSAGE, Topic};
use super::{Name, book};
use crate::Broker;
use crate::function::Function;

/// How often a producer of fills looks whether it is still read.
const LOOK: Duration = Duration::from_millis(500);

/// Tells a book.
pub(super) async fn book(broker: Arc<Broker>, topic: Arc<Topic>) {
    while let Some(function) = function_of(&broker, topic.name()) {
        let interval = broker.settings.load().feed.interval();
        // From before the look on, so that no change falls between.
        let changed = function.changed.notified();
        let now = broker.clock.now();
        let levels = book::levels(&function.view(), now, &broker.settings.load().market);
        let told = topic.book(levels, &broker, now);
        if broker.feed.retire(&topic) {
            return;
        }
        if told {
            tokio::time::sleep(interval).await;
            continue;
        }
        // A tenth between two looks bounds the work when rebuilds change nothing that is told.
        tokio::time::sleep(interval / 10).await;
        tokio::select! {
            () = changed => {}
            () = tokio::time::sleep(interval - interval / 10) => {}
        }
    }
    end(&broker, &topic);
}

/// Tells candles: they are counted by the calls, and looked at here.
pub(super) async fn candles(broker: Arc<Broker>, topic: Arc<Topic>) {
    while function_of(&broker, topic.name()).is_some() {
        topic.candles(&broker, broker.clock.now());
        if broker.feed.retire(&topic) {
            return;
        }
        tokio::time::sleep(broker.settings.load().feed.interval()).await;
    }
    end(&broker, &topic);
}

/// Tells fills.
pub(super) async fn fills(broker: Arc<Broker>, topic: Arc<Topic>, mut fills: Fills) {
    while topic.name().function.is_none() || function_of(&broker, topic.name()).is_some() {
        let first = tokio::select! {
            fill = fills.next() => fill,
            () = tokio::time::sleep(LOOK) => None,
        };
        let mut told = false;
        let mut taken: Vec<_> = first.into_iter().collect();
        loop {
            while taken.len() < FILLS_A_MESSAGE
                && let Some(fill) = fills.ready()
            {
                taken.push(fill);
            }
            let whole = taken.len() == FILLS_A_MESSAGE;
            told |= topic.fills(std::mem::take(&mut taken), fills.lost(), &broker, broker.clock.now());
            if !whole {
                break;
            }
        }
        if broker.feed.retire(&topic) {
            return;
        }
        if told {
            tokio::time::sleep(broker.settings.load().feed.interval()).await;
        }
    }
    end(&broker, &topic);
}

fn function_of(broker: &Broker, name: &Name) -> Option<Arc<Function>> {
    broker.functions.get(name.function.as_ref()?.as_str()).ok()
}

/// The function was removed.
fn end(broker: &Broker, topic: &Arc<Topic>) {
    loop {
        topic.end();
        // Who subscribed in between has found the function again or is told the same.
        if broker.feed.retire(topic) {
            return;
        }
    }
}
