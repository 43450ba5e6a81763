//! `merit functions quarantine`: deployments whose replies differed, the replies, and letting them back in.

use clap::Subcommand;
use merit_units::{DeploymentId, FunctionId};
use merit_wire::{QuarantineDetail, QuarantineList};
use reqwest::Method;

use super::samples::excerpt;
use crate::Exit;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, Table};

/// Commands on deployments in quarantine.
#[derive(Clone, Debug, Subcommand)]
pub enum QuarantineCommand {
    /// List every deployment in quarantine
    List,
    /// Show a deployment's replies that differed, with those they differed from; --json has them whole
    Show {
        /// The function
        #[arg(value_parser = FunctionId::try_new)]
        function: FunctionId,
        /// The deployment
        #[arg(value_parser = DeploymentId::try_new)]
        deployment: DeploymentId,
    },
    /// Let a deployment take calls again, and forget its replies that differed
    Lift {
        /// The function
        #[arg(value_parser = FunctionId::try_new)]
        function: FunctionId,
        /// The deployment
        #[arg(value_parser = DeploymentId::try_new)]
        deployment: DeploymentId,
    },
}

/// Runs a command on deployments in quarantine.
pub(crate) async fn quarantine(
    command: QuarantineCommand,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    match command {
        QuarantineCommand::List => list(client, output).await,
        QuarantineCommand::Show { function, deployment } => show(&function, &deployment, client, output).await,
        QuarantineCommand::Lift { function, deployment } => {
            let path = ["functions", function.as_str(), "deployments", deployment.as_str(), "quarantine"];
            client.call_quietly(client.request(Method::DELETE, &path)).await?;
            output.message(&format!("{deployment} of {function} takes calls again"))?;
            Ok(Exit::Ok)
        }
    }
}

async fn list(client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let list: QuarantineList = client.get(&["quarantine"]).await?;
    if output.json() {
        output.json_value(&list)?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["function", "deployment", "since", "why"]);
    for one in &list.quarantined {
        table.row([&one.function, &one.deployment, &one.at, &one.why]);
    }
    output.table(&table)?;
    if list.quarantined.is_empty() {
        output.message("no deployment is in quarantine")?;
    }
    Ok(Exit::Ok)
}

async fn show(
    function: &FunctionId,
    deployment: &DeploymentId,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let path = ["functions", function.as_str(), "deployments", deployment.as_str(), "quarantine"];
    let view: QuarantineDetail = client.get(&path).await?;
    if output.json() {
        output.json_value(&view)?;
        return Ok(Exit::Ok);
    }
    match &view.quarantined {
        Some(one) => {
            output.line(&format!("{deployment} of {function} is in quarantine since {}: {}", one.at, one.why))?
        }
        None => output.line(&format!("{deployment} of {function} is not in quarantine"))?,
    }
    for one in &view.divergences {
        output.heading(&format!("{}  shadow {}", one.at, one.shadow))?;
        output.line(&format!("compared   {}'s reply, invocation {}", one.other, one.invocation))?;
        output.line(&format!("payload    {}", excerpt(&one.payload)))?;
        output.line(&format!("expected   {}", excerpt(&one.given)))?;
        output.line(&format!("got        {}", excerpt(&one.reply)))?;
        for line in one.difference.lines() {
            output.line(&format!("  {line}"))?;
        }
    }
    Ok(Exit::Ok)
}
