//! Pages of `GetProducts`: a list of products, each a JSON text of its own with the terms beside the product.

use std::borrow::Cow;

use merit_pricing::Date;
use serde::Deserialize;

use super::file::Values;
use super::meters::{Product, Term, Wanted};
use super::{NO_PRICE, Offers, other_format, other_offer};
use crate::ListError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page<'a> {
    #[serde(borrow)]
    price_list: Vec<Entry<'a>>,
    #[serde(default)]
    format_version: Option<String>,
    #[serde(default)]
    next_token: Option<String>,
}

#[derive(Deserialize)]
struct Entry<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    #[serde(borrow)]
    product: Product<'a>,
    service_code: String,
    #[serde(borrow, default)]
    terms: Terms<'a>,
    #[serde(default)]
    version: String,
    #[serde(default)]
    publication_date: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Terms<'a> {
    #[serde(borrow)]
    on_demand: Option<Values<Term<'a>>>,
}

const WANTED: &str = "a page of GetProducts (JSON)";

impl Offers {
    /// Adds one page of `GetProducts`. Returns the token to ask for the next page with, if there is one. Begin with
    /// [`Offers::default`].
    ///
    /// # Errors
    /// [`ListError`] when it is not such a page; what it had in front is added then. A product that is not understood
    /// is no error here, but one of its sheet.
    pub fn read_page(&mut self, bytes: &[u8], today: Date) -> Result<Option<String>, ListError> {
        let unreadable = |error: serde_json::Error| ListError::unreadable(WANTED, bytes, &error);
        let page: Page<'_> = serde_json::from_slice(bytes).map_err(unreadable)?;
        if let Some(format) = page.format_version.filter(|format| format != "aws_v1") {
            return Err(other_format(&format));
        }
        for Entry(text) in &page.price_list {
            let listed: Listed<'_> = serde_json::from_str(text)
                .map_err(|error| ListError::unreadable("a product of GetProducts (JSON)", text.as_bytes(), &error))?;
            if listed.service_code != "AWSLambda" {
                return Err(other_offer(&listed.service_code));
            }
            if listed.version > self.version {
                let named = Self::named(&listed.version, &listed.publication_date);
                (self.version, self.published) = (named.version, named.published);
            }
            if let Some(wanted) = Wanted::of(listed.product) {
                self.add(&wanted, &listed.terms.on_demand.map_or_else(Vec::new, |terms| terms.0), today);
            }
        }
        Ok(page.next_token.filter(|token| !token.is_empty()))
    }

    /// Whether the pages had any price, once all of them are read.
    ///
    /// # Errors
    /// [`ListError::Empty`].
    pub fn check(&self) -> Result<(), ListError> {
        if self.regions.is_empty() { Err(NO_PRICE) } else { Ok(()) }
    }
}
