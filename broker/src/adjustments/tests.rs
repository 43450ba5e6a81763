//! Adjustments at work: calls quoted, charged, explained and charged again with them.

use std::sync::Arc;

use merit_pricing::{Adjustment, AdjustmentKind, Adjustments, Catalogue, Date, Meter, Renewed};
use merit_units::{Currency, InvocationId, Micros, Money, Quantity, Rate};
use merit_venue::MeterBasis;
use merit_wire::ReceiptView;

use super::*;
use crate::receipt;
use crate::settings::Settings;
use crate::settle::Settled;
use crate::testing::{START, Stage, per_call};

const DAY: Micros = Micros::from_secs(86_400);

fn adjustment(name: &str, kind: AdjustmentKind) -> Adjustment {
    let day = |text: &str| text.parse::<Date>().expect("a day");
    Adjustment { name: name.parse().expect("a name"), from: day("2026-11-01"), until: Some(day("2026-11-24")), kind }
}

fn plan(amount: &str) -> Adjustment {
    let amount: Rate = amount.parse().expect("an amount");
    let kind =
        AdjustmentKind::Commitment { amount, elsewhere: Rate::FREE, currency: Currency::USD, renewed: Renewed::Never };
    adjustment("plan", kind)
}

fn discount(percent: u32) -> Adjustment {
    adjustment("deal", AdjustmentKind::Discount { off_ppm: percent * 10_000, meters: vec![Meter::Request] })
}

fn package(units: u64) -> Adjustment {
    let (meter, quantity) = (Meter::Request, Quantity::from_units(units));
    let kind = AdjustmentKind::Package { meter, quantity, elsewhere: Quantity::ZERO, renewed: Renewed::Never };
    adjustment("pack", kind)
}

impl Stage {
    /// These are agreed for a venue, as if the configuration had said so.
    fn agree(&self, venue: &str, adjustments: impl IntoIterator<Item = Adjustment>) {
        let agreed = Arc::new(Adjustments::new(adjustments));
        let venue = Arc::clone(&self.broker.directory.load().venues[venue]);
        let mut settings = Settings::clone(&self.broker.settings.load());
        settings.market.ramp_ppm_per_second = 1_000_000;
        settings.adjustments.insert(venue.id.clone(), Arc::clone(&agreed));
        self.broker.settings.store(Arc::new(settings));
        assert!(venue.prices.agree(&agreed, self.broker.clock.now()));
        self.broker.rebuild_books(&venue, self.broker.clock.now());
        self.broker.clock.advance(Micros::from_secs(2));
    }

    /// Makes a call; its receipt.
    async fn receipt(&self) -> ReceiptView {
        let id = match self.call(&[]).await.expect("room") {
            Settled::Replied(replied) => replied.account.invocation,
            Settled::Refused(refused) => panic!("refused: {}", refused.refusal),
        };
        // A changed merit order takes over within the second.
        self.broker.clock.advance(Micros::from_secs(2));
        let view = receipt::view(&self.row(id)).expect("readable");
        let again = self.broker.reprice(&self.row(id)).expect("readable");
        assert!(again.same, "{again:?}");
        assert_eq!(again.adjustments, view.adjustments);
        view
    }

    fn row(&self, id: InvocationId) -> Arc<merit_store::record::ReceiptRow> {
        self.broker.store.receipt(id).expect("read").expect("a receipt")
    }

    fn left(&self, name: &str) -> String {
        let views = self.broker.adjustments(self.broker.clock.now());
        let view = views.into_iter().find(|view| view.name == name).expect("agreed");
        view.left.expect("it has an end")
    }
}

fn told(view: &ReceiptView) -> Vec<String> {
    view.adjustments.iter().map(|its| format!("{} {} {}", its.name, its.amount, its.unit)).collect()
}

#[tokio::test]
async fn a_commitment_makes_a_dear_venue_the_first_until_it_is_used_up() {
    let stage = Stage::new(false, &["0.001", "0.003"]).await;
    stage.agree("b", [plan("0.0105")]);
    let mut charged = Money::ZERO;
    let mut path = Vec::new();
    for _ in 0..6 {
        let view = stage.receipt().await;
        charged += view.charge.parse::<Money>().expect("dollars");
        path.push((view.venue.clone().expect("answered"), view.charge.clone(), told(&view).join(", ")));
    }
    let path: Vec<_> = path.iter().map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str())).collect();
    let free = ("b", "0", "plan 0.003 USD");
    let last = ("b", "0.0015", "plan 0.0015 USD");
    assert_eq!(path, [free, free, free, last, ("a", "0.001", ""), ("a", "0.001", "")]);
    // Four calls at 0.003 and two at 0.001, less what was committed.
    assert_eq!(charged.to_string(), "0.0035");
    assert_eq!(stage.balance(), (charged, Money::ZERO), "and so has the ledger");
    assert_eq!(stage.left("plan"), "0");
    assert!(stage.broker.usage.is_unstored());
    stage.broker.store_usage().await.expect("stored");
    assert!(!stage.broker.usage.is_unstored());
}

#[tokio::test]
async fn discounts_and_packages_are_told_and_computed_again() {
    let stage = Stage::new(false, &["0.001"]).await;
    stage.agree("a", [discount(50), package(1)]);
    let (first, second) = (stage.receipt().await, stage.receipt().await);
    assert_eq!((first.charge.as_str(), first.list_charge.as_deref()), ("0", Some("0.001")));
    assert_eq!(told(&first), ["deal 50 %", "pack 1 request"]);
    assert_eq!((second.charge.as_str(), second.list_charge.as_deref()), ("0.0005", Some("0.001")));
    assert_eq!(told(&second), ["deal 50 %"]);
    let view = stage.broker.functions.get("work").expect("put").view();
    assert_eq!(
        (view.cost(0).to_string(), view.list_cost(0).expect("adjusted").to_string()),
        ("0.0005".into(), "0.001".into())
    );
    // What is held is the most that the call can be charged, which is half the list's.
    assert_eq!(view.ceiling(0).to_string(), "0.0005");
    let deployment = view.deployment(0);
    let words = in_words(&deployment.prices, view.prices(0));
    assert_eq!(words, ["deal (50 % off request)", "pack (1 request prepaid), 0 left"]);
}

#[tokio::test]
async fn grants_and_tiers_of_a_real_sheet_are_computed_again_too() {
    let stage = Stage::new(false, &["0.001"]).await;
    let sheet = Catalogue::builtin().get("aws-lambda/us-east-1/arm64/provisioned").expect("in the catalogue");
    stage.broker.put_sheet("a", sheet).expect("put");
    let deal = AdjustmentKind::Discount { off_ppm: 123_400, meters: Vec::new() };
    let seconds = AdjustmentKind::Package {
        meter: Meter::GbSecond,
        quantity: "0.0001".parse().expect("a quantity"),
        elsewhere: Quantity::ZERO,
        renewed: Renewed::Monthly,
    };
    stage.agree("a", [adjustment("deal", deal), adjustment("seconds", seconds), plan("0.0000001")]);
    let views = [stage.receipt().await, stage.receipt().await, stage.receipt().await];
    assert_eq!(told(&views[0])[..1], ["seconds 0.0001 gb_second"], "{views:?}");
    assert!(views.iter().all(|view| view.adjustments.iter().any(|its| its.name == "deal")));
    assert_eq!(stage.left("plan"), "0", "{views:?}");
}

#[tokio::test]
async fn days_begin_and_end_and_a_fill_is_charged_as_it_was_quoted() {
    let stage = Stage::new(false, &["0.001"]).await;
    // One that is not stale after a day.
    stage.broker.put_sheet("a", &per_call("0.001")).expect("put");
    let ahead = Adjustment { from: "2026-11-22".parse().expect("a day"), ..discount(50) };
    stage.agree("a", [ahead]);
    let cost = || stage.broker.functions.get("work").expect("put").view().cost(0).to_string();
    let look = || stage.broker.refresh_stale(stage.broker.clock.now());
    assert_eq!(cost(), "0.001");
    assert_eq!(stage.broker.adjustments(stage.broker.clock.now())[0].state, "ahead");
    stage.broker.clock.advance(DAY);
    look();
    assert_eq!(cost(), "0.0005", "it holds since midnight");
    let quoted = stage.broker.functions.get("work").expect("put").view();
    stage.broker.clock.advance(DAY);
    stage.broker.clock.advance(DAY);
    look();
    assert_eq!(cost(), "0.001", "it holds no more");
    assert_eq!(stage.broker.adjustments(stage.broker.clock.now())[0].state, "ended");
    let usage = merit_pricing::Usage { duration: Micros::from_millis(10), ..Default::default() };
    assert_eq!(quoted.bill(0, &usage, MeterBasis::Reported).charge.to_string(), "0.0005", "a fill of the 22nd");
    assert_eq!(stage.receipt().await.charge, "0.001");
}

#[tokio::test]
async fn what_is_left_is_shared_stored_and_outlives_the_month() {
    let stage = Stage::new(false, &["0.003", "0.003"]).await;
    let endless = Adjustment { until: None, ..plan("1") };
    let monthly = Adjustment { until: None, ..package(2) };
    for venue in ["a", "b"] {
        stage.agree(venue, [endless.clone(), monthly.clone()]);
    }
    for _ in 0..3 {
        stage.receipt().await;
    }
    assert_eq!((stage.left("plan").as_str(), stage.left("pack").as_str()), ("0.997", "0"));
    let views = stage.broker.adjustments(START);
    assert_eq!(views.iter().map(|view| view.venues.len()).collect::<Vec<_>>(), [2, 2], "of both venues");
    stage.broker.store_learned().await.expect("stored");
    let stored = crate::profiles::stored_usage(&stage.broker.store, START, Default::default).expect("read").1;
    assert_eq!(stored, stage.broker.usage.snapshot().1);
    let december = START + Micros::from_secs(20 * 86_400);
    assert!(stage.broker.usage.turn(crate::clock::month_of(december)));
    assert_eq!(stage.left("plan"), "0.997", "it lasts");
    assert_eq!(stage.broker.adjustments_left()["plan"], 0.997);
}
