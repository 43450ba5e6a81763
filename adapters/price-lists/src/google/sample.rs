//! Pages in the form of Google's Cloud Billing Catalog, made by code: what tests, benches and fuzzing read.
//!
//! The figures are those of the built-in catalogue; the shape is that of the API. Everything is public, so that a test
//! can break one thing.

use merit_pricing::{Catalogue, Meter, PriceSheet};
use merit_units::Quantity;
use serde_json::{Value, json};

/// A list of SKUs.
#[derive(Clone, Debug)]
pub struct CatalogSample {
    /// In the order of their pages.
    pub skus: Vec<SkuSample>,
}

/// One SKU.
#[derive(Clone, Debug)]
pub struct SkuSample {
    /// Such as `Services CPU (Request-based billing)`.
    pub description: String,
    /// Such as `us-central1`.
    pub regions: Vec<String>,
    /// Such as `GiBy.s`.
    pub unit: String,
    /// Where each rate begins, with the `units` and the `nanos` of its price.
    pub rates: Vec<(String, String, i64)>,
    /// Such as `USD`.
    pub currency: String,
    /// Such as `2026-09-24T00:00:00Z`.
    pub from: String,
    /// `OnDemand` and others.
    pub kind: String,
}

impl CatalogSample {
    /// What Google would publish: Cloud Run in two regions of tier 1 and one of tier 2, and what Merit passes over.
    #[must_use]
    pub fn of_cloud_run() -> Self {
        Self::of_regions(&["us-central1", "europe-west1"], &["southamerica-east1"])
    }

    /// The same for other regions.
    ///
    /// # Panics
    /// When the catalogue has no Cloud Run.
    #[must_use]
    pub fn of_regions(tier1: &[&str], tier2: &[&str]) -> Self {
        let sheet = |name| Catalogue::builtin().get(name).expect("in the catalogue");
        let (one, two) = (sheet("google-run/tier1"), sheet("google-run/tier2"));
        let mut skus = vec![SkuSample::new("Requests", &["global"], "count", rates(one, Meter::Request))];
        for (sheet, regions, tier) in [(one, tier1, ""), (two, tier2, " Tier 2 ")] {
            for (what, unit, meter) in [("CPU", "s", Meter::VcpuSecond), ("Memory", "GiBy.s", Meter::GibSecond)] {
                // The free seconds are no part of the list.
                let paid = || rates(sheet, meter).pop().map(|(_, units, nanos)| vec![("0".to_owned(), units, nanos)]);
                let paid = paid().expect("it is billed");
                let name = format!("Services {what}{tier} (Request-based billing)");
                skus.push(SkuSample::new(&name, regions, unit, paid.clone()));
                // Both are passed over.
                let idle = format!("Services Min Instance {what}{tier} (Request-based billing)");
                skus.push(SkuSample::new(&idle, regions, unit, paid.clone()));
                let always = format!("Services {what} (Instance-based billing) in {}", regions[0]);
                skus.push(SkuSample::new(&always, regions, unit, paid));
            }
        }
        for continent in ["North America", "Europe"] {
            let inside = |region: &&&str| region.starts_with("europe") == (continent == "Europe");
            let regions: Vec<&str> = tier1.iter().filter(inside).copied().collect();
            let mut rates = rates(one, Meter::EgressGb);
            if continent == "Europe" {
                // What is within Europe has no free GiB.
                rates.remove(0);
                rates[0].0 = "0".to_owned();
            }
            let name = format!("Cloud Run Network Internet Data Transfer Out {continent} to {continent}");
            skus.push(SkuSample::new(&name, &regions, "GiBy", rates));
        }
        let other = "Cloud Run Network Internet Data Transfer Out Europe to Asia";
        skus.push(SkuSample::new(other, tier1, "GiBy", vec![("0".into(), "9".into(), 0)]));
        Self { skus }
    }

    /// The SKU of this description, to be changed.
    ///
    /// # Panics
    /// When there is none.
    pub fn sku(&mut self, description: &str) -> &mut SkuSample {
        self.skus.iter_mut().find(|sku| sku.description == description).expect("a SKU of the sample")
    }

    /// Pages of `each` SKUs.
    #[must_use]
    pub fn to_pages(&self, each: usize) -> Vec<String> {
        let pages = self.skus.chunks(each).count();
        let page = |(number, skus): (usize, &[SkuSample])| {
            let next = if number + 1 < pages { format!("page-{}", number + 1) } else { String::new() };
            let skus: Vec<Value> = skus.iter().map(SkuSample::item).collect();
            json!({ "skus": skus, "nextPageToken": next }).to_string()
        };
        self.skus.chunks(each).enumerate().map(page).collect()
    }

    /// All of it on one page.
    #[must_use]
    pub fn to_page(&self) -> String {
        self.to_pages(self.skus.len().max(1)).pop().unwrap_or_else(|| "{}".to_owned())
    }
}

impl SkuSample {
    fn new(description: &str, regions: &[&str], unit: &str, rates: Vec<(String, String, i64)>) -> Self {
        Self {
            description: description.to_owned(),
            regions: regions.iter().map(|region| (*region).to_owned()).collect(),
            unit: unit.to_owned(),
            rates,
            currency: "USD".to_owned(),
            from: "2026-09-24T00:00:00Z".to_owned(),
            kind: "OnDemand".to_owned(),
        }
    }

    fn item(&self) -> Value {
        let rate = |(start, units, nanos): &(String, String, i64)| {
            let start: Value = serde_json::from_str(start).unwrap_or(Value::Null);
            json!({ "startUsageAmount": start,
                "unitPrice": { "currencyCode": self.currency, "units": units, "nanos": nanos } })
        };
        json!({
            "name": "services/0000-0000-0000/skus/0000-0000-0000",
            "skuId": "0000-0000-0000",
            "description": self.description,
            "category": { "serviceDisplayName": "Cloud Run", "resourceFamily": "ApplicationServices",
                "resourceGroup": "Compute", "usageType": self.kind },
            "serviceRegions": self.regions,
            "pricingInfo": [{
                "summary": "",
                "pricingExpression": { "usageUnit": self.unit, "displayQuantity": 1,
                    "tieredRates": self.rates.iter().map(rate).collect::<Vec<_>>() },
                "aggregationInfo": { "aggregationLevel": "ACCOUNT", "aggregationInterval": "MONTHLY", "aggregationCount": 1 },
                "currencyConversionRate": 1,
                "effectiveTime": self.from,
            }],
            "serviceProviderName": "Google",
        })
    }
}

/// The rates of a meter by where they begin, the free grant in front.
fn rates(sheet: &PriceSheet, meter: Meter) -> Vec<(String, String, i64)> {
    let free = sheet.grants().find(|(granted, _)| *granted == meter).map_or(Quantity::ZERO, |(_, free)| free);
    let mut rates = Vec::new();
    if free > Quantity::ZERO {
        rates.push(("0".to_owned(), "0".to_owned(), 0));
    }
    let mut start = free;
    for price in sheet.prices().filter(|price| price.meter == meter) {
        let nanos = i64::try_from(price.rate.atto() / 1_000_000_000).expect("below a unit");
        rates.push((start.to_string(), "0".to_owned(), nanos));
        start = price.up_to.and_then(|end| end.checked_add(free).ok()).unwrap_or(Quantity::MAX);
    }
    rates
}
