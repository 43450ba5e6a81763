//! The model files, read once: what was measured and how each provider is played with it.
//!
//! Both files are part of the binary, so a mistake in them is a bug and panics; the tests read
//! every provider and every runtime.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::quantiles::Quantiles;

/// The measurements of `models/measured.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Measured {
    probabilities_ppm: Vec<u32>,
    pub(crate) source: BTreeMap<String, Source>,
    overhead: BTreeMap<String, Table>,
    cold_excess: BTreeMap<String, BTreeMap<String, Table>>,
    noise: BTreeMap<String, Table>,
    core: BTreeMap<String, Core>,
    keep_alive: BTreeMap<String, KeepAliveTable>,
    init: BTreeMap<String, BTreeMap<String, InitTable>>,
}

/// Where a measurement comes from.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Source {
    pub(crate) title: String,
    pub(crate) measured: String,
}

/// One table of the measurements.
#[derive(Debug, Serialize)]
pub(crate) struct Measurement<'a> {
    name: String,
    pub(crate) source: &'a str,
    /// Calls it rests on.
    pub(crate) n: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    source: String,
    n: u64,
    #[serde(alias = "quantiles_us", alias = "quantiles_ppm")]
    quantiles: Vec<u64>,
}

/// How fast a core is, and how much of it a memory size buys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Core {
    source: String,
    n: u64,
    /// One thread's time for the same work on a whole core.
    pub(crate) full_core_us: u64,
    /// (MB, thousandths of a core).
    #[serde(default)]
    pub(crate) share_milli: Vec<(u32, u32)>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeepAliveTable {
    source: String,
    n: u64,
    pub(crate) period_s: u64,
    pub(crate) survival_ppm: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InitTable {
    source: String,
    n: u64,
    quantiles_us: Vec<u64>,
    memory_mb: u64,
}

/// One provider of `models/providers.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderEntry {
    pub(crate) overhead: String,
    pub(crate) cold_excess: Option<String>,
    pub(crate) noise: String,
    pub(crate) core: String,
    pub(crate) keep_alive: String,
    pub(crate) runtime: String,
    pub(crate) share_milli: Option<Vec<(u32, u32)>>,
    pub(crate) instance_concurrency: u32,
    pub(crate) request_bytes: usize,
    pub(crate) concurrency: u32,
    pub(crate) memory_mb: u64,
    pub(crate) vcpu_milli: Option<u32>,
    pub(crate) stand_ins: Vec<String>,
    pub(crate) assumptions: Vec<String>,
}

static MEASURED: LazyLock<Measured> = LazyLock::new(|| {
    toml::from_str(include_str!("../../models/measured.toml")).expect("invariant: models/measured.toml is valid")
});

static PROVIDERS: LazyLock<BTreeMap<String, ProviderEntry>> = LazyLock::new(|| {
    toml::from_str(include_str!("../../models/providers.toml")).expect("invariant: models/providers.toml is valid")
});

/// The measurements.
pub(crate) fn measured() -> &'static Measured {
    &MEASURED
}

/// How a provider is played, by its name in `models/providers.toml`.
pub(crate) fn provider(name: &str) -> &'static ProviderEntry {
    PROVIDERS.get(name).unwrap_or_else(|| panic!("invariant: models/providers.toml describes {name}"))
}

impl Measured {
    fn quantiles(&self, values: &[u64], what: &str) -> Quantiles {
        Quantiles::try_new(&self.probabilities_ppm, values)
            .unwrap_or_else(|error| panic!("invariant: models/measured.toml {what} {error}"))
    }

    /// Time around the execution.
    pub(crate) fn overhead(&self, name: &str) -> Quantiles {
        self.quantiles(&entry(&self.overhead, name).quantiles, name)
    }

    /// What a cold start adds, by `provider.language`.
    pub(crate) fn cold_excess(&self, name: &str) -> Quantiles {
        let (provider, language) = name.split_once('.').expect("invariant: cold_excess is provider.language");
        self.quantiles(&entry(entry(&self.cold_excess, provider), language).quantiles, name)
    }

    /// Spread of equal executions, in parts per million of their median.
    pub(crate) fn noise(&self, name: &str) -> Quantiles {
        self.quantiles(&entry(&self.noise, name).quantiles, name)
    }

    /// Core speed and shares.
    pub(crate) fn core(&self, name: &str) -> &Core {
        entry(&self.core, name)
    }

    /// How long idle instances stay.
    pub(crate) fn keep_alive(&self, name: &str) -> &KeepAliveTable {
        entry(&self.keep_alive, name)
    }

    /// Start of a runtime, and the memory it takes in MB, or `None` for a runtime nobody measured.
    pub(crate) fn init(&self, runtime: &str, architecture: &str) -> Option<(Quantiles, u64)> {
        let table = self.init.get(runtime)?.get(architecture)?;
        Some((self.quantiles(&table.quantiles_us, runtime), table.memory_mb))
    }

    /// Every measurement, with its source and the number of calls it rests on.
    pub(crate) fn provenance(&self) -> Vec<Measurement<'_>> {
        let mut all = Vec::new();
        let mut note = |name: String, source, n| all.push(Measurement { name, source, n });
        self.overhead.iter().for_each(|(of, table)| note(format!("overhead.{of}"), &*table.source, table.n));
        for (of, tables) in &self.cold_excess {
            tables.iter().for_each(|(by, table)| note(format!("cold_excess.{of}.{by}"), &*table.source, table.n));
        }
        self.noise.iter().for_each(|(of, table)| note(format!("noise.{of}"), &*table.source, table.n));
        self.core.iter().for_each(|(of, core)| note(format!("core.{of}"), &*core.source, core.n));
        self.keep_alive.iter().for_each(|(of, table)| note(format!("keep_alive.{of}"), &*table.source, table.n));
        for (of, tables) in &self.init {
            tables.iter().for_each(|(by, table)| note(format!("init.{of}.{by}"), &*table.source, table.n));
        }
        all
    }

    /// The runtimes that were measured.
    pub(crate) fn runtimes(&self) -> impl Iterator<Item = &str> {
        self.init.keys().map(String::as_str)
    }
}

fn entry<'a, V>(tables: &'a BTreeMap<String, V>, name: &str) -> &'a V {
    tables.get(name).unwrap_or_else(|| panic!("invariant: models/measured.toml has {name}"))
}
