//! Reading where groups are, and version 2 in a folder that looks like it.

use std::path::Path;

use super::{Cgroups, field};
use crate::Limits;

const V1: &str = "\
30 22 0:26 / /sys/fs/cgroup/cpu rw,relatime shared:7 - cgroup cgroup rw,cpu
31 22 0:27 / /sys/fs/cgroup/memory rw,relatime shared:8 - cgroup cgroup rw,memory
32 22 0:28 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw
";

#[test]
fn each_hierarchy_of_version_1_has_its_own_folder_and_others_are_missing() {
    let found = Cgroups::find(V1, "4:memory:/\n1:cpu:/\n0::/\n");
    assert_eq!(found.memory.as_deref(), Some(Path::new("/sys/fs/cgroup/memory/")));
    assert_eq!(found.cpu.as_deref(), Some(Path::new("/sys/fs/cgroup/cpu/")));
    assert_eq!((found.pids, found.cpuacct, found.v2), (None, None, false));
}

#[test]
fn version_2_is_one_folder_for_all() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("pool")).expect("a folder");
    let mounts = format!("32 22 0:28 / {} rw - cgroup2 cgroup2 rw\n", folder.path().display());
    let found = Cgroups::find(&mounts, "0::/pool\n");
    assert!(found.v2);
    assert_eq!(found.memory, Some(folder.path().join("pool")));
    assert_eq!(found.parents().len(), 1);
}

#[test]
fn without_control_groups_nothing_is_found() {
    assert_eq!(Cgroups::find("22 1 0:5 / /proc rw - proc proc rw\n", "0::/\n"), Cgroups::default());
    assert_eq!(Cgroups::default().usable(), Cgroups::default());
}

#[test]
fn a_group_of_version_2_gets_its_limits_and_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = Some(folder.path().to_path_buf());
    let groups = Cgroups { memory: here.clone(), pids: here.clone(), cpu: here, cpuacct: None, v2: true };
    let group = groups.create(&Limits { vcpu_milli: Some(500), ..Limits::default() }).expect("made");
    group.limit_memory().expect("written");
    let written = |file: &str| std::fs::read_to_string(group.folders[0].join(file)).expect(file);
    assert_eq!(written("memory.max"), (128 * 1024 * 1024).to_string());
    assert_eq!(written("pids.max"), "1025");
    assert_eq!(written("cpu.max"), "50000 100000");
    std::fs::write(group.folders[0].join("memory.events"), "low 0\noom 1\noom_kill 2\n").expect("written");
    assert!(group.killed_for_memory());
}

#[test]
fn fields_are_whole_words() {
    assert_eq!(field("oom_kill_disable 7\noom_kill 3\n", "oom_kill"), Some(3));
    assert_eq!(field("usage_usecs 7\n", "usage_usec"), None);
}
