//! Price lists in AWS's formats, made by code: what tests, benches and fuzzing read.
//!
//! The figures are those of the built-in catalogue; the shape is that of the files AWS publishes. Everything is
//! public, so that a test can break one thing.

use merit_pricing::{Catalogue, Meter, PriceSheet};
use serde_json::{Value, json};

/// A price list.
#[derive(Clone, Debug)]
pub struct OfferSample {
    /// Such as `20260521184754`.
    pub version: String,
    /// Such as `2026-05-21T18:47:54Z`.
    pub published: String,
    /// What it offers.
    pub products: Vec<ProductSample>,
}

/// A product with its on-demand prices.
#[derive(Clone, Debug)]
pub struct ProductSample {
    /// Such as `AWS-Lambda-Duration`.
    pub group: String,
    /// Such as `USE2-Lambda-GB-Second`.
    pub usage_type: String,
    /// The region's code; empty for the free tier, which is at the location `Any`.
    pub region: String,
    /// Such as `Lambda-GB-Second`.
    pub unit: String,
    /// The currency of its prices.
    pub currency: String,
    /// The day its prices hold from.
    pub effective: String,
    /// Beginning, end (`Inf` when open) and price of each range.
    pub ranges: Vec<[String; 3]>,
}

impl OfferSample {
    /// What AWS would publish for these regions of the catalogue, with the free tier.
    ///
    /// # Panics
    /// When the catalogue does not have a region.
    #[must_use]
    pub fn of_regions(regions: &[&str]) -> Self {
        let mut products = vec![
            ProductSample::new("Requests", "Global-Request", "", &[["0", "1000000", "0"]]),
            ProductSample::new("Duration", "Global-Lambda-GB-Second", "", &[["0", "400000", "0"]]),
        ];
        for region in regions {
            products.extend(products_of(region));
        }
        Self { version: "20260521184754".to_owned(), published: "2026-05-21T18:47:54Z".to_owned(), products }
    }

    /// What AWS would publish for every region of the catalogue.
    #[must_use]
    pub fn of_all_regions() -> Self {
        let sheets = Catalogue::builtin().names().map(merit_units::SheetName::as_str);
        let regions: Vec<&str> =
            sheets.filter_map(|name| name.strip_prefix("aws-lambda/")?.strip_suffix("/x86_64")).collect();
        Self::of_regions(&regions)
    }

    /// Adds products of other kinds until the file has about `bytes`, as AWS's own has by its managed instances.
    pub fn fill_to(&mut self, bytes: usize) {
        const BYTES_OF_ONE: usize = 1280;
        let now = self.to_file().len();
        for number in 0..bytes.saturating_sub(now) / BYTES_OF_ONE {
            let usage =
                format!("EXA1-Lambda-Managed-Instances:m{}.{}xlarge-Management-Hours", number % 97, number / 97);
            let mut product = ProductSample::new("Managed", &usage, "us-east-1", &[["0", "Inf", "0.0345600000"]]);
            product.group = "AWS-Lambda-Managed-Instances".to_owned();
            product.unit = "Hrs".to_owned();
            self.products.push(product);
        }
    }

    /// The products of this group, such as `AWS-Lambda-Duration`, to be changed.
    pub fn group<'a>(&'a mut self, group: &'a str) -> impl Iterator<Item = &'a mut ProductSample> {
        self.products.iter_mut().filter(move |product| product.group == group && !product.region.is_empty())
    }

    /// The bulk offer file.
    #[must_use]
    pub fn to_file(&self) -> String {
        let each = || self.products.iter().enumerate();
        let products: serde_json::Map<String, Value> =
            each().map(|(number, product)| (sku(number), product.product(number))).collect();
        let terms: serde_json::Map<String, Value> =
            each().map(|(number, product)| (sku(number), product.terms(number))).collect();
        let file = json!({
            "formatVersion": "v1.0",
            "disclaimer": "made by Merit's tests; these are not AWS's prices",
            "offerCode": "AWSLambda",
            "version": self.version,
            "publicationDate": self.published,
            "products": products,
            "terms": { "OnDemand": terms },
            "attributesList": {},
        });
        format!("{file:#}")
    }

    /// Pages of `GetProducts` with `each` products.
    #[must_use]
    pub fn to_pages(&self, each: usize) -> Vec<String> {
        let listed = |(number, product): (usize, &ProductSample)| {
            let listed = json!({
                "product": product.product(number),
                "serviceCode": "AWSLambda",
                "terms": { "OnDemand": product.terms(number) },
                "version": self.version,
                "publicationDate": self.published,
            });
            Value::String(listed.to_string())
        };
        let entries: Vec<Value> = self.products.iter().enumerate().map(listed).collect();
        let pages = entries.chunks(each).count();
        let page = |(number, entries): (usize, &[Value])| {
            let mut page = json!({ "FormatVersion": "aws_v1", "PriceList": entries });
            if number + 1 < pages {
                page["NextToken"] = json!(format!("page-{}", number + 1));
            }
            page.to_string()
        };
        entries.chunks(each).enumerate().map(page).collect()
    }
}

impl ProductSample {
    fn new(kind: &str, usage_type: &str, region: &str, ranges: &[[&str; 3]]) -> Self {
        let unit = if kind.starts_with("Requests") { "Requests" } else { "Lambda-GB-Second" };
        Self {
            group: format!("AWS-Lambda-{kind}"),
            usage_type: usage_type.to_owned(),
            region: region.to_owned(),
            unit: unit.to_owned(),
            currency: "USD".to_owned(),
            effective: "2026-05-01T00:00:00Z".to_owned(),
            ranges: ranges.iter().map(|range| range.map(str::to_owned)).collect(),
        }
    }

    fn product(&self, number: usize) -> Value {
        let location = if self.region.is_empty() { "Any" } else { "A place" };
        json!({
            "sku": sku(number),
            "productFamily": "Serverless",
            "attributes": {
                "servicecode": "AWSLambda",
                "location": location,
                "locationType": "AWS Region",
                "group": self.group,
                "groupDescription": "what the group bills, in a \"sentence\" of some length, measured in GB-s",
                "usagetype": self.usage_type,
                "operation": "",
                "regionCode": self.region,
                "servicename": "AWS Lambda",
            },
        })
    }

    fn terms(&self, number: usize) -> Value {
        let term = format!("{}.JRTCKXETXF", sku(number));
        let dimension = |(index, [begin, end, price]): (usize, &[String; 3])| {
            let rate_code = format!("{term}.{index:0>10}");
            let dimension = json!({
                "rateCode": rate_code,
                "description": format!("{} Tier-{}", self.group, index + 1),
                "beginRange": begin,
                "endRange": end,
                "unit": self.unit,
                "pricePerUnit": { self.currency.clone(): price },
                "appliesTo": [],
            });
            (rate_code, dimension)
        };
        let dimensions: serde_json::Map<String, Value> = self.ranges.iter().enumerate().map(dimension).collect();
        json!({ term.clone(): {
            "offerTermCode": "JRTCKXETXF",
            "sku": sku(number),
            "effectiveDate": self.effective,
            "priceDimensions": dimensions,
            "termAttributes": {},
        } })
    }
}

fn sku(number: usize) -> String {
    format!("SKU{number:0>13}")
}

fn products_of(region: &str) -> Vec<ProductSample> {
    let prefix = if region == "us-east-1" { String::new() } else { "XYZ1-".to_owned() };
    let mut products = Vec::new();
    for (architecture, suffix) in [("x86_64", ""), ("arm64", "-ARM")] {
        let sheet = |kind: &str| -> &'static PriceSheet {
            let name = format!("aws-lambda/{region}/{architecture}{kind}");
            Catalogue::builtin().get(&name).unwrap_or_else(|| panic!("the catalogue has no {name}"))
        };
        let (on_demand, provisioned) = (sheet(""), sheet("/provisioned"));
        let mut add = |kind: &str, stem: &str, ranges: Vec<[String; 3]>| {
            let usage_type = format!("{prefix}{stem}{suffix}");
            let product = ProductSample::new(&format!("{kind}{suffix}"), &usage_type, region, &[]);
            products.push(ProductSample { ranges, ..product });
        };
        add("Requests", "Request", ranges(on_demand, Meter::Request));
        add("Duration", "Lambda-GB-Second", ranges(on_demand, Meter::GbSecond));
        add("Storage-Duration", "Lambda-Storage-GB-Second", ranges(on_demand, Meter::EphemeralGbSecond));
        add("Duration-Provisioned", "Lambda-Provisioned-GB-Second", ranges(provisioned, Meter::GbSecond));
        let kept = provisioned.standing().map(|price| ["0".to_owned(), "Inf".to_owned(), price.rate.to_string()]);
        add("Provisioned-Concurrency", "Lambda-Provisioned-Concurrency", kept.collect());
    }
    products
}

fn ranges(sheet: &PriceSheet, meter: Meter) -> Vec<[String; 3]> {
    let mut begin = "0".to_owned();
    let each = sheet.prices().filter(|price| price.meter == meter).map(|price| {
        let end = price.up_to.map_or_else(|| "Inf".to_owned(), |end| end.to_string());
        [std::mem::replace(&mut begin, end.clone()), end, price.rate.to_string()]
    });
    each.collect()
}
