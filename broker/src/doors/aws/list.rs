//! The operations that list and describe: enough for consoles and tools that look before they call.
//!
//! A function's memory and architecture are those of its cheapest deployment, because Lambda has no place for more;
//! what each call ran on is in its receipt. Everything else of the Lambda API is answered with what to use instead.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{Either, Full};
use merit_lambda_wire::error::{ErrorCode, LambdaError};
use merit_lambda_wire::model::{
    AccountLimit, AccountSettings, AccountUsage, Concurrency, FunctionConfiguration, GetFunctionResponse,
    ListAliasesResponse, ListFunctionsResponse, ListTagsResponse, ListVersionsByFunctionResponse,
};
use merit_lambda_wire::route::Operation;
use serde::Serialize;

use super::payload::Unread;
use super::sign::Signed;
use super::{Answer, Asked, Denied, function};
use crate::Broker;
use crate::body::Limit;
use crate::function::Function;
use crate::guest;

/// Functions on a page, as on Lambda's.
const PAGE: usize = 50;

/// What a request that lists may send along, in bytes; none of them needs any.
const LIMIT: Limit = Limit { bytes: 64 * 1024, named: "the limit for requests that only list" };

/// Serves everything that does not call a function.
pub(super) async fn answer(asked: &Asked<'_>, operation: &Operation<'_>, body: Unread) -> Result<Answer, Denied> {
    let signed = Signed::of_head(asked, &body)?;
    body.check_declared(LIMIT)?;
    body.read(asked.broker, &signed, LIMIT).await?;
    guest::known(&asked.parts.extensions);
    signed.admit()?;
    let (broker, query) = (&**asked.broker, asked.parts.uri.query());
    let named = |segment: &str| -> Result<_, Denied> { Ok(broker.functions.get(&function::name(segment, query)?)?) };
    let describe = |function: &Function| configuration(function, signed.region());
    Ok(match *operation {
        Operation::GetFunction { function } => {
            let function = named(function)?;
            json(&GetFunctionResponse { configuration: describe(&function), ..GetFunctionResponse::default() })
        }
        Operation::GetFunctionConfiguration { function } => json(&describe(&*named(function)?)),
        Operation::GetFunctionConcurrency { function } => {
            named(function)?;
            // A deployment's concurrency is a limit, not a reservation.
            json(&Concurrency::default())
        }
        Operation::ListTags { resource } => {
            named(resource)?;
            json(&ListTagsResponse::default())
        }
        Operation::ListVersionsByFunction { function } => {
            let versions = vec![describe(&*named(function)?)];
            json(&ListVersionsByFunctionResponse { next_marker: None, versions })
        }
        Operation::ListAliases { function } => {
            named(function)?;
            json(&ListAliasesResponse::default())
        }
        Operation::ListFunctions => json(&page(broker, query, signed.region())?),
        Operation::GetAccountSettings => json(&settings(broker)),
        ref other => return Err(not_here(other).into()),
    })
}

fn json(body: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(body).expect("invariant: the model is serialisable");
    let mut answer = Response::new(Either::Left(Full::new(Bytes::from(body))));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// A page of functions in order of name. The marker is the name that the page before ended with.
fn page(broker: &Broker, query: Option<&str>, region: &str) -> Result<ListFunctionsResponse, LambdaError> {
    let most = match function::parameter(query, "MaxItems") {
        None => PAGE,
        // Lambda takes up to 10,000 and gives no more than 50.
        Some(text) => match text.parse::<usize>() {
            Ok(most @ 1..=10_000) => most.min(PAGE),
            _ => return Err(out_of_range(&text)),
        },
    };
    let marker = function::parameter(query, "Marker");
    let after = |function: &Function| marker.as_deref().is_none_or(|marker| function.id.as_str() > marker);
    let mut functions = broker.functions.all();
    functions.retain(|function| after(function));
    let more = functions.len() > most;
    functions.truncate(most);
    let next_marker = functions.last().filter(|_| more).map(|last| last.id.to_string());
    let functions = functions.iter().map(|function| configuration(function, region)).collect();
    Ok(ListFunctionsResponse { next_marker, functions })
}

fn out_of_range(text: &str) -> LambdaError {
    let shown: String = text.chars().take(40).collect();
    let message = format!(
        "1 validation error detected: Value '{shown}' at 'maxItems' failed to satisfy constraint: Member must be \
         between 1 and 10000"
    );
    LambdaError::new(ErrorCode::InvalidParameterValue, message)
}

fn configuration(function: &Function, region: &str) -> FunctionConfiguration {
    let name = function.id.as_str();
    let view = function.view();
    let cheapest = view.book.merit_order().next().map(|row| view.deployment(row));
    let text = |text: &str| Some(text.to_owned());
    let timeout = function.timeout.millis_ceil().div_ceil(1000);
    FunctionConfiguration {
        function_name: name.to_owned(),
        function_arn: function::arn(region, name),
        description: text("served by Merit"),
        timeout: u32::try_from(timeout).ok(),
        memory_size: cheapest.map(|deployment| deployment.size.memory.megabytes()),
        architectures: cheapest.map(|deployment| deployment.size.architecture.to_string()).into_iter().collect(),
        version: text("$LATEST"),
        state: text(if cheapest.is_some() { "Active" } else { "Inactive" }),
        state_reason: if cheapest.is_some() { None } else { text("The function has no deployment.") },
        last_update_status: text("Successful"),
        package_type: text("Zip"),
        ..FunctionConfiguration::default()
    }
}

fn settings(broker: &Broker) -> AccountSettings {
    let settings = broker.settings.load();
    let concurrent = u32::try_from(settings.max_in_flight).unwrap_or(u32::MAX);
    let limit = AccountLimit {
        concurrent_executions: concurrent,
        unreserved_concurrent_executions: concurrent,
        ..AccountLimit::default()
    };
    let usage = AccountUsage { function_count: broker.functions.all().len() as u64, ..AccountUsage::default() };
    AccountSettings { account_limit: limit, account_usage: usage }
}

/// An operation of Lambda's that Merit has not: what to use in its place.
fn not_here(operation: &Operation<'_>) -> LambdaError {
    let name = operation.name().unwrap_or("this operation");
    let instead = match name {
        "CreateFunction" | "UpdateFunctionCode" | "UpdateFunctionConfiguration" | "DeleteFunction" => {
            "deploy at the venue with its own tools, and tell Merit with `merit functions put`"
        }
        "PublishVersion" | "CreateAlias" | "GetAlias" | "UpdateAlias" | "DeleteAlias" => {
            "a qualifier Q of a function NAME calls Merit's function NAME.Q: make it with `merit functions put`"
        }
        "GetPolicy" | "AddPermission" | "RemovePermission" => {
            "who may call is decided by keys: `merit keys create` and `merit keys revoke`"
        }
        "PutFunctionConcurrency"
        | "DeleteFunctionConcurrency"
        | "GetProvisionedConcurrencyConfig"
        | "PutProvisionedConcurrencyConfig"
        | "DeleteProvisionedConcurrencyConfig" => "set the concurrency of each deployment with `merit functions put`",
        "TagResource" | "UntagResource" => "tag calls instead, with the header X-Merit-Tags, for spend reports",
        name if name.ends_with("EventInvokeConfig") || name.ends_with("EventInvokeConfigs") => {
            "retries and destinations of events are settings of the broker: see `merit config default`"
        }
        name if name.contains("FunctionUrl") => "call it through the broker's own address",
        _ => "Merit calls and lists functions, and nothing else of the Lambda API",
    };
    let mut error = LambdaError::new(ErrorCode::UnknownOperation, format!("{name} is not served by Merit: {instead}"));
    error.status = StatusCode::NOT_IMPLEMENTED;
    error
}
