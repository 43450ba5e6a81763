//! One view of a function's book: the asks, and what stands behind each of them.
//!
//! A view is immutable. The next one is made from it, and shares what has not changed: the deployments and their slots
//! while the set of them stands, and what their calls are expected to use while nothing was learned. A price change of one
//! venue comes to every book with a deployment there, so [`View::repriced`] looks at no other deployment than those, takes
//! no lock, and copies little: what a thousand of them cost is memory that is not in a cache.

use std::sync::Arc;

use merit_config::Demand;
use merit_market::{Ask, Book, Config, Ineligible, Slots, VenueIndex};
use merit_pricing::{Basis, Expectation, Meter, Metered, Usage, expect};
use merit_units::{DeploymentId, Micros, Money, Timestamp};
use merit_venue::MeterBasis;

use super::Deployment;
use crate::prices::{Charged, InForce};
use crate::quote::Exclusions;
use crate::settle::Bill;

/// A function's book, and what stands behind each of its asks.
pub struct View {
    /// Counts the rebuilds.
    pub version: u64,
    /// The asks in merit order.
    pub book: Book,
    /// Whose the asks are, row by row.
    places: Arc<[Arc<Deployment>]>,
    /// What a call is expected to be billed for, row by row.
    expected: Arc<[Expected]>,
    /// The prices each row was quoted under: a fill is charged by them, whatever the prices are by then.
    prices: Vec<Arc<InForce>>,
}

/// What one call of a deployment is expected to be billed for.
struct Expected {
    /// `None` when the sheet can't meter it.
    metered: Option<Metered>,
    /// Whether that is what a provider's bill says.
    corrected: bool,
    /// Whether its CPU time is that of other deployments, because its own calls do not tell it.
    cpu_borrowed: bool,
}

/// What a view is made by: what its function demands, the time, and the market's tunables.
pub(super) struct Rules<'a> {
    /// The longest one run may take: what is held is for that long.
    pub(super) timeout: Micros,
    pub(super) demand: Demand,
    pub(super) now: Timestamp,
    pub(super) market: &'a Config,
}

impl View {
    /// Without any ask.
    pub(super) fn empty() -> Self {
        let book = Book::build(None, Slots::default(), Vec::new(), Timestamp::EPOCH, &Config::default());
        let book = book.expect("invariant: a book without asks is small enough");
        Self { version: 0, book, places: Arc::default(), expected: Arc::default(), prices: Vec::new() }
    }

    /// The deployment behind a row.
    #[must_use]
    pub fn deployment(&self, row: usize) -> &Arc<Deployment> {
        &self.places[row]
    }

    /// The row of the deployment of that name.
    #[must_use]
    pub fn row_of(&self, deployment: &DeploymentId) -> Option<usize> {
        self.places.iter().position(|place| place.id == *deployment)
    }

    /// The rows that no request of plain HTTP can be sent to, bit `n` for row `n`.
    #[cold]
    pub(crate) fn without_plain_http(&self) -> u128 {
        let takes = |place: &Deployment| place.venue.adapter.takes_http(&place.target);
        let rows = self.places.iter().enumerate().filter(|(_, place)| !takes(place));
        rows.fold(0, |rows, (row, _)| rows | 1 << row)
    }

    /// The prices a call at that row is quoted under.
    #[must_use]
    pub fn prices(&self, row: usize) -> &InForce {
        &self.prices[row]
    }

    /// What a row's cost rests on: `billed`, by the provider's bill, or a word of [`Basis`].
    #[must_use]
    pub fn grounds(&self, row: usize) -> String {
        let Expected { corrected, cpu_borrowed, .. } = self.expected[row];
        match self.book.asks()[row].basis {
            _ if corrected => "billed".to_owned(),
            Basis::Measured if cpu_borrowed => Basis::Borrowed.to_string(),
            basis => basis.to_string(),
        }
    }

    /// The expected cost of a row.
    #[must_use]
    pub fn cost(&self, row: usize) -> Money {
        Money::from_pico(self.book.asks()[row].cost_pico.into())
    }

    /// The expected cost of a row without adjustments; `None` where none hold.
    #[must_use]
    pub fn list_cost(&self, row: usize) -> Option<Money> {
        self.prices[row].list_cost(self.expected[row].metered.as_ref()?)
    }

    /// The cheapest expected cost among the rows that were not excluded.
    #[must_use]
    pub fn cheapest(&self, exclusions: &Exclusions) -> Money {
        let eligible = (0..self.prices.len()).filter(|row| exclusions[*row].is_none());
        eligible.map(|row| self.cost(row)).min().unwrap_or(Money::ZERO)
    }

    /// The most a call at that row can be charged: what is held for it.
    #[must_use]
    pub fn ceiling(&self, row: usize) -> Money {
        Money::from_pico(self.book.asks()[row].ceiling_pico.into())
    }

    /// What a call that used `usage` at that row is charged. Where a provider says what was used it is the ceiling at
    /// most, which is what was held: or what it says, such as more CPU time than there can be, would overspend budgets.
    #[must_use]
    pub fn bill(&self, row: usize, usage: &Usage, basis: MeterBasis) -> Bill {
        let (deployment, prices) = (&self.places[row], &self.prices[row]);
        // Whoever tells the time of the run, who shared the instance meanwhile is only known of Merit's own calls.
        let shared = deployment.size.concurrency > 1 && prices.bills_shared_instances();
        let basis = if shared && basis == MeterBasis::Reported { MeterBasis::OwnClock } else { basis };
        match prices.meter(&deployment.size, usage) {
            Some(own) => {
                // Who tells the time of the run and no CPU time leaves a part of what is billed to be guessed.
                let untold = usage.cpu.is_none() && own.iter().any(|(meter, _)| meter == Meter::CpuMs);
                let basis = if untold && basis == MeterBasis::Reported { MeterBasis::OwnClock } else { basis };
                let metered = self.expected[row].as_billed(&own, untold, basis);
                let mut charged = deployment.prices.charge_under(prices, &metered);
                if deployment.offer.is_some() {
                    charged.charge = charged.charge.min(self.ceiling(row));
                }
                Bill::of(charged, Some(metered), basis)
            }
            None => self.expected_bill(row),
        }
    }

    /// What a call at that row is expected to be charged, when nobody tells what it used.
    #[must_use]
    pub fn expected_bill(&self, row: usize) -> Bill {
        let (deployment, prices, metered) = (&self.places[row], &self.prices[row], &self.expected[row].metered);
        let charged = |metered: &Metered| deployment.prices.charge_under(prices, metered);
        let unmetered = || Charged { charge: self.cost(row), month: None, adjusted: None };
        Bill::of(metered.as_ref().map_or_else(unmetered, charged), *metered, MeterBasis::OwnClock)
    }

    /// Whether its rows are these deployments, and after them those.
    pub(super) fn is_of(&self, registered: &[Arc<Deployment>], offered: &[Arc<Deployment>]) -> bool {
        let now = registered.iter().chain(offered);
        self.places.len() == registered.len() + offered.len()
            && self.places.iter().zip(now).all(|(before, now)| Arc::ptr_eq(before, now))
    }

    /// The next view, from prices, profiles and health as they stand. `places` when they are others than before.
    pub(super) fn rebuilt(&self, places: Option<Vec<Arc<Deployment>>>, rules: &Rules<'_>) -> Self {
        let (places, slots): (Arc<[_]>, Slots) = match places {
            None => (Arc::clone(&self.places), Arc::clone(self.book.slots())),
            Some(places) => {
                let slots = places.iter().map(|deployment| Arc::clone(&deployment.slot)).collect();
                (places.into(), slots)
            }
        };
        let made = places.iter().map(|deployment| ask(deployment, &places, rules));
        let (asks, (expected, prices)): (Vec<_>, (Vec<_>, Vec<_>)) = made.unzip();
        let book = self.succeeding_book(slots, asks, rules);
        Self { version: self.version + 1, book, places, expected: expected.into(), prices }
    }

    /// The next view, with the prices of one venue as they stand; `None` when more than prices has changed there.
    pub(super) fn repriced(&self, venue: VenueIndex, rules: &Rules<'_>) -> Option<Self> {
        let (mut asks, mut prices) = (self.book.asks().to_vec(), self.prices.clone());
        for (at, ask) in asks.iter_mut().enumerate().filter(|(_, ask)| ask.venue == venue) {
            let (deployment, expected) = (&self.places[at], &self.expected[at]);
            let in_force = deployment.prices.in_force();
            // Under a sheet that rounds otherwise, calls are expected to be billed for something else.
            if expected.metered.is_none() || !in_force.same_shape(&prices[at]) {
                return None;
            }
            price(ask, deployment, expected, &in_force, rules);
            prices[at] = in_force;
        }
        let book = self.succeeding_book(Arc::clone(self.book.slots()), asks, rules);
        let (places, expected) = (Arc::clone(&self.places), Arc::clone(&self.expected));
        Some(Self { version: self.version + 1, book, places, expected, prices })
    }

    fn succeeding_book(&self, slots: Slots, asks: Vec<Ask>, rules: &Rules<'_>) -> Book {
        Book::build(Some(&self.book), slots, asks, rules.now, rules.market)
            .expect("invariant: registration bounds the deployments of a function")
    }
}

impl Expected {
    /// What a call is billed for that comes to `own` as it was told: by the provider's bill, where the own clock is all there
    /// is to measure the run by; with the CPU time of other deployments' calls, where it told none.
    fn as_billed(&self, own: &Metered, untold: bool, basis: MeterBasis) -> Metered {
        match &self.metered {
            Some(expected) if self.corrected && basis == MeterBasis::OwnClock => run_as(own, expected),
            Some(expected) if self.cpu_borrowed && untold => {
                let most = own.get(Meter::CpuMs);
                own.with(Meter::CpuMs, expected.get(Meter::CpuMs).min(most)).unwrap_or(*own)
            }
            _ => *own,
        }
    }
}

/// What a call is billed for when the own clock is all there is to measure its run by, and a bill says what runs come to.
fn run_as(own: &Metered, billed: &Metered) -> Metered {
    let of_run = billed.iter().filter(|(meter, _)| meter.is_of_run());
    of_run.fold(*own, |metered, (meter, quantity)| metered.with(meter, quantity).unwrap_or(metered))
}

/// The ask of a deployment, of those a function has, and what it was made from.
fn ask(deployment: &Deployment, places: &[Arc<Deployment>], rules: &Rules<'_>) -> (Ask, (Expected, Arc<InForce>)) {
    let prices = deployment.prices.in_force();
    let expectation = prices.sheet().and_then(|sheet| expectation(deployment, places, sheet).ok());
    let latency_p50 = expectation.as_ref().map_or(Micros::ZERO, |known| known.latency_p50);
    let mut ask = Ask {
        venue: deployment.venue.index,
        region: deployment.venue.region_index,
        isolation: deployment.isolation,
        architecture: deployment.size.architecture,
        cost_pico: 0,
        ceiling_pico: 0,
        latency_p50,
        latency_p95: expectation.as_ref().map_or(Micros::ZERO, |known| known.latency_p95),
        fail_ppm: 0,
        retry_pico: 0,
        retry_delay: latency_p50,
        basis: expectation.as_ref().map_or(Basis::Assumed, |known| known.basis),
        samples: expectation.as_ref().map_or(0, |known| known.samples),
        ineligible: None,
    };
    let corrected = deployment.profile().is_corrected();
    let cpu_borrowed = expectation.as_ref().is_some_and(|known| known.cpu_borrowed);
    let expected = Expected { metered: expectation.map(|known| known.metered), corrected, cpu_borrowed };
    price(&mut ask, deployment, &expected, &prices, rules);
    (ask, (expected, prices))
}

/// Everything of an ask that is not learned from calls: what it costs, whether it may be matched, how it fails.
fn price(ask: &mut Ask, deployment: &Deployment, expected: &Expected, prices: &InForce, rules: &Rules<'_>) {
    let ended = || deployment.offer.as_ref().and_then(|offer| offer.ineligible());
    let unequal = || deployment.equality.bars(rules.demand);
    let barred = deployment.venue.barred().or_else(ended).or_else(unequal).or_else(|| prices.ineligible(rules.now));
    let (cost, ineligible) = match (&expected.metered, barred) {
        (Some(metered), None) => (prices.cost(metered), None),
        (_, Some(why)) => (Money::ZERO, Some(why)),
        (None, None) => (Money::ZERO, Some(Ineligible::NoPrice)),
    };
    ask.cost_pico = cost.pico_saturating_i64();
    ask.ceiling_pico = prices.ceiling(&deployment.size, rules.timeout).max(cost).pico_saturating_i64();
    ask.fail_ppm = deployment.slot.fail_ppm();
    // A retry runs at a deployment of about the same price, after waiting for this one to fail.
    ask.retry_pico = ask.cost_pico;
    ask.ineligible = ineligible;
}

/// What a call is expected to use there; from its siblings what was not learned of it yet.
fn expectation(
    deployment: &Deployment,
    places: &[Arc<Deployment>],
    sheet: &merit_pricing::PriceSheet,
) -> Result<Expectation, merit_pricing::MeterError> {
    let own = deployment.profile();
    if own.samples() > 0 && !own.lacks_cpu_time(sheet) {
        return expect(sheet, &deployment.size, &own, []);
    }
    // Only here are several profiles locked at once, and rebuilds of a function take turns.
    let others = places.iter().filter(|sibling| sibling.id != deployment.id);
    let siblings: Vec<_> = others.map(|sibling| sibling.profile()).collect();
    expect(sheet, &deployment.size, &own, siblings.iter().map(|profile| &**profile))
}
