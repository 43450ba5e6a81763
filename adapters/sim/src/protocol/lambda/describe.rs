//! The operations that list and describe. Functions of the configuration come with all it says; those the
//! executor knows beside them are listed with the cloud's default size.

use http::Response;
use merit_lambda_wire::error::{ErrorCode, LambdaError};
use merit_lambda_wire::model::{
    AccountLimit, AccountSettings, AccountUsage, AliasConfiguration, Concurrency, EphemeralStorage,
    FunctionCodeLocation, FunctionConfiguration, GetFunctionResponse, ListAliasesResponse, ListFunctionsResponse,
    ListProvisionedConcurrencyConfigsResponse, ListTagsResponse, ListVersionsByFunctionResponse,
    ProvisionedConcurrencyConfig, ProvisionedConcurrencyConfigListItem,
};
use merit_lambda_wire::route::{self, Operation};

use super::target::{Target, arn};
use super::{Context, Failure, json};
use crate::config::FunctionSize;
use crate::protocol::body::Body;

/// Pages have at most so many entries, whatever is asked for.
const PAGE: usize = 50;
/// When every function here was last changed.
const LAST_MODIFIED: &str = "2026-11-21T00:00:00.000+0000";

pub(super) fn describe(
    context: Context<'_>,
    operation: &Operation<'_>,
    query: Option<&str>,
) -> Result<Response<Body>, Failure> {
    let known = |segment| Target::known(context, segment, query);
    Ok(match operation {
        Operation::ListFunctions => json(&functions(context, query)?),
        Operation::GetFunction { function } => json(&function_response(context, &known(function)?)),
        Operation::GetFunctionConfiguration { function } => json(&configuration(context, &known(function)?)),
        Operation::ListVersionsByFunction { function } => json(&versions(context, &known(function)?, query)?),
        Operation::ListAliases { function } => json(&aliases(context, &known(function)?, query)?),
        Operation::ListTags { resource } => {
            let tags = known(resource)?.listed.map(|function| function.lambda.tags.clone());
            json(&ListTagsResponse { tags: tags.unwrap_or_default() })
        }
        Operation::GetFunctionConcurrency { function } => json(&concurrency(&known(function)?)),
        Operation::GetProvisionedConcurrencyConfig { function }
            if route::parameter(query, "List").as_deref() == Some("ALL") =>
        {
            json(&every_provisioned(context, &known(function)?))
        }
        Operation::GetProvisionedConcurrencyConfig { function } => json(&provisioned(&known(function)?)?),
        Operation::GetAccountSettings => json(&account(context)),
        other => {
            let name = other.name().map_or_else(|| "this operation".to_owned(), str::to_owned);
            let message = format!("{name} is not simulated; functions are set up in the simulation's configuration");
            return Err(LambdaError::new(ErrorCode::UnknownOperation, message).into());
        }
    })
}

/// One page of `all`, and where the next begins. A marker is the number of entries before it.
fn page<T>(all: Vec<T>, query: Option<&str>) -> Result<(Vec<T>, Option<String>), LambdaError> {
    let number = |name: &str, default: usize| match route::parameter(query, name) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| {
            let message = format!("Invalid {name}: {text}");
            LambdaError::new(ErrorCode::InvalidParameterValue, message)
        }),
    };
    let (start, most) = (number("Marker", 0)?, number("MaxItems", PAGE)?.clamp(1, PAGE));
    let end = start.saturating_add(most);
    let next = (end < all.len()).then(|| end.to_string());
    Ok((all.into_iter().skip(start).take(most).collect(), next))
}

fn functions(context: Context<'_>, query: Option<&str>) -> Result<ListFunctionsResponse, LambdaError> {
    let listed = context.cloud.config.functions.iter().map(|function| function.name.to_string());
    let mut names: Vec<String> = listed.chain(context.cloud.unlisted()).collect();
    names.sort();
    let targets = names.into_iter().map(|name| latest(context, name));
    let mut all = Vec::new();
    let with_versions = route::parameter(query, "FunctionVersion").as_deref() == Some("ALL");
    for target in targets {
        if with_versions {
            all.extend(every_version(context, &target));
        } else {
            all.push(configuration(context, &target));
        }
    }
    let (functions, next_marker) = page(all, query)?;
    Ok(ListFunctionsResponse { functions, next_marker })
}

fn latest(context: Context<'_>, name: String) -> Target<'_> {
    let listed = context.cloud.listed(&name);
    Target { name, qualifier: None, version: "$LATEST".to_owned(), listed }
}

fn every_version(context: Context<'_>, target: &Target<'_>) -> Vec<FunctionConfiguration> {
    let published = target.listed.map_or(0, |function| function.lambda.versions);
    let numbers = (1..=published).map(|number| number.to_string());
    let versions = std::iter::once("$LATEST".to_owned()).chain(numbers).map(|version| Target {
        name: target.name.clone(),
        qualifier: Some(version.clone()),
        version,
        listed: target.listed,
    });
    versions.map(|version| configuration(context, &version)).collect()
}

fn versions(
    context: Context<'_>,
    target: &Target<'_>,
    query: Option<&str>,
) -> Result<ListVersionsByFunctionResponse, LambdaError> {
    let (versions, next_marker) = page(every_version(context, target), query)?;
    Ok(ListVersionsByFunctionResponse { versions, next_marker })
}

fn aliases(context: Context<'_>, target: &Target<'_>, query: Option<&str>) -> Result<ListAliasesResponse, LambdaError> {
    let all = target.listed.iter().flat_map(|function| &function.lambda.aliases);
    let all = all.map(|(alias, version)| AliasConfiguration {
        alias_arn: arn(context, &target.name, Some(alias)).to_string(),
        name: alias.clone(),
        function_version: version.clone(),
        description: None,
    });
    let (aliases, next_marker) = page(all.collect(), query)?;
    Ok(ListAliasesResponse { aliases, next_marker })
}

fn configuration(context: Context<'_>, target: &Target<'_>) -> FunctionConfiguration {
    let config = &context.cloud.config;
    let FunctionSize { memory, timeout, .. } = target.listed.map_or(config.size, |function| function.size);
    let text = |text: &str| Some(text.to_owned());
    FunctionConfiguration {
        function_name: target.name.clone(),
        function_arn: target.arn(context).to_string(),
        runtime: Some(config.runtime.clone()),
        role: Some(format!("arn:aws:iam::{}:role/simulated", context.account.account)),
        handler: text("bootstrap"),
        code_size: Some(1),
        description: text(""),
        timeout: u32::try_from(timeout.millis_ceil().div_ceil(1000)).ok(),
        memory_size: Some(memory.megabytes()),
        last_modified: text(LAST_MODIFIED),
        code_sha256: None,
        version: Some(target.version.clone()),
        revision_id: None,
        state: text("Active"),
        state_reason: None,
        last_update_status: text("Successful"),
        package_type: text("Zip"),
        architectures: vec![config.architecture().to_string()],
        ephemeral_storage: Some(EphemeralStorage { size: 512 }),
    }
}

fn function_response(context: Context<'_>, target: &Target<'_>) -> GetFunctionResponse {
    let concurrency = concurrency(target);
    GetFunctionResponse {
        configuration: configuration(context, target),
        code: Some(FunctionCodeLocation { repository_type: Some("S3".to_owned()), location: None }),
        tags: target.listed.map(|function| function.lambda.tags.clone()).unwrap_or_default(),
        concurrency: concurrency.reserved_concurrent_executions.map(|_| concurrency),
    }
}

fn concurrency(target: &Target<'_>) -> Concurrency {
    let reserved = target.listed.and_then(|function| function.lambda.reserved_concurrency);
    Concurrency { reserved_concurrent_executions: reserved }
}

fn provisioned(target: &Target<'_>) -> Result<ProvisionedConcurrencyConfig, LambdaError> {
    let qualifier = target.qualifier.as_deref().unwrap_or_default();
    let kept = target.listed.and_then(|function| function.lambda.provisioned_concurrency.get(qualifier).copied());
    let Some(kept) = kept else {
        let message = "No Provisioned Concurrency Config found for this function";
        return Err(LambdaError::new(ErrorCode::ProvisionedConcurrencyConfigNotFound, message));
    };
    Ok(ready(kept))
}

fn every_provisioned(context: Context<'_>, target: &Target<'_>) -> ListProvisionedConcurrencyConfigsResponse {
    let kept = target.listed.iter().flat_map(|function| &function.lambda.provisioned_concurrency);
    let item = |(qualifier, kept): (&String, &u32)| ProvisionedConcurrencyConfigListItem {
        function_arn: arn(context, &target.name, Some(qualifier)).to_string(),
        config: ready(*kept),
    };
    ListProvisionedConcurrencyConfigsResponse { provisioned_concurrency_configs: kept.map(item).collect() }
}

fn ready(kept: u32) -> ProvisionedConcurrencyConfig {
    ProvisionedConcurrencyConfig {
        requested_provisioned_concurrent_executions: kept,
        available_provisioned_concurrent_executions: kept,
        allocated_provisioned_concurrent_executions: kept,
        status: "READY".to_owned(),
        status_reason: None,
    }
}

fn account(context: Context<'_>) -> AccountSettings {
    let config = &context.cloud.config;
    let reserved: u32 = config.functions.iter().filter_map(|function| function.lambda.reserved_concurrency).sum();
    let functions = config.functions.len() + context.cloud.unlisted().len();
    AccountSettings {
        account_limit: AccountLimit {
            total_code_size: 80_530_636_800,
            code_size_unzipped: 262_144_000,
            code_size_zipped: 52_428_800,
            concurrent_executions: config.concurrency,
            unreserved_concurrent_executions: config.concurrency.saturating_sub(reserved),
        },
        account_usage: AccountUsage { total_code_size: functions as u64, function_count: functions as u64 },
    }
}
