//! The bulk offer file: products by SKU, then terms by SKU.
//!
//! It is read in one pass without a tree of values: texts are borrowed from the file, and of products and terms only
//! those of Lambda's own meters are kept. Terms that stand before the products, which no file has had so
//! far, are read in a second pass.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use merit_pricing::Date;
use merit_units::RegionId;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::meters::{Product, Term, Tiers, Wanted};
use super::{Offered, Offers, other_format, other_offer};
use crate::ListError;

/// The values of an object, whatever their keys.
pub(super) struct Values<T>(pub(super) Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Values<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Each<T> {
            type Value = Values<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut values = Vec::new();
                while map.next_key::<IgnoredAny>()?.is_some() {
                    values.push(map.next_value()?);
                }
                Ok(Values(values))
            }
        }
        deserializer.deserialize_map(Each(PhantomData))
    }
}

/// A key or a text, borrowed where the file has it without escapes.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

type Products<'a> = BTreeMap<Text<'a>, Wanted<'a>>;

/// The terms of the products that are wanted.
type Terms<'a> = BTreeMap<Text<'a>, Vec<Term<'a>>>;

#[derive(Default)]
struct File<'a> {
    offer_code: String,
    format: String,
    version: String,
    published: String,
    products: Option<Products<'a>>,
    terms: Option<Terms<'a>>,
    early_terms: Option<&'a RawValue>,
}

struct WholeFile;

impl<'de> Visitor<'de> for WholeFile {
    type Value = File<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an offer file")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<File<'de>, A::Error> {
        let mut file = File::default();
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            match (key.as_ref(), &file.products) {
                ("offerCode", _) => file.offer_code = map.next_value()?,
                ("formatVersion", _) => file.format = map.next_value()?,
                ("version", _) => file.version = map.next_value()?,
                ("publicationDate", _) => file.published = map.next_value()?,
                ("products", _) => file.products = Some(map.next_value_seed(WantedProducts)?),
                ("terms", Some(products)) => file.terms = Some(map.next_value_seed(TermsOf(products))?),
                ("terms", None) => file.early_terms = Some(map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(file)
    }
}

struct WantedProducts;

impl<'de> DeserializeSeed<'de> for WantedProducts {
    type Value = Products<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for WantedProducts {
    type Value = Products<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("products by SKU")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut products = Products::new();
        while let Some((sku, product)) = map.next_entry::<Text<'de>, Product<'de>>()? {
            if let Some(wanted) = Wanted::of(product) {
                products.insert(sku, wanted);
            }
        }
        Ok(products)
    }
}

/// Of `terms`, the part `OnDemand`, and of that the wanted SKUs.
struct TermsOf<'p, 'de>(&'p Products<'de>);

impl<'de> DeserializeSeed<'de> for TermsOf<'_, 'de> {
    type Value = Terms<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TermsOf<'_, 'de> {
    type Value = Terms<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("terms by kind")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut terms = Terms::new();
        while let Some(Text(kind)) = map.next_key::<Text<'de>>()? {
            if kind == "OnDemand" {
                terms = map.next_value_seed(OnDemandOf(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(terms)
    }
}

struct OnDemandOf<'p, 'de>(&'p Products<'de>);

impl<'de> DeserializeSeed<'de> for OnDemandOf<'_, 'de> {
    type Value = Terms<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OnDemandOf<'_, 'de> {
    type Value = Terms<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("terms by SKU")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut terms = Terms::new();
        while let Some(sku) = map.next_key::<Text<'de>>()? {
            if self.0.contains_key(&sku) {
                let values: Values<Term<'de>> = map.next_value()?;
                terms.insert(sku, values.0);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(terms)
    }
}

const WANTED: &str = "an AWS offer file (JSON)";

impl Offers {
    /// Reads a bulk offer file, of one region or of all. `today` chooses between terms that begin later.
    ///
    /// # Errors
    /// [`ListError`] when it is not such a file. A product that is not understood is no error here, but one of
    /// its sheet.
    pub fn read_file(bytes: &[u8], today: Date) -> Result<Self, ListError> {
        let unreadable = |error: serde_json::Error| ListError::unreadable(WANTED, bytes, &error);
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let mut file = json.deserialize_map(WholeFile).map_err(unreadable)?;
        json.end().map_err(unreadable)?;
        if file.offer_code != "AWSLambda" {
            return Err(other_offer(&file.offer_code));
        }
        if file.format != "v1.0" {
            return Err(other_format(&file.format));
        }
        let products = file.products.take().unwrap_or_default();
        let mut terms = match (file.terms.take(), file.early_terms) {
            (Some(terms), _) => terms,
            (None, Some(early)) => {
                let mut json = serde_json::Deserializer::from_str(early.get());
                TermsOf(&products).deserialize(&mut json).map_err(unreadable)?
            }
            (None, None) => Terms::new(),
        };
        let mut offers = Self { whole: true, ..Self::named(&file.version, &file.published) };
        for (sku, wanted) in &products {
            let terms = terms.remove(sku).unwrap_or_default();
            offers.add(wanted, &terms, today);
        }
        offers.check().map(|()| offers)
    }

    pub(super) fn named(version: &str, published: &str) -> Self {
        let published = published.get(..10).and_then(|day| day.parse().ok());
        Self { version: version.chars().take(40).collect(), published, ..Self::default() }
    }

    pub(super) fn add(&mut self, wanted: &Wanted<'_>, terms: &[Term<'_>], today: Date) {
        let (priced, tiers) = (wanted.priced, Tiers::read(wanted.priced, terms, today));
        let Some(code) = &wanted.region else {
            if wanted.plain {
                let unclear = || format!("the free tier of {} is not one free range", priced.word());
                let quantity = tiers.and_then(|tiers| tiers.free().ok_or_else(unclear));
                merge(&mut self.free, priced, Offered { plain: true, price: quantity });
            }
            return;
        };
        let Ok(region) = RegionId::try_new(code) else { return };
        let price = tiers.and_then(|tiers| {
            if tiers.is_open() { Ok(tiers) } else { Err(format!("{} has no price for large volumes", priced.word())) }
        });
        let region = self.regions.entry(region).or_default();
        merge(region, (priced, wanted.architecture), Offered { plain: wanted.plain, price });
    }
}

/// A product of the plain usage type stands for its group; two alike must agree.
fn merge<K: Ord, T: PartialEq>(known: &mut BTreeMap<K, Offered<T>>, key: K, offered: Offered<T>) {
    match known.get_mut(&key) {
        Some(former) if former.plain && !offered.plain => {}
        Some(former) if former.plain == offered.plain => {
            if former.price != offered.price {
                former.price = Err("two SKUs of one group have different prices".to_owned());
            }
        }
        _ => drop(known.insert(key, offered)),
    }
}
