//! A function by AWS's own runtime for Rust: it sums numbers, fails when it is told to, and knows its context.

use std::sync::atomic::{AtomicU64, Ordering};

use lambda_runtime::{run, service_fn, Error, LambdaEvent};
use serde_json::{json, Value};

/// Calls of this instance.
static CALLS: AtomicU64 = AtomicU64::new(0);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let (event, context) = event.into_parts();
    if event["fail"] == true {
        return Err("as asked".into());
    }
    let numbers = event["numbers"].as_array().map_or(0, |numbers| numbers.iter().filter_map(Value::as_i64).sum());
    Ok(json!({
        "sum": numbers,
        "request": context.request_id,
        "function": context.env_config.function_name,
        "memory": context.env_config.memory,
        "deadline_ms": context.deadline,
        "calls": CALLS.fetch_add(1, Ordering::Relaxed) + 1,
    }))
}
