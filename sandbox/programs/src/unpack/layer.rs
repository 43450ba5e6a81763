//! One layer of an image, applied to those below it.
//!
//! Source: <https://github.com/opencontainers/image-spec/blob/main/layer.md>, read 2026-11-21. A name
//! that begins with `.wh.` removes the entry of the rest of the name from the layers below; `.wh..wh..opq` removes all
//! of its folder's.
//!
//! Devices, sockets and pipes are left out: a program gets its own `/dev`.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};

use tar::{Archive, EntryType};

use super::tree::Tree;
use super::{What, what};

const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";

/// Applies a layer, which is a tar.
pub(super) fn apply(layer: impl Read, tree: &mut Tree) -> Result<(), What> {
    let mut archive = Archive::new(layer);
    // Entries of this layer, which its own whiteouts don't concern.
    let mut own = BTreeSet::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if name == OPAQUE {
            clear(path.parent().unwrap_or(Path::new("")), &own, tree)?;
            continue;
        }
        if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            if matches!(hidden, "" | "." | "..") {
                return what(format!("`{}` is no whiteout", path.display()));
            }
            tree.remove(&path.with_file_name(hidden))?;
            continue;
        }
        let target = || Ok::<_, What>(entry.link_name()?.unwrap_or_default().into_owned());
        match entry.header().entry_type() {
            EntryType::Directory => tree.folder(&path)?,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let executable = entry.header().mode()? & 0o111 != 0;
                tree.file(&path, executable, &mut entry)?;
            }
            EntryType::Symlink => tree.link(&path, &target()?)?,
            EntryType::Link => tree.hard_link(&path, &target()?)?,
            EntryType::Char | EntryType::Block | EntryType::Fifo | EntryType::XGlobalHeader => continue,
            other => return what(format!("`{}` is of the unknown kind {other:?}", path.display())),
        }
        own.insert(path);
    }
    Ok(())
}

/// Removes from a folder what this layer has not put there.
fn clear(folder: &Path, own: &BTreeSet<PathBuf>, tree: &mut Tree) -> Result<(), What> {
    for name in tree.names(folder)? {
        let path = folder.join(name);
        if !own.iter().any(|added| added.starts_with(&path)) {
            tree.remove(&path)?;
        }
    }
    Ok(())
}
