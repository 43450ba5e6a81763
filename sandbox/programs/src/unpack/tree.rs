//! A folder that is filled from an archive nobody vouches for.
//!
//! Invariants:
//! - The last name of a path is never followed when it is a link; the folders before it are resolved with
//!   this folder as the root, so that `..` and absolute links end at it.
//! - What is there is replaced, never written into: a hard link to it keeps the old content.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, fchmod, linkat, mkdirat, open, openat, openat2, statat, symlinkat,
    unlinkat,
};
use rustix::io::Errno;

use super::{What, what};

/// Entries an archive may have; a large image has some tens of thousands.
const ENTRIES_MAX: u64 = 1_000_000;

/// A folder being filled.
#[derive(Debug)]
pub(super) struct Tree {
    root: OwnedFd,
    bytes_left: u64,
    bytes_max: u64,
    entries: u64,
}

impl Tree {
    /// Makes the folder, which must not be there.
    pub(super) fn create(folder: &Path, bytes_max: u64) -> Result<Self, What> {
        fs::create_dir(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
        let root = open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { root, bytes_left: bytes_max, bytes_max, entries: 0 })
    }

    /// A file with this content.
    pub(super) fn file(&mut self, path: &Path, executable: bool, content: &mut impl Read) -> Result<(), What> {
        let (parent, name) = self.place(path)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&parent, &name, flags, Mode::from_raw_mode(0o600))?);
        let written = io::copy(&mut content.take(self.bytes_left.saturating_add(1)), &mut file)?;
        self.bytes_left = match self.bytes_left.checked_sub(written) {
            Some(left) => left,
            None => {
                return what(format!("it is larger than {} bytes unpacked; raise `unpacked_bytes`", self.bytes_max));
            }
        };
        file.flush()?;
        fchmod(&file, Mode::from_raw_mode(if executable { 0o755 } else { 0o644 }))?;
        Ok(())
    }

    /// A folder; one that is there stays.
    pub(super) fn folder(&mut self, path: &Path) -> Result<(), What> {
        let Some((above, name)) = split(path)? else { return Ok(()) };
        self.count()?;
        let parent = self.parent(&above)?;
        match statat(&parent, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => Ok(()),
            Ok(_) => {
                unlinkat(&parent, &name, AtFlags::empty())?;
                make_folder(&parent, &name)
            }
            Err(Errno::NOENT) => make_folder(&parent, &name),
            Err(error) => Err(error.into()),
        }
    }

    /// A symbolic link, whose target is resolved by who follows it, inside the sandbox.
    pub(super) fn link(&mut self, path: &Path, target: &Path) -> Result<(), What> {
        let (parent, name) = self.place(path)?;
        Ok(symlinkat(target, &parent, &name)?)
    }

    /// Another name for a file of this tree.
    pub(super) fn hard_link(&mut self, path: &Path, target: &Path) -> Result<(), What> {
        let Some((above, target_name)) = split(target)? else { return what("a hard link to the root") };
        let target_parent = self.parent(&above)?;
        let stat = statat(&target_parent, &target_name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            return what(format!("`{}` is a hard link to a folder", path.display()));
        }
        if target == path {
            return Ok(());
        }
        let (parent, name) = self.place(path)?;
        Ok(linkat(&target_parent, &target_name, &parent, &name, AtFlags::empty())?)
    }

    /// Removes what is there; nothing is no mistake.
    pub(super) fn remove(&mut self, path: &Path) -> Result<(), What> {
        let Some((above, name)) = split(path)? else { return what("the root can't be removed") };
        let parent = self.parent(&above)?;
        remove(&parent, &name)
    }

    /// The names in a folder; none where there is no folder.
    pub(super) fn names(&self, path: &Path) -> Result<Vec<OsString>, What> {
        let relative = clean(path)?;
        let Ok(folder) = self.resolve(&relative) else { return Ok(Vec::new()) };
        let entries = fs::read_dir(through(&folder, OsStr::new(".")))?;
        entries.map(|entry| Ok(entry?.file_name())).collect()
    }

    /// The place of a new entry: its folder, in which nothing has its name any more.
    fn place(&mut self, path: &Path) -> Result<(OwnedFd, OsString), What> {
        let Some((above, name)) = split(path)? else { return what("an entry without a name") };
        self.count()?;
        let parent = self.parent(&above)?;
        remove(&parent, &name)?;
        Ok((parent, name))
    }

    fn count(&mut self) -> Result<(), What> {
        self.entries += 1;
        if self.entries > ENTRIES_MAX { what(format!("it has more than {ENTRIES_MAX} entries")) } else { Ok(()) }
    }

    /// A folder, made with those above it if it is not there.
    fn parent(&self, relative: &Path) -> Result<OwnedFd, What> {
        match self.resolve(relative) {
            Err(Errno::NOENT) => {}
            other => return Ok(other?),
        }
        let mut so_far = PathBuf::new();
        for name in relative.components() {
            let above = self.resolve(&so_far)?;
            so_far.push(name);
            match self.resolve(&so_far) {
                Err(Errno::NOENT) => make_folder(&above, name.as_os_str())?,
                other => drop(other?),
            }
        }
        Ok(self.resolve(relative)?)
    }

    fn resolve(&self, relative: &Path) -> Result<OwnedFd, Errno> {
        let path = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat2(&self.root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
    }
}

fn make_folder(parent: &OwnedFd, name: &OsStr) -> Result<(), What> {
    match mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
        // A link to nowhere; a folder in its place would hide that.
        Err(Errno::EXIST) => {
            return what(format!("`{}` is a link to nothing, where a folder is needed", name.display()));
        }
        other => other?,
    }
    // The umask may have taken what others need.
    fs::set_permissions(through(parent, name), fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn remove(parent: &OwnedFd, name: &OsStr) -> Result<(), What> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR) => Ok(fs::remove_dir_all(through(parent, name))?),
        Err(error) => Err(error.into()),
    }
}

/// A name in an open folder, as a path.
fn through(folder: &OwnedFd, name: &OsStr) -> PathBuf {
    Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name)
}

/// A path as its folder and its last name; `None` is the root itself.
fn split(path: &Path) -> Result<Option<(PathBuf, OsString)>, What> {
    let mut relative = clean(path)?;
    let name = relative.file_name().map(OsStr::to_owned);
    relative.pop();
    Ok(name.map(|name| (relative, name)))
}

/// A path without its leading `/` and without `.`; one with `..` is refused.
fn clean(path: &Path) -> Result<PathBuf, What> {
    let mut relative = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => relative.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return what(format!("`{}` points out of the archive", path.display()));
            }
        }
    }
    Ok(relative)
}
