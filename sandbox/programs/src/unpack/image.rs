//! Container images: an OCI layout as a folder or a tar, or what `docker save` writes.
//!
//! Source: <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>, read 2026-11-21.
//! Of an index with several platforms the one of this machine is taken.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::tree::Tree;
use super::{What, digest, hash, hex, layer, what};

/// The largest manifest or configuration that is read; they are a few kilobytes.
const DOCUMENT_MAX: u64 = 4 << 20;
/// Indexes inside an index that are followed.
const NESTED: u32 = 4;

/// An image that can be unpacked.
#[derive(Debug)]
pub(super) struct Image {
    /// What it says of itself.
    pub(super) config: ImageConfig,
    files: Files,
    digest: String,
    /// Paths of the layers in `files`, lowest first, with their digests where they are known.
    layers: Vec<(String, Option<String>)>,
}

/// What an image says is to be run, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ImageConfig {
    /// `NAME=value`.
    pub(crate) env: Option<Vec<String>>,
    /// What is run.
    #[serde(rename = "Entrypoint")]
    pub(crate) program: Option<Vec<String>>,
    /// Its arguments, or what is run where nothing else is.
    pub(crate) cmd: Option<Vec<String>>,
    pub(crate) working_dir: Option<String>,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Clone, Deserialize)]
struct Descriptor {
    digest: String,
    platform: Option<Platform>,
}

#[derive(Clone, Deserialize)]
struct Platform {
    architecture: String,
    os: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    Manifest { config: Descriptor, layers: Vec<Descriptor> },
    Index { manifests: Vec<Descriptor> },
}

/// An entry of `manifest.json` as `docker save` writes it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    layers: Vec<String>,
}

#[derive(Deserialize)]
struct ConfigFile {
    #[serde(default)]
    config: Option<ImageConfig>,
}

impl Image {
    /// Reads what an image consists of.
    pub(super) fn open(path: &Path) -> Result<Self, What> {
        let files = Files::open(path)?;
        if files.has("index.json") {
            return Self::layout(files);
        }
        if files.has("manifest.json") {
            return Self::saved(files, path);
        }
        what("it is no image: there is neither index.json (OCI layout) nor manifest.json (docker save) in it")
    }

    /// Names its content.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    fn layout(files: Files) -> Result<Self, What> {
        let Index { manifests } = parse(&files.document("index.json", None)?, "index.json")?;
        let mut chosen = choose(manifests)?;
        for _ in 0..NESTED {
            let (path, sum) = blob(&chosen.digest)?;
            match parse(&files.document(&path, Some(&sum))?, &path)? {
                Document::Index { manifests } => chosen = choose(manifests)?,
                Document::Manifest { config, layers } => {
                    let (config_path, config_sum) = blob(&config.digest)?;
                    let config = parse_config(&files.document(&config_path, Some(&config_sum))?, &config_path)?;
                    let layers = layers.iter().map(|layer| blob(&layer.digest).map(|(path, sum)| (path, Some(sum))));
                    return Ok(Self { config, layers: layers.collect::<Result<_, _>>()?, digest: sum, files });
                }
            }
        }
        what(format!("its index is nested more than {NESTED} deep"))
    }

    fn saved(files: Files, path: &Path) -> Result<Self, What> {
        let images: Vec<Saved> = parse(&files.document("manifest.json", None)?, "manifest.json")?;
        let Some(Saved { config, layers }) = images.into_iter().next() else {
            return what("manifest.json names no image");
        };
        let config = parse_config(&files.document(&config, None)?, &config)?;
        let digest = if path.is_dir() { super::directory::digest(path)? } else { digest(path)? };
        Ok(Self { config, layers: layers.into_iter().map(|path| (path, None)).collect(), digest, files })
    }

    /// Applies all layers.
    pub(super) fn unpack(&self, tree: &mut Tree) -> Result<(), What> {
        for (path, sum) in &self.layers {
            let in_layer = |error: What| What(format!("layer {path}: {}", error.0));
            let mut hashed = Hashed { file: self.files.read(path)?, hasher: Sha256::new() };
            apply(&mut hashed, tree).map_err(in_layer)?;
            io::copy(&mut hashed, &mut io::sink())?;
            if let Some(sum) = sum
                && hex(hashed.hasher) != *sum
            {
                return what(format!("{path} is not what its digest says; fetch the image again"));
            }
        }
        // Mounted over; a read-only root must have them.
        for folder in ["proc", "dev", "tmp", "etc", "sys"] {
            tree.folder(Path::new(folder))?;
        }
        if !tree.names(Path::new("etc"))?.iter().any(|name| name == "resolv.conf") {
            tree.file(Path::new("etc/resolv.conf"), false, &mut io::empty())?;
        }
        Ok(())
    }
}

/// Applies a layer, compressed or not.
fn apply(layer: &mut impl Read, tree: &mut Tree) -> Result<(), What> {
    let mut magic = [0; 4];
    let mut read = 0;
    while read < magic.len() {
        match layer.read(&mut magic[read..])? {
            0 => break,
            more => read += more,
        }
    }
    let whole = io::Cursor::new(magic[..read].to_vec()).chain(layer);
    match magic {
        [0x1f, 0x8b, ..] => layer::apply(BufReader::new(flate2::read::MultiGzDecoder::new(whole)), tree),
        [0x28, 0xb5, 0x2f, 0xfd] => {
            what("it is compressed with zstd, which is not supported; export the image with gzip")
        }
        _ => layer::apply(BufReader::new(whole), tree),
    }
}

/// The manifest for this machine.
fn choose(manifests: Vec<Descriptor>) -> Result<Descriptor, What> {
    let here = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let fits =
        |manifest: &Descriptor| manifest.platform.as_ref().is_none_or(|p| p.os == "linux" && p.architecture == here);
    let mut fitting = manifests.into_iter().filter(fits);
    fitting.next().ok_or_else(|| What(format!("it has no manifest for linux/{here}")))
}

/// Where a blob is in a layout, and its SHA-256.
fn blob(digest: &str) -> Result<(String, String), What> {
    let sum =
        digest.strip_prefix("sha256:").filter(|sum| sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit()));
    let Some(sum) = sum else { return what(format!("`{digest}` is not a SHA-256 digest")) };
    Ok((format!("blobs/sha256/{sum}"), sum.to_ascii_lowercase()))
}

fn parse<T: serde::de::DeserializeOwned>(document: &[u8], name: &str) -> Result<T, What> {
    serde_json::from_slice(document).map_err(|error| What(format!("{name} can't be read: {error}")))
}

fn parse_config(document: &[u8], name: &str) -> Result<ImageConfig, What> {
    Ok(parse::<ConfigFile>(document, name)?.config.unwrap_or_default())
}

/// The files of an image, in a folder or a tar.
#[derive(Debug)]
enum Files {
    Folder(PathBuf),
    Tar { path: PathBuf, index: BTreeMap<String, (u64, u64)> },
}

impl Files {
    fn open(path: &Path) -> Result<Self, What> {
        if path.is_dir() {
            return Ok(Self::Folder(path.to_path_buf()));
        }
        let mut archive = tar::Archive::new(File::open(path)?);
        let mut index = BTreeMap::new();
        for entry in archive.entries_with_seek()? {
            let entry = entry?;
            let name = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
            index.insert(name, (entry.raw_file_position(), entry.size()));
        }
        Ok(Self::Tar { path: path.to_path_buf(), index })
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Self::Folder(folder) => folder.join(name).is_file(),
            Self::Tar { index, .. } => index.contains_key(name),
        }
    }

    fn read(&self, name: &str) -> Result<io::Take<File>, What> {
        // Names come from the image; none may lead out of its folder.
        if Path::new(name).components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
            return what(format!("`{name}` is no name of a file in an image"));
        }
        match self {
            Self::Folder(folder) => {
                let path = fs::canonicalize(folder.join(name)).map_err(|error| What(format!("{name}: {error}")))?;
                if !path.starts_with(fs::canonicalize(folder)?) {
                    return what(format!("`{name}` is a link out of the image"));
                }
                Ok(File::open(path)?.take(u64::MAX))
            }
            Self::Tar { path, index } => {
                let Some((at, size)) = index.get(name) else { return what(format!("{name} is missing")) };
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(*at))?;
                Ok(file.take(*size))
            }
        }
    }

    /// A small file, whole; its digest is checked where one is given.
    fn document(&self, name: &str, sum: Option<&str>) -> Result<Vec<u8>, What> {
        let mut document = Vec::new();
        self.read(name)?.take(DOCUMENT_MAX).read_to_end(&mut document)?;
        if let Some(sum) = sum {
            let mut hasher = Sha256::new();
            hash(&mut document.as_slice(), &mut hasher)?;
            if hex(hasher) != sum {
                return what(format!("{name} is not what its digest says; fetch the image again"));
            }
        }
        Ok(document)
    }
}

/// Reads a file and computes its digest on the way.
struct Hashed {
    file: io::Take<File>,
    hasher: Sha256,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}
