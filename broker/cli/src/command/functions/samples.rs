//! `merit functions samples` and `merit functions vouch`: what proves that a deployment is equal to the others.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use merit_units::{DeploymentId, FunctionId};
use merit_wire::{EqualView, ReplayView, SampleList, SampleSpec, SampleView, SamplesDeleted};
use reqwest::Method;

use crate::Exit;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, Table};
use crate::values::{dollars, or_dash};

/// Bytes of a payload that a list shows.
const SHOWN: usize = 48;

/// Commands on sample calls.
#[derive(Clone, Debug, Subcommand)]
pub enum SamplesCommand {
    /// List a function's sample calls
    List {
        /// The function
        #[arg(value_parser = FunctionId::try_new)]
        function: FunctionId,
    },
    /// Record a sample call, and make it: the reply is what other deployments have to reply
    Record(RecordArgs),
    /// Make each sample call at a deployment, which costs money; with equal replies it is proven equal
    Replay {
        /// The function
        #[arg(value_parser = FunctionId::try_new)]
        function: FunctionId,
        /// The deployment
        #[arg(value_parser = DeploymentId::try_new)]
        deployment: DeploymentId,
    },
    /// Delete sample calls
    Delete {
        /// The function
        #[arg(value_parser = FunctionId::try_new)]
        function: FunctionId,
        /// Delete only this one
        #[arg(long, value_name = "N", required_unless_present = "all")]
        number: Option<u32>,
        /// Delete all of them
        #[arg(long, conflicts_with = "number")]
        all: bool,
    },
}

/// Options of `functions samples record`.
#[derive(Args, Clone, Debug)]
pub struct RecordArgs {
    /// The function
    #[arg(value_parser = FunctionId::try_new)]
    pub function: FunctionId,
    /// The payload
    #[arg(long, short, conflicts_with = "file", value_name = "TEXT")]
    pub data: Option<String>,
    /// A file with the payload; without it and without --data it is read from stdin
    #[arg(long, short, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The payload's media type
    #[arg(long, value_name = "TYPE")]
    pub content_type: Option<String>,
    /// The deployment that is called for the right reply, instead of the cheapest
    #[arg(long, value_name = "NAME", value_parser = DeploymentId::try_new)]
    pub deployment: Option<DeploymentId>,
    /// A file with the right reply: then no call is made
    #[arg(long, value_name = "FILE", conflicts_with = "deployment")]
    pub reply: Option<PathBuf>,
}

/// Runs a command on sample calls.
pub(crate) async fn samples(
    command: SamplesCommand,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    match command {
        SamplesCommand::List { function } => list(&function, client, output).await,
        SamplesCommand::Record(args) => record(&args, client, output).await,
        SamplesCommand::Replay { function, deployment } => replay(&function, &deployment, client, output).await,
        SamplesCommand::Delete { function, number, .. } => {
            let path = ["functions", function.as_str(), "samples"];
            let number = number.map(|number| number.to_string());
            let query: Vec<_> = number.iter().map(|number| ("number", number.as_str())).collect();
            let deleted: SamplesDeleted = client.call(client.request_with_query(Method::DELETE, &path, &query)).await?;
            if output.json() {
                output.json_value(&deleted)?;
            } else {
                output.message(&format!("deleted {} samples of {function}", deleted.deleted))?;
            }
            Ok(if deleted.deleted > 0 { Exit::Ok } else { Exit::Failed })
        }
    }
}

async fn list(function: &FunctionId, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let list: SampleList = client.get(&["functions", function.as_str(), "samples"]).await?;
    if output.json() {
        output.json_value(&list)?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["sample", "recorded", "by", "reply of", "payload", "reply"]);
    for sample in &list.samples {
        table.row([
            sample.number.to_string(),
            sample.at.clone(),
            sample.by.clone(),
            or_dash(sample.deployment.as_deref()),
            excerpt(&sample.payload),
            sample.error.as_ref().map_or_else(|| excerpt(&sample.reply), |error| format!("error {error}")),
        ]);
    }
    output.table(&table)?;
    if list.samples.is_empty() {
        output.message(&format!("no samples; record one with `merit functions samples record {function}`"))?;
    }
    Ok(Exit::Ok)
}

async fn record(args: &RecordArgs, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let payload = match (&args.data, &args.file) {
        (Some(data), _) => data.clone().into_bytes(),
        (None, Some(file)) => read(file)?,
        (None, None) => output.read_input().map_err(|error| Failure::usage(format!("cannot read stdin: {error}")))?,
    };
    let spec = SampleSpec {
        payload: STANDARD.encode(payload),
        content_type: args.content_type.clone(),
        reply: args.reply.as_deref().map(read).transpose()?.map(|reply| STANDARD.encode(reply)),
        deployment: args.deployment.as_ref().map(ToString::to_string),
    };
    let path = ["functions", args.function.as_str(), "samples"];
    let sample: SampleView = client.send_json(Method::POST, &path, &spec).await?;
    if output.json() {
        output.json_value(&sample)?;
        return Ok(Exit::Ok);
    }
    let whose =
        sample.deployment.as_ref().map_or_else(|| "the reply given".to_owned(), |name| format!("{name}'s reply"));
    let reply = sample.error.as_ref().map_or_else(|| excerpt(&sample.reply), |error| format!("error {error}"));
    output.message(&format!("recorded sample {} of {} with {whose}: {reply}", sample.number, args.function))?;
    Ok(Exit::Ok)
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))
}

async fn replay(
    function: &FunctionId,
    deployment: &DeploymentId,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let path = ["functions", function.as_str(), "deployments", deployment.as_str(), "replay"];
    let view: ReplayView = client.call(client.request(Method::POST, &path)).await?;
    let exit = if view.proven { Exit::Ok } else { Exit::Failed };
    if output.json() {
        output.json_value(&view)?;
        return Ok(exit);
    }
    let mut table = Table::new(&["sample", "result", "invocation"]);
    for one in &view.samples {
        table.row([one.number.to_string(), one.result.clone(), or_dash(one.invocation.as_deref())]);
    }
    output.table(&table)?;
    for one in view.samples.iter().filter(|one| !one.detail.is_empty()) {
        output.heading(&format!("sample {} {}", one.number, one.result))?;
        for line in one.detail.lines() {
            output.line(&format!("  {line}"))?;
        }
    }
    let equal = view.samples.iter().filter(|one| one.result == "equal").count();
    let told = if view.proven { "is proven equal" } else { "is not proven equal" };
    let counts = format!("{equal} of {} replies are equal", view.samples.len());
    output.message(&format!("{deployment} {told}: {counts}; charged {}", dollars(&view.charge)))?;
    Ok(exit)
}

/// Gives an operator's word, or takes it back.
pub(crate) async fn vouch(
    function: &FunctionId,
    deployment: &DeploymentId,
    withdraw: bool,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let path = ["functions", function.as_str(), "deployments", deployment.as_str(), "word"];
    let method = if withdraw { Method::DELETE } else { Method::PUT };
    let view: EqualView = client.call(client.request(method, &path)).await?;
    if output.json() {
        output.json_value(&view)?;
    } else {
        output.message(&format!("{deployment} of {function} is equal by: {}", grounds(&view)))?;
    }
    Ok(Exit::Ok)
}

/// On what grounds a deployment is equal, in a few words.
pub(crate) fn grounds(view: &EqualView) -> String {
    let day = view.at.as_deref().and_then(|at| at.get(..10));
    match (view.by.as_str(), &view.who, view.samples) {
        ("" | "none", ..) => "-".to_owned(),
        (by, Some(who), samples) => {
            let count = samples.map_or_else(String::new, |count| format!("{count} "));
            let day = day.map_or_else(String::new, |day| format!(", {day}"));
            format!("{count}{by} ({who}{day})")
        }
        (by, None, _) => by.to_owned(),
    }
}

/// The beginning of bytes in base64, for people.
pub(super) fn excerpt(base64: &str) -> String {
    let bytes = STANDARD.decode(base64).unwrap_or_default();
    match std::str::from_utf8(&bytes) {
        Ok(text) if text.len() <= SHOWN => text.escape_debug().to_string(),
        Ok(text) => format!("{}... ({} bytes)", text[..text.floor_char_boundary(SHOWN)].escape_debug(), bytes.len()),
        Err(_) => format!("{} bytes", bytes.len()),
    }
}
