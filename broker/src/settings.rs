//! The part of the configuration that a reload may change while calls are running.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use merit_config::{Config, DatedRate, ExchangeRates};
use merit_pricing::Adjustments;
use merit_units::{Currency, ExchangeRate, Micros, Timestamp, VenueId};

use crate::events;
use crate::feed;
use crate::keys::Rate;
use crate::prices::Exchange;
use crate::server::ServerLimits;

/// What holds now.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The market's tunables.
    pub market: merit_market::Config,
    /// Attempts of one call, the first included.
    pub max_attempts: usize,
    /// How long a quote stands.
    pub quote_ttl: Micros,
    /// How long a price is good without confirmation.
    pub price_stale_after: Micros,
    /// How long a call may take when the caller sets no deadline.
    pub default_timeout: Micros,
    /// The longest deadline a caller may set.
    pub max_timeout: Micros,
    /// Calls in flight.
    pub max_in_flight: usize,
    /// Receipts that may wait to be written.
    pub receipts_queue: usize,
    /// Bytes of a payload.
    pub max_payload_bytes: usize,
    /// Bytes of a reply.
    pub max_reply_bytes: usize,
    /// Bytes of path and query of a request of plain HTTP.
    pub max_url_bytes: usize,
    /// Bytes of its headers.
    pub max_header_bytes: usize,
    /// Tags of one call.
    pub max_tags: usize,
    /// Functions.
    pub max_functions: usize,
    /// Deployments of one function.
    pub max_deployments: usize,
    /// Calls a second of one key.
    pub per_key: Rate,
    /// Calls a second of one account.
    pub per_account: Rate,
    /// Dollars for other currencies.
    pub exchange_rates: ExchangeRates,
    /// What was agreed with providers besides their price lists, for the venues that it is for.
    pub adjustments: BTreeMap<VenueId, Arc<Adjustments>>,
    /// Events.
    pub events: events::Limits,
    /// What readers of market data are held to.
    pub feed: feed::Limits,
    /// Live prices.
    pub catalog: merit_config::Catalog,
    /// How long receipts are kept.
    pub receipts_kept: Micros,
    /// What providers are held to.
    pub providers: merit_config::Providers,
    /// How it is found out that deployments are not equal.
    pub equivalence: merit_config::Equivalence,
    /// The socket's limits; read once at the start.
    pub server: ServerLimits,
}

impl Settings {
    /// From a checked configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let (server, limits, market) = (&config.server, &config.limits, &config.market);
        Self {
            market: merit_market::Config {
                exploration_ppm: market.exploration_ppm,
                trial_ppm: market.trial_ppm,
                ramp_ppm_per_second: market.ramp_ppm_per_second,
                hysteresis_ppm: market.hysteresis_ppm,
                eject_consecutive_failures: market.eject_consecutive_failures,
                eject_failure_ppm: market.eject_failure_ppm,
                eject_min_calls: market.eject_min_calls,
                eject_window: Micros::from_millis(market.eject_window_ms),
                base_ejection: Micros::from_millis(market.base_ejection_ms),
                max_ejection: Micros::from_millis(market.max_ejection_ms),
                ejection_decay: Micros::from_millis(market.ejection_decay_ms),
                probation_interval: Micros::from_millis(market.probation_interval_ms),
                probation_successes: market.probation_successes,
                cap_grow_every: Micros::from_millis(market.cap_grow_every_ms),
                cap_grow_ppm: market.cap_grow_ppm,
                throttle_pause_max: Micros::from_millis(market.throttle_pause_max_ms),
                throttle_venue_window: Micros::from_millis(market.throttle_venue_window_ms),
                burst_pause: Micros::from_millis(market.burst_pause_ms),
                retry_budget_ppm: market.retry_budget_ppm,
                retry_burst: market.retry_burst,
            },
            max_attempts: market.max_attempts as usize,
            quote_ttl: Micros::from_millis(market.quote_ttl_ms),
            price_stale_after: Micros::from_secs(market.price_stale_after_hours * 3600),
            default_timeout: Micros::from_millis(limits.default_timeout_ms),
            max_timeout: Micros::from_millis(limits.max_timeout_ms),
            max_in_flight: server.max_in_flight,
            receipts_queue: config.store.queue,
            receipts_kept: Micros::from_secs(u64::from(config.store.receipts_retention_days) * 86_400),
            max_payload_bytes: server.max_payload_bytes,
            max_reply_bytes: server.max_reply_bytes,
            max_url_bytes: server.max_url_bytes,
            max_header_bytes: server.max_header_bytes,
            max_tags: limits.max_tags,
            max_functions: limits.max_functions,
            max_deployments: limits.max_deployments_per_function,
            per_key: rate(limits.per_key_per_second, limits.per_key_burst),
            per_account: rate(limits.per_account_per_second, limits.per_account_burst),
            exchange_rates: config.exchange_rates.clone(),
            adjustments: adjustments(config),
            events: event_limits(&config.events),
            feed: feed_limits(&config.feed),
            catalog: config.catalog.clone(),
            providers: config.providers.clone(),
            equivalence: config.equivalence.clone(),
            server: ServerLimits {
                max_connections: server.max_connections,
                max_strangers: server.max_strangers,
                header_timeout: Duration::from_millis(server.header_timeout_ms),
                linger_timeout: Duration::from_millis(server.linger_ms),
                drain_timeout: Duration::from_millis(server.drain_timeout_ms),
            },
        }
    }

    /// What was agreed for a venue.
    #[must_use]
    pub fn agreed(&self, venue: &VenueId) -> Arc<Adjustments> {
        self.adjustments.get(venue).cloned().unwrap_or_default()
    }

    /// How a sheet's currency becomes dollars at `now`, given the rate that a list has, if one has: of two the later
    /// one counts, and on one day that of the configuration.
    #[must_use]
    pub fn exchange(&self, currency: Currency, listed: Option<DatedRate>, now: Timestamp) -> Exchange {
        if currency == Currency::USD {
            return Exchange::At { rate: ExchangeRate::USD, until: Timestamp::from_micros(u64::MAX) };
        }
        let Some(dated) = self.rate(currency, listed) else { return Exchange::Missing };
        let until = self.exchange_rates.stale_at(&dated);
        if now <= until { Exchange::At { rate: dated.usd, until } } else { Exchange::Missing }
    }

    /// The rate that counts, stale or not.
    #[must_use]
    pub fn rate(&self, currency: Currency, listed: Option<DatedRate>) -> Option<DatedRate> {
        let own = self.exchange_rates.rates.get(&currency).copied();
        match (own, listed) {
            (Some(own), Some(listed)) => Some(if listed.date > own.date { listed } else { own }),
            (own, listed) => own.or(listed),
        }
    }
}

fn adjustments(config: &Config) -> BTreeMap<VenueId, Arc<Adjustments>> {
    let each = config.venues.iter().map(|(name, venue)| (name.clone(), Arc::new(config.adjustments_of(name, venue))));
    each.filter(|(_, own)| !own.is_empty()).collect()
}

fn event_limits(events: &merit_config::Events) -> events::Limits {
    events::Limits {
        max_queued: events.max_queued,
        max_queued_bytes: events.max_queued_bytes,
        max_payload_bytes: events.max_payload_bytes,
        max_running: events.max_running,
        max_running_per_lane: events.max_running_per_function,
        max_retries: events.max_retries,
        retry_delay: Micros::from_secs(events.retry_delay_s),
        backoff: Micros::from_millis(events.backoff_ms),
        max_backoff: Micros::from_millis(events.max_backoff_ms),
        max_age: Micros::from_secs(events.max_age_s),
        destination_timeout: Micros::from_millis(events.destination_timeout_ms),
        private_destinations: events.private_destinations,
        kept: events::Kept {
            delivered: Micros::from_secs(events.delivered_retention_hours * 3600),
            dead: Micros::from_secs(events.dead_letter_retention_days * 86_400),
            max_dead: events.max_dead_letters,
            max_dead_bytes: events.max_dead_letter_bytes,
        },
    }
}

fn feed_limits(feed: &merit_config::Feed) -> feed::Limits {
    feed::Limits {
        updates_per_second: feed.updates_per_second,
        max_queued: feed.max_queued,
        write_timeout: Duration::from_millis(feed.write_timeout_ms),
        max_connections: feed.max_connections,
        max_connections_per_key: feed.max_connections_per_key,
        max_subscriptions: feed.max_subscriptions,
        max_message_bytes: feed.max_message_bytes,
        max_candle_functions: feed.max_candle_functions,
    }
}

fn rate(per_second: u32, burst: u32) -> Rate {
    let checked = |number| NonZeroU32::new(number).expect("invariant: the configuration allows no rate of zero");
    Rate { per_second: checked(per_second), burst: checked(burst) }
}
