//! Bills against the same meters priced by the sheet, over price changes, hours and base fees.

use std::sync::Arc;

use merit_pricing::{Metered, MonthToDate, Size, Usage};
use merit_units::{FunctionId, Micros, Money};
use serde_json::Value;

use super::Books;
use crate::testing::{mb, sheet};

const AWS: &str = "aws-lambda/us-east-1/x86_64";

fn function(name: &str) -> FunctionId {
    FunctionId::try_new(name).expect("a name")
}

fn call(number: u64) -> Usage {
    Usage {
        duration: Micros::new(12_340 + 777 * number),
        init: Micros::new(if number.is_multiple_of(10) { 15_425 } else { 0 }),
        cpu: Some(Micros::new(4_321 + number)),
        memory_peak: Some(mb(36)),
        egress_bytes: 1_000 + number,
        ..Usage::default()
    }
}

fn size(name: &str) -> Size {
    match name {
        "cloudflare-workers" => Size::new(mb(128)),
        "alibaba-fc/intl" | "alibaba-fc/cn" => Size::new(mb(512)).with_vcpu_milli(350),
        _ => Size::new(mb(512)),
    }
}

fn money(value: &Value) -> Money {
    value.as_str().expect("a decimal").parse().expect("a decimal")
}

/// Bills calls of two functions over three hours; returns what they were metered at.
fn bill(books: &mut Books, sheet_name: &str, calls: u64) -> Vec<((u64, FunctionId), Metered)> {
    let mut metered = Vec::new();
    for number in 0..calls {
        let (hour, name) = (number % 3, function(if number % 2 == 0 { "thumbnail" } else { "markdown" }));
        let usage = call(number);
        metered.push(((hour, name.clone()), books.sheet().meter(&size(sheet_name), &usage).expect("metered")));
        books.bill(u32::try_from(hour).expect("small"), &name, &size(sheet_name), &usage);
    }
    metered
}

#[test]
fn the_bill_is_the_sum_of_the_meters_priced_by_the_sheet() {
    for name in [
        AWS,
        "azure-consumption/eastus",
        "azure-flex/eastus",
        "google-run/tier1",
        "google-run/tier2",
        "alibaba-fc/intl",
        "tencent-scf/cn",
        "cloudflare-workers",
    ] {
        let sheet = sheet(name);
        let mut books = Books::open(Arc::clone(&sheet), true);
        let metered = bill(&mut books, name, 1_000);
        let bill = books.invoice("cloud").expect("an invoice");
        let by_sheet = sheet.invoice(metered.clone()).expect("fits").round_half_even().expect("fits");
        assert_eq!(money(&bill["invoice"]), by_sheet, "{name}");
        let sum = metered.iter().fold(sheet.zero(), |sum, (_, call)| sum.checked_add(call).expect("fits"));
        let listed =
            sheet.charge(&sum, &MonthToDate::past_grant(&sheet)).expect("fits").round_half_even().expect("fits");
        assert_eq!(money(&bill["charges"]), listed, "{name}");
        assert_eq!(bill["calls"], 1_000, "{name}");
        assert_eq!(bill["unbilled"], Value::Null, "{name}");
        for (meter, quantity) in sum.iter() {
            assert_eq!(bill["periods"][0]["billed"][meter.name()], quantity.to_string(), "{name}");
        }
        assert_eq!(
            bill["periods"][0]["functions"].as_array().expect("lines").len(),
            6,
            "{name}: two functions, three hours"
        );
    }
}

#[test]
fn a_month_from_its_start_uses_the_grants_first() {
    let mut books = Books::open(sheet(AWS), false);
    bill(&mut books, AWS, 1_000);
    let bill = books.invoice("cloud").expect("an invoice");
    assert_eq!((money(&bill["charges"]), money(&bill["invoice"])), (Money::ZERO, Money::ZERO));
}

#[test]
fn a_new_price_shows_on_the_next_call() {
    let mut books = Books::open(sheet(AWS), true);
    bill(&mut books, AWS, 100);
    books.reprice(300);
    assert_eq!((books.price_percent(), books.sheet().seq()), (300, sheet(AWS).seq() + 2));
    bill(&mut books, AWS, 100);
    let dear = books.sheet().seq();
    books.reprice(50);
    assert!(books.sheet().seq() > dear, "the newest sheet has the highest number");
    bill(&mut books, AWS, 100);
    let bill = books.invoice("cloud").expect("an invoice");
    let charges = |period: usize| money(&bill["periods"][period]["charges"]).pico();
    // Each figure is rounded to the picodollar on its own.
    let near = |one: i128, other: i128| one.abs_diff(other) <= 3;
    assert!(near(charges(1), charges(0) * 3), "{} and {}", charges(0), charges(1));
    assert!(near(charges(2), charges(0) / 2), "{} and {}", charges(0), charges(2));
    assert!(near(money(&bill["charges"]).pico(), (0..3).map(charges).sum()));
}

/// Alibaba rounds a function's hour up to whole units; two periods in one hour are one hour.
#[test]
fn a_new_price_within_an_hour_does_not_round_it_twice() {
    let sheet = sheet("alibaba-fc/intl");
    let mut one = Books::open(Arc::clone(&sheet), true);
    let mut two = Books::open(Arc::clone(&sheet), true);
    bill(&mut one, "alibaba-fc/intl", 300);
    bill(&mut two, "alibaba-fc/intl", 150);
    two.reprice(100);
    for number in 150..300 {
        let name = function(if number % 2 == 0 { "thumbnail" } else { "markdown" });
        let hour = u32::try_from(number % 3).expect("small");
        two.bill(hour, &name, &size("alibaba-fc/intl"), &call(number));
    }
    let invoice = |books: &Books| money(&books.invoice("cloud").expect("an invoice")["invoice"]);
    assert_eq!(invoice(&one), invoice(&two));
    assert!(invoice(&one) > Money::ZERO);
}

#[test]
fn a_base_fee_is_invoiced_once_and_charged_to_no_call() {
    let mut books = Books::open(sheet("cloudflare-workers"), true);
    bill(&mut books, "cloudflare-workers", 10);
    books.reprice(200);
    bill(&mut books, "cloudflare-workers", 10);
    let bill = books.invoice("cloud").expect("an invoice");
    assert_eq!(money(&bill["invoice"]), Money::from_units(5), "ten calls are within what the fee includes");
    assert!(money(&bill["charges"]) < Money::from_units(1));
}

#[test]
fn a_call_that_cannot_be_billed_is_counted() {
    let mut books = Books::open(sheet("alibaba-fc/intl"), true);
    books.bill(0, &function("thumbnail"), &Size::new(mb(512)), &call(0));
    let bill = books.invoice("cloud").expect("an invoice");
    assert_eq!((&bill["calls"], &bill["unbilled"]["calls"]), (&Value::from(0), &Value::from(1)));
    assert!(bill["unbilled"]["error"].as_str().expect("why").contains("vCPU"));
}
