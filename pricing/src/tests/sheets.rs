//! Written sheets: all mistakes at once, and back to text without loss.

use super::{sheet, size};
use crate::{Catalogue, PriceSheet, SheetErrors, Usage};

const GOOD: &str = r#"
name = "small-cloud/berlin"
currency = "EUR"
source = "list"
[sources.list]
title = "Price list of 2026-11"
retrieved = "2026-11-20"
[[lines]]
meter = "request"
rate = "0.0000001"
[[lines]]
meter = "gb_second"
grant = { quantity = "1000", scope = "small-cloud" }
tiers = [{ up_to = "5000.5", rate = "0.00001" }, { rate = "0.000008" }]
"#;

fn mistakes(text: &str) -> Vec<String> {
    let SheetErrors { mistakes, .. } = PriceSheet::parse_toml(text).expect_err(text);
    mistakes.iter().map(ToString::to_string).collect()
}

#[test]
fn a_new_provider_needs_a_sheet_and_no_code() {
    let sheet = PriceSheet::parse_toml(GOOD).expect("a good sheet");
    let metered = sheet.meter(&size(256), &Usage::default()).expect("sold");
    assert_eq!(metered.iter().count(), 2);
    assert_eq!(sheet.pool_of(crate::Meter::GbSecond).expect("billed").grant, Some("grant:small-cloud/gb_second"));
    assert_eq!(sheet.pool_of(crate::Meter::Request).expect("billed").tier, "tier:small-cloud/berlin/request");
    assert_eq!(sheet.pool_of(crate::Meter::CpuMs), None);
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let found = mistakes(
        r#"
        name = "a b"
        currency = "usd"
        seq = 0
        valid_from = "2026-02-30"
        architecture = "mips"
        base_fee = "-5"
        [rule]
        granularity_us = 0
        minimum_us = 5
        init = "maybe"
        memory = { basis = "guessed", min_mb = 512, max_mb = 128 }
        [sources.list]
        title = " "
        retrieved = "yesterday"
        [[lines]]
        meter = "parsec"
        rate = "-0.1"
        [[lines]]
        meter = "gb_second"
        source = "else"
        tiers = [{ up_to = "10", rate = "1e-5" }, { up_to = "5", rate = "0.1" }, { up_to = "7", rate = "0" }]
        grant = { quantity = "0", scope = "" }
        [[lines]]
        meter = "compute_unit"
        source = "list"
        "#,
    );
    let expected = [
        "name: `a b` is not a valid price sheet name: use letters, digits, `-`, `_` and `.`",
        "currency: `usd` is not a currency; write a three-letter ISO 4217 code such as USD",
        "seq: is 0; sequence numbers begin with 1",
        "valid_from: `2026-02-30` is not a date; write it as 2026-11-21",
        "architecture: `mips` is not an architecture; use x86_64 or arm64",
        "sources.list.title: is missing; say which document gives the price",
        "sources.list.retrieved: `yesterday` is not a date; write it as 2026-11-21",
        "rule.granularity_us: 0 is outside 1 to 3600000000",
        "rule.init: `maybe` is not known; use billed or free",
        "rule.memory.basis: `guessed` is not known; use configured or observed",
        "rule.memory: 512 to 128 MB is not a range within 1 to 1048576 MB",
        "lines[0].source: is missing; name one of `sources`, or set `source` for the sheet",
        "lines[0].rate: `-0.1` is negative; a rate is zero or more",
        "lines[1].tiers[0].rate: `1e-5` is not a plain decimal; write digits and at most one point, no exponent",
        "lines[1].tiers[1].up_to: is not above 10; tiers must ascend",
        "lines[1].tiers[2].up_to: ends the last tier; leave it out, or add the tier above it",
        "lines[1].grant.quantity: is zero; leave it out",
        "lines[1].grant.scope: is missing; name who uses the grant up together",
        "lines[1].tiers[0].source: `else` is not one of `sources`",
        "lines[2].rate: is missing, and so are `tiers`; give one of them",
        "lines[2].of: is missing; `compute_unit` must say what it counts",
        "base_fee: `-5` is negative; a rate is zero or more",
    ];
    for problem in expected {
        assert!(found.iter().any(|mistake| mistake == problem), "`{problem}` is not among {found:#?}");
    }
    assert!(found.iter().any(|mistake| mistake.starts_with("lines[0].meter: `parsec` is not a meter; use request")));
}

#[test]
fn mistakes_of_one_kind_each() {
    for (from, to, problem) in [
        ("name = \"small-cloud/berlin\"", "", "name: `` is not a valid price sheet name"),
        ("gb_second\"", "request\"", "lines[1].meter: `request` has a line already; use its tiers"),
        ("meter = \"request\"", "meter = \"vcpu_second\"", "lines[0].of[0].part: bills vCPU; add `rule.vcpu`"),
        ("rate = \"0.0000001\"", "rate = \"1.5\"\ntiers = [{ rate = \"1\" }]", "`tiers` are both given"),
        ("rate = \"0.0000001\"", "rate = \"1000000000.1\"", "is above 1000000000; give the price of one unit"),
        ("up_to = \"5000.5\", ", "", "lines[1].tiers[0].up_to: is missing; only the last tier is open"),
        ("[[lines]]", "[rule]\ninit = \"billed\"\n[[lines]]", "rule.max_init_us: is missing"),
        ("[[lines]]", "[rule]\nminimum_us = 1_500\n[[lines]]", "rule.minimum_us: 1500 is not a multiple"),
        ("[[lines]]", "[rule.memory]\nsizes_mb = [512, 256]\n[[lines]]", "rule.memory.sizes_mb: must ascend"),
        ("[[lines]]", "[rule.vcpu]\nmax_milli = 9\n[[lines]]", "rule.vcpu: 0 to 9 in steps of 1 is no range"),
        (
            "[[lines]]",
            "[[standing]]\nmeter = \"request\"\nrate = \"1\"\n[[lines]]",
            "`request` has no price while idle",
        ),
        ("[[lines]]", "[hourly]\nfloor = \"-1\"\n[[lines]]", "hourly.floor: `-1` is negative"),
        ("rate = \"0.0000001\"", "rate = \"1\"\nof = [{ part = \"smiles\" }]", "`smiles` is not a part; use requests"),
        (
            "rate = \"0.0000001\"",
            "rate = \"1\"\nof = [{ part = \"requests\", weight = \"0\" }]",
            "write a decimal above 0",
        ),
        ("currency = \"EUR\"", "currency = 3", "invalid type: integer `3`, expected a string"),
        ("currency", "curency", "unknown field `curency`"),
        ("rate = \"0.0000001\"", "rate = 0.0000001", "invalid type: floating point"),
        ("[sources.list]", "[sources.list", "TOML parse error at line 5"),
    ] {
        let text = GOOD.replacen(from, to, 1);
        let found = mistakes(&text).join("\n");
        assert!(found.contains(problem), "`{problem}` is not in: {found}");
    }
}

#[test]
fn a_weight_too_fine_to_count_exactly_is_refused() {
    let vcpu = r#"
        [rule]
        granularity_us = 1
        vcpu = { min_milli = 1, max_milli = 1000 }
        [[lines]]
        meter = "compute_unit"
        rate = "1"
        of = [{ part = "vcpu_seconds", weight = "0.3" }]
        [[lines]]"#;
    let found = mistakes(&GOOD.replacen("[[lines]]", vcpu, 1)).join("\n");
    assert!(found.contains("0.3 is too fine to be counted exactly at this granularity"), "{found}");
}

#[test]
fn every_sheet_of_the_catalogue_is_written_and_read_without_loss() {
    for sheet in Catalogue::builtin().iter() {
        let toml = PriceSheet::parse_toml(&sheet.to_toml()).expect("what was just written");
        let json = PriceSheet::parse_json(&sheet.to_json()).expect("what was just written");
        assert_eq!(toml.to_json(), sheet.to_json());
        assert_eq!(json.to_toml(), sheet.to_toml());
        assert!(toml.same_shape(sheet) && json.same_shape(sheet));
        assert_eq!(toml.sources(), sheet.sources());
    }
}

#[test]
fn a_minimal_json_sheet_is_enough_for_own_machines() {
    let text = r#"{"name": "dc1/rack-3", "currency": "USD", "source": "me",
        "sources": {"me": {"title": "our invoice", "retrieved": "2026-11-01"}},
        "lines": [{"meter": "GB-s", "rate": "0.000001"}]}"#;
    let sheet = PriceSheet::parse_json(text).expect("a good sheet");
    assert_eq!((sheet.seq(), sheet.name().as_str()), (1, "dc1/rack-3"));
    let error = PriceSheet::parse_json("{\"name\": 1}").expect_err("not a name").to_string();
    assert!(error.starts_with("the price sheet `` is refused\n  invalid type: integer `1`"), "{error}");
}

#[test]
fn a_scaled_sheet_moves_rates_and_nothing_else() {
    let sheet = sheet("aws-lambda/us-east-1/x86_64/provisioned");
    let dearer = sheet.scaled(250);
    assert_eq!(dearer.seq(), sheet.seq() + 1);
    assert!(dearer.same_shape(sheet));
    for (new, old) in dearer.prices().zip(sheet.prices()) {
        assert_eq!(new.rate.atto(), old.rate.atto() * 5 / 2);
        assert_eq!(new.up_to, old.up_to);
    }
    assert_eq!(dearer.standing().next().expect("one").rate.to_string(), "0.00001041675");
    assert!(dearer.grants().eq(sheet.grants()));
    assert!(!sheet.same_shape(super::sheet("azure-flex/eastus")));
    assert!(sheet.scaled(0).prices().all(|price| price.rate.atto() == 0));
}
