//! Why asks are passed over: each reason, and which one is given when there are several.

use merit_units::{Micros, Timestamp};

use super::{Town, ask};
use crate::{
    ArchitectureSet, Exclusion, Ineligible, IsolationSet, NoPick, Observation, Pick, RegionSet, Terms, VenueSet,
};

fn verdict(town: &Town, terms: &Terms) -> Result<(), Exclusion> {
    let (row, verdict) = town.book.verdicts(terms, town.now).next().expect("one ask");
    assert_eq!(row, 0);
    verdict
}

fn expect(town: &Town, terms: &Terms, exclusion: Exclusion, word: &str, detail: &str) {
    assert_eq!(verdict(town, terms), Err(exclusion));
    assert_eq!((exclusion.word(), exclusion.to_string().as_str()), (word, detail));
}

/// An ask with everything against it that can be, and terms it breaks each of. The next
/// three tests take away what speaks against it step by step; each time the next reason in
/// precedence comes to light.
fn everything_against_it() -> (Town, Pick, Terms) {
    let mut town = Town::with_costs(&[300]);
    town.slot(0).venue().set_concurrency(1);
    let held = town.call();
    town.slot(0).set_concurrency(1);
    town.observe(0, Observation::Throttled { retry_after: Some(Micros::from_secs(3)) });
    town.eject(0);
    let terms = Terms {
        venues: VenueSet::NONE,
        regions: RegionSet::NONE,
        isolation: IsolationSet::NONE,
        architecture: ArchitectureSet::NONE,
        max_cost_pico: Some(200),
        max_latency_p95: Some(Micros::from_millis(99)),
        value_of_time_pico_per_s: 0,
        tried: 1,
        unfit: 1,
    };
    (town, held, terms)
}

#[test]
fn what_rules_an_ask_out_for_everyone_comes_before_the_terms() {
    let (mut town, _held, terms) = everything_against_it();
    for (why, exclusion, word, detail) in [
        (Ineligible::NoPrice, Exclusion::NoPrice, "no-price", "the venue has no price for it"),
        (Ineligible::StalePrice, Exclusion::StalePrice, "stale-price", "its price has outlived its validity"),
        (
            Ineligible::NoExchangeRate,
            Exclusion::NoExchangeRate,
            "no-exchange-rate",
            "its price is in a currency without an exchange rate",
        ),
        (Ineligible::Disabled, Exclusion::Disabled, "disabled", "it is switched off"),
        (
            Ineligible::VenueUnready,
            Exclusion::VenueUnready,
            "venue-unready",
            "its venue can't be called now; `merit venues show` says why",
        ),
    ] {
        town.change(|asks| asks[0].ineligible = Some(why));
        expect(&town, &terms, exclusion, word, detail);
    }
}

#[test]
fn each_broken_term_gives_way_to_the_next_and_all_come_before_health() {
    let (town, _held, mut terms) = everything_against_it();
    expect(&town, &terms, Exclusion::VenueNotAllowed, "venue-not-allowed", "the terms do not allow its venue");
    terms.venues = VenueSet::ALL;
    expect(&town, &terms, Exclusion::RegionNotAllowed, "region-not-allowed", "the terms do not allow its region");
    terms.regions = RegionSet::ALL;
    let detail = "the terms do not allow its isolation class";
    expect(&town, &terms, Exclusion::IsolationNotAllowed, "isolation-not-allowed", detail);
    terms.isolation = IsolationSet::ALL;
    let detail = "the terms do not allow its architecture";
    expect(&town, &terms, Exclusion::ArchitectureNotAllowed, "architecture-not-allowed", detail);
    terms.architecture = ArchitectureSet::ALL;
    let over = Exclusion::OverMaxPrice { cost_pico: 300, max_pico: 200 };
    let detail = "expected to cost 0.0000000003 USD, and the terms allow 0.0000000002";
    expect(&town, &terms, over, "over-max-price", detail);
    terms.max_cost_pico = Some(300);
    let over = Exclusion::OverLatency { p95: Micros::from_millis(100), max: Micros::from_millis(99) };
    expect(&town, &terms, over, "over-latency", "its p95 latency is 100 ms, and the terms allow 99 ms");
    terms.max_latency_p95 = Some(Micros::from_millis(100));
    assert_eq!(verdict(&town, &terms), Err(Exclusion::NoPlainHttp));
    assert_eq!(Exclusion::NoPlainHttp.word(), "no-plain-http");
    terms.unfit = 0;
    let detail = "this invocation was tried there before";
    expect(&town, &terms, Exclusion::AlreadyTried, "already-tried", detail);
    terms.tried = 0;
    assert_eq!(verdict(&town, &terms).unwrap_err().word(), "ejected");
}

#[test]
fn health_comes_before_room_and_the_deployments_room_before_its_venues() {
    let (mut town, held, _) = everything_against_it();
    let terms = Terms::default();
    let until = town.now + Micros::from_secs(1);
    let detail = "ejected after failures";
    expect(&town, &terms, Exclusion::Ejected { until }, "ejected", detail);
    town.pass(Micros::from_secs(1));
    assert!(town.slot(0).claim_probe(town.now, town.config.probation_interval));
    let next_probe = town.now + Micros::from_millis(200);
    let detail = "on probation after failures, and its next call is not due";
    expect(&town, &terms, Exclusion::OnProbation { next_probe }, "on-probation", detail);
    town.pass(Micros::from_millis(200));
    let until = Timestamp::from_micros(1_763_719_203_000_000);
    let detail = "the venue throttled a call and is left alone for a while";
    expect(&town, &terms, Exclusion::Throttled { until }, "throttled", detail);
    town.pass(Micros::from_secs(3));
    let full = Exclusion::AtCapacity { in_flight: 1, cap: 1 };
    expect(&town, &terms, full, "at-capacity", "1 calls in flight of 1 allowed");
    // Throttled with a cap of one, nothing was learned, so the setting holds.
    town.slot(0).set_concurrency(2);
    let full = Exclusion::VenueAtCapacity { in_flight: 1, cap: 1 };
    expect(&town, &terms, full, "venue-at-capacity", "1 calls in flight at its venue of 1 allowed");
    drop(held);
    assert_eq!(verdict(&town, &terms), Ok(()));
}

#[test]
fn calls_in_flight_take_memory_of_a_venue_that_has_a_quota_of_it() {
    let mut town = Town::with_costs(&[100, 200]);
    let terms = Terms::default();
    for row in 0..2 {
        town.slot(row).set_memory_mb(512);
    }
    let venue = std::sync::Arc::clone(town.slot(0).venue());
    let uncounted = town.call();
    venue.set_memory_quota_mb(Some(1100));
    let (first, second) = (town.call(), town.call());
    assert_eq!((first.row, second.row, venue.memory_in_use_mb()), (0, 0, 1024));
    let full = Exclusion::VenueMemoryFull { in_use_mb: 1024, quota_mb: 1100 };
    let detail = "calls in flight at its venue take 1024 MB of 1100 MB allowed: no room for one more";
    expect(&town, &terms, full, "venue-memory-full", detail);
    assert_eq!(town.call().row, 1, "another venue has no such quota");
    town.slot(0).set_memory_mb(76);
    assert_eq!(verdict(&town, &terms), Ok(()), "a smaller one fits");
    drop((uncounted, first));
    assert_eq!(venue.memory_in_use_mb(), 512, "what was taken is given back, whatever its function has now");
    drop(second);
    town.slot(0).set_memory_mb(2000);
    venue.set_memory_quota_mb(None);
    assert_eq!((verdict(&town, &terms), venue.memory_in_use_mb()), (Ok(()), 0));
}

#[test]
fn a_burst_pauses_for_a_moment_and_lowers_no_cap() {
    let mut town = Town::with_costs(&[100]);
    let before = town.slot(0).room();
    town.observe(0, Observation::Burst { retry_after: None });
    let until = town.now + town.config.burst_pause;
    assert_eq!(verdict(&town, &Terms::default()), Err(Exclusion::Throttled { until }));
    town.pass(town.config.burst_pause);
    assert_eq!(verdict(&town, &Terms::default()), Ok(()));
    town.observe(0, Observation::Burst { retry_after: Some(Micros::from_secs(3)) });
    let room = town.slot(0).room();
    assert_eq!((room.cap, room.learned), (before.cap, false), "there is room for as many, only later");
    assert_eq!(room.paused_until, town.now + Micros::from_secs(3), "as the venue asked");
}

#[test]
fn a_cost_below_zero_is_no_price() {
    let mut town = Town::with_costs(&[-1]);
    assert_eq!(verdict(&town, &Terms::default()), Err(Exclusion::NoPrice));
    assert_eq!(town.decide(&Terms::default()).unwrap_err(), NoPick::NoneEligible);
}

#[test]
fn verdicts_come_in_merit_order_and_take_nothing() {
    let town = Town::with_costs(&[300, 100, 200]);
    let terms = Terms { max_cost_pico: Some(250), ..Terms::default() };
    let verdicts: Vec<_> = town.book.verdicts(&terms, town.now).collect();
    let over = Exclusion::OverMaxPrice { cost_pico: 300, max_pico: 250 };
    assert_eq!(verdicts, [(1, Ok(())), (2, Ok(())), (0, Err(over))]);
    assert!((0..3).all(|row| town.slot(row).room().in_flight == 0));
}

#[test]
fn a_refusal_names_what_came_closest_to_a_match() {
    let mut town = Town::with_costs(&[]);
    assert_eq!(town.decide(&Terms::default()).unwrap_err(), NoPick::NoAsks);

    // Row 0 never, row 1 tried, row 2 full: the fuller the match, the better the reason.
    let mut unpriced = ask((0, &100));
    unpriced.ineligible = Some(Ineligible::NoPrice);
    town.change(|asks| asks.push(unpriced));
    let tried = Terms { tried: 0b010, ..Terms::default() };
    assert_eq!(town.decide(&tried).unwrap_err(), NoPick::NoneEligible);
    town.change(|asks| asks.push(ask((1, &100))));
    assert_eq!(town.decide(&tried).unwrap_err(), NoPick::AllTried);
    town.change(|asks| asks.push(ask((2, &100))));
    town.slot(2).set_concurrency(0);
    assert_eq!(town.decide(&tried).unwrap_err(), NoPick::AtCapacity);
    town.slot(2).set_concurrency(1);
    assert_eq!(town.decide(&tried).unwrap().row, 2);
}
