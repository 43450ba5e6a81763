//! What a program is and what it may use.
//!
//! Everything here is plain data that the pool fills in from its configuration; nothing is checked
//! before `Machine::prepare`, which names all that is wrong.

use std::collections::BTreeMap;
use std::path::PathBuf;

use merit_units::{MemoryMb, Micros};

/// A function that is an ordinary program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its name, 1 to 64 letters, digits, `-` and `_`; the program sees it as `AWS_LAMBDA_FUNCTION_NAME`.
    pub name: String,
    /// Its code.
    pub source: Source,
    /// How it is called.
    pub kind: Kind,
    /// What is run. Empty stands for what the image says, or else for `bootstrap` in the code's folder.
    pub command: Vec<String>,
    /// How strongly it is kept apart.
    pub isolation: Isolation,
    /// What it may use.
    pub limits: Limits,
    /// Its environment, beside what the Runtime API defines. Names that begin with `AWS_LAMBDA_` are refused.
    pub environment: BTreeMap<String, String>,
    /// What it can reach.
    pub network: Network,
}

impl Program {
    /// A program that speaks the Lambda Runtime API in the `namespace` class, with the default limits and no network.
    #[must_use]
    pub fn new(name: &str, source: Source) -> Self {
        Self {
            name: name.to_owned(),
            source,
            kind: Kind::RuntimeApi { handler: String::new() },
            command: Vec::new(),
            isolation: Isolation::Namespace,
            limits: Limits::default(),
            environment: BTreeMap::new(),
            network: Network::None,
        }
    }
}

/// Where a program's code is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A folder; it becomes `/var/task`. The host's `/usr` is the root.
    Directory(PathBuf),
    /// A zip, as Lambda takes it; it becomes `/var/task`. The host's `/usr` is the root.
    Zip(PathBuf),
    /// A container image, which is the root: an OCI layout (a folder or a tar) or what `docker save` writes.
    Image(PathBuf),
}

/// How a program is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It asks for calls at `http://$AWS_LAMBDA_RUNTIME_API`, one at a time.
    RuntimeApi {
        /// What it reads as `_HANDLER`; may be empty.
        handler: String,
    },
    /// It answers HTTP on `$PORT`.
    Http {
        /// The port, 1,024 to 65,535; 8080 by convention.
        port: u16,
        /// Calls at once in one instance, 1 or more.
        concurrency: u32,
    },
}

/// How strongly a program is kept apart from the machine and from its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isolation {
    /// Namespaces, a system call filter and limits; the host's kernel is shared.
    Namespace,
    /// gVisor: the program's system calls are served by another kernel in user space.
    Gvisor,
}

impl Isolation {
    /// The word for it in offers and terms.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Gvisor => "gvisor",
        }
    }
}

/// What a program can reach over the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// Nothing but its own loopback interface.
    #[default]
    None,
    /// All that the machine reaches, its loopback services and the metadata address included.
    /// For programs that are trusted as the pool itself is; only in the `namespace` class.
    Host,
}

/// What one instance may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory of all its processes and its `/tmp` together.
    pub memory: MemoryMb,
    /// Processor time per wall time, in thousandths of a vCPU; `None` is bounded by the machine only.
    pub vcpu_milli: Option<u32>,
    /// Wall time of one call; an invocation can only shorten it.
    pub timeout: Micros,
    /// Wall time from the start until it can take a call.
    pub init_timeout: Micros,
    /// Size of `/tmp`, in bytes.
    pub tmp_bytes: u64,
    /// Processes and threads at once.
    pub processes: u32,
    /// Largest reply, in bytes; larger ones fail the call.
    pub reply_bytes: u64,
}

impl Default for Limits {
    /// AWS Lambda's figures where it has one: 128 MB, 10 s for init, 1,024 processes, 6 MiB of reply
    /// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>, read 2026-11-21);
    /// 30 s a call and 64 MiB of `/tmp`, which counts as memory here.
    fn default() -> Self {
        Self {
            memory: MemoryMb::try_new(128).expect("invariant: 128 MB is a memory size"),
            vcpu_milli: None,
            timeout: Micros::from_secs(30),
            init_timeout: Micros::from_secs(10),
            tmp_bytes: 64 << 20,
            processes: 1024,
            reply_bytes: 6 << 20,
        }
    }
}
