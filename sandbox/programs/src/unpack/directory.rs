//! Code as a folder. It is copied, so that instances which run don't see it change, and so that
//! programs can read it as another user.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::tree::Tree;
use super::{What, hash, hex, what};

/// Levels of folders that are followed.
const DEPTH: usize = 64;

enum Entry {
    Folder,
    File { executable: bool },
    Link { target: PathBuf },
}

/// A digest of all names, contents and links in a folder.
pub(super) fn digest(folder: &Path) -> Result<String, What> {
    let mut hasher = Sha256::new();
    for (relative, entry) in walk(folder)? {
        hasher.update(relative.as_os_str().as_bytes());
        match entry {
            Entry::Folder => hasher.update(b"\0d"),
            Entry::File { executable } => {
                hasher.update(if executable { b"\0x" } else { b"\0f" });
                let mut file = File::open(folder.join(&relative))?;
                hasher.update(file.metadata()?.len().to_le_bytes());
                hash(&mut file, &mut hasher)?;
            }
            Entry::Link { target } => {
                hasher.update(b"\0l");
                hasher.update(target.as_os_str().as_bytes());
                hasher.update(b"\0");
            }
        }
    }
    Ok(hex(hasher))
}

/// Copies a folder.
pub(super) fn copy(folder: &Path, tree: &mut Tree) -> Result<(), What> {
    for (relative, entry) in walk(folder)? {
        match entry {
            Entry::Folder => tree.folder(&relative)?,
            Entry::File { executable } => tree.file(&relative, executable, &mut File::open(folder.join(&relative))?)?,
            Entry::Link { target } => tree.link(&relative, &target)?,
        }
    }
    Ok(())
}

/// Everything in a folder, by relative path, in order.
fn walk(folder: &Path) -> Result<Vec<(PathBuf, Entry)>, What> {
    if !folder.is_dir() {
        return what("it is not a folder");
    }
    let mut found = Vec::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(relative) = todo.pop() {
        if relative.components().count() > DEPTH {
            return what(format!("`{}` is more than {DEPTH} folders deep", relative.display()));
        }
        for entry in fs::read_dir(folder.join(&relative))? {
            let entry = entry?;
            let relative = relative.join(entry.file_name());
            let metadata = entry.path().symlink_metadata()?;
            let kind = if metadata.is_dir() {
                todo.push(relative.clone());
                Entry::Folder
            } else if metadata.is_symlink() {
                Entry::Link { target: fs::read_link(entry.path())? }
            } else if metadata.is_file() {
                Entry::File { executable: metadata.permissions().mode() & 0o111 != 0 }
            } else {
                return what(format!("`{}` is no file, folder or link", relative.display()));
            };
            found.push((relative, kind));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}
