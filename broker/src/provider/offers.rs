//! The offers of one venue: taken, held, cancelled, expired, and turned into deployments of functions.
//!
//! Everything here happens under the one lock of the venue's offers, and touches a function only by its list of
//! offered deployments and by marking its book to be rebuilt. What a message costs does not grow with the number of
//! offers or functions there are.
//!
//! Invariants: an id stands for one offer; an offer that has ended stays, ineligible and with its reason, for
//! [`REMEMBERED`], and its bands with it, so that a price can't jump by being withdrawn and sent again; there are
//! never more than `providers.max_offers` that stand, nor twice as many in all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use merit_market::BandLimits;
use merit_pricing::PriceSheet;
use merit_units::{Micros, Timestamp};
use merit_wire::{OfferReason, OfferSpec, OffersTaken};

use super::offer::{House, Offer, Refused, Runs};
use super::places::{deploy, deploy_to, mark, withdraw};
use super::standing::{Bands, OfferGate, OfferState, Standing};
use crate::Broker;
use crate::function::{Deployment, Function};
use crate::prices::Prices;
use crate::venue::VenueEntry;

/// How long an offer that has ended is shown, and its bands are known.
pub(crate) const REMEMBERED: Micros = Micros::from_secs(600);

/// Of the most offers that may stand, one in so many that have ended is forgotten at once when too many have.
const FORGOTTEN_PART: usize = 8;

/// Who is told of a change, and when it happens.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) broker: &'a Broker,
    pub(crate) venue: &'a Arc<VenueEntry>,
    /// The session that sends, if one does.
    pub(crate) session: Option<u64>,
    pub(crate) now: Timestamp,
}

/// What the operator allows.
#[derive(Clone, Debug)]
pub(crate) struct OfferRules {
    pub(crate) house: House,
    pub(crate) bands: BandLimits,
    /// Functions and classes it may offer; none means all.
    pub(crate) allowed: Option<BTreeSet<String>>,
    pub(crate) max_offers: usize,
}

/// All offers of a venue.
pub(crate) struct Offers {
    pub(crate) rules: OfferRules,
    by_id: BTreeMap<Box<str>, Standing>,
    wanted: BTreeMap<Runs, BTreeSet<Box<str>>>,
    /// Offers that stand.
    standing: usize,
    /// Of the venue's sheet: what the first price of an offer is compared with.
    pub(super) bands: Bands,
    /// A sheet by whose terms offers are meant to be billed: the first one, or the last of which an offer was confirmed.
    pub(super) meant: Option<Arc<PriceSheet>>,
    /// Bands of offers before a restart that have not been sent again.
    pub(super) kept: BTreeMap<Box<str>, Bands>,
    /// What is to be kept over a restart has changed.
    moved: bool,
}

impl Offers {
    pub(crate) fn new(rules: OfferRules) -> Self {
        Self {
            rules,
            by_id: BTreeMap::new(),
            wanted: BTreeMap::new(),
            standing: 0,
            bands: Bands::default(),
            meant: None,
            kept: BTreeMap::new(),
            moved: false,
        }
    }

    /// What is kept over a restart has changed.
    pub(super) fn moved(&mut self) {
        self.moved = true;
    }

    /// Whether it has since this was asked last.
    pub(super) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Standing> {
        self.by_id.values()
    }

    /// Prices that are in force at the offers of the venue.
    pub(crate) fn prices(&self) -> Vec<Arc<Prices>> {
        self.by_id.values().filter(|its| its.state().stands()).map(|its| Arc::clone(&its.prices)).collect()
    }

    /// Puts `offers` in the place of all there were.
    pub(crate) fn replace_all(&mut self, offers: Vec<OfferSpec>, scene: Scene<'_>) -> Result<OffersTaken, Refused> {
        if offers.len() > self.rules.max_offers {
            let (count, max) = (offers.len(), self.rules.max_offers);
            return Err(Refused::new(
                "too_many_offers",
                format!("{count} offers are more than providers.max_offers, {max}"),
            ));
        }
        let sent: BTreeSet<&str> = offers.iter().map(|offer| offer.id.as_str()).collect();
        let gone: Vec<Box<str>> = self.by_id.keys().filter(|id| !sent.contains(&***id)).cloned().collect();
        for id in gone {
            self.end(&id, OfferState::Cancelled, "it is not in the last mass quote", scene);
        }
        let mut taken = OffersTaken::default();
        let mut seen = BTreeSet::new();
        for spec in offers {
            let id = spec.id.clone();
            if !seen.insert(id.clone()) {
                taken.rejected.push(Refused::new("bad_id", "the mass quote has this id twice").told(&id));
                continue;
            }
            self.put_and_tell(spec, scene, &mut taken);
            if taken.rejected.last().is_some_and(|rejected| rejected.id == id) {
                self.end(&id, OfferState::Cancelled, "what took its place was not taken", scene);
            }
        }
        Ok(taken)
    }

    /// Puts one offer, and says what came of it.
    pub(crate) fn put_and_tell(&mut self, spec: OfferSpec, scene: Scene<'_>, taken: &mut OffersTaken) {
        let id = spec.id.clone();
        match self.put(spec, scene) {
            Ok(held) => {
                taken.accepted += 1;
                taken.held.extend(held);
                taken.idle.extend(self.idle(&id, scene));
            }
            Err(refused) => {
                scene.broker.metrics.providers.refused(refused.word);
                taken.rejected.push(refused.told(&id));
            }
        }
    }

    /// How many quotes an offer is: one of a class is one for each of its functions, unless it only lives longer.
    pub(crate) fn counts_as(&self, spec: &OfferSpec, scene: Scene<'_>) -> usize {
        let Some(class) = &spec.class else { return 1 };
        let same = self.by_id.get(spec.id.as_str()).is_some_and(|known| known.spec == *spec && known.state().stands());
        if same { 1 } else { scene.broker.functions.count_of_class(class).max(1) }
    }

    fn put(&mut self, spec: OfferSpec, scene: Scene<'_>) -> Result<Option<OfferReason>, Refused> {
        if let Some(known) = self.by_id.get_mut(spec.id.as_str())
            && known.spec == spec
            && known.state().stands()
        {
            // Nothing of it is new but its time.
            (known.at, known.session) = (scene.now, scene.session);
            known.expires_at = scene.now + known.offer.ttl;
            if known.deployments.is_empty() && matches!(known.offer.runs, Runs::Function(_)) {
                // Its function was full, and may not be any more.
                deploy(known, scene);
            }
            return Ok(known.hold.map(|hold| hold.told().told(&spec.id)));
        }
        let offer = Offer::read(&spec, &self.rules.house)?;
        self.check_allowed(&offer)?;
        let sheet = self.sheet_of(&offer, scene)?;
        let id: Box<str> = spec.id.as_str().into();
        if !self.by_id.get(&id).is_some_and(|known| known.state().stands()) {
            self.make_room(scene)?;
            self.standing += 1;
        }
        let standing = match self.by_id.remove(&id) {
            Some(known) => self.renewed(known, spec, offer, sheet, scene),
            None => self.first(spec, offer, sheet, scene),
        };
        let told = standing.hold.map(|hold| hold.told().told(&id));
        if told.is_some() {
            scene.broker.metrics.providers.held.inc();
            self.moved = true;
        }
        standing.gate.tell_rule(standing.spec.rule.as_ref());
        self.wanted.entry(standing.offer.runs.clone()).or_default().insert(id.clone());
        self.by_id.insert(id, standing);
        Ok(told)
    }

    /// Why an offer is an ask of no function, when it is of none. Looks at no more than one function.
    fn idle(&self, id: &str, scene: Scene<'_>) -> Option<OfferReason> {
        let standing = self.by_id.get(id).filter(|its| its.deployments.is_empty())?;
        Some(super::places::why_idle(&standing.offer.runs, scene).told(id))
    }

    fn first(&mut self, spec: OfferSpec, offer: Offer, sheet: Arc<PriceSheet>, scene: Scene<'_>) -> Standing {
        let prices = scene.broker.offered_prices(scene.venue, &sheet, scene.now);
        let mut standing = Standing {
            sheet,
            prices: Arc::new(prices),
            bands: self.kept.remove(spec.id.as_str()).unwrap_or_else(|| self.bands.clone()),
            spec,
            hold: None,
            gate: Arc::new(OfferGate::new(OfferState::Held)),
            at: scene.now,
            expires_at: scene.now + offer.ttl,
            ended_at: None,
            why: None,
            session: scene.session,
            deployments: BTreeMap::new(),
            offer,
        };
        standing.judge(self.rules.bands, self.meant.as_deref(), scene.now);
        deploy(&mut standing, scene);
        standing
    }

    fn renewed(
        &self,
        mut known: Standing,
        spec: OfferSpec,
        offer: Offer,
        sheet: Arc<PriceSheet>,
        scene: Scene<'_>,
    ) -> Standing {
        // While it was over, its place may have been given to another.
        let moved = !known.state().stands()
            || known.offer.runs != offer.runs
            || known.offer.size != offer.size
            || known.offer.isolation != offer.isolation
            || known.spec.target != spec.target;
        if known.offer.rates != offer.rates || !known.state().stands() {
            known.prices.replace(scene.broker.offered_sheet(&scene.venue.id, &sheet, scene.now));
        }
        let former = std::mem::replace(&mut known.offer, offer);
        (known.spec, known.sheet) = (spec, sheet);
        (known.at, known.session) = (scene.now, scene.session);
        known.expires_at = scene.now + known.offer.ttl;
        known.judge(self.rules.bands, self.meant.as_deref(), scene.now);
        if moved {
            if former.runs != known.offer.runs {
                withdraw(&mut known, scene);
            }
            deploy(&mut known, scene);
        } else {
            for deployment in known.deployments.values() {
                deployment.slot.set_concurrency(known.offer.slots);
            }
            mark(&known, scene);
        }
        known
    }

    fn check_allowed(&self, offer: &Offer) -> Result<(), Refused> {
        let name = match &offer.runs {
            Runs::Function(function) => function.as_str(),
            Runs::Class(class) => class,
        };
        match &self.rules.allowed {
            Some(allowed) if !allowed.contains(name) => {
                let message = format!("the operator does not let this venue offer `{name}`: see `offers` of the venue");
                Err(Refused::new("not_allowed", message))
            }
            _ => Ok(()),
        }
    }

    /// The venue's sheet at the offer's rates.
    fn sheet_of(&mut self, offer: &Offer, scene: Scene<'_>) -> Result<Arc<PriceSheet>, Refused> {
        let sheet = scene
            .venue
            .prices
            .sheet()
            .ok_or_else(|| Refused::new("no_price_sheet", "the venue has no price sheet: put one before offers"))?;
        if self.bands.is_empty() {
            self.bands = Bands::of(&sheet, scene.now);
            self.meant = Some(Arc::clone(&sheet));
            self.moved = true;
        }
        let sheet = at_rates(offer, &sheet)?;
        sheet.check(&offer.size).map_err(|error| Refused::new("not_sold", error.to_string()))?;
        Ok(sheet)
    }

    /// Makes sure that one more may stand, and forgets what ended first when too many have ended.
    fn make_room(&mut self, scene: Scene<'_>) -> Result<(), Refused> {
        let max = self.rules.max_offers;
        if self.standing >= max {
            return Err(Refused::new("too_many_offers", format!("providers.max_offers, {max}, is reached")));
        }
        if self.by_id.len() >= max.saturating_mul(2) {
            // A part of them at once, or each of many new ids would have all of them looked through.
            let ended = self.by_id.iter().filter_map(|(id, its)| Some((its.ended_at?, id.clone())));
            let mut oldest: Vec<_> = ended.collect();
            oldest.sort_unstable();
            oldest.truncate(max.div_ceil(FORGOTTEN_PART));
            oldest.iter().for_each(|(_, id)| self.forget(id, scene));
        }
        Ok(())
    }

    /// Ends an offer. Returns whether it stood.
    pub(crate) fn end(&mut self, id: &str, state: OfferState, why: &'static str, scene: Scene<'_>) -> bool {
        let Some(standing) = self.by_id.get_mut(id) else { return false };
        let stood = standing.end(state, why, scene.now);
        if stood {
            self.standing -= 1;
            mark(standing, scene);
        }
        stood
    }

    /// Ends all offers, or those that a session sent. Returns how many stood.
    pub(crate) fn end_all(&mut self, of_session: Option<u64>, why: &'static str, scene: Scene<'_>) -> u32 {
        let ids: Vec<Box<str>> = self
            .by_id
            .iter()
            .filter(|(_, its)| its.state().stands() && (of_session.is_none() || its.session == of_session))
            .map(|(id, _)| id.clone())
            .collect();
        ids.iter().map(|id| u32::from(self.end(id, OfferState::Cancelled, why, scene))).sum()
    }

    /// The price of a held offer is meant. Returns whether it was held, or `None` when there is no such offer.
    pub(crate) fn confirm(&mut self, id: &str, scene: Scene<'_>) -> Option<bool> {
        let standing = self.by_id.get_mut(id)?;
        if standing.state() != OfferState::Held {
            return Some(false);
        }
        if standing.hold.is_some_and(|hold| !hold.why.may_pass()) {
            // The next offers are compared with what was just said to be meant, and so are those that wait for it.
            self.bands.confirm(&standing.sheet, scene.now);
            self.meant = Some(Arc::clone(&standing.sheet));
        }
        self.moved = true;
        standing.bands.confirm(&standing.sheet, scene.now);
        standing.judge(self.rules.bands, self.meant.as_deref(), scene.now);
        mark(standing, scene);
        Some(true)
    }

    /// Ends what has expired, frees what its band has reached, and forgets what ended long ago. Returns the offers
    /// that are free again, and when to come back.
    pub(crate) fn tick(&mut self, scene: Scene<'_>) -> (Vec<String>, Timestamp) {
        let (mut expired, mut freed, mut past) = (Vec::new(), Vec::new(), Vec::new());
        let mut next = Timestamp::from_micros(u64::MAX);
        for (id, its) in &mut self.by_id {
            match its.state() {
                OfferState::Live | OfferState::Held if its.expires_at <= scene.now => expired.push(id.clone()),
                OfferState::Held => {
                    its.judge(self.rules.bands, self.meant.as_deref(), scene.now);
                    if its.state() == OfferState::Live {
                        mark(its, scene);
                        freed.push(id.to_string());
                    }
                    next = next.min(its.expires_at).min(scene.now + Micros::from_secs(1));
                }
                OfferState::Live => next = next.min(its.expires_at),
                _ if its.ended_at.is_some_and(|ended| scene.now.since(ended) >= REMEMBERED) => past.push(id.clone()),
                _ => next = next.min(scene.now + Micros::from_secs(60)),
            }
        }
        for id in &expired {
            self.end(id, OfferState::Expired, "it was not sent again within its ttl_ms", scene);
        }
        if !expired.is_empty() {
            scene.broker.metrics.providers.expired.inc_by(expired.len() as u64);
            next = next.min(scene.now + Micros::from_secs(60));
        }
        past.iter().for_each(|id| self.forget(id, scene));
        (freed, next)
    }

    /// The venue has another sheet.
    pub(crate) fn resheet(&mut self, former: Option<&Arc<PriceSheet>>, sheet: &Arc<PriceSheet>, scene: Scene<'_>) {
        if self.bands.is_empty() {
            let first = former.unwrap_or(sheet);
            self.bands = Bands::of(first, scene.now);
            self.meant = Some(Arc::clone(first));
        }
        self.moved = true;
        let limits = self.rules.bands;
        let crosses = self.bands.check(sheet, limits, scene.now).is_some_and(|hold| !hold.why.may_pass());
        if !crosses {
            self.bands.set(sheet, scene.now);
        }
        let mut unsold = Vec::new();
        for (id, its) in self.by_id.iter_mut().filter(|(_, its)| its.state().stands()) {
            match at_rates(&its.offer, sheet) {
                Ok(sheet) if sheet.check(&its.offer.size).is_ok() => {
                    if its.prices.replace(scene.broker.offered_sheet(&scene.venue.id, &sheet, scene.now)) {
                        for deployment in its.deployments.values() {
                            deployment.profile().rebase(&sheet, &deployment.size);
                        }
                    }
                    its.sheet = sheet;
                    its.judge(limits, self.meant.as_deref(), scene.now);
                    mark(its, scene);
                }
                _ => unsold.push(id.clone()),
            }
        }
        for id in unsold {
            self.end(&id, OfferState::Cancelled, "the venue's new price sheet does not sell it", scene);
        }
    }

    /// Makes a function that is new, or has changed, the deployments it is offered. Also after the venue was
    /// configured anew.
    pub(crate) fn attach(&mut self, function: &Arc<Function>, scene: Scene<'_>) {
        let own = Runs::Function(function.id.clone());
        let class = function.class.as_deref().map(|class| Runs::Class(class.into()));
        let wanted = std::iter::once(own).chain(class).filter_map(|runs| self.wanted.get(&runs));
        let ids: Vec<Box<str>> = wanted.flatten().cloned().collect();
        for id in &ids {
            if let Some(standing) = self.by_id.get_mut(id) {
                deploy_to(standing, function, scene);
            }
        }
        let offered = |deployment: &Deployment| {
            let of = |id: &str| self.by_id.get(id).is_some_and(|its| its.offer.deployment == deployment.id);
            deployment.venue.id != scene.venue.id || ids.iter().any(|id| of(id))
        };
        function.retain_offered(&offered);
    }

    fn forget(&mut self, id: &str, scene: Scene<'_>) {
        let Some(mut standing) = self.by_id.remove(id) else { return };
        if let Some(wanted) = self.wanted.get_mut(&standing.offer.runs) {
            wanted.remove(id);
            if wanted.is_empty() {
                self.wanted.remove(&standing.offer.runs);
            }
        }
        withdraw(&mut standing, scene);
    }
}

fn at_rates(offer: &Offer, sheet: &Arc<PriceSheet>) -> Result<Arc<PriceSheet>, Refused> {
    if offer.rates.is_empty() {
        return Ok(Arc::clone(sheet));
    }
    let offered = sheet.at_rates(&offer.rates);
    offered.map(Arc::new).map_err(|error| Refused::new("bad_price", error.to_string()))
}
