//! An offer as it was sent, checked: every value in range, and nothing of it left as text that prices depend on.

use std::str::FromStr as _;
use std::sync::Arc;

use merit_market::{Architecture, Isolation};
use merit_pricing::{Meter, Size};
use merit_units::{DeploymentId, FunctionId, MemoryMb, Micros, Rate, VenueId, parse_vcpu};
use merit_venue::Target;
use merit_wire::{OfferReason, OfferSpec};

/// What stands for the function's name in a target.
const FUNCTION: &str = "{function}";
/// The longest id of an offer: with a venue's name before it, it is a deployment's.
const MAX_ID: usize = 56;
/// The longest class.
const MAX_CLASS: usize = 64;
/// Bytes that a rule may have as JSON.
const MAX_RULE_BYTES: usize = 4096;
const MAX_SLOTS: u32 = 1_000_000;
/// The shortest time an offer stands, in milliseconds: a shorter one would be over before a book has it.
const MIN_TTL_MS: u64 = 100;

/// What an offer is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Runs {
    /// One function.
    Function(FunctionId),
    /// Every function of a class.
    Class(Box<str>),
}

/// A checked offer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Offer {
    pub(crate) runs: Runs,
    pub(crate) deployment: DeploymentId,
    target: Box<str>,
    pub(crate) size: Size,
    pub(crate) isolation: Isolation,
    pub(crate) slots: u32,
    /// Rates in place of the sheet's, in order of meter.
    pub(crate) rates: Vec<(Meter, Rate)>,
    pub(crate) ttl: Micros,
}

/// Why an offer is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// A stable word.
    pub(crate) word: &'static str,
    /// What is wrong, and what to do.
    pub(crate) message: String,
}

impl Refused {
    pub(crate) fn new(word: &'static str, message: impl Into<String>) -> Self {
        Self { word, message: message.into() }
    }

    /// As it is told.
    pub(crate) fn told(&self, id: &str) -> OfferReason {
        OfferReason { id: shown(id), reason: self.word.to_owned(), message: self.message.clone() }
    }
}

/// What is the same for all offers of a venue.
#[derive(Clone, Debug)]
pub(crate) struct House {
    pub(crate) venue: VenueId,
    pub(crate) isolation: Isolation,
    pub(crate) architecture: Architecture,
    pub(crate) max_ttl: Micros,
}

impl Offer {
    /// Checks an offer.
    pub(crate) fn read(spec: &OfferSpec, house: &House) -> Result<Self, Refused> {
        let bad_size = |error: String| Refused::new("bad_size", error);
        let memory = MemoryMb::try_new(spec.memory_mb).map_err(|error| bad_size(error.to_string()))?;
        let vcpu = spec.vcpu.as_deref().map(|text| parse_vcpu(text).map_err(|error| bad_size(format!("vcpu {error}"))));
        let architecture = match &spec.architecture {
            None => house.architecture,
            Some(word) => word.parse().map_err(|error| bad_size(format!("{error}")))?,
        };
        let isolation = match &spec.isolation {
            None => house.isolation,
            Some(word) => {
                Isolation::from_str(word).map_err(|error| Refused::new("bad_isolation", error.to_string()))?
            }
        };
        if spec.slots > MAX_SLOTS {
            return Err(Refused::new("bad_slots", format!("slots must be 0 to {MAX_SLOTS}, got {}", spec.slots)));
        }
        if spec.rule.as_ref().is_some_and(|rule| rule.to_string().len() > MAX_RULE_BYTES) {
            return Err(Refused::new("bad_rule", format!("rule must have at most {MAX_RULE_BYTES} bytes")));
        }
        let size = Size { vcpu_milli: vcpu.transpose()?, ..Size::new(memory).with_architecture(architecture) };
        Ok(Self {
            deployment: deployment(&spec.id, house)?,
            runs: runs(spec)?,
            target: target(&spec.target)?,
            size,
            isolation,
            slots: spec.slots,
            rates: rates(spec)?,
            ttl: ttl(spec.ttl_ms, house)?,
        })
    }

    /// Where a function is found.
    pub(crate) fn target(&self, function: &FunctionId) -> Arc<Target> {
        let text = self.target.replace(FUNCTION, function.as_str());
        Arc::new(Target::try_new(&text).expect("invariant: checked with the longest name"))
    }
}

fn deployment(id: &str, house: &House) -> Result<DeploymentId, Refused> {
    let refuse = |why: String| Refused::new("bad_id", format!("id `{}`: {why}", shown(id)));
    if id.is_empty() || id.len() > MAX_ID {
        return Err(refuse(format!("it must have 1 to {MAX_ID} characters")));
    }
    DeploymentId::try_new(&format!("{}.{id}", house.venue)).map_err(|error| refuse(error.reason.to_owned()))
}

fn runs(spec: &OfferSpec) -> Result<Runs, Refused> {
    let refuse = |why: String| Refused::new("bad_function", why);
    match (&spec.function, &spec.class) {
        (Some(function), None) => match FunctionId::try_new(function) {
            Ok(function) => Ok(Runs::Function(function)),
            Err(error) => Err(refuse(error.to_string())),
        },
        (None, Some(class)) => class_name(class).map(|class| Runs::Class(class.into())).map_err(refuse),
        _ => Err(refuse("give either `function` or `class`".to_owned())),
    }
}

/// Checks the name of a class.
pub(crate) fn class_name(class: &str) -> Result<&str, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=MAX_CLASS).contains(&class.len()) && class.bytes().all(allowed) {
        return Ok(class);
    }
    Err(format!("class `{}`: use 1 to {MAX_CLASS} letters, digits, `-`, `_` and `.`", shown(class)))
}

fn target(text: &str) -> Result<Box<str>, Refused> {
    let refuse = |why: String| Refused::new("bad_target", why);
    if !text.starts_with('/') {
        let why = format!("target `{}`: it must be a path below the endpoint's URL and begin with /", shown(text));
        return Err(refuse(why));
    }
    let longest = text.replace(FUNCTION, &"f".repeat(64));
    Target::try_new(&longest).map_err(|error| refuse(error.to_string()))?;
    Ok(text.into())
}

fn rates(spec: &OfferSpec) -> Result<Vec<(Meter, Rate)>, Refused> {
    let mut rates = Vec::with_capacity(spec.prices.len());
    for (name, text) in &spec.prices {
        let meter: Meter = name
            .parse()
            .map_err(|error: merit_pricing::UnknownMeter| Refused::new("unknown_meter", error.to_string()))?;
        let refuse = |why: String| Refused::new("bad_price", format!("{meter}: `{}` {why}", shown(text)));
        if text.starts_with('-') {
            return Err(refuse("is below zero".to_owned()));
        }
        let rate: Rate = text.parse().map_err(|error: merit_units::DecimalError| refuse(error.to_string()))?;
        if rates.iter().any(|(known, _)| *known == meter) {
            return Err(Refused::new("bad_price", format!("{meter} has two prices")));
        }
        rates.push((meter, rate));
    }
    rates.sort_unstable_by_key(|(meter, _)| *meter);
    Ok(rates)
}

fn ttl(millis: u64, house: &House) -> Result<Micros, Refused> {
    let max = house.max_ttl.get() / 1000;
    if (MIN_TTL_MS..=max).contains(&millis) {
        return Ok(Micros::from_millis(millis));
    }
    Err(Refused::new("bad_ttl", format!("ttl_ms must be {MIN_TTL_MS} to {max}, got {millis}")))
}

/// What a stranger wrote, cut.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house() -> House {
        House {
            venue: VenueId::try_new("pool-a").unwrap(),
            isolation: Isolation::Wasm,
            architecture: Architecture::X86_64,
            max_ttl: Micros::from_secs(60),
        }
    }

    fn spec() -> OfferSpec {
        OfferSpec {
            id: "thumbnail-128".to_owned(),
            function: Some("thumbnail".to_owned()),
            target: "/{function}".to_owned(),
            memory_mb: 128,
            slots: 4,
            ttl_ms: 5000,
            ..OfferSpec::default()
        }
    }

    fn priced(price: &str) -> OfferSpec {
        OfferSpec { prices: [("request".to_owned(), price.to_owned())].into(), ..spec() }
    }

    #[test]
    fn a_good_offer_is_read() {
        let offer = Offer::read(&priced("0.000001"), &house()).expect("good");
        assert_eq!((offer.deployment.as_str(), offer.isolation), ("pool-a.thumbnail-128", Isolation::Wasm));
        assert_eq!(offer.rates, [(Meter::Request, "0.000001".parse().unwrap())]);
        assert_eq!(offer.target(&"thumbnail".parse().unwrap()).as_str(), "/thumbnail");
    }

    #[test]
    fn a_bad_one_is_refused_with_the_reason() {
        let id = |id: &str| OfferSpec { id: id.to_owned(), ..spec() };
        let at = |target: &str| OfferSpec { target: target.to_owned(), ..spec() };
        for (bad, word, message) in [
            (priced("1e-7"), "bad_price", "request: `1e-7` is not a plain decimal"),
            (priced("NaN"), "bad_price", "request: `NaN` is not a plain decimal"),
            (priced("-0.1"), "bad_price", "request: `-0.1` is below zero"),
            (priced("-0"), "bad_price", "request: `-0` is below zero"),
            (priced("0.0000000000000000001"), "bad_price", "has more than 18 decimals"),
            (priced("99999999999999999999999999999999999999999"), "bad_price", "is too large"),
            (priced(""), "bad_price", "is empty"),
            (OfferSpec { prices: [("wishes".to_owned(), "1".to_owned())].into(), ..spec() }, "unknown_meter", "wishes"),
            (
                OfferSpec {
                    prices: [("request", "1"), ("requests", "2")].map(|(a, b)| (a.to_owned(), b.to_owned())).into(),
                    ..spec()
                },
                "bad_price",
                "request has two prices",
            ),
            (id(""), "bad_id", "1 to 56"),
            (id(&"a".repeat(57)), "bad_id", "1 to 56"),
            (id("a/b"), "bad_id", "use letters"),
            (OfferSpec { class: Some("wasi".to_owned()), ..spec() }, "bad_function", "either"),
            (OfferSpec { function: None, ..spec() }, "bad_function", "either"),
            (OfferSpec { function: None, class: Some("a b".to_owned()), ..spec() }, "bad_function", "class `a b`"),
            (at("http://169.254.169.254/"), "bad_target", "must be a path"),
            (at("/a b"), "bad_target", "visible ASCII"),
            (OfferSpec { ttl_ms: 99, ..spec() }, "bad_ttl", "100 to 60000, got 99"),
            (OfferSpec { ttl_ms: 60_001, ..spec() }, "bad_ttl", "got 60001"),
            (OfferSpec { slots: 1_000_001, ..spec() }, "bad_slots", "0 to 1000000"),
            (OfferSpec { memory_mb: 0, ..spec() }, "bad_size", "0"),
            (OfferSpec { architecture: Some("mips".to_owned()), ..spec() }, "bad_size", "mips"),
            (OfferSpec { isolation: Some("vm".to_owned()), ..spec() }, "bad_isolation", "vm"),
            (OfferSpec { rule: Some("x".repeat(4096).into()), ..spec() }, "bad_rule", "4096"),
        ] {
            let refused = Offer::read(&bad, &house()).expect_err(message);
            assert_eq!(refused.word, word, "{refused:?}");
            assert!(refused.message.contains(message), "{refused:?} has no {message}");
        }
    }
}
