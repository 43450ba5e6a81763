//! `merit keys`: who may call, and who pays for it. A key's secret is shown once.

use clap::Subcommand;
use merit_units::{AccountId, KeyId, VenueId};
use merit_wire::{KeyCreated, KeyList, KeySpec};
use reqwest::Method;

use crate::Exit;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, Table};
use crate::values::or_dash;

/// Commands on keys.
#[derive(Clone, Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a key and print its secret, this once
    Create {
        /// The account that pays for its calls; made when it does not exist. A provider's key is named after its venue
        #[arg(long, value_parser = AccountId::try_new, required_unless_present = "venues")]
        account: Option<AccountId>,
        /// What it may do. Repeat it or separate with commas
        #[arg(long = "role", required = true, value_name = "ROLE", value_delimiter = ',')]
        #[arg(value_parser = ["invoke", "finance", "provider", "admin"])]
        roles: Vec<String>,
        /// A venue that a provider's key acts for. Repeat it or separate with commas
        #[arg(long = "venue", value_name = "VENUE", value_delimiter = ',', value_parser = VenueId::try_new)]
        venues: Vec<VenueId>,
        /// What it is for
        #[arg(long, default_value = "")]
        note: String,
        /// For clients of AWS Lambda: an access key id and a secret access key, which sign requests
        ///
        /// Works where the broker has a key to encrypt such secrets with: MERIT_SECRETS_KEY or secrets.key_file.
        #[arg(long)]
        aws: bool,
    },
    /// List all keys, without their secrets
    List,
    /// Revoke a key: its calls are refused from now on
    Revoke {
        /// The public part of the key
        #[arg(value_parser = KeyId::try_new)]
        id: KeyId,
    },
}

/// Runs a command on keys.
pub(crate) async fn keys(command: KeysCommand, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    match command {
        KeysCommand::Create { account, roles, venues, note, aws } => {
            let venues: Vec<String> = venues.iter().map(ToString::to_string).collect();
            let account = account.map(|account| account.to_string()).or_else(|| venues.first().cloned());
            let account = account.expect("invariant: clap asks for either");
            let spec = KeySpec { account, roles, venues, note, aws };
            create(&spec, client, output).await
        }
        KeysCommand::List => list(client, output).await,
        KeysCommand::Revoke { id } => {
            client.call_quietly(client.request(Method::DELETE, &["keys", id.as_str()])).await?;
            output.message(&format!("revoked {id}"))?;
            Ok(Exit::Ok)
        }
    }
}

async fn create(spec: &KeySpec, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let created: KeyCreated = client.send_json(Method::POST, &["keys"], spec).await?;
    if output.json() {
        output.json_value(&created)?;
        return Ok(Exit::Ok);
    }
    output.message(&format!("key {} for account {}: {}", created.id, created.account, created.roles.join(", ")))?;
    if created.aws {
        output.message(
            "keep the secret now, it is not shown again; an AWS SDK or CLI takes both from its environment,",
        )?;
        output.message("and calls this broker with AWS_ENDPOINT_URL_LAMBDA set to its address:")?;
        output.line(&format!("AWS_ACCESS_KEY_ID={}", created.id))?;
        output.line(&format!("AWS_SECRET_ACCESS_KEY={}", created.secret))?;
    } else {
        output.message("keep the secret now, it is not stored and not shown again:")?;
        output.line(&created.secret)?;
    }
    Ok(Exit::Ok)
}

async fn list(client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let list: KeyList = client.get(&["keys"]).await?;
    if output.json() {
        output.json_value(&list)?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["key", "account", "roles", "venues", "created", "revoked", "note"]);
    for key in &list.keys {
        table.row([
            key.id.clone(),
            key.account.clone(),
            key.roles.join(","),
            or_dash(Some(&key.venues.join(",")).filter(|venues| !venues.is_empty()).map(String::as_str)),
            key.created_at.clone(),
            or_dash(key.revoked_at.as_deref()),
            or_dash(Some(&key.note)),
        ]);
    }
    output.table(&table)?;
    Ok(Exit::Ok)
}
