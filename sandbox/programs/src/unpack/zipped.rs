//! Code as a zip, as AWS Lambda takes it.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use super::tree::Tree;
use super::{What, what};

/// The longest target of a symbolic link; the kernel's limit for a path.
const TARGET_MAX: u64 = 4096;

/// Unpacks a zip.
pub(super) fn unzip(path: &Path, tree: &mut Tree) -> Result<(), What> {
    let bad = |error: zip::result::ZipError| What(format!("it can't be read as a zip: {error}"));
    let mut archive = zip::ZipArchive::new(BufReader::new(File::open(path)?)).map_err(bad)?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(bad)?;
        let name = entry.name().map_err(bad)?.into_owned();
        let name = Path::new(&name);
        let mode = entry.unix_mode().unwrap_or(0o644);
        if entry.is_dir() {
            tree.folder(name)?;
        } else if entry.is_symlink() {
            let mut target = String::new();
            (&mut entry).take(TARGET_MAX).read_to_string(&mut target)?;
            tree.link(name, Path::new(&target))?;
        } else if entry.is_file() {
            tree.file(name, mode & 0o111 != 0, &mut entry)?;
        } else {
            return what(format!("`{}` is no file, folder or link", name.display()));
        }
    }
    Ok(())
}
