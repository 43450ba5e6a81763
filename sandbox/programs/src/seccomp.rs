//! Which system calls a program in the `namespace` class can't make, as the BPF filter bubblewrap loads.
//!
//! A list of what is denied, after Docker's default profile: what changes mounts, namespaces, the
//! kernel or the clock, what looks into other processes, and whole interfaces with a record of holes.
//! Without capabilities most of it would be refused anyway; the filter keeps the kernel's code for it
//! out of reach. A denied call fails with `ENOSYS`, as on a kernel without it: libraries then take
//! their other path, as glibc does from `clone3`, whose flags a filter can't read, to `clone`.
//!
//! Invariants:
//! - A call by another architecture's numbers kills the program; by x32's numbers it is denied.
//! - Numbers are part of the kernel's stable interface (`asm/unistd_64.h`, `asm-generic/unistd.h`).
//!
//! Known limitation: a denied list ages. A system call that a newer kernel adds is allowed until it is
//! written here; programs nobody vouches for belong into the `gvisor` class.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

/// `ENOSYS`.
const NOT_THERE: u32 = 38;

/// Why lists make no filter.
type Wrong = Box<dyn std::error::Error>;

/// A system call: its name, its number on x86-64 and on ARM64; -1 where there is none.
type Call = (&'static str, i64, i64);

/// Never allowed, by reason.
const DENIED: [(&str, &[Call]); 6] = [
    (
        "what the program sees as its files is decided outside",
        &[
            ("mount", 165, 40),
            ("umount2", 166, 39),
            ("pivot_root", 155, 41),
            ("chroot", 161, 51),
            ("open_tree", 428, 428),
            ("move_mount", 429, 429),
            ("fsopen", 430, 430),
            ("fsconfig", 431, 431),
            ("fsmount", 432, 432),
            ("fspick", 433, 433),
            ("mount_setattr", 442, 442),
            ("open_tree_attr", 467, 467),
            ("name_to_handle_at", 303, 264),
            ("open_by_handle_at", 304, 265),
            ("quotactl", 179, 60),
            ("quotactl_fd", 443, 443),
            ("swapon", 167, 224),
            ("swapoff", 168, 225),
        ],
    ),
    (
        "a new user namespace brings capabilities, and with them code that is rarely tried by hostile hands",
        &[("unshare", 272, 97), ("setns", 308, 268), ("clone3", 435, 435)],
    ),
    (
        "other processes, and this one's, are not to be looked into from beside",
        &[
            ("ptrace", 101, 117),
            ("process_vm_readv", 310, 270),
            ("process_vm_writev", 311, 271),
            ("process_madvise", 440, 440),
            ("pidfd_getfd", 438, 438),
            ("kcmp", 312, 272),
            ("perf_event_open", 298, 241),
            ("userfaultfd", 323, 282),
            ("fanotify_init", 300, 262),
        ],
    ),
    (
        "large interfaces of which holes have been found again and again",
        &[
            ("bpf", 321, 280),
            ("io_uring_setup", 425, 425),
            ("io_uring_enter", 426, 426),
            ("io_uring_register", 427, 427),
            ("add_key", 248, 217),
            ("request_key", 249, 218),
            ("keyctl", 250, 219),
            ("mbind", 237, 235),
            ("set_mempolicy", 238, 237),
            ("migrate_pages", 256, 238),
            ("move_pages", 279, 239),
            ("set_mempolicy_home_node", 450, 450),
        ],
    ),
    (
        "the kernel and the machine are the host's",
        &[
            ("init_module", 175, 105),
            ("finit_module", 313, 273),
            ("delete_module", 176, 106),
            ("kexec_load", 246, 104),
            ("kexec_file_load", 320, 294),
            ("reboot", 169, 142),
            ("iopl", 172, -1),
            ("ioperm", 173, -1),
            ("syslog", 103, 116),
            ("acct", 163, 89),
            ("vhangup", 153, 58),
            ("sethostname", 170, 161),
            ("setdomainname", 171, 162),
        ],
    ),
    (
        "the clock is the host's",
        &[("settimeofday", 164, 170), ("clock_settime", 227, 112), ("clock_adjtime", 305, 266), ("adjtimex", 159, 171)],
    ),
];

/// `clone` may make processes and threads, but no namespaces.
const CLONE: Call = ("clone", 56, 220);
/// `CLONE_NEW*` for mounts, cgroups, UTS, IPC, users, processes, networks (`linux/sched.h`).
const NAMESPACES: [u64; 7] = [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000];

/// `socket` may not reach the kernel's ciphers (`AF_ALG`), nor a virtual machine's host (`AF_VSOCK`), which
/// no network namespace keeps away.
const SOCKET: Call = ("socket", 41, 198);
const FAMILIES: [u64; 2] = [38, 40];

/// `ioctl` may not type into a terminal (`TIOCSTI`, `TIOCLINUX`).
const IOCTL: Call = ("ioctl", 16, 29);
const REQUESTS: [u64; 2] = [0x5412, 0x541c];

/// The filter for this machine, in the form bubblewrap reads; `None` when its architecture has none here.
pub(crate) fn filter() -> Option<Vec<u8>> {
    let arch = match std::env::consts::ARCH {
        "x86_64" => TargetArch::x86_64,
        "aarch64" => TargetArch::aarch64,
        _ => return None,
    };
    let program = compile(arch).expect("invariant: the lists above make a filter");
    let mut bytes = Vec::with_capacity((program.len() + 3) * 8);
    if arch == TargetArch::x86_64 {
        without_x32(&mut bytes);
    }
    for instruction in program {
        push(&mut bytes, instruction.code, instruction.jt, instruction.jf, instruction.k);
    }
    Some(bytes)
}

fn compile(arch: TargetArch) -> Result<BpfProgram, Wrong> {
    let number = |(_, x86, arm): Call| if arch == TargetArch::x86_64 { x86 } else { arm };
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for call in DENIED.iter().flat_map(|(_, calls)| calls.iter()).copied().filter(|call| number(*call) >= 0) {
        rules.insert(number(call), Vec::new());
    }
    let masks = NAMESPACES.map(|flag| when(0, SeccompCmpOp::MaskedEq(flag), flag));
    rules.insert(number(CLONE), masks.into_iter().collect::<Result<_, _>>()?);
    let families = FAMILIES.map(|family| when(0, SeccompCmpOp::Eq, family));
    rules.insert(number(SOCKET), families.into_iter().collect::<Result<_, _>>()?);
    let requests = REQUESTS.map(|request| when(1, SeccompCmpOp::Eq, request));
    rules.insert(number(IOCTL), requests.into_iter().collect::<Result<_, _>>()?);
    let rules = rules.into_iter().collect();
    Ok(SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(NOT_THERE), arch)?.try_into()?)
}

fn when(argument: u8, op: SeccompCmpOp, value: u64) -> Result<SeccompRule, Wrong> {
    Ok(SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, value)?])?)
}

/// x32 programs call by numbers from 2^30 on, which the lists don't name: load the number (offset 0 of
/// `seccomp_data`); from 2^30 on return `ENOSYS`; else go on.
fn without_x32(bytes: &mut Vec<u8>) {
    const LOAD_WORD: u16 = 0x20;
    const JUMP_IF_GREATER_OR_EQUAL: u16 = 0x35;
    const RETURN: u16 = 0x06;
    const RETURN_ERRNO: u32 = 0x0005_0000;
    push(bytes, LOAD_WORD, 0, 0, 0);
    push(bytes, JUMP_IF_GREATER_OR_EQUAL, 0, 1, 0x4000_0000);
    push(bytes, RETURN, 0, 0, RETURN_ERRNO | NOT_THERE);
}

/// `struct sock_filter`, in this machine's byte order.
fn push(bytes: &mut Vec<u8>, code: u16, jt: u8, jf: u8, k: u32) {
    bytes.extend_from_slice(&code.to_ne_bytes());
    bytes.extend_from_slice(&[jt, jf]);
    bytes.extend_from_slice(&k.to_ne_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers as this machine's own headers have them; `make setup` brings the headers with the C compiler.
    #[test]
    fn numbers_are_those_of_the_kernels_headers() {
        let path = format!("/usr/include/{}-linux-gnu/asm/unistd_64.h", std::env::consts::ARCH);
        let text = std::fs::read_to_string(&path)
            .or_else(|_| std::fs::read_to_string("/usr/include/asm-generic/unistd.h"))
            .expect("headers of the C library; run `make setup`");
        let numbers: BTreeMap<&str, i64> = text
            .lines()
            .filter_map(|line| line.strip_prefix("#define __NR_")?.split_once(' '))
            .filter_map(|(name, number)| Some((name, number.trim().parse().ok()?)))
            .collect();
        let calls = DENIED.iter().flat_map(|(_, calls)| calls.iter()).chain([&CLONE, &SOCKET, &IOCTL]);
        let mut compared = 0;
        for (name, x86, arm) in calls {
            let ours = if cfg!(target_arch = "x86_64") { *x86 } else { *arm };
            // Newer calls than the headers have can't be compared.
            if let Some(theirs) = numbers.get(name) {
                assert_eq!(ours, *theirs, "{name}");
                compared += 1;
            }
        }
        assert!(compared > 50, "{compared} of the calls are in {path}");
    }

    #[test]
    fn both_architectures_compile_and_fit_the_kernels_limit() {
        for arch in [TargetArch::x86_64, TargetArch::aarch64] {
            let program = compile(arch).expect("compiles");
            assert!((60..4096).contains(&program.len()), "{} instructions", program.len());
        }
    }

    #[test]
    fn the_filter_is_whole_instructions_and_begins_with_x32() {
        let bytes = filter().expect("an architecture with a filter");
        assert_eq!(bytes.len() % 8, 0);
        if cfg!(target_arch = "x86_64") {
            assert_eq!(&bytes[..8], &[0x20, 0, 0, 0, 0, 0, 0, 0]);
        }
    }
}
