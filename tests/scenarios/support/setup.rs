//! A broker's folder: the configuration a test writes, the price sheets beside it, the store.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::process::Command;

use super::{Client, Process, merit_command};

/// The key that every test broker lets in, with the roles admin and invoke.
pub(crate) const KEY: &str = "mrt_tests_0123456789abcdef0123456789abcdef";

/// The account of [`KEY`].
pub(crate) const FIRST_ACCOUNT: &str = "default";

/// Whether running a function twice does harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worth {
    /// It does no harm.
    Idempotent,
    /// It does.
    Once,
}

/// What a broker is to be started with. Dropping it deletes its folder.
pub(crate) struct Setup {
    folder: TempDir,
    sections: BTreeMap<String, BTreeMap<String, String>>,
}

impl Setup {
    /// A broker without venues that listens on any port, explores nothing, and logs what it refuses.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let setup = Self { folder, sections: BTreeMap::new() };
        setup.text("server", "listen", "127.0.0.1:0").text("store", "dir", "store").set("market", "exploration_ppm", 0)
    }

    /// Sets a number or a boolean.
    pub(crate) fn set(mut self, section: &str, key: &str, value: impl Display) -> Self {
        self.sections.entry(section.to_owned()).or_default().insert(key.to_owned(), value.to_string());
        self
    }

    /// Sets a text.
    pub(crate) fn text(self, section: &str, key: &str, value: impl Display) -> Self {
        self.set(section, key, format!("\"{value}\""))
    }

    /// A venue in region `here`, with a sheet of the catalogue.
    pub(crate) fn venue(self, name: &str, url: &str, sheet: &str) -> Self {
        self.unpriced(name, url).text(&format!("venues.{name}"), "sheet", sheet)
    }

    /// A venue in region `here` that charges `dollars` a call and nothing else, so that the ceiling of
    /// a call is what it is charged.
    pub(crate) fn flat(self, name: &str, url: &str, dollars: &str) -> Self {
        let file = format!("{name}.sheet.toml");
        self.write(&file, &flat_sheet(name, dollars, 1));
        self.unpriced(name, url).text(&format!("venues.{name}"), "sheet_file", file)
    }

    /// A venue without a price.
    pub(crate) fn unpriced(self, name: &str, url: &str) -> Self {
        let section = format!("venues.{name}");
        self.text(&section, "kind", "http").text(&section, "url", url).text(&section, "region", "here")
    }

    /// A simulated Lambda, which knows the key pair of AWS's documentation.
    pub(crate) fn lambda(self, name: &str, endpoint: &str, region: &str) -> Self {
        let (section, credentials) = (format!("venues.{name}"), format!("venues.{name}.credentials"));
        self.text(&section, "kind", "aws-lambda")
            .text(&section, "endpoint_url", endpoint)
            .text(&section, "region", region)
            .text(&credentials, "access_key_id", "AKIAIOSFODNN7EXAMPLE")
            .text(&credentials, "secret_access_key", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    }

    /// A function of 128 MB deployed at these venues, each deployment named like its venue.
    pub(crate) fn function(self, name: &str, worth: Worth, venues: &[&str]) -> Self {
        let section = format!("functions.{name}");
        let setup = self.set(&section, "idempotent", worth == Worth::Idempotent);
        venues.iter().fold(setup, |setup, venue| setup.deployment(name, venue, 128))
    }

    /// A deployment named like its venue.
    pub(crate) fn deployment(self, function: &str, venue: &str, memory_mb: u64) -> Self {
        let section = format!("functions.{function}.deployments.{venue}");
        self.text(&section, "venue", venue).text(&section, "target", function).set(&section, "memory_mb", memory_mb)
    }

    /// A file beside the configuration.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file can be written");
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of the database and the journal.
    pub(crate) fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// Writes the configuration and starts a broker.
    pub(crate) async fn start(&self) -> Process {
        Process::start(self.command(), &self.path("log")).await
    }

    /// A broker with a client for it that holds [`KEY`].
    pub(crate) async fn start_with_client(&self) -> (Process, Client) {
        let process = self.start().await;
        let client = Client::new(process.address(), KEY);
        (process, client)
    }

    /// Writes the configuration; the command that serves it.
    pub(crate) fn command(&self) -> Command {
        let path = self.save();
        let mut command = merit_command(&["serve", "--config"]);
        command.arg(path).env("MERIT_BOOTSTRAP_KEY", KEY);
        command
    }

    /// Writes the configuration and returns its path.
    pub(crate) fn save(&self) -> PathBuf {
        self.write("merit.toml", &self.to_toml());
        self.path("merit.toml")
    }

    fn to_toml(&self) -> String {
        let mut text = String::new();
        for (section, values) in &self.sections {
            writeln!(text, "[{section}]").expect("a string takes all that is written");
            for (key, value) in values {
                writeln!(text, "{key} = {value}").expect("a string takes all that is written");
            }
        }
        text
    }
}

impl AsRef<Path> for Setup {
    fn as_ref(&self) -> &Path {
        self.folder.path()
    }
}

/// A price sheet in dollars that bills nothing but requests.
pub(crate) fn flat_sheet(venue: &str, dollars: &str, seq: u64) -> String {
    format!(
        "name = \"flat/{venue}\"\ncurrency = \"USD\"\nseq = {seq}\nsource = \"test\"\n\
         lines = [{{ meter = \"request\", rate = \"{dollars}\" }}]\n\
         [sources.test]\ntitle = \"a test\"\nretrieved = \"2026-11-21\"\n"
    )
}
