//! `merit serve`.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;
use merit::clock::Clock;
use merit::serve::{self as broker, StartError};
use merit_cli::Exit;
use merit_config::{Config, Env};
use rustix::process::{Resource, getrlimit, setrlimit};

use super::{Failure, announce, runtime, start_log, usage};

#[derive(Args)]
pub(crate) struct ServeArgs {
    /// The configuration; `merit config default` prints a commented one [default: merit.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(crate) fn serve(args: &ServeArgs) -> Result<Exit, Failure> {
    let env = Env::of_process();
    let config = Config::load(args.config.as_deref(), &env).map_err(usage)?;
    start_log(&config.log);
    raise_open_files(&config);
    runtime()?.block_on(run(args, &config, &env)).map_err(|error| match error {
        StartError::Mistakes(_) | StartError::Open(_) => usage(error),
        other => Failure::from(other),
    })?;
    Ok(Exit::Ok)
}

/// Raises the limit on open files as far as the system lets it, since each connection is one.
fn raise_open_files(config: &Config) {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit on open files stays as it was");
    }
    let to_venues: usize = config.venues.values().map(|venue| venue.max_connections).sum();
    let needed = config.server.max_connections + to_venues + OTHER_FILES;
    if let Some(allowed) = getrlimit(Resource::Nofile).current.filter(|allowed| *allowed < needed as u64) {
        tracing::warn!(
            allowed,
            needed,
            "fewer files may be open than server.max_connections and the venues' max_connections need: raise the \
             limit (ulimit -n, LimitNOFILE) or lower those"
        );
    }
}

/// The database, the journal, the log, the runtime's own.
const OTHER_FILES: usize = 64;

async fn run(args: &ServeArgs, config: &Config, env: &Env) -> Result<(), StartError> {
    let ready = broker::start(config, env, Clock::system()).await?;
    if let Some(key) = &ready.first_key {
        // Not in the log: logs are kept, and this is shown once.
        let message = format!(
            "There is no API key yet, so this one was made, with the roles admin and invoke. It is shown once:\n  {key}\n"
        );
        io::stderr().write_all(message.as_bytes())?;
    }
    broker::serve(ready.broker, config, args.config.clone(), announce).await
}
