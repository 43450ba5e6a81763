//! Pages in the form of Azure's Retail Prices, made by code: what tests, benches and fuzzing read.
//!
//! The figures are those of the built-in catalogue; the shape is that of the API.
//! Everything is public, so that a test can break one thing.

use merit_pricing::{Catalogue, Meter, PriceSheet};
use merit_units::Rate;
use serde_json::{Value, json};

/// A list of prices.
#[derive(Clone, Debug)]
pub struct RetailSample {
    /// The rows, in the order of their pages.
    pub rows: Vec<RowSample>,
}

/// One price.
#[derive(Clone, Debug)]
pub struct RowSample {
    /// Such as `Flex Consumption`.
    pub product: String,
    /// Such as `On Demand Total Executions`.
    pub meter: String,
    /// Such as `eastus`.
    pub region: String,
    /// Such as `1 GB Second`, or `10`.
    pub unit: String,
    /// Where it begins, in such units, as it stands in the JSON.
    pub start: String,
    /// The price of such a unit, as it stands in the JSON.
    pub price: String,
    /// Such as `USD`.
    pub currency: String,
    /// Such as `2024-12-01T00:00:00Z`.
    pub from: String,
    /// `Consumption`, `Reservation`, `DevTestConsumption`.
    pub kind: String,
}

impl RetailSample {
    /// What Azure would publish for these regions with the figures of `eastus`.
    ///
    /// # Panics
    /// When the catalogue has no Azure Functions.
    #[must_use]
    pub fn of_regions(regions: &[&str]) -> Self {
        let mut rows = Vec::new();
        for region in regions {
            let mut add = |product: &str, meter: &str, unit: &str, steps: Vec<[String; 2]>| {
                let row = |[start, price]: [String; 2]| RowSample {
                    product: product.to_owned(),
                    meter: meter.to_owned(),
                    region: (*region).to_owned(),
                    unit: unit.to_owned(),
                    start,
                    price,
                    currency: "USD".to_owned(),
                    from: "2024-12-01T00:00:00Z".to_owned(),
                    kind: "Consumption".to_owned(),
                };
                rows.extend(steps.into_iter().map(row));
            };
            for (product, prefix, sheet) in [
                ("Functions", "Standard", "azure-consumption/eastus"),
                ("Flex Consumption", "On Demand", "azure-flex/eastus"),
                ("Flex Consumption", "Always Ready", "azure-flex/eastus/always-ready"),
            ] {
                let sheet = Catalogue::builtin().get(sheet).expect("in the catalogue");
                add(product, &format!("{prefix} Total Executions"), "10", steps(sheet, Meter::Request, 10));
                add(product, &format!("{prefix} Execution Time"), "1 GB Second", steps(sheet, Meter::GbSecond, 1));
                for kept in sheet.standing() {
                    add(
                        product,
                        &format!("{prefix} Baseline"),
                        "1 GB Second",
                        vec![["0.0".into(), kept.rate.to_string()]],
                    );
                }
            }
            add("Premium Functions", "Premium vCPU Duration", "1 Hour", vec![["0.0".into(), "0.173".into()]]);
            add("Premium Functions", "Premium Memory Duration", "1 GiB Hour", vec![["0.0".into(), "0.0123".into()]]);
        }
        Self { rows }
    }

    /// The rows of this meter, to be changed.
    pub fn meter<'a>(&'a mut self, meter: &'a str) -> impl Iterator<Item = &'a mut RowSample> {
        self.rows.iter_mut().filter(move |row| row.meter == meter)
    }

    /// Pages of `each` rows, each with the link that `link` makes of the number of the next.
    ///
    /// # Panics
    /// When a row's numbers are no JSON.
    #[must_use]
    pub fn to_pages(&self, each: usize, link: impl Fn(usize) -> String) -> Vec<String> {
        let pages = self.rows.chunks(each).count();
        let page = |(number, rows): (usize, &[RowSample])| {
            let next = (number + 1 < pages).then(|| link(number + 1));
            let items: Vec<Value> = rows.iter().map(RowSample::item).collect();
            json!({ "BillingCurrency": "USD", "CustomerEntityId": "Default", "CustomerEntityType": "Retail",
                "Items": items, "NextPageLink": next, "Count": rows.len() })
            .to_string()
        };
        self.rows.chunks(each).enumerate().map(page).collect()
    }

    /// All of it on one page.
    #[must_use]
    pub fn to_page(&self) -> String {
        self.to_pages(self.rows.len().max(1), |_| String::new()).pop().unwrap_or_else(|| r#"{"Items":[]}"#.to_owned())
    }
}

impl RowSample {
    fn item(&self) -> Value {
        let number = |text: &str| serde_json::from_str::<Value>(text).expect("a number");
        json!({
            "currencyCode": self.currency,
            "tierMinimumUnits": number(&self.start),
            "retailPrice": number(&self.price),
            "unitPrice": number(&self.price),
            "armRegionName": self.region,
            "location": "A place",
            "effectiveStartDate": self.from,
            "meterId": "00000000-0000-0000-0000-000000000000",
            "meterName": self.meter,
            "productName": self.product,
            "skuName": "Standard",
            "serviceName": "Functions",
            "serviceFamily": "Compute",
            "unitOfMeasure": self.unit,
            "type": self.kind,
            "isPrimaryMeterRegion": false,
            "armSkuName": "",
        })
    }
}

/// The rates of a meter by where they begin, in units of `of`, the free grant in front.
fn steps(sheet: &PriceSheet, meter: Meter, of: u128) -> Vec<[String; 2]> {
    let free = sheet.grants().find(|(granted, _)| *granted == meter).map(|(_, quantity)| quantity);
    let price = sheet.prices().find(|price| price.meter == meter).expect("it is billed").rate;
    let price = Rate::from_atto(price.atto() * of).to_string();
    let Some(free) = free else { return vec![["0.0".to_owned(), price]] };
    let start = merit_units::Quantity::from_quanta(free.quanta() / of).to_string();
    vec![["0.0".to_owned(), "0.0".to_owned()], [start, price]]
}
