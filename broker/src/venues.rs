//! Making venues from the configuration, and changing their prices.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use merit_config::Config;
use merit_market::{Isolation, RegionIndex, VenueIndex, VenueSlots};
use merit_pricing::{Catalogue, PriceSheet};
use merit_units::{Micros, SheetName, Timestamp, VenueId};

use crate::Broker;
use crate::adapters::{adapter, provider_http};
use crate::prices::{NewSheet, Prices};
use crate::provider::adapter::ProviderVenue;
use crate::provider::{Provider, VenueHouse};
use crate::refusal::Refusal;
use crate::venue::{Directory, VenueEntry};

/// Venues one broker can have: the numbers of a venue set.
const MAX_VENUES: usize = 256;

impl Broker {
    /// Brings the directory in line with the configuration. Venues that stay keep their state.
    ///
    /// # Errors
    /// Every venue that can't be made, with the reason; then nothing has changed.
    pub async fn apply_venues(&self, config: &Config) -> Result<(), Vec<String>> {
        self.callbacks.set_most(config.server.max_callbacks);
        let former = self.directory.load_full();
        let mut next =
            Directory { venues: BTreeMap::new(), regions: former.regions.clone(), numbers: former.numbers.clone() };
        let stored = self.stored_sheets().map_err(|mistake| vec![mistake])?;
        let mut mistakes = Vec::new();
        for (id, venue) in &config.venues {
            match self.venue_entry(id, venue, config, &stored, &mut next).await {
                Ok(entry) => drop(next.venues.insert(id.clone(), Arc::new(entry))),
                Err(mistake) => mistakes.push(format!("venues.{id}: {mistake}")),
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let gone: Vec<_> = former.venues.values().filter(|venue| !next.venues.contains_key(&venue.id)).collect();
        self.directory.store(Arc::new(next));
        self.settle_awaited();
        self.settle_adjustments();
        self.settle_providers();
        for venue in gone {
            venue.disabled.store(true, Ordering::Relaxed);
            self.rebuild_books(venue, self.clock.now());
        }
        Ok(())
    }

    /// What is agreed now holds for every sheet, those of deployments and offers among them.
    fn settle_adjustments(&self) {
        let (settings, now) = (self.settings.load(), self.clock.now());
        for venue in self.directory.load().venues.values() {
            let agreed = settings.agreed(&venue.id);
            let changed = venue.sheets().iter().filter(|prices| prices.agree(&agreed, now)).count();
            if changed > 0 {
                self.rebuild_books(venue, now);
            }
        }
    }

    /// What providers said holds under the new configuration too, as far as it allows.
    fn settle_providers(&self) {
        for venue in self.directory.load().venues.values() {
            let Some(provider) = &venue.provider else { continue };
            provider.judge_trial(venue);
            if let Err(refused) = self.set_caps(venue, provider, provider.caps()) {
                tracing::warn!(venue = %venue.id, why = refused.message, "its caps do not hold");
            }
        }
    }

    async fn venue_entry(
        &self,
        id: &VenueId,
        venue: &merit_config::Venue,
        config: &Config,
        stored: &BTreeMap<VenueId, Arc<PriceSheet>>,
        next: &mut Directory,
    ) -> Result<VenueEntry, String> {
        let directory = self.directory.load();
        let former = directory.venues.get(id);
        let now = self.clock.now();
        let provider = provider(former.and_then(|former| former.provider.as_ref()), id, venue, config)?;
        if let (Some(provider), merit_config::VenueKind::Provider(own)) = (&provider, &venue.kind) {
            provider.vouch(own.vouch, now);
        }
        let adapter: Arc<dyn merit_venue::Venue> = match &provider {
            Some(provider) => Arc::clone(&provider.adapter) as _,
            None => adapter(venue, config, &self.callbacks).await?,
        };
        let index = number(&mut next.numbers, id).ok_or_else(|| format!("more than {MAX_VENUES} venues"))?;
        let region =
            number(&mut next.regions, &venue.region).ok_or_else(|| format!("more than {MAX_VENUES} regions"))?;
        let slots =
            former.map_or_else(|| Arc::new(VenueSlots::new(venue.concurrency)), |former| Arc::clone(&former.slots));
        slots.set_concurrency(venue.concurrency);
        slots.set_memory_quota_mb(match &venue.kind {
            merit_config::VenueKind::TencentScf(own) => Some(own.memory_quota_mb(&venue.region)),
            _ => None,
        });
        let sheet = stored.get(id).cloned().or_else(|| venue.sheet.clone().map(|own| self.catalog.in_place_of(own)));
        let sheet = match (&sheet, &venue.awaits) {
            (None, Some(name)) => self.sheet_named(id, name, now),
            _ => self.new_sheet(id, sheet, now),
        };
        let same_account = former.filter(|former| *former.billing_account == *venue.billing_account);
        let prices = match same_account {
            Some(former) => {
                former.prices.replace(sheet);
                Arc::clone(&former.prices)
            }
            None => Arc::new(Prices::new(sheet, self.usage.of(&venue.billing_account))),
        };
        let unready = provider.is_some() && adapter.unready().is_some();
        let ledger_account = self.store.open_venue(id).await.map_err(|error| error.to_string())?;
        Ok(VenueEntry {
            id: id.clone(),
            shown: crate::venue::shown(id.as_str()),
            index: VenueIndex::new(index),
            region: venue.region.clone(),
            region_index: RegionIndex::new(region),
            isolation: isolation(venue.isolation),
            architecture: venue.architecture,
            adapter,
            slots,
            prices,
            billing_account: venue.billing_account.as_str().into(),
            own_prices: same_account.map_or_else(Default::default, |former| Arc::clone(&former.own_prices)),
            ledger_account,
            metrics: self.metrics.venue(id),
            functions: former.map_or_else(Arc::default, |former| Arc::clone(&former.functions)),
            provider,
            disabled: AtomicBool::new(false),
            // One that has never said where it is called is not called even once.
            unready: AtomicBool::new(unready),
        })
    }

    /// The sheets last put through the API: they outlive a restart.
    fn stored_sheets(&self) -> Result<BTreeMap<VenueId, Arc<PriceSheet>>, String> {
        let rows = self.store.sheets_in_force(self.clock.now()).map_err(|error| error.to_string())?;
        rows.into_iter()
            .map(|row| match PriceSheet::parse_toml(&row.body) {
                Ok(sheet) => Ok((row.venue, Arc::new(sheet))),
                Err(errors) => Err(format!("venues.{}: its stored sheet: {errors}", row.venue)),
            })
            .collect()
    }

    pub(crate) fn new_sheet(&self, venue: &VenueId, sheet: Option<Arc<PriceSheet>>, now: Timestamp) -> NewSheet {
        let settings = self.settings.load();
        let currency = sheet.as_ref().map_or(merit_units::Currency::USD, |sheet| sheet.currency());
        let live = sheet.as_ref().filter(|sheet| self.catalog.is_live(sheet));
        let confirmed_at = live.and_then(|sheet| self.catalog.confirmed_at(sheet.name().as_str())).unwrap_or(now);
        NewSheet {
            exchange: settings.exchange(currency, self.catalog.rate(currency), now),
            agreed: settings.agreed(venue),
            now,
            sheet,
            awaits: None,
            confirmed_at,
            stale_after: settings.price_stale_after,
        }
    }

    /// A provider's rates in force. They are good for as long as its offer stands, which is seconds; so they don't
    /// get stale besides.
    pub(crate) fn offered_sheet(&self, venue: &VenueId, sheet: &Arc<PriceSheet>, now: Timestamp) -> NewSheet {
        NewSheet { stale_after: Micros::MAX, ..self.new_sheet(venue, Some(Arc::clone(sheet)), now) }
    }

    /// The prices of a new offer.
    pub(crate) fn offered_prices(&self, venue: &VenueEntry, sheet: &Arc<PriceSheet>, now: Timestamp) -> Prices {
        Prices::new(self.offered_sheet(&venue.id, sheet, now), self.usage.of(&venue.billing_account))
    }

    /// What a deployment at `venue` is billed by: the venue's sheet, or a named one of the catalogue.
    ///
    /// One of a region that nothing is known of yet is waited for.
    ///
    /// # Errors
    /// [`Refusal::Unknown`] when the catalogue has no such sheet, and no price list could have it.
    pub fn prices_of(&self, venue: &VenueEntry, sheet: Option<&str>) -> Result<Arc<Prices>, Refusal> {
        let Some(name) = sheet else { return Ok(Arc::clone(&venue.prices)) };
        let expected = || Catalogue::builtin().like(name).is_some() || self.catalog.find(name).is_some();
        let known = SheetName::try_new(name).ok().filter(|_| expected()).ok_or_else(|| Refusal::Unknown {
            kind: "price sheet",
            name: name.to_owned(),
            near: crate::venue::near(name, self.catalog.names().iter().map(SheetName::as_str)),
        })?;
        let mut own = venue.own_prices.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let make = || {
            let new = self.sheet_named(&venue.id, &known, self.clock.now());
            Arc::new(Prices::new(new, self.usage.of(&venue.billing_account)))
        };
        Ok(Arc::clone(own.entry(name.to_owned()).or_insert_with(make)))
    }

    /// Puts a new sheet in force at a venue and rebuilds the books it touches. Returns how many.
    ///
    /// # Errors
    /// [`Refusal::Unknown`] for a venue there is not.
    pub fn put_sheet(&self, venue: &str, sheet: &Arc<PriceSheet>) -> Result<usize, Refusal> {
        let directory = self.directory.load();
        let venue = directory.venue(venue)?;
        let now = self.clock.now();
        let former = venue.prices.sheet();
        let reshaped = venue.prices.replace(self.new_sheet(&venue.id, Some(Arc::clone(sheet)), now));
        if let Some(provider) = &venue.provider {
            self.resheet_offers(venue, provider, former.as_ref(), sheet);
        }
        if reshaped {
            self.rebase_profiles(venue, &venue.prices, sheet);
        }
        Ok(self.rebuild_books(venue, now))
    }

    /// Puts the catalogue's next sheet in force wherever its `former` one is and where it is waited for, and rebuilds the
    /// books it touches. Returns how many. A sheet that came from elsewhere, if of the same name, is left alone.
    pub(crate) fn put_catalog_sheet(
        &self,
        former: Option<&Arc<PriceSheet>>,
        next: &Arc<PriceSheet>,
        now: Timestamp,
    ) -> usize {
        let directory = self.directory.load();
        let mut rebuilt = 0;
        for venue in directory.venues.values() {
            let mut billed = venue.awaiting(next.name());
            billed.extend(former.into_iter().flat_map(|former| venue.billed_by(former)));
            for prices in &billed {
                if prices.replace(self.new_sheet(&venue.id, Some(Arc::clone(next)), now)) {
                    self.rebase_profiles(venue, prices, next);
                }
            }
            if !billed.is_empty() {
                rebuilt += self.rebuild_books(venue, now);
            }
        }
        rebuilt
    }

    /// The catalogue's sheet in force was confirmed: it is fresh again.
    pub(crate) fn confirm_catalog_sheet(&self, sheet: &Arc<PriceSheet>, now: Timestamp) {
        for venue in self.directory.load().venues.values() {
            for prices in venue.billed_by(sheet) {
                prices.replace(self.new_sheet(&venue.id, Some(Arc::clone(sheet)), now));
            }
        }
    }

    /// Meters what was learned anew, under a sheet that rounds otherwise.
    fn rebase_profiles(&self, venue: &VenueEntry, prices: &Arc<Prices>, sheet: &PriceSheet) {
        for function in venue.functions() {
            let Ok(function) = self.functions.get(function.as_str()) else { continue };
            for deployment in function.deployments.iter().filter(|deployment| Arc::ptr_eq(&deployment.prices, prices)) {
                deployment.profile().rebase(sheet, &deployment.size);
            }
        }
    }
}

/// What there is of a provider: kept as it was, or made.
fn provider(
    former: Option<&Arc<Provider>>,
    id: &VenueId,
    venue: &merit_config::Venue,
    config: &Config,
) -> Result<Option<Arc<Provider>>, String> {
    let merit_config::VenueKind::Provider(own) = &venue.kind else { return Ok(None) };
    let (http, house) = (provider_http(venue, own, config), VenueHouse { id, venue, config });
    let provider = match former {
        Some(former) => {
            former.adapter.configure(http).map_err(|error| error.to_string())?;
            Arc::clone(former)
        }
        None => Arc::new(Provider::new(Arc::new(ProviderVenue::new(http)), own, &house)),
    };
    provider.configure(own, &house);
    Ok(Some(provider))
}

/// The number of a name, the next free one when it is new; `None` when there are too many.
fn number<T: Clone + PartialEq>(numbers: &mut Vec<T>, id: &T) -> Option<u8> {
    let position = numbers.iter().position(|known| known == id).unwrap_or_else(|| {
        numbers.push(id.clone());
        numbers.len() - 1
    });
    u8::try_from(position).ok()
}

pub(crate) fn isolation(isolation: merit_config::Isolation) -> Isolation {
    match isolation {
        merit_config::Isolation::Wasm => Isolation::Wasm,
        merit_config::Isolation::Namespace => Isolation::Namespace,
        merit_config::Isolation::Gvisor => Isolation::Gvisor,
        merit_config::Isolation::Microvm => Isolation::Microvm,
        merit_config::Isolation::Provider => Isolation::Provider,
    }
}
