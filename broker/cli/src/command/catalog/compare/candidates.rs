//! What is compared: the sheets of the catalogue or of a broker's venues, and the exchange rates.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use merit_config::Config;
use merit_pricing::{Adjustment, AdjustmentKind, Adjustments, Catalogue, PriceSheet, Renewed};
use merit_units::{Currency, ExchangeRate};
use merit_wire::{AdjustmentView, VenueList};
use reqwest::Method;

use super::super::price::of_configuration;
use super::CompareArgs;
use crate::client::Client;
use crate::failure::Failure;
use crate::values::parse_ppm;

/// A sheet that may be compared.
pub(super) struct Candidate {
    /// The sheet's name, or the venue's.
    pub(super) name: String,
    /// What stands for it in a picture: a provider, or the venue.
    pub(super) provider: String,
    pub(super) sheet: Arc<PriceSheet>,
    /// What is agreed besides it and holds on the day that was asked for.
    pub(super) adjustments: Adjustments,
}

/// All of them, and venues that have none.
pub(super) struct Candidates {
    list: Vec<Candidate>,
    /// Venues without a sheet in force, with the reason.
    pub(super) without: Vec<(String, String)>,
}

impl Candidates {
    /// The sheets of the catalogue; with the adjustments of the first venue of the configuration that is billed by it and
    /// has some.
    pub(super) fn of_catalogue(args: &CompareArgs, config: &Config) -> Self {
        let agreed =
            |sheet: &PriceSheet| args.adjust.map(|day| of_configuration(config, sheet, day)).unwrap_or_default();
        let sheets = Catalogue::builtin().iter().map(|sheet| {
            let name = sheet.name().to_string();
            let provider = name.split('/').next().unwrap_or_default().to_owned();
            let (sheet, adjustments) = (Arc::clone(sheet), agreed(sheet));
            let region = sheet.region().map(ToString::to_string);
            (Candidate { name, provider, sheet, adjustments }, region)
        });
        let kept = sheets.filter(|(candidate, region)| args.keeps(candidate, region.as_deref()));
        let built_in = |region: &str| {
            Catalogue::builtin().iter().any(|sheet| sheet.region().is_some_and(|own| own.as_str() == region))
        };
        let without = args.region.iter().filter(|region| !built_in(region)).map(|region| {
            let why = "no sheet of it is built in; a broker's price feed brings them, and `--live` compares its venues";
            (format!("region {region}"), why.to_owned())
        });
        Self { list: kept.map(|(candidate, _)| candidate).collect(), without: without.collect() }
    }

    /// The venues of a broker with the sheets in force there.
    pub(super) async fn of_broker(args: &CompareArgs, client: &Client) -> Result<Self, Failure> {
        let venues: VenueList = client.get(&["venues"]).await?;
        let (mut list, mut without) = (Vec::new(), Vec::new());
        for venue in venues.venues {
            if venue.sheet.is_none() {
                let why = venue.ineligible.unwrap_or_else(|| "it has no price sheet".to_owned());
                without.push((venue.name, format!("{why}; set one with `merit venues price set`")));
                continue;
            }
            let response = client.send(client.request(Method::GET, &["venues", &venue.name, "price-sheet"])).await?;
            let (url, status) = (response.url().to_string(), response.status().as_u16());
            let strange = |what: String| Failure::Strange { url: url.clone(), status, what };
            let text = response.text().await.map_err(|error| strange(error.to_string()))?;
            let sheet = PriceSheet::parse_toml(&text)
                .map_err(|errors| strange(format!("a sheet that is refused ({errors})")))?;
            let agreed = venue.adjustments.iter().map(|view| agreed(view).map_err(strange));
            let agreed = Adjustments::new(agreed.collect::<Result<Vec<_>, _>>()?);
            let adjustments = args.adjusted(&agreed, &sheet);
            let candidate =
                Candidate { provider: venue.name.clone(), name: venue.name, sheet: Arc::new(sheet), adjustments };
            if args.keeps(&candidate, Some(&venue.region)) {
                list.push(candidate);
            }
        }
        Ok(Self { list, without })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn sheets(&self) -> impl Iterator<Item = (Arc<PriceSheet>, Adjustments)> {
        self.list.iter().map(|candidate| (Arc::clone(&candidate.sheet), candidate.adjustments.clone()))
    }

    /// Whose sheet this is. Venues billed by sheets alike have one each.
    pub(super) fn of(&self, sheet: &Arc<PriceSheet>) -> &Candidate {
        let found = self.list.iter().find(|candidate| Arc::ptr_eq(&candidate.sheet, sheet));
        found.expect("invariant: what is compared is one of the candidates")
    }
}

/// An adjustment of a broker, with what is left of it; one that begins anew each month has all of it.
fn agreed(view: &AdjustmentView) -> Result<Adjustment, String> {
    fn read<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
        text.parse().map_err(|error| format!("an adjustment with `{text}`: {error}"))
    }
    let or_zero = |text: &Option<String>| text.clone().unwrap_or_else(|| "0".to_owned());
    let (renewed, rest, elsewhere) = if view.monthly {
        (Renewed::Monthly, view.amount.clone(), or_zero(&view.used_elsewhere))
    } else {
        (Renewed::Never, or_zero(&view.left), "0".to_owned())
    };
    let kind = match view.kind.as_str() {
        "discount" => AdjustmentKind::Discount {
            off_ppm: parse_ppm(&view.amount)?,
            meters: view.meters.iter().map(|meter| read(meter)).collect::<Result<_, _>>()?,
        },
        "commitment" => AdjustmentKind::Commitment {
            amount: read(&rest)?,
            elsewhere: read(&elsewhere)?,
            currency: read(&view.unit)?,
            renewed,
        },
        "package" => AdjustmentKind::Package {
            meter: read(&view.unit)?,
            quantity: read(&rest)?,
            elsewhere: read(&elsewhere)?,
            renewed,
        },
        other => return Err(format!("an adjustment of a kind that this `merit` does not know: {other}")),
    };
    let until = view.until.as_deref().map(read).transpose()?;
    Ok(Adjustment { name: read(&view.name)?, from: read(&view.from)?, until, kind })
}

impl CompareArgs {
    /// What of it holds for a sheet on the day that was asked for; nothing when none was.
    fn adjusted(&self, agreed: &Adjustments, sheet: &PriceSheet) -> Adjustments {
        self.adjust.map(|day| agreed.in_force(sheet, day.start())).unwrap_or_default()
    }

    fn keeps(&self, candidate: &Candidate, region: Option<&str>) -> bool {
        let named = self.filter.is_empty() || self.filter.iter().any(|text| candidate.name.contains(text.as_str()));
        let built =
            self.architecture.is_none_or(|wanted| candidate.sheet.architecture().is_none_or(|own| own == wanted));
        let there = self.region.is_empty() || region.is_none_or(|own| self.region.iter().any(|wanted| wanted == own));
        named && built && there
    }
}

/// Dollars for other currencies, and where each rate is from.
pub(super) struct Rates(BTreeMap<Currency, (ExchangeRate, String)>);

impl Rates {
    /// Those of the command line, and for the rest those of the configuration.
    pub(super) fn read(args: &CompareArgs, config: &Config) -> Self {
        let configured =
            config.exchange_rates.rates.iter().map(|(currency, rate)| {
                (*currency, (rate.usd, format!("of {}, from {}", rate.day(), config.source())))
            });
        let mut rates: BTreeMap<_, _> = configured.collect();
        rates.extend(args.rate.iter().map(|(currency, rate)| (*currency, (*rate, "from --rate".to_owned()))));
        rates.insert(Currency::USD, (ExchangeRate::USD, String::new()));
        Self(rates)
    }

    pub(super) fn at(&self, currency: Currency) -> Option<ExchangeRate> {
        self.0.get(&currency).map(|(rate, _)| *rate)
    }

    /// Each rate but that of dollars, with where it is from.
    pub(super) fn others(&self) -> impl Iterator<Item = (Currency, ExchangeRate, &str)> {
        let others = self.0.iter().filter(|(currency, _)| **currency != Currency::USD);
        others.map(|(currency, (rate, from))| (*currency, *rate, from.as_str()))
    }
}
