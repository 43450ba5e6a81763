//! What archives may do, and what they may not.

use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

use super::tree::Tree;
use super::{hex, layer, unpack};
use crate::Source;

const MOST: u64 = 1 << 20;

/// An entry of a tar with a path and a target that no well-behaved writer would write.
fn entry(kind: EntryType, path: &str, target: &str, content: &[u8]) -> (Header, Vec<u8>) {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o4755);
    header.set_size(u64::try_from(content.len()).expect("small"));
    header.set_cksum();
    (header, content.to_vec())
}

fn file(path: &str, content: &str) -> (Header, Vec<u8>) {
    entry(EntryType::Regular, path, "", content.as_bytes())
}

fn tarred(entries: &[(Header, Vec<u8>)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (header, content) in entries {
        builder.append(header, content.as_slice()).expect("appended");
    }
    builder.into_inner().expect("a tar")
}

/// A folder with the layers applied, beside a file that must stay as it is.
struct Root {
    folder: TempDir,
}

impl Root {
    fn of(layers: &[&[(Header, Vec<u8>)]]) -> (Self, Result<(), String>) {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("outside"), "untouched").expect("written");
        let mut tree = Tree::create(&folder.path().join("root"), MOST).expect("a tree");
        let applied = layers.iter().try_for_each(|entries| layer::apply(Cursor::new(tarred(entries)), &mut tree));
        let root = Self { folder };
        assert_eq!(fs::read_to_string(root.folder.path().join("outside")).expect("there"), "untouched");
        (root, applied.map_err(|what| what.0))
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("root").join(path)
    }

    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.path(path)).ok()
    }
}

#[test]
fn paths_that_lead_out_are_refused() {
    for path in ["../outside", "a/../../outside", "/../outside"] {
        let (_, result) = Root::of(&[&[file(path, "changed")]]);
        assert!(result.expect_err(path).contains("points out of the archive"), "{path}");
    }
    // An absolute path is one below the root.
    let (root, result) = Root::of(&[&[file("/etc/name", "x")]]);
    result.expect("applied");
    assert_eq!(root.read("etc/name").as_deref(), Some("x"));
}

#[test]
fn links_end_at_the_root() {
    let link = |path, target| entry(EntryType::Symlink, path, target, b"");
    for target in ["..", "../..", "/..", "../root/.."] {
        let (root, result) = Root::of(&[&[link("out", target), file("out/outside", "changed")]]);
        // Written below the root, or refused; never outside, which `Root::of` looks at.
        if result.is_ok() {
            assert_eq!(root.read("outside").as_deref(), Some("changed"), "{target}");
        }
    }
    // A link in the place of a file is replaced, not followed.
    let (root, result) = Root::of(&[&[link("file", "../outside"), file("file", "own")]]);
    result.expect("applied");
    assert_eq!(root.read("file").as_deref(), Some("own"));
    // The kernel's own links to open files lead nowhere.
    let (_, result) = Root::of(&[&[link("fds", "/proc/self/fd"), file("fds/0", "changed")]]);
    assert!(result.is_err() || !Path::new("/proc/self/fd/0").is_file());
}

#[test]
fn hard_links_stay_inside() {
    let hard = |path, target| entry(EntryType::Link, path, target, b"");
    let (_, result) = Root::of(&[&[hard("stolen", "../outside")]]);
    assert!(result.expect_err("refused").contains("points out"));
    let up = entry(EntryType::Symlink, "up", "..", b"");
    let (root, result) = Root::of(&[&[up, hard("stolen", "up/outside")]]);
    assert!(result.is_err(), "there is no such file below the root");
    assert_eq!(root.read("stolen"), None);
    // One inside works, and writing to its name again leaves the other alone.
    let (root, result) = Root::of(&[&[file("a", "old"), hard("b", "a"), file("b", "new")]]);
    result.expect("applied");
    assert_eq!((root.read("a").as_deref(), root.read("b").as_deref()), (Some("old"), Some("new")));
}

#[test]
fn devices_are_left_out_and_modes_are_plain() {
    let device = entry(EntryType::Char, "null", "", b"");
    let fifo = entry(EntryType::Fifo, "pipe", "", b"");
    let (root, result) = Root::of(&[&[device, fifo, file("bin/tool", "x")]]);
    result.expect("applied");
    assert!(!root.path("null").exists() && !root.path("pipe").exists());
    assert_eq!(fs::metadata(root.path("bin/tool")).expect("there").permissions().mode() & 0o7777, 0o755);
    assert_eq!(fs::metadata(root.path("bin")).expect("there").permissions().mode() & 0o7777, 0o755);
}

#[test]
fn whiteouts_hide_what_is_below_and_nothing_else() {
    let lower =
        [file("keep", "1"), file("gone", "2"), file("folder/a", "3"), file("folder/b", "4"), file("opaque/old", "5")];
    let upper = [
        file(".wh.gone", ""),
        file("folder/.wh.a", ""),
        file("opaque/new", "6"),
        file("opaque/.wh..wh..opq", ""),
        file("absent/.wh.nothing", ""),
    ];
    let (root, result) = Root::of(&[&lower, &upper]);
    result.expect("applied");
    let there =
        ["keep", "gone", "folder/a", "folder/b", "opaque/old", "opaque/new"].map(|path| root.read(path).is_some());
    assert_eq!(there, [true, false, false, true, false, true]);
    for path in [".wh...", ".wh.."] {
        let (_, result) = Root::of(&[&[file(path, "")]]);
        assert!(result.is_err(), "{path} would remove a folder above");
    }
}

#[test]
fn a_bomb_is_refused_at_the_limit() {
    let (_, result) = Root::of(&[&[entry(EntryType::Regular, "a", "", &vec![0; 1 << 20])]]);
    result.expect("the limit itself passes");
    let half = vec![0; (1 << 19) + 1];
    let entries = [entry(EntryType::Regular, "a", "", &half), entry(EntryType::Regular, "b", "", &half)];
    let (_, result) = Root::of(&[&entries]);
    assert!(result.expect_err("too large").contains("larger than 1048576 bytes"));
}

/// A zip with one file of that name, which is executable.
fn zipped(name: &str) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
    writer.start_file(name, options).expect("begun");
    writer.write_all(b"#!/bin/sh\n").expect("written");
    writer.finish().expect("a zip").into_inner()
}

#[test]
fn a_zip_is_unpacked_once_for_each_content_and_may_not_lead_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("function.zip");
    let cache = folder.path().join("cache");
    fs::create_dir(&cache).expect("made");
    fs::write(&path, zipped("bootstrap")).expect("written");
    let first = unpack(&Source::Zip(path.clone()), &cache, MOST).expect("unpacked").folder;
    assert_eq!(fs::metadata(first.join("bootstrap")).expect("there").permissions().mode() & 0o777, 0o755);
    let made = fs::metadata(&first).expect("there").ino();
    let again = unpack(&Source::Zip(path.clone()), &cache, MOST).expect("cached").folder;
    assert_eq!((fs::metadata(&again).expect("there").ino(), again), (made, first));

    fs::write(&path, zipped("../bootstrap")).expect("written");
    let error = unpack(&Source::Zip(path.clone()), &cache, MOST).expect_err("leads out").to_string();
    assert!(error.contains("function.zip: `../bootstrap` points out"), "{error}");
    fs::write(&path, b"PK but no zip").expect("written");
    let error = unpack(&Source::Zip(path), &cache, MOST).expect_err("no zip").to_string();
    assert!(error.contains("can't be read as a zip"), "{error}");
    assert_eq!(fs::read_dir(&cache).expect("the cache").count(), 1, "nothing half-filled is left");
}

#[test]
fn a_changed_folder_is_another_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, cache) = (folder.path().join("code"), folder.path().join("cache"));
    fs::create_dir_all(code.join("lib")).expect("made");
    fs::create_dir(&cache).expect("made");
    fs::write(code.join("lib/a"), "1").expect("written");
    symlink("lib/a", code.join("link")).expect("linked");
    fs::set_permissions(code.join("lib/a"), fs::Permissions::from_mode(0o600)).expect("its mode");
    let source = Source::Directory(code.clone());
    let first = unpack(&source, &cache, MOST).expect("copied").folder;
    assert_eq!(fs::read_to_string(first.join("link")).expect("there"), "1");
    // Another user must be able to read it.
    assert_eq!(fs::metadata(first.join("lib/a")).expect("there").permissions().mode() & 0o777, 0o644);
    fs::write(code.join("lib/a"), "2").expect("written");
    let second = unpack(&source, &cache, MOST).expect("copied").folder;
    assert_ne!(first, second);
    assert_eq!(fs::read_to_string(first.join("lib/a")).expect("there"), "1");
}

/// An OCI layout of one layer, gzipped or not; returns the blob of the layer.
fn layout(folder: &Path, gzip: bool) -> PathBuf {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).expect("made");
    let put = |content: &[u8]| {
        let mut hasher = Sha256::new();
        hasher.update(content);
        let sum = hex(hasher);
        fs::write(blobs.join(&sum), content).expect("written");
        sum
    };
    let mut content = tarred(&[file("bin/hello", "x")]);
    if gzip {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&content).expect("compressed");
        content = encoder.finish().expect("compressed");
    }
    let layer = put(&content);
    let config = put(br#"{"config":{"Env":["A=b"],"Entrypoint":["/bin/hello"],"Cmd":["there"],"WorkingDir":"/bin"}}"#);
    let manifest = format!(r#"{{"config":{{"digest":"sha256:{config}"}},"layers":[{{"digest":"sha256:{layer}"}}]}}"#);
    let manifest = put(manifest.as_bytes());
    let here = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    let index = format!(
        r#"{{"manifests":[{{"digest":"sha256:{}","platform":{{"architecture":"s390x","os":"linux"}}}},
            {{"digest":"sha256:{manifest}","platform":{{"architecture":"{here}","os":"linux"}}}}]}}"#,
        "0".repeat(64)
    );
    fs::write(folder.join("index.json"), index).expect("written");
    blobs.join(layer)
}

#[test]
fn an_image_is_a_layout_as_a_folder_or_a_tar_compressed_or_not() {
    for gzip in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let (image, cache) = (folder.path().join("image"), folder.path().join("cache"));
        fs::create_dir_all(&cache).expect("made");
        layout(&image, gzip);
        let unpacked = unpack(&Source::Image(image.clone()), &cache, MOST).expect("unpacked");
        assert_eq!(fs::read_to_string(unpacked.folder.join("bin/hello")).expect("there"), "x");
        assert!(unpacked.folder.join("proc").is_dir(), "what is mounted over is there");
        let config = unpacked.image.expect("an image");
        assert_eq!(config.program, Some(vec!["/bin/hello".to_owned()]));
        assert_eq!((config.env, config.working_dir), (Some(vec!["A=b".to_owned()]), Some("/bin".to_owned())));

        let mut builder = Builder::new(Vec::new());
        builder.append_dir_all(".", &image).expect("a tar");
        let tar = folder.path().join("image.tar");
        fs::write(&tar, builder.into_inner().expect("a tar")).expect("written");
        let from_tar = unpack(&Source::Image(tar), &cache, MOST).expect("unpacked");
        assert_eq!(from_tar.folder, unpacked.folder, "the same manifest");
    }
}

#[test]
fn what_docker_save_writes_is_an_image() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    fs::create_dir(&cache).expect("made");
    let layer = String::from_utf8(tarred(&[file("hello", "x")])).expect("zeros and text");
    let entries = [
        file("manifest.json", r#"[{"Config":"c.json","Layers":["l/layer.tar"]}]"#),
        file("c.json", r#"{"config":{"Cmd":["/hello"]}}"#),
        file("l/layer.tar", &layer),
    ];
    let tar = folder.path().join("saved.tar");
    fs::write(&tar, tarred(&entries)).expect("written");
    let unpacked = unpack(&Source::Image(tar), &cache, MOST).expect("unpacked");
    assert!(unpacked.folder.join("hello").is_file());
    assert_eq!(unpacked.image.expect("an image").cmd, Some(vec!["/hello".to_owned()]));
}

#[test]
fn an_image_that_is_not_what_its_digests_say_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (image, cache) = (folder.path().join("image"), folder.path().join("cache"));
    fs::create_dir_all(&cache).expect("made");
    let layer = layout(&image, false);
    fs::write(&layer, tarred(&[file("bin/hello", "y")])).expect("changed");
    let error = unpack(&Source::Image(image.clone()), &cache, MOST).expect_err("changed").to_string();
    assert!(error.contains("is not what its digest says"), "{error}");
    assert_eq!(fs::read_dir(&cache).expect("the cache").count(), 0);

    let index = r#"{"manifests":[{"digest":"sha256:../../../../etc/passwd"}]}"#;
    fs::write(image.join("index.json"), index).expect("written");
    let error = unpack(&Source::Image(image.clone()), &cache, MOST).expect_err("no digest").to_string();
    assert!(error.contains("is not a SHA-256 digest"), "{error}");
    fs::remove_file(image.join("index.json")).expect("removed");
    let error = unpack(&Source::Image(image), &cache, MOST).expect_err("no image").to_string();
    assert!(error.contains("it is no image"), "{error}");
}
