//! AWS's runtime for Node, whose client is built from C and C++ when it is installed (`make test-long`).

use super::{Described, copy, describe, joined, root, sums};
use crate::support::Setup;

const PROGRAMS: [Described; 1] = [(
    "nodejs",
    "kind = \"runtime-api\"\nhandler = \"index.handler\"\ndirectory = \"../../packed\"\n\
     command = [\"node\", \"node_modules/aws-lambda-ric/bin/index.mjs\", \"index.handler\"]\n",
)];

fn lay_out(setup: &Setup) {
    let (peers, packed) = (root().join("tests/peers/long"), setup.path("packed"));
    // What it was compiled from is many times as large.
    let client = "node_modules/aws-lambda-ric";
    std::fs::create_dir_all(packed.join(client)).expect("a folder can be made");
    copy(&peers.join("index.js"), &packed.join("index.js"));
    for part in ["bin", "dist", "package.json"] {
        copy(&peers.join(client).join(part), &packed.join(client).join(part));
    }
    describe(setup, &PROGRAMS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aws_lambda_ric_runs_an_unmodified_function_behind_merit() {
    let (_setup, _broker, pool, client) = joined(&PROGRAMS, lay_out).await;
    sums("nodejs", &pool, &client).await;
}
