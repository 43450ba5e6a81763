//! Unpacks a program's code into the cache, once for each content.
//!
//! Invariants:
//! - What is unpacked lies below its own folder, whatever its archive says: paths are resolved by the kernel
//!   with that folder as the root (`openat2(2)`), and nothing but files, folders and links is made.
//! - A folder in the cache is complete: it is filled under another name and renamed when done.
//! - Everything is readable by all and writable by this process's user only; set-user-id bits are dropped.
//!
//! Known limitations: owners are not kept. Layers compressed with zstd are refused. Folders of programs that were
//! replaced stay until somebody removes them.

mod directory;
mod image;
mod layer;
mod tree;
mod zipped;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use crate::{PrepareError, Source};
pub(crate) use image::ImageConfig;
use tree::Tree;

/// Names of folders that are being filled begin with it, followed by the process and a number.
pub(crate) const NEW: &str = ".new-";

/// Code in the cache.
#[derive(Clone, Debug)]
pub(crate) struct Unpacked {
    /// Where it is.
    pub(crate) folder: PathBuf,
    /// What an image says of itself; `None` where the code is no image.
    pub(crate) image: Option<ImageConfig>,
}

/// Unpacks code, unless the cache has it.
pub(crate) fn unpack(source: &Source, cache: &Path, bytes_max: u64) -> Result<Unpacked, PrepareError> {
    let (path, result) = match source {
        Source::Directory(path) => (
            path,
            directory::digest(path).and_then(|digest| {
                let folder = cached(cache, &format!("folder-{digest}"), bytes_max, |tree| directory::copy(path, tree))?;
                Ok(Unpacked { folder, image: None })
            }),
        ),
        Source::Zip(path) => (
            path,
            digest(path).and_then(|digest| {
                let folder = cached(cache, &format!("zip-{digest}"), bytes_max, |tree| zipped::unzip(path, tree))?;
                Ok(Unpacked { folder, image: None })
            }),
        ),
        Source::Image(path) => (
            path,
            image::Image::open(path).and_then(|image| {
                let name = format!("image-{}", image.digest());
                let folder = cached(cache, &name, bytes_max, |tree| image.unpack(tree))?;
                Ok(Unpacked { folder, image: Some(image.config) })
            }),
        ),
    };
    result.map_err(|what| PrepareError::Source { path: path.clone(), what: what.0 })
}

/// Why code can't be unpacked.
#[derive(Debug)]
struct What(String);

impl From<io::Error> for What {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<rustix::io::Errno> for What {
    fn from(error: rustix::io::Errno) -> Self {
        Self(io::Error::from(error).to_string())
    }
}

fn what<T>(text: impl Into<String>) -> Result<T, What> {
    Err(What(text.into()))
}

/// The folder of that name in the cache, filled if it is not there.
fn cached(
    cache: &Path,
    name: &str,
    bytes_max: u64,
    fill: impl FnOnce(&mut Tree) -> Result<(), What>,
) -> Result<PathBuf, What> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let folder = cache.join(name);
    if folder.is_dir() {
        return Ok(folder);
    }
    let new = cache.join(format!("{NEW}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    let filled = Tree::create(&new, bytes_max).and_then(|mut tree| fill(&mut tree));
    let renamed = filled.and_then(|()| match fs::rename(&new, &folder) {
        // Another has filled it meanwhile, with the same.
        Err(_) if folder.is_dir() => Ok(fs::remove_dir_all(&new)?),
        other => Ok(other?),
    });
    if let Err(error) = renamed {
        let _ = fs::remove_dir_all(&new);
        return Err(error);
    }
    Ok(folder)
}

/// Removes what processes that are gone had begun to fill, or had made for an instance.
pub(crate) fn sweep(cache: &Path) {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(NEW)?.split('-').next()?.parse::<u32>().ok());
        if number.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The SHA-256 of a file, in hexadecimal.
fn digest(path: &Path) -> Result<String, What> {
    let mut hasher = Sha256::new();
    hash(&mut fs::File::open(path)?, &mut hasher)?;
    Ok(hex(hasher))
}

fn hash(file: &mut impl Read, hasher: &mut Sha256) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

fn hex(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
