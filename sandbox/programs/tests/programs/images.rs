//! Container images as roots: a program of a few lines of C without libraries, alone in its image.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use merit_programs::{Isolation, Limits, Program, Source};
use merit_units::Micros;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Bench, call, function};

/// What `docker save` writes of an image with this program, of two layers.
fn saved(folder: &TempDir) -> PathBuf {
    let program = folder.path().join("program");
    let source = function("runtime.c");
    let compiled = Command::new("cc").args(["-O2", "-static", "-o"]).arg(&program).arg(source).status();
    assert!(compiled.expect("a C compiler; run `make setup`").success());

    let mut lower = tar::Builder::new(Vec::new());
    lower.append_path_with_name(&program, "app/program").expect("appended");
    append(&mut lower, "app/hidden", b"x");
    let mut upper = tar::Builder::new(Vec::new());
    append(&mut upper, "app/.wh.hidden", b"");
    let mut image = tar::Builder::new(Vec::new());
    append(&mut image, "manifest.json", br#"[{"Config":"c.json","Layers":["1.tar","2.tar"]}]"#);
    let config = json!({ "config": { "Entrypoint": ["/app/program"], "WorkingDir": "/app", "Env": ["A=b"] } });
    append(&mut image, "c.json", config.to_string().as_bytes());
    append(&mut image, "1.tar", &lower.into_inner().expect("a layer"));
    append(&mut image, "2.tar", &upper.into_inner().expect("a layer"));
    let path = folder.path().join("image.tar");
    fs::write(&path, image.into_inner().expect("an image")).expect("written");
    path
}

fn append(tar: &mut tar::Builder<Vec<u8>>, path: &str, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(u64::try_from(content.len()).expect("small"));
    header.set_mode(0o644);
    header.set_cksum();
    tar.append_data(&mut header, path, content).expect("appended");
}

async fn runs(isolation: Isolation) {
    let bench = Bench::new();
    let folder = tempfile::tempdir().expect("a folder");
    let program = Program {
        isolation,
        limits: Limits { init_timeout: Micros::from_secs(60), ..Limits::default() },
        ..Program::new("image", Source::Image(saved(&folder)))
    };
    let instance = bench.start(program).await;
    for n in 0..3 {
        let payload = json!({ "n": n });
        let ran = call(&instance, payload.clone()).await;
        assert_eq!(
            ran.outcome.unwrap_or_else(|failure| panic!("call {n}: {failure}; log: {}", instance.log_tail())).body,
            payload.to_string()
        );
    }
    instance.stop().await;
    let unpacked = fs::read_dir(&bench.cache).expect("the cache").flatten().map(|entry| entry.path());
    let root = unpacked.filter(|path| path.to_string_lossy().contains("/image-")).collect::<Vec<_>>();
    assert_eq!(root.len(), 1);
    assert!(root[0].join("app/program").is_file() && !root[0].join("app/hidden").exists());
    assert!(!Path::new(&root[0]).join("usr").exists(), "nothing of the host is in it");
}

#[tokio::test]
async fn an_image_is_the_root_of_a_namespace() {
    runs(Isolation::Namespace).await;
}

#[tokio::test]
async fn an_image_is_the_root_in_gvisor() {
    runs(Isolation::Gvisor).await;
}
