//! From a file and the environment to a [`Config`].

use std::path::{Path, PathBuf};

use toml::de::DeTable;

use crate::reader::{Lines, Reader};
use crate::{
    Catalog, Config, ConfigErrors, DEFAULT_PATH, Env, Equivalence, Events, ExchangeRates, Feed, Limits, Log, Market,
    Mistake, PATH_VARIABLE, Place, Providers, Secrets, Server, Source, Store, account, adjustment, check, function,
    venue,
};

const TEMPLATE: &str = include_str!("../merit.toml");

impl Config {
    /// The commented template, which is also the embedded default.
    #[must_use]
    pub const fn default_template() -> &'static str {
        TEMPLATE
    }

    /// Reads the file `path`, or the one that `MERIT_CONFIG` names, or `merit.toml` in the working folder
    /// if there is one; without any of them the defaults hold. The environment overrides.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every mistake, also when the file or a file it names cannot be read.
    pub fn load(path: Option<&Path>, env: &Env) -> Result<Self, ConfigErrors> {
        let named = path.map(Path::to_owned).or_else(|| env.get(PATH_VARIABLE).map(PathBuf::from));
        let implied = || Some(PathBuf::from(DEFAULT_PATH)).filter(|path| path.exists());
        let Some(path) = named.or_else(implied) else {
            return Self::parse("", &Source::Defaults, env);
        };
        let text = std::fs::read_to_string(&path).map_err(|error| {
            let message = format!("cannot be read: {error}; name another, or set {PATH_VARIABLE}");
            let mistake = Mistake { place: Place::Whole, key: String::new(), message };
            ConfigErrors::new(path.display().to_string(), vec![mistake])
        })?;
        Self::parse(&text, &Source::File(path), env)
    }

    /// Reads a configuration's text. `source` names it in mistakes, and relative paths are taken from its folder.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every mistake.
    pub fn parse(text: &str, source: &Source, env: &Env) -> Result<Self, ConfigErrors> {
        let template = DeTable::parse(TEMPLATE).expect("invariant: the template is TOML");
        let (root, syntax) = DeTable::parse_recoverable(text);
        let mut reader = Reader::new(root.get_ref(), template.get_ref(), Lines::new(text), env);
        reader.syntax(&syntax);
        let mut config = read(&mut reader, source);
        check::across(&config, &mut reader);
        let (mistakes, settings) = reader.finish();
        if mistakes.is_empty() {
            config.settings = settings;
            return Ok(config);
        }
        Err(ConfigErrors::new(source.to_string(), mistakes))
    }
}

impl Default for Config {
    /// What the template says.
    fn default() -> Self {
        Self::parse("", &Source::Defaults, &Env::default()).expect("invariant: the template has no mistake")
    }
}

fn read(reader: &mut Reader<'_>, source: &Source) -> Config {
    let folder = match source {
        Source::Defaults => None,
        Source::File(path) => path.parent(),
    }
    .unwrap_or(Path::new(""));
    let server = Server::read(reader.section("server"));
    let store = Store::read(reader.section("store"), folder);
    let secrets = Secrets::read(reader.section("secrets"), folder);
    let log = Log::read(reader.section("log"));
    let limits = Limits::read(reader.section("limits"));
    Config {
        server,
        store,
        secrets,
        log,
        limits,
        market: Market::read(reader.section("market")),
        events: Events::read(reader.section("events")),
        feed: Feed::read(reader.section("feed")),
        catalog: Catalog::read(reader.section("catalog")),
        providers: Providers::read(reader.section("providers")),
        equivalence: Equivalence::read(reader.section("equivalence"), folder),
        exchange_rates: ExchangeRates::read(reader.section("exchange_rates")),
        venues: venue::read_all(reader, folder),
        adjustments: adjustment::read_all(reader),
        functions: function::read_all(reader),
        accounts: account::read_all(reader),
        source: source.clone(),
        settings: Vec::new(),
    }
}
