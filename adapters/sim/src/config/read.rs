//! Reads `sim.toml`, with every mistake and its line.
//!
//! Unknown keys are refused: a misspelt key that is ignored is a fault that never happens.

mod azure;
mod google;
mod lambda;
mod own;

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use merit_pricing::{Catalogue, PriceSheet};
use merit_units::{FunctionId, MemoryMb, Micros, VenueId};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{CloudConfig, FunctionConfig, FunctionSize, Provider, SimConfig, TimeScale};

/// One mistake in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigMistake {
    /// Its line, from 1.
    pub line: usize,
    /// Where, such as `cloud aws-us-east-1, concurrency`.
    pub at: String,
    /// What is wrong and what to write instead.
    pub problem: String,
}

/// All mistakes of a configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    /// In the order they were found.
    pub mistakes: Vec<ConfigMistake>,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed to read the simulation's configuration")?;
        for ConfigMistake { line, at, problem } in &self.mistakes {
            write!(f, "\n  line {line}: {at}: {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

const ROOT_KEYS: &[&str] = &["seed", "time_scale", "cloud"];
const SIZE_KEYS: [&str; 3] = ["memory_mb", "vcpu_milli", "timeout_ms"];
const CLOUD_KEYS: &[&str] = &[
    "name",
    "price_sheet",
    "provider",
    "runtime",
    "round_trip_ms",
    "concurrency",
    "past_grant",
    "function",
    "protocol",
    "region",
    "account",
    "json_payloads",
    "key",
    "project",
    "service_account",
    "custom_audiences",
    "app",
    "subscription",
    "resource_group",
    "function_key",
    "entra",
    "cut_after_ms",
    "gateway_events",
    "return_payload",
    "bearer_token",
    "access_client_id",
    "access_client_secret",
    "namespace",
    "gateway_user",
    "gateway_password",
    "domain",
    "queue_depth",
    "api_token",
    "cloudevents",
    SIZE_KEYS[0],
    SIZE_KEYS[1],
    SIZE_KEYS[2],
];
const FUNCTION_KEYS: &[&str] = &[
    "name",
    "runs",
    "versions",
    "aliases",
    "tags",
    "reserved_concurrency",
    "provisioned_concurrency",
    SIZE_KEYS[0],
    SIZE_KEYS[1],
    SIZE_KEYS[2],
];

pub(super) fn read(text: &str) -> Result<SimConfig, ConfigErrors> {
    let mut reader = Reader { text, mistakes: Vec::new() };
    let config = reader.config();
    match config {
        Some(config) if reader.mistakes.is_empty() => Ok(config),
        _ => Err(ConfigErrors { mistakes: reader.mistakes }),
    }
}

struct Reader<'t> {
    text: &'t str,
    mistakes: Vec<ConfigMistake>,
}

/// A table with what it is called in messages.
struct Section<'a, 't> {
    table: &'a DeTable<'t>,
    at: String,
    span: Range<usize>,
}

impl<'t> Reader<'t> {
    fn config(&mut self) -> Option<SimConfig> {
        let document = match DeTable::parse(self.text) {
            Ok(document) => document,
            Err(error) => {
                self.mistake(error.span().unwrap_or_default(), "the file", error.message());
                return None;
            }
        };
        let root = Section { table: document.get_ref(), at: "the file".to_owned(), span: 0..0 };
        self.only(&root, ROOT_KEYS);
        let time_scale = self.time_scale(&root);
        let seed = self.whole(&root, "seed").unwrap_or(super::DEFAULT_SEED);
        let mut clouds = Vec::new();
        for section in self.sections(&root, "cloud") {
            let Some(cloud) = self.cloud(&section) else { continue };
            let problems = cloud.problems();
            problems.into_iter().for_each(|problem| self.mistake(section.span.clone(), &section.at, problem));
            if clouds.iter().any(|other: &CloudConfig| other.name == cloud.name) {
                self.mistake(section.span.clone(), &section.at, "is there twice; give every cloud a name of its own");
            }
            clouds.push(cloud);
        }
        if clouds.is_empty() && self.mistakes.is_empty() {
            self.mistake(0..0, "cloud", "is missing; add at least one [[cloud]]");
        }
        Some(SimConfig { seed, time_scale: time_scale.unwrap_or(TimeScale::REAL), clouds })
    }

    fn cloud(&mut self, section: &Section<'_, 't>) -> Option<CloudConfig> {
        self.only(section, CLOUD_KEYS);
        let name = self.parsed::<VenueId>(section, "name");
        let sheet = self.sheet(section);
        let provider = self.provider(section, sheet.as_deref());
        let runtime = self.text(section, "runtime");
        let round_trip = self.whole(section, "round_trip_ms").map(Micros::from_millis);
        let concurrency = self.count(section, "concurrency");
        let past_grant = self.flag(section, "past_grant");
        let defaults = provider.map_or_else(FunctionSize::fallback, FunctionSize::of);
        let size = self.size(section, defaults);
        let protocol = self.protocol(section, sheet.as_deref());
        let mut functions: Vec<FunctionConfig> = Vec::new();
        for section in self.sections(section, "function") {
            let Some(function) = self.function(&section, size) else { continue };
            if functions.iter().any(|other| other.name == function.name) {
                self.mistake(
                    section.span.clone(),
                    &section.at,
                    "is there twice; give every function a name of its own",
                );
            }
            functions.push(function);
        }
        let mut cloud = CloudConfig::new(name?, sheet?, provider?);
        cloud.protocol = protocol;
        cloud.round_trip = round_trip;
        cloud.size = size;
        cloud.functions = functions;
        cloud.runtime = runtime.map_or(cloud.runtime, str::to_owned);
        cloud.concurrency = concurrency.unwrap_or(cloud.concurrency);
        cloud.past_grant = past_grant.unwrap_or(cloud.past_grant);
        Some(cloud)
    }

    fn function(&mut self, section: &Section<'_, 't>, defaults: FunctionSize) -> Option<FunctionConfig> {
        self.only(section, FUNCTION_KEYS);
        let name = self.parsed::<FunctionId>(section, "name");
        let runs = self.text(section, "runs").map(str::to_owned);
        let size = self.size(section, defaults);
        let lambda = self.lambda_function(section);
        let name = name?;
        Some(FunctionConfig { runs: runs.unwrap_or_else(|| name.to_string()), name, size, lambda })
    }

    fn size(&mut self, section: &Section<'_, 't>, defaults: FunctionSize) -> FunctionSize {
        let memory = self.whole(section, "memory_mb").and_then(|megabytes| {
            let size = MemoryMb::try_new(megabytes);
            size.map_err(|error| self.mistake_at(section, "memory_mb", error)).ok()
        });
        let vcpu_milli = self.count(section, "vcpu_milli").or(defaults.vcpu_milli);
        let timeout = self.whole(section, "timeout_ms").map(Micros::from_millis);
        if timeout == Some(Micros::ZERO) {
            self.mistake_at(section, "timeout_ms", "is 0; give a call at least 1 ms");
        }
        FunctionSize {
            memory: memory.unwrap_or(defaults.memory),
            vcpu_milli,
            timeout: timeout.unwrap_or(defaults.timeout),
        }
    }

    fn sheet(&mut self, section: &Section<'_, 't>) -> Option<Arc<PriceSheet>> {
        let Some(name) = self.text(section, "price_sheet") else {
            self.missing(section, "price_sheet");
            return None;
        };
        let found = Catalogue::builtin().get(name).cloned();
        if found.is_none() {
            let problem = format!("`{name}` is not in the catalogue; see `merit catalog show`");
            self.mistake_at(section, "price_sheet", problem);
        }
        found
    }

    /// The one named, or the one whose name the sheet's begins with.
    fn provider(&mut self, section: &Section<'_, 't>, sheet: Option<&PriceSheet>) -> Option<Provider> {
        if section.table.contains_key("provider") {
            return self.parsed(section, "provider");
        }
        let sheet = sheet?;
        let provider = Provider::of_sheet(sheet);
        if provider.is_none() {
            self.mistake_at(
                section,
                "provider",
                format!("no latency model goes with the sheet {}; name one", sheet.name()),
            );
        }
        provider
    }

    fn time_scale(&mut self, section: &Section<'_, 't>) -> Option<TimeScale> {
        let scale = match section.table.get("time_scale")?.get_ref() {
            DeValue::Float(float) => float.as_str().parse(),
            DeValue::Integer(integer) => integer.as_str().parse(),
            other => {
                self.mistake_at(
                    section,
                    "time_scale",
                    format!("must be a number such as 0.1, not {}", other.type_str()),
                );
                return None;
            }
        };
        scale.map_err(|error: super::TimeScaleError| self.mistake_at(section, "time_scale", error)).ok()
    }
}

/// Values of one key, each with its mistake noted.
impl<'t> Reader<'t> {
    fn text<'a>(&mut self, section: &Section<'a, 't>, key: &str) -> Option<&'a str> {
        let value = section.table.get(key)?.get_ref();
        let text = value.as_str();
        if text.is_none() {
            self.mistake_at(section, key, format!("must be a text in quotes, not {}", value.type_str()));
        }
        text
    }

    fn parsed<T: FromStr<Err: fmt::Display>>(&mut self, section: &Section<'_, 't>, key: &str) -> Option<T> {
        if !section.table.contains_key(key) {
            self.missing(section, key);
            return None;
        }
        let text = self.text(section, key)?;
        text.parse().map_err(|error| self.mistake_at(section, key, error)).ok()
    }

    fn whole(&mut self, section: &Section<'_, 't>, key: &str) -> Option<u64> {
        let value = section.table.get(key)?.get_ref();
        let number = value.as_integer().and_then(|integer| u64::from_str_radix(integer.as_str(), integer.radix()).ok());
        if number.is_none() {
            self.mistake_at(section, key, "must be a whole number from 0 up");
        }
        number
    }

    fn count(&mut self, section: &Section<'_, 't>, key: &str) -> Option<u32> {
        let number = self.whole(section, key)?;
        u32::try_from(number).map_err(|_| self.mistake_at(section, key, format!("{number} is too many"))).ok()
    }

    fn flag(&mut self, section: &Section<'_, 't>, key: &str) -> Option<bool> {
        let value = section.table.get(key)?.get_ref();
        let flag = value.as_bool();
        if flag.is_none() {
            self.mistake_at(section, key, format!("must be true or false, not {}", value.type_str()));
        }
        flag
    }

    /// The tables of `[[key]]`, each called by its name.
    fn sections<'a>(&mut self, section: &Section<'a, 't>, key: &str) -> Vec<Section<'a, 't>> {
        let Some(value) = section.table.get(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.mistake_at(
                section,
                key,
                format!("must be tables, written [[{key}]], not {}", value.get_ref().type_str()),
            );
            return Vec::new();
        };
        let mut found = Vec::new();
        for (index, item) in array.iter().enumerate() {
            let Some(table) = item.get_ref().as_table() else {
                self.mistake_at(section, key, format!("entry {} is no table", index + 1));
                continue;
            };
            let name = table.get("name").and_then(|name| name.get_ref().as_str());
            let at = name.map_or_else(|| format!("{key} {}", index + 1), |name| format!("{key} {name}"));
            found.push(Section { table, at, span: item.span() });
        }
        found
    }

    fn only(&mut self, section: &Section<'_, 't>, known: &[&str]) {
        for key in section.table.keys() {
            if !known.contains(&key.get_ref().as_ref()) {
                let problem = format!("is not a key here; there are {}", known.join(", "));
                self.mistake(key.span(), &format!("{}, {}", section.at, key.get_ref()), problem);
            }
        }
    }

    fn missing(&mut self, section: &Section<'_, 't>, key: &str) {
        self.mistake(section.span.clone(), &section.at, format!("`{key}` is missing"));
    }

    fn mistake_at(&mut self, section: &Section<'_, 't>, key: &str, problem: impl fmt::Display) {
        let span = section.table.get(key).map_or(section.span.clone(), Spanned::span);
        self.mistake(span, &format!("{}, {key}", section.at), problem);
    }

    fn mistake(&mut self, span: Range<usize>, at: &str, problem: impl fmt::Display) {
        let before = self.text.get(..span.start).unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        self.mistakes.push(ConfigMistake { line, at: at.to_owned(), problem: problem.to_string() });
    }
}
