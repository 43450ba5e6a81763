//! Providers: venues that say themselves what they run, at what price and how much of it.
//!
//! A provider tells by REST (`doors::control::providers`) or in a [`session`]; both end in the same few methods of
//! [`Provider`]. Its offers become deployments of functions (`offers`), in the books within milliseconds
//! ([`requote`]); its kill switches and caps hold for the next decision at once, in the market's own state. What it
//! did is judged by its [`fills`].
//!
//! What is written to disk or read by all its functions is paced: [`Provider::take_change`].
//!
//! Invariant: nothing runs at a provider's venue without an endpoint, a price sheet and an offer that stands.

pub mod adapter;
pub mod fills;
mod kept;
mod offer;
mod offers;
mod pace;
mod places;
pub mod requote;
pub mod session;
mod standing;
pub mod statement;
mod stored;
#[cfg(test)]
mod tests;
pub mod views;

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use merit_market::{BandLimits, TrackRecord, TrialRule, WindowCaps};
use merit_pricing::PriceSheet;
use merit_units::{Micros, Money, Timestamp};
use merit_wire::{CapsSpec, KillSpec, OfferSpec, OffersTaken, ServerFrame};

use crate::Broker;
use crate::function::Function;
use crate::venue::VenueEntry;

use self::adapter::ProviderVenue;
use self::offer::House;
use self::offers::{OfferRules, Offers, Scene};
use self::pace::Pace;
use self::session::Open;

pub(crate) use self::offer::{Refused, class_name};
pub use self::standing::{OfferGate, OfferState};

/// Who turned a kill switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// The provider itself.
    Provider,
    /// Whoever runs this broker.
    Operator,
}

impl Switch {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Operator => "operator",
        }
    }
}

/// A kill switch that is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Killed {
    pub(crate) why: String,
    pub(crate) at: Timestamp,
}

/// What there is of a provider besides its venue. It outlives a reload of the configuration.
pub struct Provider {
    /// How it is called.
    pub adapter: Arc<ProviderVenue>,
    offers: Mutex<Offers>,
    /// When an offer expires next, in microseconds; what is earlier than true costs one look.
    next_tick: AtomicU64,
    held: Mutex<Switches>,
    session: ArcSwapOption<Open>,
    sessions: AtomicU64,
    track: Mutex<TrackRecord>,
    trial_calls: AtomicU64,
    /// When `vouch = true` was read, in microseconds; 0 when it is not said.
    vouched_at: AtomicU64,
    /// What its calls are signed with, to be kept encrypted.
    secret: Mutex<Option<String>>,
    changes: Mutex<Changes>,
    pace: ArcSwap<Pace>,
}

/// How often a provider may change what is kept of it.
struct Changes {
    per_minute: u32,
    limiter: DefaultDirectRateLimiter,
}

impl Changes {
    fn new(per_minute: u32) -> Self {
        let quota = Quota::per_minute(NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN));
        Self { per_minute, limiter: RateLimiter::direct(quota) }
    }
}

/// What holds for the whole venue.
#[derive(Default)]
struct Switches {
    provider: Option<Killed>,
    operator: Option<Killed>,
    caps: CapsSpec,
    /// As configured; the provider's own cap only lowers it.
    concurrency: u32,
}

impl Provider {
    /// A provider that has said nothing yet.
    #[must_use]
    pub fn new(adapter: Arc<ProviderVenue>, entry: &merit_config::ProviderVenue, house: &VenueHouse<'_>) -> Self {
        Self {
            adapter,
            offers: Mutex::new(Offers::new(rules(entry, house))),
            next_tick: AtomicU64::new(u64::MAX),
            held: Mutex::default(),
            session: ArcSwapOption::empty(),
            sessions: AtomicU64::new(0),
            track: Mutex::default(),
            trial_calls: AtomicU64::new(0),
            vouched_at: AtomicU64::new(0),
            secret: Mutex::default(),
            changes: Mutex::new(Changes::new(house.config.providers.max_changes_per_minute)),
            pace: ArcSwap::from_pointee(Pace::new(house.config.providers.max_quotes_per_second)),
        }
    }

    /// Takes what the configuration says now.
    pub fn configure(&self, own: &merit_config::ProviderVenue, house: &VenueHouse<'_>) {
        self.offers().rules = rules(own, house);
        self.trial_calls.store(own.trial_calls.unwrap_or(house.config.providers.trial_calls), Ordering::Relaxed);
        self.held().concurrency = house.venue.concurrency;
        let (mut changes, per_minute) = (self.changes(), house.config.providers.max_changes_per_minute);
        if changes.per_minute != per_minute {
            *changes = Changes::new(per_minute);
        }
        let per_second = house.config.providers.max_quotes_per_second;
        if self.pace.load().per_second() != per_second {
            self.pace.store(Arc::new(Pace::new(per_second)));
        }
    }

    /// Counts a change of the endpoint, the price sheet or the caps, or the switch being turned off.
    pub(crate) fn take_change(&self) -> Result<(), Refused> {
        let changes = self.changes();
        let max = changes.per_minute;
        changes.limiter.check().map_err(|_| {
            let message = format!("a venue may change {max} things a minute, providers.max_changes_per_minute; wait");
            Refused::new("rate_limited", message)
        })
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offers(&self) -> MutexGuard<'_, Offers> {
        self.offers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> MutexGuard<'_, Switches> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn track(&self) -> MutexGuard<'_, TrackRecord> {
        self.track.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn secret(&self) -> MutexGuard<'_, Option<String>> {
        self.secret.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what the configuration says at that time about all that the venue offers. An older word stands.
    pub fn vouch(&self, said: bool, now: Timestamp) {
        let next = if said { now.micros().max(1) } else { 0 };
        self.vouched_at
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |at| (!said || at == 0).then_some(next))
            .ok();
    }

    /// Since when the operator's word stands for all that it offers, if it does.
    #[must_use]
    pub fn vouched_at(&self) -> Option<Timestamp> {
        Some(self.vouched_at.load(Ordering::Relaxed)).filter(|at| *at > 0).map(Timestamp::from_micros)
    }

    fn trial(&self) -> TrialRule {
        TrialRule::of_calls(self.trial_calls.load(Ordering::Relaxed))
    }

    /// The prices of its offers that stand.
    #[must_use]
    pub fn prices(&self) -> Vec<Arc<crate::prices::Prices>> {
        self.offers().prices()
    }

    /// Makes sure that somebody looks at the offers again when the next one expires.
    fn come_back_at(&self, at: Timestamp) {
        self.next_tick.fetch_min(at.micros(), Ordering::Relaxed);
    }

    /// Tells the session, if one is open.
    fn tell(&self, frame: ServerFrame) {
        if let Some(open) = &*self.session.load() {
            open.tell(frame);
        }
    }
}

/// A venue as the configuration has it.
pub struct VenueHouse<'a> {
    /// Its name.
    pub id: &'a merit_units::VenueId,
    /// Its section.
    pub venue: &'a merit_config::Venue,
    /// The whole configuration.
    pub config: &'a merit_config::Config,
}

fn rules(own: &merit_config::ProviderVenue, house: &VenueHouse<'_>) -> OfferRules {
    let limits = &house.config.providers;
    let every = own.offers.iter().any(|name| name == "*");
    OfferRules {
        house: House {
            venue: house.id.clone(),
            isolation: crate::venues::isolation(house.venue.isolation),
            architecture: house.venue.architecture,
            max_ttl: Micros::from_millis(own.max_ttl_ms.unwrap_or(limits.max_ttl_ms)),
        },
        bands: BandLimits { fall_percent: limits.band_fall_percent, rise_percent: limits.band_rise_percent },
        allowed: (!every).then(|| own.offers.iter().cloned().collect::<BTreeSet<_>>()),
        max_offers: limits.max_offers,
    }
}

/// What a provider or an operator does to a venue. `session` is the session that it comes by.
impl Broker {
    fn scene<'a>(&'a self, venue: &'a Arc<VenueEntry>, session: Option<u64>) -> Scene<'a> {
        Scene { broker: self, venue, session, now: self.clock.now() }
    }

    /// Puts offers in the place of all that a venue has.
    ///
    /// # Errors
    /// When there are more than a venue may have, or they come too fast; then nothing has changed.
    pub(crate) fn mass_quote(
        &self,
        venue: &Arc<VenueEntry>,
        provider: &Provider,
        offers: Vec<OfferSpec>,
        session: Option<u64>,
    ) -> Result<OffersTaken, Refused> {
        let scene = self.scene(venue, session);
        let mut standing = provider.offers();
        let quotes = offers.iter().map(|offer| standing.counts_as(offer, scene)).sum();
        provider.pace.load().take(offers.len(), quotes, session.is_some().into())?;
        let taken = standing.replace_all(offers, scene)?;
        drop(standing);
        self.metrics.providers.accepted.inc_by(taken.accepted.into());
        provider.come_back_at(scene.now);
        Ok(taken)
    }

    /// Puts one offer.
    ///
    /// # Errors
    /// When it comes too fast; then nothing has changed.
    pub(crate) fn quote_offer(
        &self,
        venue: &Arc<VenueEntry>,
        provider: &Provider,
        offer: OfferSpec,
        session: Option<u64>,
    ) -> Result<OffersTaken, Refused> {
        let scene = self.scene(venue, session);
        let (mut taken, ttl) = (OffersTaken::default(), Micros::from_millis(offer.ttl_ms));
        let mut standing = provider.offers();
        provider.pace.load().take(1, standing.counts_as(&offer, scene), session.is_some().into())?;
        standing.put_and_tell(offer, scene, &mut taken);
        drop(standing);
        self.metrics.providers.accepted.inc_by(taken.accepted.into());
        provider.come_back_at(scene.now + ttl);
        Ok(taken)
    }

    /// Ends one offer. Returns whether it stood.
    pub(crate) fn cancel_offer(&self, venue: &Arc<VenueEntry>, provider: &Provider, id: &str) -> bool {
        provider.offers().end(id, OfferState::Cancelled, "its provider cancelled it", self.scene(venue, None))
    }

    /// Ends all offers, or those of one session. Returns how many stood.
    pub(crate) fn cancel_offers(
        &self,
        venue: &Arc<VenueEntry>,
        provider: &Provider,
        of_session: Option<u64>,
        why: &'static str,
    ) -> u32 {
        provider.offers().end_all(of_session, why, self.scene(venue, None))
    }

    /// The price of a held offer is meant. Returns whether it was held, or `None` when there is no such offer.
    pub(crate) fn confirm_offer(&self, venue: &Arc<VenueEntry>, provider: &Provider, id: &str) -> Option<bool> {
        let confirmed = provider.offers().confirm(id, self.scene(venue, None));
        if confirmed == Some(true) {
            // Others may have waited for the same.
            provider.come_back_at(self.clock.now());
            provider.tell(ServerFrame::Released { id: id.to_owned() });
        }
        confirmed
    }

    /// The venue has another sheet: its offers' prices follow.
    pub(crate) fn resheet_offers(
        &self,
        venue: &Arc<VenueEntry>,
        provider: &Provider,
        former: Option<&Arc<PriceSheet>>,
        sheet: &Arc<PriceSheet>,
    ) {
        let scene = self.scene(venue, None);
        provider.offers().resheet(former, sheet, scene);
        provider.come_back_at(scene.now);
    }

    /// Gives a function that is new, or has changed, what providers offer for it.
    pub(crate) fn attach_offers(&self, function: &Arc<Function>) {
        let directory = self.directory.load();
        for venue in directory.venues.values() {
            if let Some(provider) = &venue.provider {
                provider.offers().attach(function, self.scene(venue, None));
            }
        }
    }

    /// Ends offers that have expired, and frees those that their band has reached. To be called often: it costs next
    /// to nothing when there is nothing to do.
    pub fn tick_providers(&self, now: Timestamp) {
        for venue in self.directory.load().venues.values() {
            let Some(provider) = &venue.provider else { continue };
            if provider.next_tick.load(Ordering::Relaxed) > now.micros() {
                continue;
            }
            let scene = Scene { broker: self, venue, session: None, now };
            let mut offers = provider.offers();
            let (freed, next) = offers.tick(scene);
            // Under the lock: what is sent meanwhile comes earlier again.
            provider.next_tick.store(next.micros(), Ordering::Relaxed);
            drop(offers);
            freed.into_iter().for_each(|id| provider.tell(ServerFrame::Released { id }));
        }
    }

    /// Turns a kill switch. The next decision knows; books follow. Returns whether that changed anything.
    ///
    /// # Errors
    /// When its provider turns it off too often; on it goes always.
    pub(crate) fn switch(
        &self,
        venue: &Arc<VenueEntry>,
        provider: &Provider,
        by: Switch,
        kill: &KillSpec,
    ) -> Result<bool, Refused> {
        let mut held = provider.held();
        let place = match by {
            Switch::Provider => &mut held.provider,
            Switch::Operator => &mut held.operator,
        };
        if place.as_ref().map(|killed| killed.why.as_str()) == kill.on.then(|| offer::shown(&kill.why)).as_deref() {
            return Ok(false);
        }
        if by == Switch::Provider && place.is_some() {
            provider.take_change()?;
        }
        let killed = || Killed { why: offer::shown(&kill.why), at: self.clock.now() };
        *place = kill.on.then(killed);
        venue.slots.set_stopped(held.provider.is_some() || held.operator.is_some());
        drop(held);
        let (by, why) = (by.word(), kill.why.as_str());
        tracing::warn!(venue = %venue.id, by, on = kill.on, why, "a kill switch was turned");
        self.requotes.mark_all(venue.functions().iter());
        provider.tell(ServerFrame::Killed { by: by.to_owned(), on: kill.on, why: why.to_owned() });
        Ok(true)
    }

    /// Changes what a provider takes at most.
    ///
    /// # Errors
    /// A value out of range, by name; then nothing has changed.
    pub(crate) fn set_caps(&self, venue: &VenueEntry, provider: &Provider, caps: CapsSpec) -> Result<(), Refused> {
        let window = window_caps(&caps)?;
        let mut held = provider.held();
        venue.slots.set_concurrency(caps.concurrency.unwrap_or(u32::MAX).min(held.concurrency));
        venue.slots.set_window_caps(window, self.clock.now());
        held.caps = caps;
        Ok(())
    }
}

/// Milliseconds of a window that says nothing about it.
const DEFAULT_WINDOW_MS: u64 = 60_000;

fn window_caps(caps: &CapsSpec) -> Result<Option<WindowCaps>, Refused> {
    let refuse = |why: String| Err(Refused::new("bad_caps", why));
    let length = caps.window_ms.unwrap_or(DEFAULT_WINDOW_MS);
    if !(1000..=86_400_000).contains(&length) {
        return refuse(format!("window_ms must be 1000 to 86400000, got {length}"));
    }
    let spend = match caps.spend.as_deref().map(|text| (text, text.parse::<Money>())) {
        None => None,
        Some((_, Ok(amount))) if !amount.is_negative() => Some(amount.pico_saturating_i64()),
        Some((text, Ok(_))) => return refuse(format!("spend `{}` is below zero", offer::shown(text))),
        Some((text, Err(error))) => return refuse(format!("spend `{}` {error}", offer::shown(text))),
    };
    if caps.calls.is_none() && spend.is_none() {
        return Ok(None);
    }
    Ok(Some(WindowCaps {
        length: Micros::from_millis(length),
        calls: caps.calls.unwrap_or(u64::MAX),
        spend_pico: spend.unwrap_or(i64::MAX),
    }))
}
