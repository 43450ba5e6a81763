//! A real pool, killed with SIGKILL under load: it runs WebAssembly in a process of its own.

use std::path::Path;

use futures_util::future::join_all;

use crate::support::{Audit, FIRST_ACCOUNT, Process, Reply, Setup, Upstream, Worth, merit_command, script, until};

const CALLERS: usize = 16;
const PAYLOAD: &str = include_str!("../../examples/functions/markdown/input.md");
const REPLY: &str = include_str!("../../examples/functions/markdown/expected.html");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_killed_under_load_costs_no_caller_its_reply() {
    let other = Upstream::start(script::replies(REPLY)).await;
    let setup = Setup::new();
    let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/functions");
    let mut command = merit_command(&["pool", "--listen", "127.0.0.1:0", "--functions"]);
    command.arg(functions);
    let pool = Process::start(command, &setup.path("pool.log")).await;
    let setup = setup
        .venue("pool", &format!("http://{}/", pool.address()), "own/default")
        .flat("other", &other.url(), "0.05")
        .function("markdown", Worth::Idempotent, &["pool", "other"]);
    let (_broker, client) = setup.start_with_client().await;
    let samples = async || client.function("markdown").await.deployments["pool"].samples;

    let load = join_all((0..CALLERS).map(|_| async {
        let mut replies: Vec<Reply> = Vec::new();
        // Until the other venue has answered some: then the pool has died and its calls were saved.
        while other.count() < 10 * CALLERS {
            replies.push(client.invoke("markdown", PAYLOAD).await);
        }
        replies
    }));
    let kill = async {
        until("the pool has run some", async || (samples().await > 200).then_some(())).await;
        assert_eq!(other.count(), 0, "the pool is the cheaper one");
        pool.kill().await;
    };
    let (replies, ()) = tokio::join!(load, kill);
    let replies = replies.concat();
    let lost: Vec<_> = replies.iter().filter(|reply| reply.status != 200).collect();
    assert!(lost.is_empty(), "{} lost, the first: {}", lost.len(), lost[0].text());
    assert!(replies.iter().all(|reply| reply.text() == REPLY), "every reply is the function's");
    let of_pool = replies.iter().filter(|reply| reply.venue() == "pool").count();
    assert!(of_pool > 150, "{of_pool}");
    let receipt = client.receipt(replies[0].invocation()).await;
    assert!(!receipt.estimated && receipt.meters.iter().any(|meter| meter.meter == "vcpu_second"), "{receipt:?}");
    Audit::check_books(&client, FIRST_ACCOUNT).await;
}
