//! `merit`, one binary: the broker, the processes that run functions, the demo, and the client commands.

mod command;

use std::process::ExitCode;
use std::sync::LazyLock;

use clap::{CommandFactory as _, Parser, Subcommand};
use merit_cli::{Exit, Globals, Io};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What `--version` says: the version, and the kinds of venues that are built in.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    format!("{}\nvenue kinds: {}", env!("CARGO_PKG_VERSION"), merit_config::VenueKind::built_in().join(", "))
});

/// An exchange for function calls: each call runs at the cheapest healthy venue that meets its terms
#[derive(Parser)]
#[command(name = "merit", version, long_version = VERSION.as_str(), after_help = Exit::HELP, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// See it work: simulated clouds, a pool, a mixed load, moving prices
    #[cfg(feature = "demo")]
    Demo(command::DemoArgs),
    /// Run the broker
    Serve(command::ServeArgs),
    /// Play simulated clouds on loopback
    #[cfg(feature = "sim")]
    Sim(command::SimArgs),
    /// Run functions on this machine for a broker
    #[cfg(feature = "pool")]
    Pool(command::PoolArgs),
    #[command(flatten)]
    Client(merit_cli::Command),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        #[cfg(feature = "demo")]
        Command::Demo(args) => command::demo(&args, &cli.globals),
        Command::Serve(args) => command::serve(&args),
        #[cfg(feature = "sim")]
        Command::Sim(args) => command::sim(&args),
        #[cfg(feature = "pool")]
        Command::Pool(args) => command::pool(args),
        Command::Client(command) => client(command, &cli.globals),
    };
    match result {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) => {
            merit_cli::tell_error(&cli.globals, &format!("{:#}", failure.error), Io::of_process());
            ExitCode::from(failure.exit.code())
        }
    }
}

fn client(command: merit_cli::Command, globals: &Globals) -> Result<Exit, command::Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(merit_cli::run(command, globals, Cli::command(), Io::of_process())))
}
