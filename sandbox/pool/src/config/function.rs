//! `function.toml`: a program beside its code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use merit_programs::{Isolation, Kind, Limits, Network, Program, Source};
use merit_units::{MemoryMb, Micros, parse_vcpu};

use super::reader::{ConfigErrors, Mistake, Reader, Table};
use super::{BYTES, TIMEOUT_MS};

/// A program and how many instances of it there may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramConfig {
    /// The program.
    pub program: Program,
    /// Instances at once, 1 or more.
    pub instances: u32,
}

impl ProgramConfig {
    /// Reads the file of the function `name`. Relative paths are taken from its folder.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every mistake.
    pub fn load(name: &str, path: &Path) -> Result<Self, ConfigErrors> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let message = format!("cannot be read: {error}");
            ConfigErrors(vec![Mistake { file: path.to_owned(), line: 0, key: String::new(), message }])
        })?;
        Self::parse(name, &text, path)
    }

    fn parse(name: &str, text: &str, path: &Path) -> Result<Self, ConfigErrors> {
        let mut reader = Reader::new(path, text);
        let config = reader.parse().and_then(|document| {
            let mut root = reader.root(&document);
            let config = read(&mut reader, &mut root, name, path.parent().unwrap_or(Path::new("")));
            reader.finish(&root);
            config
        });
        match config {
            Some(config) if reader.mistakes.is_empty() => Ok(config),
            _ => Err(ConfigErrors(reader.mistakes)),
        }
    }
}

fn read<'t>(reader: &mut Reader<'t>, root: &mut Table<'_, 't>, name: &str, folder: &Path) -> Option<ProgramConfig> {
    let (source, kind) = (source(reader, root, folder), kind(reader, root));
    // What comes of a mistake is not given out, but the reading goes on to find the others.
    let mut program = Program::new(name, source.unwrap_or_else(|| Source::Directory(folder.to_owned())));
    program.command = reader.texts(root, "command");
    program.limits = limits(reader, root);
    let isolation = reader.text(root, "isolation", |text| match text {
        "namespace" => Ok(Isolation::Namespace),
        "gvisor" => Ok(Isolation::Gvisor),
        _ => Err(format!("`{text}` is not known; write namespace or gvisor")),
    });
    program.isolation = isolation.unwrap_or(program.isolation);
    let network = reader.text(root, "network", |text| match text {
        "none" => Ok(Network::None),
        "host" => Ok(Network::Host),
        _ => Err(format!("`{text}` is not known; write none or host")),
    });
    program.network = network.unwrap_or_default();
    let environment = reader.section(root, "environment");
    program.environment = reader.pairs(&environment).into_iter().collect::<BTreeMap<_, _>>();
    let instances = reader.number(root, "instances", 1..=10_000, 100);
    program.kind = kind?;
    Some(ProgramConfig { program, instances })
}

/// The one of three keys that says where the code is; where none does, it is the folder itself.
fn source<'t>(reader: &mut Reader<'t>, root: &mut Table<'_, 't>, folder: &Path) -> Option<Source> {
    let path = |text: &str| Ok::<PathBuf, String>(folder.join(text));
    let directory = reader.text(root, "directory", path).map(Source::Directory);
    let zip = reader.text(root, "zip", path).map(Source::Zip);
    let image = reader.text(root, "image", path).map(Source::Image);
    if ["directory", "zip", "image"].iter().filter(|key| root.has(key)).count() > 1 {
        reader.mistake_at(root, "zip", "only one of directory, zip and image says where the code is");
    }
    directory.or(zip).or(image)
}

fn kind<'t>(reader: &mut Reader<'t>, root: &mut Table<'_, 't>) -> Option<Kind> {
    let handler = reader.text(root, "handler", |text| Ok::<_, String>(text.to_owned()));
    let port = reader.number(root, "port", 1024..=65_535, 8080);
    let concurrency = reader.number(root, "concurrency", 1..=1000, 1);
    if !root.has("kind") {
        reader.mistake_at(root, "kind", "is missing; write runtime-api or http");
    }
    let is_http = reader.text(root, "kind", |text| match text {
        "runtime-api" => Ok(false),
        "http" => Ok(true),
        _ => Err(format!("`{text}` is not known; write runtime-api or http")),
    })?;
    let stray: &[&str] = if is_http { &["handler"] } else { &["port", "concurrency"] };
    for key in stray.iter().filter(|key| root.has(key)) {
        reader.mistake_at(root, key, if is_http { "is for kind runtime-api" } else { "is for kind http" });
    }
    Some(if is_http {
        Kind::Http { port, concurrency }
    } else {
        Kind::RuntimeApi { handler: handler.unwrap_or_default() }
    })
}

fn limits<'t>(reader: &mut Reader<'t>, root: &mut Table<'_, 't>) -> Limits {
    let default = Limits::default();
    let memory = reader.number(root, "memory_mb", 1..=1 << 20, u64::from(default.memory.megabytes()));
    Limits {
        memory: MemoryMb::try_new(memory).expect("invariant: the range is of memory sizes"),
        vcpu_milli: reader.text(root, "vcpu", parse_vcpu),
        timeout: Micros::from_millis(reader.number(root, "timeout_ms", TIMEOUT_MS, default.timeout.millis_ceil())),
        init_timeout: Micros::from_millis(reader.number(
            root,
            "init_timeout_ms",
            TIMEOUT_MS,
            default.init_timeout.millis_ceil(),
        )),
        tmp_bytes: reader.number(root, "tmp_mb", 1..=1 << 20, default.tmp_bytes >> 20) << 20,
        processes: reader.number(root, "processes", 1..=100_000, default.processes),
        reply_bytes: reader.number(root, "reply_bytes", BYTES, default.reply_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ProgramConfig, ConfigErrors> {
        ProgramConfig::parse("thumbnail", text, Path::new("functions/thumbnail/function.toml"))
    }

    #[test]
    fn a_program_is_read_whole() {
        let text = "kind = \"http\"\nimage = \"app.tar\"\ncommand = [\"python3\", \"app.py\"]\nport = 9000\n\
                    concurrency = 8\nmemory_mb = 256\nvcpu = \"0.5\"\nisolation = \"gvisor\"\ninstances = 3\n\
                    network = \"host\"\n[environment]\nMODE = \"fast\"\n";
        let ProgramConfig { program, instances } = parse(text).expect("no mistake");
        assert_eq!(program.source, Source::Image(PathBuf::from("functions/thumbnail/app.tar")));
        assert_eq!(program.kind, Kind::Http { port: 9000, concurrency: 8 });
        assert_eq!(program.command, ["python3", "app.py"]);
        assert_eq!((program.limits.memory.megabytes(), program.limits.vcpu_milli), (256, Some(500)));
        assert_eq!((program.isolation, program.network, instances), (Isolation::Gvisor, Network::Host, 3));
        assert_eq!(program.environment["MODE"], "fast");
    }

    #[test]
    fn the_folder_is_the_code_where_nothing_else_is_said() {
        let program = parse("kind = \"runtime-api\"").expect("no mistake").program;
        assert_eq!(program, Program::new("thumbnail", Source::Directory(PathBuf::from("functions/thumbnail"))));
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let text = "kind = \"runtime-api\"\nport = 80\nzip = \"a.zip\"\nimage = \"b\"\nisolation = \"none\"\n\
                    handlr = \"x\"\n[environment]\nA = 1\n";
        insta::assert_snapshot!(parse(text).expect_err("mistakes"), @r"
        functions/thumbnail/function.toml:3: zip: only one of directory, zip and image says where the code is
        functions/thumbnail/function.toml:2: port: must be a whole number from 1024 to 65535
        functions/thumbnail/function.toml:2: port: is for kind http
        functions/thumbnail/function.toml:5: isolation: `none` is not known; write namespace or gvisor
        functions/thumbnail/function.toml:8: environment.A: must be a text in quotes
        functions/thumbnail/function.toml:6: handlr: unknown key; did you mean `handler`?
        ");
    }
}
