//! Functions put through the control API, for runs that need many.

use anyhow::ensure;
use serde_json::{Map, json};

use crate::client::Client;
use crate::merit::Merit;

/// Puts `functions` of them, `f0` and so on, each with one deployment at each of the first `deployments` venues.
///
/// # Errors
/// When one is refused.
pub async fn put(merit: &Merit, functions: u32, deployments: usize) -> anyhow::Result<()> {
    let deployment = |venue: usize| json!({"venue": format!("own-{venue}"), "target": "echo", "memory_mb": 128});
    let deployments: Map<_, _> = (0..deployments).map(|venue| (format!("d{venue}"), deployment(venue))).collect();
    let body = json!({"idempotent": true, "deployments": deployments}).to_string();
    for function in 0..functions {
        let request = merit.request("PUT", &format!("v1/functions/f{function}"), body.as_bytes())?;
        let mut client = Client::new(request, 1);
        let (status, reply) = client.once().await?;
        let text = String::from_utf8_lossy(&reply);
        ensure!((200..300).contains(&status), "putting function f{function}: {status} {text}");
    }
    Ok(())
}
