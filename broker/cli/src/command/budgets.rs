//! `merit budgets`: what an account may spend in a calendar month.

use clap::{Args, Subcommand};
use merit_units::{AccountId, Money};
use merit_wire::{BudgetSpec, BudgetView};
use reqwest::Method;

use crate::Exit;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;
use crate::values::{dollars, parse_dollars};

/// Commands on budgets.
#[derive(Clone, Debug, Subcommand)]
pub enum BudgetsCommand {
    /// Show an account's budget and how much of it is gone
    Show {
        /// The account
        #[arg(value_parser = AccountId::try_new)]
        account: AccountId,
    },
    /// Change an account's budget; a limit that is not named stays as it is
    Set(SetArgs),
}

/// Options of `budgets set`.
#[derive(Args, Clone, Debug)]
pub struct SetArgs {
    /// The account
    #[arg(value_parser = AccountId::try_new)]
    pub account: AccountId,
    /// Dollars a month; calls that could pass them are refused. `none` takes the limit away
    #[arg(long, value_name = "DOLLARS|none", value_parser = parse_limit, required_unless_present = "soft")]
    pub hard: Option<Limit>,
    /// Dollars a month; passing them raises a warning. `none` takes the limit away
    #[arg(long, value_name = "DOLLARS|none", value_parser = parse_limit)]
    pub soft: Option<Limit>,
}

/// A limit, or its absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Dollars a month.
    Dollars(Money),
    /// No limit.
    None,
}

fn parse_limit(text: &str) -> Result<Limit, String> {
    if text == "none" { Ok(Limit::None) } else { parse_dollars(text).map(Limit::Dollars) }
}

impl Limit {
    /// The limit on the wire, given the present one.
    fn over(new: Option<Self>, present: Option<String>) -> Option<String> {
        match new {
            Some(Self::Dollars(money)) => Some(money.to_string()),
            Some(Self::None) => None,
            None => present,
        }
    }
}

/// Runs a command on budgets.
pub(crate) async fn budgets(
    command: BudgetsCommand,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let view = match command {
        BudgetsCommand::Show { account } => client.get(&["accounts", account.as_str(), "budget"]).await?,
        BudgetsCommand::Set(args) => {
            let path = ["accounts", args.account.as_str(), "budget"];
            let (hard, soft) = match (args.hard, args.soft) {
                (Some(_), Some(_)) => (None, None),
                _ => client.get(&path).await.map(|present: BudgetView| (present.hard, present.soft))?,
            };
            let spec = BudgetSpec { hard: Limit::over(args.hard, hard), soft: Limit::over(args.soft, soft) };
            client.send_json(Method::PUT, &path, &spec).await?
        }
    };
    show(&view, output)
}

fn show(view: &BudgetView, output: &mut Output<'_>) -> Result<Exit, Failure> {
    if output.json() {
        output.json_value(view)?;
        return Ok(Exit::Ok);
    }
    let limit = |limit: &Option<String>| limit.as_deref().map_or_else(|| "none".to_owned(), dollars);
    output.heading(&format!("{} in {}", view.account, view.month))?;
    for (name, value) in [
        ("hard", limit(&view.hard)),
        ("soft", limit(&view.soft)),
        ("spent", dollars(&view.spent)),
        ("held", dollars(&view.held)),
        ("available", limit(&view.available).replace("none", "without limit")),
    ] {
        output.line(&format!("{name:<10} {value}"))?;
    }
    Ok(Exit::Ok)
}
