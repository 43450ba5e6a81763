//! Adjustments: read as they are written, every mistake told.

use merit_pricing::{AdjustmentKind, Meter};
use merit_units::Currency;

use super::{mistakes, parse};
use crate::Whose;

const VENUES: &str = r#"[venues.aws]
kind = "aws-lambda"
region = "us-east-1"
sheet = "aws-lambda/us-east-1/x86_64"
[venues.fc]
kind = "alibaba-fc"
region = "cn-hangzhou"
sheet = "alibaba-fc/cn"
billing_account = "payer-7"
[venues.own]
kind = "http"
url = "http://127.0.0.1:1/"
region = "r"
"#;

#[test]
fn they_are_read_as_they_are_written() {
    let text = format!(
        r#"{VENUES}[adjustments]
deal = {{ kind = "discount", venues = ["aws"], from = 2026-01-01, until = "2027-01-01", percent_off = "12.5" }}
plan = {{ kind = "commitment", venues = ["own", "aws"], from = 2026-01-01, amount = 500, renewed = "monthly" }}
pack = {{ kind = "package", billing_account = "payer-7", from = 2026-01-01, meter = "compute_unit", quantity = "1e6" }}
"#
    )
    .replace("1e6", "1000000");
    let config = parse(&text).expect("right");
    let told = |name: &str| config.adjustments[name].adjustment.to_string();
    assert_eq!(told("deal"), "deal (12.5 % off)");
    assert_eq!(told("plan"), "plan (500 USD committed a month)");
    assert_eq!(told("pack"), "pack (1000000 compute_unit prepaid)");
    assert_eq!(config.adjustments["pack"].whose, Whose::Account("payer-7".to_owned()));
    assert!(matches!(
        &config.adjustments["plan"].adjustment.kind,
        AdjustmentKind::Commitment { currency: Currency::USD, .. }
    ));
    let of = |venue: &str| {
        let (name, venue) = config.venues.get_key_value(venue).expect("a venue");
        config.adjustments_of(name, venue).iter().map(|own| own.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(of("aws"), ["plan", "deal"], "what is lost first comes first");
    assert_eq!(of("fc"), ["pack"]);
    assert_eq!(of("own"), ["plan"]);
    assert!(matches!(
        &config.adjustments["pack"].adjustment.kind,
        AdjustmentKind::Package { meter: Meter::ComputeUnit, .. }
    ));
}

/// One of each.
const MISTAKEN: &str = r#"[adjustments."a b"]
kind = "discuont"
anything = 1
[adjustments.a]
kind = "discount"
venues = ["awss"]
billing_account = "payer-7"
from = 2026-02-30
percent_off = 101
meters = ["gb_seconds", "wishes"]
amount = 5
[adjustments.b]
kind = "commitment"
from = 2026-05-01
until = 2026-05-01
amount = 0
currency = "usd"
renewed = "yearly"
[adjustments.c]
kind = "package"
venues = []
from = 2026-05-01
meter = "request"
quantity = 10
used_elsewhere = 11
[adjustments.d]
kind = "package"
billing_account = "payer-8"
from = 2026-05-01
meter = "request"
quantity = 10
[adjustments.e]
kind = "package"
venues = ["aws", "fc"]
from = 2026-05-01
meter = "cpu_ms"
quantity = 10
[adjustments.f]
kind = "commitment"
venues = ["fc"]
from = 2026-05-01
amount = 5
[adjustments.g]
kind = "discount"
venues = ["aws"]
from = 2026-05-01
percent_off = "0.00001"
"#;

#[test]
fn every_mistake_is_told() {
    let text = format!("{VENUES}{MISTAKEN}");
    insta::assert_snapshot!(mistakes(&text), @r#"
    merit.toml:14:14: adjustments.a b: `a b` is not a valid adjustment name: use letters, digits, `-`, `_` and `.`
    merit.toml:14:14: adjustments.a b: is for no venue; name some with `venues`, or all of one account with `billing_account`
    merit.toml:15:8: adjustments.a b.kind: must be discount, commitment or package, got `discuont`; did you mean `discount`?
    merit.toml:19:11: adjustments.a.venues: there is no venue `awss`; did you mean `aws`?; add [venues.awss]
    merit.toml:20:19: adjustments.a.billing_account: cannot be given beside `venues`; leave one of them out
    merit.toml:21:8: invalid date, expected day between 01 and 28
    merit.toml:22:15: adjustments.a.percent_off: must be above 0 and at most 100, with four decimals at most, got 101
    merit.toml:23:25: adjustments.a.meters: `wishes` is not a meter; use request, gb_second, vcpu_second, gib_second, compute_unit, cpu_ms, egress_gb or ephemeral_gb_second
    merit.toml:24:1: adjustments.a.amount: unknown key; known here: kind, venues, billing_account, from, until, percent_off, meters
    merit.toml:25:14: adjustments.b: is for no venue; name some with `venues`, or all of one account with `billing_account`
    merit.toml:28:9: adjustments.b.until: must be after `from` (2026-05-01), got 2026-05-01: it is the first day without the adjustment
    merit.toml:29:10: adjustments.b.amount: must be above 0
    merit.toml:30:12: adjustments.b.currency: `usd` is not a currency; write a three-letter ISO 4217 code such as USD
    merit.toml:31:11: adjustments.b.renewed: must be never or monthly, got `yearly`
    merit.toml:34:10: adjustments.c.venues: names no venue; name those it is for
    merit.toml:38:18: adjustments.c.used_elsewhere: must be at most `quantity` (10), got 11
    merit.toml:41:19: adjustments.d.billing_account: no venue has the billing_account `payer-8`; did you mean `payer-7`?; set it at those it is for
    merit.toml:47:10: adjustments.e.venues: aws and fc are of two billing accounts, by which use is counted; write an adjustment for each
    merit.toml:49:9: adjustments.e.meter: no sheet of its venues bills cpu_ms: aws-lambda/us-east-1/x86_64, alibaba-fc/cn
    merit.toml:51:14: adjustments.f.currency: no sheet of its venues is in USD: alibaba-fc/cn
    merit.toml:60:15: adjustments.g.percent_off: must be above 0 and at most 100, with four decimals at most, got 0.00001
    "#);
}

#[test]
fn there_is_an_end_to_how_many_there_can_be() {
    let one = |n: usize| {
        format!("a{n} = {{ kind = \"discount\", venues = [\"aws\"], from = 2026-01-01, percent_off = 1 }}\n")
    };
    let of = |count: usize| format!("{VENUES}[adjustments]\n{}", (0..count).map(one).collect::<String>());
    parse(&of(256)).expect("as many as there can be");
    let error = mistakes(&of(257));
    assert_eq!(error, "merit.toml:14:2: adjustments: has 257 adjustments; there can be 256");
}
