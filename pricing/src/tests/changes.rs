//! What a new sheet changes, and which changes a person should see first; sheets revised by a feed.

use merit_units::{Quantity, Rate, Timestamp};

use crate::{
    Catalogue, Change, Concern, Date, Meter, MoveLimit, PriceSheet, RevisedGrant, RevisedLine, Revision, Source,
};

const LIMIT: MoveLimit = MoveLimit { percent: 25 };
const NAME: &str = "aws-lambda/us-east-1/x86_64";

fn sheet(name: &str) -> &'static PriceSheet {
    Catalogue::builtin().get(name).expect("in the catalogue")
}

fn now() -> Timestamp {
    "2026-11-21".parse::<Date>().expect("a date").start()
}

/// The sheet's TOML with one text replaced, wherever it stands.
fn edited(name: &str, from: &str, to: &str) -> PriceSheet {
    let text = sheet(name).to_toml();
    assert!(text.contains(from), "{from} in\n{text}");
    PriceSheet::parse_toml(&text.replace(from, to)).unwrap_or_else(|errors| panic!("{errors}"))
}

fn between(next: &PriceSheet) -> (Vec<String>, Vec<String>) {
    let change = Change::between(sheet(NAME), next, LIMIT, now());
    let differences = change.differences.iter().map(ToString::to_string).collect();
    (differences, change.concerns.iter().map(ToString::to_string).collect())
}

#[test]
fn nothing_differs_between_equal_prices_of_other_sources() {
    let change = between(&edited(NAME, "20260521184754", "20261101000000"));
    assert_eq!(change, (Vec::new(), Vec::new()));
    assert!(Change::between(sheet(NAME), sheet(NAME), LIMIT, now()).is_none());
}

#[test]
fn a_move_within_the_limit_is_ordinary_and_one_beyond_it_is_not() {
    for (rate, ordinary) in [
        ("0.00000025", true),
        ("0.000000250000001", false),
        ("0.00000016", true),
        ("0.000000159999999", false),
        ("0.0000001", false),
        ("0", false),
    ] {
        let (differences, concerns) = between(&edited(NAME, "\"0.0000002\"", &format!("\"{rate}\"")));
        assert_eq!(differences, [format!("request: 0.0000002 -> {rate}")]);
        assert_eq!(concerns.is_empty(), ordinary, "{rate}: {concerns:?}");
    }
    let dearer = edited(NAME, "\"0.0000002\"", "\"0.0000004\"");
    let (_, concerns) = between(&dearer);
    assert_eq!(concerns, ["request moves from 0.0000002 to 0.0000004, more than 25 %"]);
}

#[test]
fn a_free_price_that_gets_a_price_is_a_concern() {
    let free = edited(NAME, "\"0.0000002\"", "\"0\"");
    let change = Change::between(&free, sheet(NAME), LIMIT, now());
    assert!(matches!(change.concerns.as_slice(), [Concern::Moved { .. }]), "{change:?}");
}

#[test]
fn tiers_are_compared_by_what_a_volume_costs() {
    // A tier split in two at the same rate costs the same.
    let text = sheet(NAME).to_toml();
    let split = "[[lines.tiers]]\nup_to = \"1000\"\nrate = \"0.0000166667\"\nsource = \"offer\"\n\n";
    let at = text.find("[[lines.tiers]]\nup_to = \"6000000000\"").expect("the first tier");
    let split = PriceSheet::parse_toml(&format!("{}{split}{}", &text[..at], &text[at..])).expect("a sheet");
    assert_eq!(between(&split), (Vec::new(), Vec::new()));
    // A bound that moves changes the price of the volumes between.
    let (differences, concerns) = between(&edited(NAME, "\"6000000000\"", "\"7000000000\""));
    assert_eq!(differences, ["gb_second above 6000000000: 0.000015 -> 0.0000166667"]);
    assert!(concerns.is_empty());
}

#[test]
fn rates_that_rise_with_volume_are_a_concern_until_they_are_known() {
    let rising = edited(NAME, "\"0.0000133334\"", "\"0.0000150001\"");
    let (_, concerns) = between(&rising);
    assert_eq!(concerns, ["gb_second gets dearer with volume: 0.000015 below 15000000000, 0.0000150001 above it"]);
    assert_eq!(Change::first(&rising, now()).concerns.len(), 1);
    let then = PriceSheet::parse_toml(&rising.to_toml().replace("\"0.0000002\"", "\"0.00000021\"")).expect("a sheet");
    let change = Change::between(&rising, &then, LIMIT, now());
    assert!(change.concerns.is_empty() && change.differences.len() == 1, "{change:?}");
}

#[test]
fn grants_rules_currencies_and_days_are_compared() {
    let (_, concerns) = between(&edited(NAME, "\"400000\"", "\"4000000\""));
    assert_eq!(concerns, ["free gb_second moves from 400000 to 4000000, more than 25 %"]);
    let (_, concerns) = between(&edited(NAME, "granularity_us = 1000\nminimum", "granularity_us = 100000\nminimum"));
    assert!(concerns[0].starts_with("the billing rule changes from `time rounded up to 1 ms"), "{concerns:?}");
    let (differences, concerns) = between(&edited(NAME, "\"USD\"", "\"CNY\""));
    assert_eq!(differences, ["currency: USD -> CNY"]);
    assert_eq!(concerns, ["the currency changes from USD to CNY"]);
    let (_, concerns) = between(&edited(NAME, "\"2025-08-01\"", "\"2026-12-01\""));
    assert_eq!(concerns, ["it does not hold now: it is valid from 2026-12-01"]);
    let provisioned = format!("{NAME}/provisioned");
    let last = sheet(&provisioned);
    let dearer = edited(&provisioned, "\"0.0000041667\"", "\"0.0000091667\"");
    let change = Change::between(last, &dearer, LIMIT, now());
    assert_eq!(change.differences[0].to_string(), "gb_second kept warm: 0.0000041667 -> 0.0000091667");
    assert_eq!(change.concerns.len(), 1);
}

/// A region's own prices are no concern; a price it lacks is, and one that a mistaken unit has made.
#[test]
fn a_regions_first_sheet_is_looked_at_beside_anothers() {
    let concerns = |sheet: &PriceSheet| -> Vec<String> {
        let change = Change::beside(self::sheet(NAME), sheet, now());
        assert_eq!(change.differences, []);
        change.concerns.iter().map(ToString::to_string).collect()
    };
    for percent in [40, 100, 290] {
        assert_eq!(concerns(&sheet(NAME).scaled(percent)), Vec::<String>::new(), "{percent} %");
    }
    for percent in [10, 310] {
        let told = concerns(&sheet(NAME).scaled(percent));
        assert!(told.iter().any(|told| told.starts_with("request moves from 0.0000002 to ")), "{told:?}");
    }
    let without = Revision { without: vec![Meter::GbSecond], ..revision(Vec::new()) };
    assert_eq!(concerns(&sheet(NAME).revised(&without).expect("a sheet")), ["gb_second is missing"]);
    let requests =
        RevisedLine { meter: Meter::Request, tiers: vec![(None, rate("0.0000002"))], grant: RevisedGrant::None };
    let ungranted = sheet(NAME).revised(&revision(vec![requests])).expect("a sheet");
    assert_eq!(ungranted.grants().count() + 1, sheet(NAME).grants().count());
    assert_eq!(concerns(&ungranted), Vec::<String>::new(), "a region without a free grant is dearer, and no mistake");
}

fn revision(lines: Vec<RevisedLine>) -> Revision {
    let day: Date = "2026-11-21".parse().expect("a date");
    Revision {
        name: sheet(NAME).name().clone(),
        currency: sheet(NAME).currency(),
        region: sheet(NAME).region().cloned(),
        architecture: sheet(NAME).architecture(),
        valid_from: Some(day),
        source: Source::new("feed", "a feed".to_owned(), None, day),
        lines,
        without: Vec::new(),
        standing: None,
        notes: vec!["read by a machine".to_owned()],
    }
}

fn rate(text: &str) -> Rate {
    text.parse().expect("a rate")
}

#[test]
fn a_revision_replaces_what_it_names_and_leaves_the_rest_with_its_sources() {
    let line =
        RevisedLine { meter: Meter::Request, tiers: vec![(None, rate("0.00000021"))], grant: RevisedGrant::Keep };
    let revised = sheet(NAME).revised(&revision(vec![line])).expect("a sheet").numbered(7);
    assert_eq!(between(&revised).0, ["request: 0.0000002 -> 0.00000021"]);
    assert_eq!(revised.seq(), 7);
    assert_eq!(revised.source().title, "a feed");
    assert_eq!(revised.notes().last().map(String::as_str), Some("read by a machine"));
    let egress = revised.prices().find(|price| price.meter == Meter::EgressGb).expect("kept");
    assert!(egress.source.title.starts_with("cloudprice"), "{}", egress.source.title);
    assert!(revised.same_shape(sheet(NAME)));
    let without = Revision { without: vec![Meter::EphemeralGbSecond], ..revision(Vec::new()) };
    let (_, concerns) = between(&sheet(NAME).revised(&without).expect("a sheet"));
    assert_eq!(concerns, ["ephemeral_gb_second is missing"]);
}

#[test]
fn a_revision_is_checked_as_a_written_sheet_is() {
    let tiers = [100_u64, 50].map(|bound| (Some(Quantity::from_units(bound)), rate("1")));
    let tiers = tiers.into_iter().chain([(None, rate("1"))]).collect();
    let line = RevisedLine { meter: Meter::GbSecond, tiers, grant: RevisedGrant::None };
    let errors = sheet(NAME).revised(&revision(vec![line])).expect_err("tiers that descend");
    assert!(errors.to_string().contains("tiers must ascend"), "{errors}");
}
