//! `merit demo`.

use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;

use clap::Args;
use merit::clock::{Clock, rfc3339};
use merit_cli::{Color, Exit, Globals};
use merit_demo::{Ended, Options, Output};

use super::{Failure, runtime};

/// Where the client commands look for a broker by themselves.
const LOOKED_AT: &str = "127.0.0.1:8780";

/// Calls of the tour at each deployment: enough that a cold start is not all there is to know. A
/// multiple of two and three, so that every image, page and kind of orders comes equally often.
const TOUR: u32 = 6;

#[derive(Args)]
pub(crate) struct DemoArgs {
    /// End after the report instead of keeping the broker up until Ctrl-C
    #[arg(long)]
    once: bool,
    /// How long calls are sent
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(3..=3600))]
    seconds: u64,
    /// Calls a second, on average
    #[arg(long, value_name = "CALLS", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: u32,
    /// Calls the pool on this machine runs at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pool_slots: u32,
    /// Calls of each function at each venue before the load, from which their prices are learned
    #[arg(long, value_name = "CALLS", default_value_t = TOUR, value_parser = clap::value_parser!(u32).range(1..=100))]
    tour: u32,
    /// Where the broker listens; on any free port when that is taken
    #[arg(long, value_name = "ADDRESS", default_value = LOOKED_AT)]
    listen: SocketAddr,
}

pub(crate) fn demo(args: &DemoArgs, globals: &Globals) -> Result<Exit, Failure> {
    let options = Options {
        program: std::env::current_exe()?,
        called: std::env::args().next().unwrap_or_else(|| "merit".to_owned()),
        listen: args.listen.to_string(),
        looked_at: LOOKED_AT.to_owned(),
        today: rfc3339(Clock::system().now())[..10].to_owned(),
        seconds: args.seconds,
        rate: args.rate,
        tour: args.tour,
        pool_slots: args.pool_slots,
        once: args.once,
    };
    match runtime()?.block_on(merit_demo::run(&options, output(globals))) {
        Ok(Ended::Well) => Ok(Exit::Ok),
        Ok(Ended::Badly) => Ok(Exit::Failed),
        Ok(Ended::Interrupted) => Ok(Exit::Stopped),
        // Whoever read it has seen enough.
        Err(error) if error.is_closed_pipe() => Ok(Exit::Ok),
        Err(error) => Err(error.into()),
    }
}

/// Text for people on stdout, or on stderr when stdout is for the JSON.
fn output(globals: &Globals) -> Output {
    let terminal = if globals.json { io::stderr().is_terminal() } else { io::stdout().is_terminal() };
    let color = match globals.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none(),
    };
    if globals.json {
        Output { text: Box::new(io::stderr()), terminal, color, json: Some(Box::new(io::stdout())) }
    } else {
        Output { text: Box::new(io::stdout()), terminal, color, json: None }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use futures_util::future::BoxFuture;
    use merit_config::{Config, Env, Source};
    use merit_demo::{Clouds, Plan, SAMPLES};
    use merit_sim::{ExecuteError, ExecuteErrorKind, Executed, Executor, MachineUsage, SimConfig};
    use merit_units::MemoryMb;
    use tokio::net::TcpListener;
    use tokio::time::Instant;

    /// Clouds that are only asked what they are.
    struct Nothing;

    impl Executor for Nothing {
        fn functions(&self) -> Vec<String> {
            Vec::new()
        }

        fn execute(&self, _: &str, _: Bytes, _: MemoryMb, _: Instant) -> BoxFuture<'_, Result<Executed, ExecuteError>> {
            let (kind, usage) = (ExecuteErrorKind::Machine, MachineUsage::default());
            Box::pin(async move { Err(ExecuteError { kind, message: String::new(), usage }) })
        }
    }

    async fn clouds() -> Clouds {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(merit_sim::serve(listener, SimConfig::demo(), Arc::new(Nothing), std::future::pending()));
        Clouds::discover(url).await.unwrap()
    }

    fn plan(clouds: &Clouds) -> Plan<'_> {
        Plan {
            listen: super::LOOKED_AT.to_owned(),
            clouds_url: clouds.url(),
            clouds: &clouds.all,
            pool_slots: 1,
            today: "2026-11-21",
        }
    }

    #[tokio::test]
    async fn the_configuration_is_valid_and_has_every_function_at_every_venue() {
        let clouds = clouds().await;
        let text = plan(&clouds).to_toml();
        let config = Config::parse(&text, &Source::Defaults, &Env::default()).expect("a valid configuration");
        assert_eq!(config.venues.len(), SimConfig::demo().clouds.len() + 1);
        // The pool brings its own sheet and its own deployments.
        assert_eq!(config.venues.values().filter(|venue| venue.sheet.is_none()).count(), 1);
        assert_eq!(config.functions.len(), SAMPLES.len());
        assert!(config.functions.values().all(|function| function.deployments.len() == config.venues.len() - 1));
    }

    #[tokio::test]
    async fn the_clouds_are_configured_as_they_are() {
        let clouds = clouds().await;
        let config = Config::parse(&plan(&clouds).to_toml(), &Source::Defaults, &Env::default()).unwrap();
        for cloud in &SimConfig::demo().clouds {
            let venue = &config.venues[&cloud.name];
            assert_eq!(venue.sheet.as_ref().unwrap().name(), cloud.sheet.name());
            assert_eq!(venue.architecture, cloud.sheet.architecture().unwrap_or_default(), "{}", cloud.name);
            assert_eq!(venue.concurrency, cloud.concurrency);
            let here = config.functions.values().flat_map(|function| function.deployments.values());
            for deployment in here.filter(|deployment| deployment.venue == cloud.name) {
                assert_eq!(deployment.memory, cloud.size.memory);
                assert_eq!(deployment.vcpu_milli, cloud.size.vcpu_milli);
            }
            // Both sides count from the end of the free grants.
            let granted = cloud.sheet.to_toml().matches("[lines.grant]").count();
            assert_eq!(venue.month_to_date.len(), granted, "{}", cloud.name);
        }
    }
}
