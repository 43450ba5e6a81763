//! Programs that compute for long run behind others. Only where control groups can say so (Linux 5.15).

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::leftovers::groups_of;
use crate::support::{Bench, reply};

/// Whether the one instance of this process stands behind; `None` where control groups can't say.
fn stands_behind() -> Option<bool> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let groups = groups_of(&mounts, std::process::id());
    let idle = groups.iter().map(|group| Path::new(group).join("cpu.idle")).find(|file| file.exists())?;
    Some(fs::read_to_string(idle).expect("readable").trim() == "1")
}

#[tokio::test]
async fn a_long_call_goes_behind_and_short_ones_bring_the_program_back() {
    let bench = Bench::new();
    let instance = bench.probe().await;
    let echo = || reply(&instance, json!({ "do": "echo" }));
    echo().await;
    let Some(behind) = stands_behind() else { return };
    assert!(!behind, "a short call is in front, however long the start was");
    // Whether it is there at a certain moment is another matter: on a busy machine it comes back for a while.
    let went_behind = async {
        while stands_behind() != Some(true) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::join!(reply(&instance, json!({ "do": "burn", "cpu_ms": 500 })), went_behind);
    // The first is taken for a long one, too; that it was short brings the next in front.
    echo().await;
    echo().await;
    assert_eq!(stands_behind(), Some(false), "short calls are in front again");
    instance.stop().await;
}
