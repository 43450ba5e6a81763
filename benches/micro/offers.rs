//! What reading AWS's price list of all regions costs, beside a tree of values of the same text.
//!
//! Goals: under 200 ms and under 100 MB for 13 MB. The list is made by code in the form of AWS's own: every region of the
//! catalogue, and managed instances, which Merit passes over, up to the size. Memory is what the reader allocates at most
//! at once; the text itself, which both borrow from or copy, comes on top.

use std::hint::black_box;
use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::BytesCount;
use merit_pricing::Date;
use merit_venue_aws_lambda::offers::sample::OfferSample;
use merit_venue_aws_lambda::offers::{Offers, Reading};

const BYTES: usize = 13_600_000;

static LIST: LazyLock<String> = LazyLock::new(|| {
    let mut sample = OfferSample::of_all_regions();
    sample.fill_to(BYTES);
    sample.to_file()
});

fn main() {
    let peak = |what: &str, read: fn()| {
        let counted = allocation_counter::measure(read);
        let (peak_kb, count) = (counted.bytes_max / 1000, counted.count_total);
        println(&format!("{what:<14} {peak_kb} kB at most at once, {count} allocations"));
    };
    println(&format!("a price list of {} bytes", LIST.len()));
    peak("offers", || drop(black_box(read())));
    peak("values", || drop(black_box(values())));
    divan::main();
}

#[expect(clippy::print_stdout, reason = "a bench reports on stdout")]
fn println(line: &str) {
    println!("{line}");
}

fn day() -> Date {
    "2026-11-21".parse().expect("a date")
}

fn read() -> Offers {
    Offers::read_file(LIST.as_bytes(), day()).expect("an offer file")
}

fn values() -> serde_json::Value {
    serde_json::from_slice(LIST.as_bytes()).expect("JSON")
}

#[divan::bench]
fn offers(bencher: Bencher<'_, '_>) {
    bencher.counter(BytesCount::of_slice(LIST.as_bytes())).bench_local(read);
}

/// As [`offers`], and the sheets of all regions made.
#[divan::bench]
fn offers_and_sheets(bencher: Bencher<'_, '_>) {
    let reading = Reading { url: "https://prices.example/index.json", day: day() };
    bencher.counter(BytesCount::of_slice(LIST.as_bytes())).bench_local(|| read().sheets(&reading));
}

/// The baseline: the whole text as a tree of values.
#[divan::bench]
fn serde_json_values(bencher: Bencher<'_, '_>) {
    bencher.counter(BytesCount::of_slice(LIST.as_bytes())).bench_local(values);
}
