//! Discounts, packages and commitments: exact in sum however the calls come, never negative, on their days only.

use merit_units::{Currency, Exact, Micros, Quantity, Rate, Timestamp};
use proptest::prelude::*;

use super::{amount, lasting, quantity, rounded, sheet, size};
use crate::{
    Adjusted, Adjustment, AdjustmentKind, Adjustments, Balance, Date, MarginalRates, Meter, Metered, MonthToDate,
    Pools, PriceSheet, Renewed, Standing, Taken,
};

fn date(text: &str) -> Date {
    text.parse().expect("a date")
}

fn at(text: &str) -> Timestamp {
    date(text).start() + Micros::from_secs(3600)
}

fn adjustment(name: &str, kind: AdjustmentKind) -> Adjustment {
    Adjustment { name: name.parse().expect("a name"), from: date("2026-01-01"), until: Some(date("2027-01-01")), kind }
}

fn discount(percent: u32, meters: &[Meter]) -> Adjustment {
    adjustment("deal", AdjustmentKind::Discount { off_ppm: percent * 10_000, meters: meters.to_vec() })
}

fn commitment(name: &str, amount: &str, renewed: Renewed) -> Adjustment {
    let amount: Rate = amount.parse().expect("an amount");
    adjustment(name, AdjustmentKind::Commitment { amount, elsewhere: Rate::FREE, currency: Currency::USD, renewed })
}

fn package(name: &str, meter: Meter, units: &str, renewed: Renewed) -> Adjustment {
    adjustment(name, AdjustmentKind::Package { meter, quantity: quantity(units), elsewhere: Quantity::ZERO, renewed })
}

/// An account with adjustments, as a broker keeps one.
struct Account {
    list: PriceSheet,
    discounted: PriceSheet,
    adjustments: Adjustments,
    pools: Pools,
}

impl Account {
    fn new(name: &str, adjustments: Vec<Adjustment>) -> Self {
        let list = (**sheet(name)).clone();
        let adjustments = Adjustments::new(adjustments);
        Self { discounted: adjustments.discounted(&list), list, adjustments, pools: Pools::new() }
    }

    fn charge(&mut self, metered: &Metered, now: Timestamp) -> Adjusted {
        let Self { list, discounted, adjustments, pools } = self;
        pools.charge(list, discounted, &adjustments.in_force(list, now), metered).expect("fits")
    }

    /// So many GB-seconds, each a call of one second and 1,024 MB.
    fn gb_seconds(&self, count: u64) -> Metered {
        let call = self.list.meter(&size(1024), &lasting(1_000_000)).expect("sold");
        call.checked_mul(count).expect("fits")
    }

    fn marginals(&self, now: Timestamp) -> MarginalRates {
        self.pools.marginal(&self.discounted, &self.adjustments.in_force(&self.list, now))
    }

    fn marginal(&self, meter: Meter, now: Timestamp) -> String {
        self.marginals(now).iter().find(|(own, _)| *own == meter).expect("billed").1.to_string()
    }
}

const LAMBDA: &str = "aws-lambda/us-east-1/x86_64";
const NOON: &str = "2026-11-21";

#[test]
fn a_discount_is_off_the_rates_it_names() {
    let mut account = Account::new(LAMBDA, vec![discount(12, &[Meter::GbSecond])]);
    let month = account.gb_seconds(3_000_000);
    let charged = account.charge(&month, at(NOON));
    // 2.6 million GB-seconds at 88 % of 0.0000166667, and 2 million requests at list price.
    assert_eq!(rounded(charged.charge), "38.5334096");
    assert_eq!(rounded(charged.list), "43.73342");
    assert_eq!(account.marginal(Meter::GbSecond, at(NOON)), "0.000014666696");
    let mut all = Account::new(LAMBDA, vec![discount(100, &[])]);
    assert_eq!(all.charge(&month, at(NOON)).charge, Exact::ZERO);
    // Two of them are taken one after the other: 0.8 x 0.5.
    let both = Account::new(LAMBDA, vec![discount(20, &[]), discount(50, &[])]);
    let grant = both.gb_seconds(1_000_000);
    assert_eq!(
        both.discounted.charge(&grant, &MonthToDate::past_grant(&both.list)).map(rounded).expect("fits"),
        "6.74668"
    );
}

#[test]
fn a_package_comes_after_the_grant_and_fills_no_tier() {
    let mut account = Account::new(LAMBDA, vec![package("pack", Meter::GbSecond, "1000000", Renewed::Never)]);
    let now = at(NOON);
    assert_eq!(account.charge(&account.gb_seconds(400_000), now), Adjusted::default(), "the free grant");
    let left = |account: &Account| account.pools.balances(&account.adjustments).next().expect("a package").1.left;
    assert_eq!(left(&account), Balance::Units(quantity("1000000")));
    assert_eq!(account.marginal(Meter::GbSecond, now), "0");
    let charged = account.charge(&account.gb_seconds(600_000), now);
    assert_eq!((rounded(charged.charge), rounded(charged.list)), ("0".to_owned(), "10.00002".to_owned()));
    let (adjustment, amount) = ("pack".parse().expect("a name"), Balance::Units(quantity("600000")));
    assert_eq!(charged.taken, [Taken { adjustment, meter: Some(Meter::GbSecond), amount }]);
    assert_eq!(left(&account), Balance::Units(quantity("400000")));
    let month = account.pools.month_to_date(&account.list);
    let (_, _, tier) = month.iter().find(|(meter, ..)| *meter == Meter::GbSecond).expect("billed");
    assert_eq!(tier, Quantity::ZERO);
    // 500,000 more: 400,000 are left of the package, and 100,000 are paid; the requests are past their grant.
    let charged = account.charge(&account.gb_seconds(500_000), now);
    assert_eq!(rounded(charged.charge), "1.76667");
    assert_eq!(account.marginal(Meter::GbSecond, now), "0.0000166667");
}

#[test]
fn a_commitment_costs_nothing_until_it_is_used_up() {
    let mut account = Account::new(LAMBDA, vec![commitment("plan", "10", Renewed::Never)]);
    let now = at(NOON);
    account.charge(&account.gb_seconds(1_000_000), now);
    // 600,000 GB-seconds past the grant came to 10.00002 dollars: the balance was just used up.
    let left = |account: &Account| match account.pools.balances(&account.adjustments).next() {
        Some((_, Standing { left: Balance::Money(left), .. })) => left,
        other => panic!("{other:?}"),
    };
    assert_eq!(left(&account), Exact::ZERO);
    assert_eq!(account.marginal(Meter::GbSecond, now), "0.0000166667");
    let mut larger = Account::new(LAMBDA, vec![commitment("plan", "12", Renewed::Never), discount(50, &[])]);
    let charged = larger.charge(&larger.gb_seconds(1_000_000), now);
    assert_eq!((rounded(charged.charge), rounded(charged.list)), ("0".to_owned(), "10.00002".to_owned()));
    assert_eq!(rounded(left(&larger)), "6.99999", "less 5.00001, at half the rate");
    assert_eq!(larger.marginal(Meter::Request, now), "0");
    let euros = Adjustment {
        kind: AdjustmentKind::Commitment {
            amount: "10".parse().expect("an amount"),
            elsewhere: Rate::FREE,
            currency: "EUR".parse().expect("a currency"),
            renewed: Renewed::Never,
        },
        ..commitment("euros", "10", Renewed::Never)
    };
    let mut other = Account::new(LAMBDA, vec![euros]);
    let charged = other.charge(&other.gb_seconds(1_000_000), now);
    assert_eq!(charged.charge, charged.list, "a commitment in another currency covers nothing");
}

#[test]
fn days_are_respected_to_the_microsecond() {
    let own = Adjustment { until: None, ..commitment("plan", "1000000", Renewed::Never) };
    let (first, last) = (date("2026-03-01").start(), date("2026-04-01").start());
    let own = Adjustment { from: date("2026-03-01"), until: Some(date("2026-04-01")), ..own };
    let tick = Micros::new(1);
    for (now, holds) in [(first - tick, false), (first, true), (last - tick, true), (last, false)] {
        assert_eq!(own.holds_at(now), holds, "{now:?}");
        let mut account = Account::new(LAMBDA, vec![own.clone()]);
        let charged = account.charge(&account.gb_seconds(1_000_000), now);
        assert_eq!(charged.charge == Exact::ZERO, holds, "{now:?}");
        let rates = account.marginals(now);
        assert_eq!(rates.cost(&account.gb_seconds(1)) == Exact::ZERO, holds);
        assert_eq!(account.adjustments.in_force(&account.list, now).is_empty(), !holds);
    }
    assert!(Adjustment { until: None, ..own }.holds_at(at("9999-12-30")));
}

#[test]
fn what_lasts_outlives_the_month_and_what_is_monthly_begins_anew() {
    let mut account = Account::new(
        LAMBDA,
        vec![
            package("lasting", Meter::GbSecond, "100", Renewed::Never),
            package("monthly", Meter::Request, "50", Renewed::Monthly),
            commitment("plan", "1", Renewed::Monthly),
        ],
    );
    let now = at(NOON);
    account.charge(&account.gb_seconds(2_000_000), now);
    let left =
        |account: &Account| account.pools.balances(&account.adjustments).map(|(_, its)| its.left).collect::<Vec<_>>();
    let none = Quantity::ZERO;
    // What begins anew each month is used first.
    assert_eq!(left(&account), [Balance::Units(none), Balance::Money(Exact::ZERO), Balance::Units(none)]);
    account.pools = account.pools.turned();
    assert_eq!(left(&account), [Balance::Units(quantity("50")), Balance::Money(amount("1")), Balance::Units(none)]);
    let stored: Vec<(String, u128)> = account.pools.iter().map(|(pool, used)| (pool.to_owned(), used)).collect();
    assert_eq!(stored.into_iter().collect::<Pools>(), account.pools);
}

#[test]
fn what_is_lost_first_is_used_first() {
    let lasting = commitment("a-lasting", "5", Renewed::Never);
    let endless = Adjustment { until: None, ..commitment("b-endless", "5", Renewed::Never) };
    let monthly = Adjustment { until: None, ..commitment("c-monthly", "5", Renewed::Monthly) };
    let mut account = Account::new(LAMBDA, vec![endless, lasting, monthly]);
    let charged = account.charge(&account.gb_seconds(1_000_000), at(NOON));
    let of = |taken: &Taken| match taken.amount {
        Balance::Money(covered) => (taken.adjustment.to_string(), rounded(covered)),
        Balance::Units(_) => panic!("{taken:?}"),
    };
    let taken: Vec<_> = charged.taken.iter().map(of).collect();
    let taken: Vec<_> = taken.iter().map(|(name, covered)| (name.as_str(), covered.as_str())).collect();
    assert_eq!(taken, [("c-monthly", "5"), ("a-lasting", "5"), ("b-endless", "0.00002")]);
    assert_eq!(charged.charge, Exact::ZERO);
}

#[test]
fn what_is_used_elsewhere_is_not_left() {
    let mut plan = commitment("plan", "10", Renewed::Never);
    let AdjustmentKind::Commitment { elsewhere, .. } = &mut plan.kind else { panic!("a commitment") };
    *elsewhere = "9".parse().expect("an amount");
    let mut pack = package("pack", Meter::Request, "100", Renewed::Never);
    let AdjustmentKind::Package { elsewhere, .. } = &mut pack.kind else { panic!("a package") };
    *elsewhere = quantity("200");
    let mut account = Account::new(LAMBDA, vec![plan, pack]);
    let charged = account.charge(&account.gb_seconds(1_000_000), at(NOON));
    assert_eq!(rounded(charged.charge), "9.00002");
    let left: Vec<_> = account.pools.balances(&account.adjustments).map(|(_, its)| its.left).collect();
    assert_eq!(left, [Balance::Units(Quantity::ZERO), Balance::Money(Exact::ZERO)]);
}

#[test]
fn the_next_day_that_matters_is_known() {
    let ends = commitment("a", "1", Renewed::Never);
    let begins = Adjustment { from: date("2026-12-01"), ..commitment("b", "1", Renewed::Never) };
    let endless = Adjustment { until: None, ..commitment("c", "1", Renewed::Never) };
    let all = Adjustments::new([ends, begins, endless]);
    let next = |day: &str| all.next_change(date(day).start());
    assert_eq!(next("2026-11-21"), date("2026-12-01").start());
    assert_eq!(next("2026-12-01"), date("2027-01-01").start());
    assert_eq!(next("2027-01-01"), Timestamp::from_micros(u64::MAX));
}

#[test]
fn they_are_told_in_words() {
    let told = |adjustment: Adjustment| adjustment.to_string();
    assert_eq!(told(discount(12, &[])), "deal (12 % off)");
    assert_eq!(told(discount(5, &[Meter::GbSecond, Meter::Request])), "deal (5 % off gb_second and request)");
    assert_eq!(told(commitment("plan", "500", Renewed::Monthly)), "plan (500 USD committed a month)");
    assert_eq!(
        told(package("pack", Meter::ComputeUnit, "1000000", Renewed::Never)),
        "pack (1000000 compute_unit prepaid)"
    );
}

const SHEETS: [&str; 4] = [LAMBDA, "azure-consumption/eastus", "google-run/tier1", "own/default"];

fn any_adjustment() -> impl Strategy<Value = AdjustmentKind> {
    let meter = prop::sample::select(&[Meter::Request, Meter::GbSecond, Meter::VcpuSecond, Meter::GibSecond][..]);
    let renewed = prop::sample::select(&[Renewed::Never, Renewed::Monthly][..]);
    prop_oneof![
        (0_u32..=1_000_000, prop::collection::vec(meter.clone(), 0..3))
            .prop_map(|(off_ppm, meters)| AdjustmentKind::Discount { off_ppm, meters }),
        (0_u64..10_000_000, renewed.clone()).prop_map(|(milli, renewed)| AdjustmentKind::Commitment {
            amount: Rate::from_atto(u128::from(milli) * 1_000_000_000_000_000),
            elsewhere: Rate::FREE,
            currency: Currency::USD,
            renewed,
        }),
        (meter, 0_u64..5_000_000_000, renewed).prop_map(|(meter, units, renewed)| AdjustmentKind::Package {
            meter,
            quantity: Quantity::from_units(units),
            elsewhere: Quantity::ZERO,
            renewed
        }),
    ]
}

fn any_account() -> impl Strategy<Value = (&'static str, Vec<Adjustment>)> {
    let kinds = prop::collection::vec(any_adjustment(), 0..5);
    (prop::sample::select(&SHEETS[..]), kinds).prop_map(|(name, kinds)| {
        let named = kinds.into_iter().enumerate();
        (name, named.map(|(number, kind)| adjustment(&format!("a{number}"), kind)).collect())
    })
}

/// The invoice as a person would work it out from the month's sums: the grant off, the packages off, the tiers, the
/// commitments off. Written apart from what it checks.
fn by_hand(account: &Account, sum: &Metered) -> Exact {
    let mut billed = *sum;
    for (meter, _) in sum.iter() {
        let grant = account.list.grants().find(|(own, _)| *own == meter).map_or(Quantity::ZERO, |(_, grant)| grant);
        let mut left = sum.get(meter).saturating_sub(grant);
        for adjustment in account.adjustments.iter() {
            if let AdjustmentKind::Package { meter: own, quantity, .. } = adjustment.kind
                && own == meter
            {
                left = left.saturating_sub(quantity);
            }
        }
        billed = billed.with(meter, left).expect("its own meter");
    }
    let cost = account.discounted.charge(&billed, &MonthToDate::past_grant(&account.list)).expect("fits");
    account.adjustments.iter().fold(cost, |cost, adjustment| match adjustment.kind {
        AdjustmentKind::Commitment { amount, .. } => {
            cost.saturating_sub(amount.times(Quantity::from_units(1)).expect("fits"))
        }
        _ => cost,
    })
}

#[test]
fn a_months_invoice_is_adjusted() {
    let account = Account::new(LAMBDA, vec![discount(50, &[]), commitment("plan", "5", Renewed::Monthly)]);
    let month = [((0, ()), account.gb_seconds(1_000_000))];
    let plain = account.list.invoice(month).expect("fits");
    let adjusted = |adjustments: &Adjustments| account.list.adjusted_invoice(month, adjustments).expect("fits");
    assert_eq!(adjusted(&Adjustments::default()), plain);
    assert_eq!(rounded(adjusted(&account.adjustments)), "0.00001", "half of 10.00002, less 5");
    // An hour's least stands: nobody knows of a provider that takes it from a commitment.
    let hourly = sheet("alibaba-fc/cn");
    let one = hourly.meter(&size(512).with_vcpu_milli(350), &lasting(1_000)).expect("sold");
    let free = Adjustments::new([discount(100, &[])]);
    let hours = [((0, ()), one), ((1, ()), one)];
    let (plain, adjusted) =
        (hourly.invoice(hours).expect("fits"), hourly.adjusted_invoice(hours, &free).expect("fits"));
    assert!(adjusted > Exact::ZERO && adjusted <= plain, "{adjusted:?} of {plain:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_charges_sum_to_the_invoice_and_none_is_above_the_list(
        (name, adjustments) in any_account(),
        pieces in prop::collection::vec((1_u64..100_000_000, 0_u64..1_000_000_000), 1..8),
    ) {
        let (mut account, now) = (Account::new(name, adjustments), at(NOON));
        let (mut sum, mut charged, mut list) = (account.list.zero(), Exact::ZERO, Exact::ZERO);
        for (micros, calls) in pieces {
            let call = account.list.meter(&size(512).with_vcpu_milli(350), &lasting(micros)).expect("sold");
            let piece = call.checked_mul(calls).expect("fits");
            let rates = account.marginals(now);
            let before = account.pools.clone();
            let adjusted = account.charge(&call.checked_mul(0).expect("fits"), now);
            prop_assert_eq!((adjusted, &account.pools), (Adjusted::default(), &before), "nothing costs nothing");
            let adjusted = account.charge(&piece, now);
            prop_assert!(adjusted.charge <= adjusted.list, "{:?}", adjusted);
            let after = account.marginals(now);
            if rates == after && account.pools.balances(&account.adjustments).all(|(_, its)| is_used_up(its.left)) {
                prop_assert_eq!(rates.cost(&piece), adjusted.charge, "no edge was crossed");
            }
            sum = sum.checked_add(&piece).expect("fits");
            charged = charged.checked_add(adjusted.charge).expect("fits");
            list = list.checked_add(adjusted.list).expect("fits");
        }
        prop_assert_eq!(charged, by_hand(&account, &sum));
        prop_assert!(charged <= list);
    }
}

fn is_used_up(left: Balance) -> bool {
    matches!(left, Balance::Units(Quantity::ZERO) | Balance::Money(Exact::ZERO))
}
