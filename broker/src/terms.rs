//! The terms of an order as a caller states them, in headers or in a quote request.
//!
//! Terms are hard, so a term that can't be read is refused with the name of its header instead
//! of being ignored: a misspelt price limit must not spend money. Names are resolved against
//! the venues afterwards ([`Stated::venues`] and its siblings stay text here).

use http::HeaderMap;
use merit_units::{Micros, Money, Tag, Timestamp};
use merit_wire::{QuoteRequest, header};

use crate::clock;
use crate::refusal::Refusal;

/// What a caller may add to an invocation, for the hint on a misspelt one.
const KNOWN: [&str; 10] = [
    header::ORDER,
    header::MAX_PRICE,
    header::DEADLINE,
    header::VALUE_OF_TIME,
    header::VENUES,
    header::REGIONS,
    header::ISOLATION,
    header::ARCHITECTURE,
    header::MAX_LATENCY,
    header::TAGS,
];

/// How an order meets the book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OrderKind {
    /// The cheapest eligible ask now.
    #[default]
    Market,
    /// The cheapest eligible ask now, if it is within the limit.
    Limit,
    /// Waits until an ask comes within the limit, or the deadline passes.
    Rest,
}

/// Names that are allowed (all, when empty) and names that are excluded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameFilter {
    /// Only these, when there are any.
    pub allow: Vec<String>,
    /// Never these.
    pub exclude: Vec<String>,
}

impl NameFilter {
    /// Whether nothing was stated.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.exclude.is_empty()
    }

    fn parse<'a>(names: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut filter = Self::default();
        for name in names.map(str::trim) {
            match name.strip_prefix('!').map(str::trim_start) {
                Some("") => return Err("`!` must be followed by a name".to_owned()),
                Some(excluded) => filter.exclude.push(excluded.to_owned()),
                None if name.is_empty() => return Err("there is an empty name; separate names by one comma".to_owned()),
                None => filter.allow.push(name.to_owned()),
            }
        }
        Ok(filter)
    }
}

/// Terms as stated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stated {
    /// How the order meets the book.
    pub kind: OrderKind,
    /// Most dollars the call may be expected to cost.
    pub max_price: Option<Money>,
    /// How long the caller waits, from now.
    pub deadline: Option<Micros>,
    /// Dollars a second of waiting is worth; the function's own when absent.
    pub value_of_time: Option<Money>,
    /// Venues.
    pub venues: NameFilter,
    /// Regions.
    pub regions: NameFilter,
    /// Isolation classes.
    pub isolation: NameFilter,
    /// Architectures.
    pub architecture: NameFilter,
    /// Highest 95th percentile of latency.
    pub max_latency: Option<Micros>,
    /// Labels for spend reports.
    pub tags: Vec<Tag>,
}

impl Stated {
    /// Reads the `Merit-*` request headers.
    ///
    /// # Errors
    /// [`Refusal::MalformedTerms`] naming the first header that can't be read or is not known.
    pub fn from_headers(headers: &HeaderMap, now: Timestamp, max_tags: usize) -> Result<Self, Refusal> {
        let mut stated = Self::default();
        for (name, value) in headers {
            if !name.as_str().starts_with("merit-") {
                continue;
            }
            let header = known(name.as_str())?;
            let refuse = |reason| Refusal::MalformedTerms { header, reason };
            if headers.get_all(name).iter().nth(1).is_some() {
                return Err(refuse("it is given more than once; which one holds?".to_owned()));
            }
            let text = value.to_str().map_err(|_| refuse("it has characters that are not ASCII".to_owned()))?;
            stated.read(header, text.trim(), now, max_tags).map_err(refuse)?;
        }
        stated.check_kind()?;
        Ok(stated)
    }

    /// Reads a quote request's terms.
    ///
    /// # Errors
    /// [`Refusal::MalformedTerms`] naming the header that corresponds to the field.
    pub fn from_quote(request: &QuoteRequest) -> Result<Self, Refusal> {
        let filter = |header, names: &[String]| {
            NameFilter::parse(names.iter().map(String::as_str))
                .map_err(|reason| Refusal::MalformedTerms { header, reason })
        };
        let dollars = |header, text: &Option<String>| {
            text.as_deref().map(money).transpose().map_err(|reason| Refusal::MalformedTerms { header, reason })
        };
        Ok(Self {
            max_price: dollars(header::MAX_PRICE, &request.max_price)?,
            value_of_time: dollars(header::VALUE_OF_TIME, &request.value_of_time)?,
            venues: filter(header::VENUES, &request.venues)?,
            regions: filter(header::REGIONS, &request.regions)?,
            isolation: filter(header::ISOLATION, &request.isolation)?,
            architecture: filter(header::ARCHITECTURE, &request.architecture)?,
            max_latency: request.max_latency_ms.map(Micros::from_millis),
            ..Self::default()
        })
    }

    fn read(&mut self, header: &str, text: &str, now: Timestamp, max_tags: usize) -> Result<(), String> {
        match header {
            header::ORDER => self.kind = order_kind(text)?,
            header::MAX_PRICE => self.max_price = Some(money(text)?),
            header::VALUE_OF_TIME => self.value_of_time = Some(money(text)?),
            header::DEADLINE => self.deadline = Some(deadline(text, now)?),
            header::MAX_LATENCY => self.max_latency = Some(length(text)?),
            header::VENUES => self.venues = NameFilter::parse(text.split(','))?,
            header::REGIONS => self.regions = NameFilter::parse(text.split(','))?,
            header::ISOLATION => self.isolation = NameFilter::parse(text.split(','))?,
            header::ARCHITECTURE => self.architecture = NameFilter::parse(text.split(','))?,
            _ => self.tags = tags(text, max_tags)?,
        }
        Ok(())
    }

    fn check_kind(&self) -> Result<(), Refusal> {
        let refuse = |header, reason: &str| Err(Refusal::MalformedTerms { header, reason: reason.to_owned() });
        match self.kind {
            OrderKind::Market => Ok(()),
            _ if self.max_price.is_none() => refuse(header::MAX_PRICE, "`limit` and `rest` orders need a max price"),
            OrderKind::Rest if self.deadline.is_none() => refuse(header::DEADLINE, "a `rest` order needs a deadline"),
            _ => Ok(()),
        }
    }
}

fn known(name: &str) -> Result<&'static str, Refusal> {
    if let Some(known) = KNOWN.into_iter().find(|known| *known == name) {
        return Ok(known);
    }
    let nearest = KNOWN.into_iter().max_by_key(|known| similarity(name, known)).unwrap_or(header::ORDER);
    Err(Refusal::MalformedTerms {
        header: nearest,
        reason: format!("was `{name}` meant to be this? There is no such term"),
    })
}

/// How alike two names are, 0 to 1000.
pub(crate) fn similarity(a: &str, b: &str) -> u32 {
    let alike = strsim::jaro_winkler(a, b) * 1000.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is 0 to 1000")]
    {
        alike as u32
    }
}

fn order_kind(text: &str) -> Result<OrderKind, String> {
    match text {
        "market" => Ok(OrderKind::Market),
        "limit" => Ok(OrderKind::Limit),
        "rest" => Ok(OrderKind::Rest),
        other => Err(format!("`{other}` is not an order; use market, limit or rest")),
    }
}

fn money(text: &str) -> Result<Money, String> {
    let amount: Money = text.parse().map_err(|error| format!("`{text}` {error}"))?;
    if amount.is_negative() { Err(format!("`{text}` is below zero")) } else { Ok(amount) }
}

/// A length such as `250ms`, `2s` or `1.5s`.
fn length(text: &str) -> Result<Micros, String> {
    let hint = || format!("`{text}` is not a length of time; write it as 250ms or 2s");
    let (number, micros_per_unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1_000),
        None => (text.strip_suffix('s').ok_or_else(hint)?, 1_000_000),
    };
    let amount: Money = number.parse().map_err(|_| hint())?;
    let micros = amount.checked_mul(micros_per_unit).map_err(|_| hint())?.pico() / Money::PICO_PER_UNIT;
    match u64::try_from(micros) {
        Ok(micros) if micros > 0 => Ok(Micros::new(micros)),
        _ => Err(format!("`{text}` must be above zero")),
    }
}

/// A length, or an RFC 3339 time in the future.
fn deadline(text: &str, now: Timestamp) -> Result<Micros, String> {
    if text.ends_with('s') {
        return length(text);
    }
    let at = clock::parse_rfc3339(text)
        .map_err(|_| format!("`{text}` is neither a length such as 250ms nor an RFC 3339 time"))?;
    match at.since(now) {
        Micros::ZERO => Err(format!("`{text}` has passed")),
        left => Ok(left),
    }
}

fn tags(text: &str, max_tags: usize) -> Result<Vec<Tag>, String> {
    let tags: Vec<Tag> = text
        .split(',')
        .map(|tag| {
            let tag = tag.trim();
            match tag.split_once('=') {
                Some((key, value)) if !key.is_empty() && !value.is_empty() => {
                    Tag::try_new(tag).map_err(|error| error.to_string())
                }
                _ => Err(format!("`{tag}` is not a tag; write it as key=value")),
            }
        })
        .collect::<Result<_, _>>()?;
    if tags.len() > max_tags {
        return Err(format!("{} tags are more than limits.max_tags, {max_tags}", tags.len()));
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn stated(pairs: &[(&'static str, &str)]) -> Result<Stated, Refusal> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        Stated::from_headers(&headers, Timestamp::from_micros(1_795_257_840_000_000), 8)
    }

    fn refused(pairs: &[(&'static str, &str)]) -> (&'static str, String) {
        match stated(pairs) {
            Err(Refusal::MalformedTerms { header, reason }) => (header, reason),
            other => panic!("{pairs:?} gave {other:?}"),
        }
    }

    #[test]
    fn reads_every_term() {
        let terms = stated(&[
            ("merit-order", "rest"),
            ("merit-max-price", "0.00001"),
            ("merit-deadline", "1.5s"),
            ("merit-value-of-time", "0.02"),
            ("merit-venues", "aws-us-east-1, !pool-a"),
            ("merit-max-latency", "200ms"),
            ("merit-tags", "team=search,env=prod"),
            ("content-type", "application/json"),
        ])
        .expect("good terms");
        assert_eq!(terms.kind, OrderKind::Rest);
        assert_eq!(terms.max_price, Some(Money::from_pico(10_000_000)));
        assert_eq!(terms.deadline, Some(Micros::from_millis(1500)));
        assert_eq!(terms.venues.allow, ["aws-us-east-1"]);
        assert_eq!(terms.venues.exclude, ["pool-a"]);
        assert_eq!(terms.tags.len(), 2);
    }

    #[test]
    fn a_deadline_may_be_a_point_in_time() {
        let terms = stated(&[("merit-deadline", "2026-11-21T10:44:02Z")]).expect("two seconds from now");
        assert_eq!(terms.deadline, Some(Micros::from_secs(2)));
        assert!(refused(&[("merit-deadline", "2026-11-21T10:43:59Z")]).1.contains("has passed"));
    }

    #[test]
    fn every_refusal_names_its_header() {
        for (header, value) in [
            ("merit-order", "maybe"),
            ("merit-max-price", "1e-5"),
            ("merit-max-price", "-1"),
            ("merit-max-price", "0.0000000000001"),
            ("merit-deadline", "soon"),
            ("merit-deadline", "0ms"),
            ("merit-value-of-time", "NaN"),
            ("merit-venues", "a,,b"),
            ("merit-venues", "!"),
            ("merit-max-latency", "200"),
            ("merit-tags", "search"),
            ("merit-tags", "a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1"),
        ] {
            assert_eq!(refused(&[(header, value)]).0, header, "{value}");
        }
        assert_eq!(refused(&[("merit-order", "limit")]).0, header::MAX_PRICE);
        assert_eq!(refused(&[("merit-order", "rest"), ("merit-max-price", "1")]).0, header::DEADLINE);
    }

    #[test]
    fn a_misspelt_term_is_not_ignored() {
        let (header, reason) = refused(&[("merit-max-prize", "0.1")]);
        assert_eq!(header, header::MAX_PRICE);
        assert!(reason.contains("merit-max-prize"));
    }
}
