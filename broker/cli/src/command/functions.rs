//! `merit functions`: register functions and say where they are deployed.

mod quarantine;
mod samples;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use merit_units::{DeploymentId, FunctionId, MemoryMb, Money, SheetName, VenueId};
use merit_wire::{DeploymentSpec, EventSpec, FunctionList, FunctionSpec, FunctionView};
use reqwest::Method;

use crate::Exit;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, Table};
use crate::values::{dollars, or_dash, parse_dollars, parse_memory, parse_vcpu};

pub use quarantine::QuarantineCommand;
pub use samples::{RecordArgs, SamplesCommand};

/// Commands on functions.
#[derive(Clone, Debug, Subcommand)]
pub enum FunctionsCommand {
    /// List all functions
    List,
    /// Show a function and its deployments
    Show {
        /// The function
        #[arg(value_parser = FunctionId::try_new)]
        function: FunctionId,
    },
    /// Register a function or change it, or one of its deployments. What is not given gets its default
    Put(Box<PutArgs>),
    /// Delete a function, or one of its deployments
    Delete {
        /// The function
        #[arg(value_parser = FunctionId::try_new)]
        function: FunctionId,
        /// Delete only this deployment
        #[arg(long, value_name = "NAME", value_parser = DeploymentId::try_new)]
        deployment: Option<DeploymentId>,
    },
    /// Record, list and replay sample calls, which prove that deployments are equal
    #[command(subcommand)]
    Samples(SamplesCommand),
    /// Give your word that a deployment is equal to the function's others
    Vouch {
        /// The function
        #[arg(value_parser = FunctionId::try_new)]
        function: FunctionId,
        /// The deployment
        #[arg(value_parser = DeploymentId::try_new)]
        deployment: DeploymentId,
        /// Take it back
        #[arg(long)]
        withdraw: bool,
    },
    /// List, show and lift quarantines of deployments whose replies differed
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
}

/// Options of `functions put`.
#[derive(Args, Clone, Debug)]
pub struct PutArgs {
    /// The function
    #[arg(value_parser = FunctionId::try_new)]
    pub function: FunctionId,
    /// A TOML or JSON file with the whole function: idempotent, timeout_ms, value_of_time, class, equivalence, digest, compare, shadow_ppm, [async], [deployments.NAME]
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["idempotent", "timeout_ms", "value_of_time", "class", "deployment", "digest", "Events", "Equality"])]
    pub file: Option<PathBuf>,
    /// Running it twice does no harm, so a call may be repeated after an unknown outcome
    #[arg(long)]
    pub idempotent: bool,
    /// The longest one run may take, in milliseconds
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(merit_config::range::FUNCTION_TIMEOUT_MS))]
    pub timeout_ms: Option<u64>,
    /// Dollars a second of waiting is worth, unless the caller says otherwise
    #[arg(long, value_name = "DOLLARS", value_parser = parse_dollars)]
    pub value_of_time: Option<Money>,
    /// What it is a kind of, such as python3.13: providers' offers for this class are offers for it
    #[arg(long, value_name = "CLASS")]
    pub class: Option<String>,
    /// Put only this deployment, described by the options below
    #[arg(long, value_name = "NAME", value_parser = DeploymentId::try_new, requires_all = ["venue", "target", "memory_mb"])]
    #[arg(conflicts_with_all = ["idempotent", "timeout_ms", "value_of_time", "class", "Events", "Equality"])]
    pub deployment: Option<DeploymentId>,
    /// The digest of its artefact, such as sha256:...; with --deployment, of what is installed there
    #[arg(long, value_name = "DIGEST", value_parser = merit_config::range::digest)]
    pub digest: Option<String>,
    /// What it demands of its deployments.
    #[command(flatten)]
    pub equality: EqualityArgs,
    /// How its events are delivered.
    #[command(flatten)]
    pub events: EventArgs,
    /// The deployment.
    #[command(flatten)]
    pub spec: DeploymentArgs,
}

/// What a function demands of its deployments, as options.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Equal deployments")]
#[group(id = "Equality", multiple = true)]
pub struct EqualityArgs {
    /// Which deployments take its calls: those proven equal (unless told otherwise), or those somebody says are its own
    #[arg(long, value_name = "DEMAND", value_parser = ["declared", "proven"])]
    pub equivalence: Option<String>,
    /// How two of its replies are compared
    #[arg(long, value_name = "HOW", value_parser = ["json", "exact", "command"])]
    pub compare: Option<String>,
    /// Share of its calls that are repeated at another deployment, in ppm
    #[arg(long, value_name = "PPM", value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub shadow_ppm: Option<u32>,
}

/// How a function's events are delivered, as options. With any of them the others get their defaults.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Calls answered before they run")]
#[group(id = "Events", multiple = true)]
pub struct EventArgs {
    /// Retries after an error of the function's own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(retries()))]
    pub max_retries: Option<u32>,
    /// Seconds before the first of them; the n-th waits n times as long
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(merit_config::range::RETRY_DELAY_S))]
    pub retry_delay_s: Option<u64>,
    /// Seconds that an event is tried before it becomes a dead letter
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(merit_config::range::MAX_AGE_S))]
    pub max_age_s: Option<u64>,
    /// Who is told of each delivered event: a function or an http or https URL
    #[arg(long, value_name = "DESTINATION", value_parser = merit_config::range::destination)]
    pub on_success: Option<String>,
    /// Who is told of each event that was given up
    #[arg(long, value_name = "DESTINATION", value_parser = merit_config::range::destination)]
    pub on_failure: Option<String>,
}

fn retries() -> std::ops::RangeInclusive<i64> {
    let range = merit_config::range::MAX_RETRIES;
    range.start().cast_signed()..=range.end().cast_signed()
}

impl EventArgs {
    /// Nothing when nothing is said: then it stays as it was.
    fn to_spec(&self) -> Option<EventSpec> {
        let Self { max_retries, retry_delay_s, max_age_s, on_success, on_failure } = self.clone();
        let spec = EventSpec { max_retries, retry_delay_s, max_age_s, on_success, on_failure };
        (spec != EventSpec::default()).then_some(spec)
    }
}

/// A deployment, as options.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Deployment")]
pub struct DeploymentArgs {
    /// The venue it is installed at
    #[arg(long, requires = "deployment", value_parser = VenueId::try_new)]
    pub venue: Option<VenueId>,
    /// Where the venue finds it: a path under the venue's URL or a whole URL
    #[arg(long, requires = "deployment")]
    pub target: Option<String>,
    /// Configured memory in MB
    #[arg(long, requires = "deployment", value_name = "MB", value_parser = parse_memory)]
    pub memory_mb: Option<MemoryMb>,
    /// Configured vCPUs, such as 0.583, for venues that bill them
    #[arg(long, requires = "deployment", value_name = "N", value_parser = check_vcpu)]
    pub vcpu: Option<String>,
    /// x86_64 or arm64
    #[arg(long, requires = "deployment", value_name = "ARCH", value_parser = ["x86_64", "arm64"])]
    pub architecture: Option<String>,
    /// Calls it can run at once
    #[arg(long, requires = "deployment", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub concurrency: Option<u32>,
    /// Calls one of its instances takes at once, where instances are billed for their time
    #[arg(long, requires = "deployment", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub instance_concurrency: Option<u16>,
    /// Instances that are kept for it whether calls come or not
    #[arg(long, requires = "deployment", value_name = "N", value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub kept_instances: Option<u32>,
    /// A price sheet of the catalogue when the venue's own does not apply
    #[arg(long, requires = "deployment", value_parser = SheetName::try_new)]
    pub sheet: Option<SheetName>,
}

fn check_vcpu(text: &str) -> Result<String, String> {
    parse_vcpu(text).map(|_| text.to_owned())
}

impl DeploymentArgs {
    fn to_spec(&self, digest: Option<String>) -> Result<DeploymentSpec, Failure> {
        let missing = || Failure::usage("--deployment needs --venue, --target and --memory-mb");
        Ok(DeploymentSpec {
            venue: self.venue.as_ref().ok_or_else(missing)?.to_string(),
            target: self.target.clone().ok_or_else(missing)?,
            memory_mb: self.memory_mb.ok_or_else(missing)?.megabytes().into(),
            vcpu: self.vcpu.clone(),
            architecture: self.architecture.clone(),
            concurrency: self.concurrency,
            instance_concurrency: self.instance_concurrency,
            kept_instances: self.kept_instances,
            sheet: self.sheet.as_ref().map(SheetName::to_string),
            digest,
        })
    }
}

/// Runs a command on functions.
pub(crate) async fn functions(
    command: FunctionsCommand,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    match command {
        FunctionsCommand::List => list(client, output).await,
        FunctionsCommand::Show { function } => {
            let view: FunctionView = client.get(&["functions", function.as_str()]).await?;
            show(&view, output)
        }
        FunctionsCommand::Put(args) => put(&args, client, output).await,
        FunctionsCommand::Samples(command) => samples::samples(command, client, output).await,
        FunctionsCommand::Vouch { function, deployment, withdraw } => {
            samples::vouch(&function, &deployment, withdraw, client, output).await
        }
        FunctionsCommand::Quarantine(command) => quarantine::quarantine(command, client, output).await,
        FunctionsCommand::Delete { function, deployment } => {
            let mut path = vec!["functions", function.as_str()];
            path.extend(deployment.iter().flat_map(|deployment| ["deployments", deployment.as_str()]));
            client.call_quietly(client.request(Method::DELETE, &path)).await?;
            output.message(&match deployment {
                Some(deployment) => format!("deleted deployment {deployment} of {function}"),
                None => format!("deleted {function}"),
            })?;
            Ok(Exit::Ok)
        }
    }
}

async fn list(client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let list: FunctionList = client.get(&["functions"]).await?;
    if output.json() {
        output.json_value(&list)?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["function", "deployments", "idempotent", "timeout", "value of time", "calls"]);
    for function in &list.functions {
        let calls: u64 = function.deployments.values().map(|deployment| deployment.samples).sum();
        table.row([
            function.name.clone(),
            function.deployments.len().to_string(),
            yes(function.idempotent),
            format!("{} ms", function.timeout_ms),
            format!("{}/s", dollars(&function.value_of_time)),
            calls.to_string(),
        ]);
    }
    output.table(&table)?;
    Ok(Exit::Ok)
}

fn yes(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

fn show(view: &FunctionView, output: &mut Output<'_>) -> Result<Exit, Failure> {
    if output.json() {
        output.json_value(view)?;
        return Ok(Exit::Ok);
    }
    output.heading(&view.name)?;
    output.line(&format!("idempotent     {}", yes(view.idempotent)))?;
    output.line(&format!("timeout        {} ms", view.timeout_ms))?;
    output.line(&format!("value of time  {}/s", dollars(&view.value_of_time)))?;
    show_equality(view, output)?;
    show_events(&view.events, output)?;
    let mut table = Table::new(&[
        "deployment",
        "venue",
        "memory",
        "vcpu",
        "architecture",
        "running",
        "health",
        "equal by",
        "calls",
        "sheet",
        "target",
    ]);
    for (name, deployment) in &view.deployments {
        let spec = &deployment.spec;
        let cap = spec.concurrency.unwrap_or(merit_config::range::DEFAULT_CONCURRENCY);
        table.row([
            name.clone(),
            spec.venue.clone(),
            format!("{} MB", spec.memory_mb),
            or_dash(spec.vcpu.as_deref()),
            spec.architecture.clone().unwrap_or_else(|| "x86_64".to_owned()),
            format!("{}/{cap}", deployment.in_flight),
            if deployment.quarantined.is_some() { "quarantined".to_owned() } else { deployment.health.clone() },
            samples::grounds(&deployment.equal),
            deployment.samples.to_string(),
            or_dash(spec.sheet.as_deref()),
            spec.target.clone(),
        ]);
    }
    output.table(&table)?;
    for (name, deployment) in &view.deployments {
        if let Some(why) = &deployment.quarantined {
            output.message(&format!("{name} is in quarantine: {why}"))?;
        }
    }
    Ok(Exit::Ok)
}

/// Only what is not usual.
fn show_equality(view: &FunctionView, output: &mut Output<'_>) -> std::io::Result<()> {
    if view.equivalence == "declared" {
        output.line("equivalence    declared: deployments take calls that nothing proves equal")?;
    }
    if let Some(digest) = &view.digest {
        output.line(&format!("digest         {digest}"))?;
    }
    if view.compare != "json" && !view.compare.is_empty() {
        output.line(&format!("compare        {}", view.compare))?;
    }
    if view.shadow_ppm > 0 {
        output.line(&format!("shadow calls   {} ppm", view.shadow_ppm))?;
    }
    Ok(())
}

/// Only what differs from the broker's own rules.
fn show_events(events: &EventSpec, output: &mut Output<'_>) -> std::io::Result<()> {
    let lines = [
        ("async retries", events.max_retries.map(|retries| retries.to_string())),
        ("async delay", events.retry_delay_s.map(|seconds| format!("{seconds} s"))),
        ("async age", events.max_age_s.map(|seconds| format!("{seconds} s"))),
        ("on success", events.on_success.clone()),
        ("on failure", events.on_failure.clone()),
    ];
    for (name, value) in lines.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        output.line(&format!("{name:<13}  {value}"))?;
    }
    Ok(())
}

async fn put(args: &PutArgs, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let function = args.function.as_str();
    let request = match (&args.deployment, &args.file) {
        (Some(name), _) => {
            let path = ["functions", function, "deployments", name.as_str()];
            client.request(Method::PUT, &path).json(&args.spec.to_spec(args.digest.clone())?)
        }
        (None, Some(file)) => client.request(Method::PUT, &["functions", function]).json(&read_spec(file)?),
        (None, None) => client.request(Method::PUT, &["functions", function]).json(&FunctionSpec {
            idempotent: args.idempotent,
            timeout_ms: args.timeout_ms,
            value_of_time: args.value_of_time.map(|value| value.to_string()),
            class: args.class.clone(),
            equivalence: args.equality.equivalence.clone(),
            digest: args.digest.clone(),
            compare: args.equality.compare.clone(),
            shadow_ppm: args.equality.shadow_ppm,
            events: args.events.to_spec(),
            deployments: None,
        }),
    };
    let view: FunctionView = client.call(request).await?;
    show(&view, output)
}

/// A function's description; JSON when the name says so, TOML otherwise.
fn read_spec(file: &Path) -> Result<FunctionSpec, Failure> {
    let refuse = |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| refuse(&error))?;
    if file.extension().is_some_and(|extension| extension == "json") {
        return serde_json::from_str(&text).map_err(|error| refuse(&error));
    }
    toml::from_str(&text).map_err(|error| refuse(&error))
}
