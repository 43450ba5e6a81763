//! A program that can be started: checked, unpacked, and its environment written out.

use std::path::PathBuf;
use std::sync::Arc;

use crate::standing::Habit;
use crate::unpack::{self, ImageConfig, Unpacked};
use crate::{Isolation, Kind, MachineConfig, Network, PrepareError, Program};

/// Where a program without an image finds its code, as on AWS Lambda.
pub(crate) const TASK: &str = "/var/task";
/// The port of the Runtime API, as AWS Lambda has it.
pub(crate) const API_PORT: u16 = 9001;
/// Largest sizes that fit on a command line and into an environment; the kernel's limit for one string is 128 KiB.
const STRING_MAX: usize = 128 << 10;
/// Where an image has the external extensions that are started beside the program.
const EXTENSIONS: &str = "opt/extensions";
/// Starts what is in that folder, then becomes the program.
const START_EXTENSIONS: &str =
    r#"for e in /opt/extensions/*; do if [ -f "$e" ] && [ -x "$e" ]; then "$e" & fi; done; exec "$0" "$@""#;

/// A program that can be started; made by [`crate::Machine::prepare`].
#[derive(Debug)]
pub struct Prepared {
    pub(crate) program: Program,
    pub(crate) name: Arc<str>,
    pub(crate) habit: Arc<Habit>,
    /// Its unpacked code.
    pub(crate) folder: PathBuf,
    /// Whether that is the whole root, and not just `/var/task`.
    pub(crate) is_image: bool,
    pub(crate) command: Vec<String>,
    pub(crate) working_dir: String,
    /// What an image and the program itself define.
    own_environment: Vec<(String, String)>,
}

impl Prepared {
    pub(crate) fn new(program: Program, config: &MachineConfig) -> Result<Self, PrepareError> {
        check(&program).map_err(|what| PrepareError::Setting { program: program.name.clone(), what })?;
        let Unpacked { folder, image } = unpack::unpack(&program.source, &config.cache_dir, config.unpacked_bytes)?;
        let is_image = image.is_some();
        let image = image.unwrap_or_default();
        let mut command = command(&program, &image, is_image);
        if command.is_empty() {
            let what = "the image says not what to run; set `command`".to_owned();
            return Err(PrepareError::Setting { program: program.name, what });
        }
        if !is_image && program.command.is_empty() && !folder.join("bootstrap").is_file() {
            let what = "there is no `bootstrap` in its code; add one, or set `command`".to_owned();
            return Err(PrepareError::Setting { program: program.name, what });
        }
        if is_image && folder.join(EXTENSIONS).is_dir() {
            command.splice(0..0, ["/bin/sh", "-c", START_EXTENSIONS].map(str::to_owned));
        }
        let task = || if is_image { "/" } else { TASK }.to_owned();
        let working_dir = image.working_dir.filter(|dir| dir.starts_with('/')).unwrap_or_else(task);
        let mut own_environment: Vec<(String, String)> = image
            .env
            .unwrap_or_default()
            .iter()
            .filter_map(|variable| variable.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        own_environment.extend(program.environment.clone());
        let name = program.name.as_str().into();
        Ok(Self { program, name, habit: Arc::default(), folder, is_image, command, working_dir, own_environment })
    }

    /// The program.
    #[must_use]
    pub const fn program(&self) -> &Program {
        &self.program
    }

    /// Calls one instance takes at once.
    #[must_use]
    pub const fn concurrency(&self) -> u32 {
        match self.program.kind {
            Kind::RuntimeApi { .. } => 1,
            Kind::Http { concurrency, .. } => concurrency,
        }
    }

    /// The whole environment, with the Runtime API's port where it differs from the usual one.
    pub(crate) fn environment(&self, api_port: u16) -> Vec<(String, String)> {
        let mut environment = self.defaults();
        let defined = self.own_environment.iter().cloned();
        environment.retain(|(name, _)| !self.own_environment.iter().any(|(own, _)| own == name));
        environment.extend(defined);
        match &self.program.kind {
            Kind::RuntimeApi { handler } => environment.extend(self.lambda(handler, api_port)),
            Kind::Http { port, .. } => {
                environment.push(("PORT".to_owned(), port.to_string()));
                environment.push(("K_SERVICE".to_owned(), self.program.name.clone()));
            }
        }
        environment
    }

    /// What programs may count on and may redefine.
    fn defaults(&self) -> Vec<(String, String)> {
        let mut defaults = vec![
            ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin"),
            ("HOME", "/tmp"),
            ("LANG", "C.UTF-8"),
            ("TZ", ":UTC"),
        ];
        if matches!(self.program.kind, Kind::RuntimeApi { .. }) {
            defaults.push(("LD_LIBRARY_PATH", "/var/task:/var/task/lib:/opt/lib"));
        }
        defaults.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>, read 2026-11-21.
    fn lambda(&self, handler: &str, api_port: u16) -> Vec<(String, String)> {
        let program = &self.program;
        let variables = [
            ("AWS_LAMBDA_RUNTIME_API", format!("127.0.0.1:{api_port}")),
            ("_HANDLER", handler.to_owned()),
            ("LAMBDA_TASK_ROOT", TASK.to_owned()),
            ("LAMBDA_RUNTIME_DIR", "/var/runtime".to_owned()),
            ("AWS_LAMBDA_FUNCTION_NAME", program.name.clone()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", program.limits.memory.megabytes().to_string()),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", program.name)),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "merit".to_owned()),
        ];
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn command(program: &Program, image: &ImageConfig, is_image: bool) -> Vec<String> {
    if !program.command.is_empty() {
        return program.command.clone();
    }
    if !is_image {
        return vec![format!("{TASK}/bootstrap")];
    }
    let program = image.program.iter().flatten();
    program.chain(image.cmd.iter().flatten()).cloned().collect()
}

/// What is wrong with a program's settings.
fn check(program: &Program) -> Result<(), String> {
    let named = (1..=64).contains(&program.name.len())
        && program.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if !named {
        return Err("its name must be 1 to 64 letters, digits, `-` and `_`".to_owned());
    }
    match program.kind {
        Kind::Http { port, .. } if port < 1024 => {
            return Err(format!("port {port} can't be taken without privileges; choose 1024 or more, such as 8080"));
        }
        Kind::Http { concurrency: 0, .. } => return Err("`concurrency` is 0; it must be 1 or more".to_owned()),
        _ => {}
    }
    if program.network == Network::Host && program.isolation == Isolation::Gvisor {
        return Err("isolation `gvisor` has no network; use `namespace`, or no network".to_owned());
    }
    let limits = &program.limits;
    let zeros = [
        ("vcpu", limits.vcpu_milli == Some(0)),
        ("timeout", limits.timeout.get() == 0),
        ("init_timeout", limits.init_timeout.get() == 0),
        ("tmp_bytes", limits.tmp_bytes == 0),
        ("processes", limits.processes == 0),
        ("reply_bytes", limits.reply_bytes == 0),
    ];
    if let Some((name, _)) = zeros.iter().find(|(_, zero)| *zero) {
        return Err(format!("`{name}` is 0; it must be more"));
    }
    for (name, value) in &program.environment {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(format!("`{name}` can't be a variable of the environment"));
        }
        if name.starts_with("AWS_LAMBDA_") || matches!(name.as_str(), "_HANDLER" | "LAMBDA_TASK_ROOT" | "PORT") {
            return Err(format!("the variable `{name}` is set by the pool; choose another name"));
        }
        if name.len() + value.len() >= STRING_MAX {
            return Err(format!("the variable `{name}` is longer than {STRING_MAX} bytes"));
        }
    }
    if program.command.iter().any(|argument| argument.contains('\0') || argument.len() >= STRING_MAX) {
        return Err(format!("an argument of `command` holds a zero byte or is longer than {STRING_MAX} bytes"));
    }
    Ok(())
}
