//! What reading price lists costs: AWS's of all regions, beside a tree of values of the same text, and the pages of
//! Azure's and of Google's.
//!
//! `cargo bench -p merit-benches --bench price_lists`. Goals for AWS's 13 MB: under 200 ms and under 100 MB. The lists are
//! made by code in the form of the providers' own. AWS's has every region of the catalogue, and managed instances, which
//! Merit passes over, up to the size; Azure's has 60 regions on pages of 100 rows, Google's 40 regions with what Merit
//! passes over on pages of 5,000. Memory is what the reader allocates at most at once; the text itself, which it borrows
//! from, comes on top.

use std::hint::black_box;
use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::BytesCount;
use merit_load::report;
use merit_price_lists::aws::Offers;
use merit_price_lists::aws::sample::OfferSample;
use merit_price_lists::azure::RetailPrices;
use merit_price_lists::azure::sample::RetailSample;
use merit_price_lists::google::CloudSkus;
use merit_price_lists::google::sample::CatalogSample;
use merit_price_lists::{Reading, SheetOffer};
use merit_pricing::Date;

const BYTES: usize = 13_600_000;

static AWS: LazyLock<String> = LazyLock::new(|| {
    let mut sample = OfferSample::of_all_regions();
    sample.fill_to(BYTES);
    sample.to_file()
});

/// Azure answers with 100 rows at most.
static AZURE: LazyLock<Vec<String>> = LazyLock::new(|| {
    let regions: Vec<String> = (0..60).map(|number| format!("region{number}")).collect();
    let regions: Vec<&str> = regions.iter().map(String::as_str).collect();
    RetailSample::of_regions(&regions).to_pages(100, |number| format!("https://prices.example/?$skip={number}"))
});

/// One SKU is for many regions, and most of them are of jobs, GPUs and other things: the sample's own, forty times.
static GOOGLE: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut sample = CatalogSample::of_cloud_run();
    for number in 0..40 {
        let (one, two) = (format!("europe-west{number}"), format!("asia-south{number}"));
        let more = CatalogSample::of_regions(&[&one], &[&two]);
        let jobs = more.skus.into_iter().map(|mut sku| {
            sku.description = format!("Jobs {} in {one}", sku.description);
            sku
        });
        sample.skus.extend(jobs);
    }
    sample.to_pages(5000)
});

fn main() -> anyhow::Result<()> {
    report::line(&report::machine())?;
    let bytes = |pages: &[String]| pages.iter().map(String::len).sum::<usize>();
    peak("aws", AWS.len(), 1, || drop(black_box(read_aws())))?;
    peak("aws, as values", AWS.len(), 1, || drop(black_box(values())))?;
    peak("azure", bytes(&AZURE), AZURE.len(), || drop(black_box(read_azure())))?;
    peak("google", bytes(&GOOGLE), GOOGLE.len(), || drop(black_box(read_google())))?;
    divan::main();
    Ok(())
}

fn peak(what: &str, bytes: usize, pages: usize, read: impl FnOnce()) -> anyhow::Result<()> {
    let counted = allocation_counter::measure(read);
    let (peak_kb, count) = (counted.bytes_max / 1000, counted.count_total);
    let line = format!("{what:<15} {bytes} B on {pages} pages: {peak_kb} kB at most at once, {count} allocations");
    Ok(report::line(&line)?)
}

fn day() -> Date {
    "2026-11-21".parse().expect("a date")
}

fn reading() -> Reading<'static> {
    Reading { url: "https://prices.example/index.json", day: day() }
}

fn read_aws() -> Offers {
    Offers::read_file(AWS.as_bytes(), day()).expect("an offer file")
}

fn values() -> serde_json::Value {
    serde_json::from_slice(AWS.as_bytes()).expect("JSON")
}

fn read_azure() -> Vec<SheetOffer> {
    let mut prices = RetailPrices::default();
    for page in AZURE.iter() {
        prices.read_page(page.as_bytes(), day()).expect("a page");
    }
    prices.check().expect("prices");
    prices.sheets(&reading())
}

fn read_google() -> Vec<SheetOffer> {
    let mut skus = CloudSkus::default();
    for page in GOOGLE.iter() {
        skus.read_page(page.as_bytes(), day()).expect("a page");
    }
    skus.check().expect("prices");
    skus.sheets(&reading())
}

fn counted(pages: &[String]) -> BytesCount {
    BytesCount::new(pages.iter().map(String::len).sum::<usize>())
}

#[divan::bench]
fn aws(bencher: Bencher<'_, '_>) {
    bencher.counter(BytesCount::of_slice(AWS.as_bytes())).bench_local(read_aws);
}

/// As [`aws`], and the sheets of all regions made.
#[divan::bench]
fn aws_and_sheets(bencher: Bencher<'_, '_>) {
    bencher.counter(BytesCount::of_slice(AWS.as_bytes())).bench_local(|| read_aws().sheets(&reading()));
}

/// The baseline: the whole text as a tree of values.
#[divan::bench]
fn aws_as_values(bencher: Bencher<'_, '_>) {
    bencher.counter(BytesCount::of_slice(AWS.as_bytes())).bench_local(values);
}

/// All pages, and the sheets of all regions made.
#[divan::bench]
fn azure_and_sheets(bencher: Bencher<'_, '_>) {
    bencher.counter(counted(&AZURE)).bench_local(read_azure);
}

/// All pages, and the sheets of all regions made.
#[divan::bench]
fn google_and_sheets(bencher: Bencher<'_, '_>) {
    bencher.counter(counted(&GOOGLE)).bench_local(read_google);
}
