//! The sample functions: the committed modules do their work, and modules rebuilt from the
//! sources behave the same, byte for byte.

use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use merit_sandbox::{Function, GuestError, Limits, Run, Sandbox, SandboxConfig};
use merit_units::Micros;

const FUNCTIONS: [&str; 5] = ["json-transform", "markdown", "primes", "thumbnail", "wait"];

/// Every sample input, by function.
const INPUTS: [(&str, &str); 6] = [
    ("json-transform", "input.json"),
    ("markdown", "input.md"),
    ("primes", "input.txt"),
    ("thumbnail", "input.jpg"),
    ("thumbnail", "transparent.png"),
    ("wait", "input.txt"),
];

/// Payloads no function accepts as they are, except `markdown`, for which any text will do.
const BAD_INPUTS: [&[u8]; 5] = [b"", b"\xff\xd8\xff\xe0 not an image", b"{\"records\": 7}", b"-1", b"\x80"];

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/functions")
}

fn input(function: &str, file: &str) -> Bytes {
    std::fs::read(examples().join(function).join(file)).expect("a sample input").into()
}

/// A function under test, compiled once.
struct Sample {
    sandbox: Sandbox,
    function: Function,
}

impl Sample {
    fn of(module: &Path) -> Self {
        let config = SandboxConfig { slots: 4, workers: 2, ..SandboxConfig::default() };
        let sandbox = Sandbox::try_new(config).expect("a sandbox");
        let wasm = std::fs::read(module).expect("a built module");
        let function = sandbox.load(&"sample".parse().expect("a name"), &wasm).expect("loads");
        Self { sandbox, function }
    }

    fn committed(function: &str) -> Self {
        Self::of(&examples().join(function).join(format!("{function}.wasm")))
    }

    async fn run(&self, payload: impl Into<Bytes>) -> Run {
        self.sandbox.run(&self.function, payload.into(), Limits::default()).await.expect("a free slot")
    }

    async fn reply(&self, payload: impl Into<Bytes>) -> Bytes {
        self.run(payload).await.outcome.expect("the function succeeds")
    }

    async fn refusal(&self, payload: &'static [u8]) -> String {
        match self.run(payload).await.outcome {
            Err(GuestError::Exit { code: 1, message }) => message,
            other => panic!("accepted {payload:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn markdown_renders_html() {
    let markdown = Sample::committed("markdown");
    let html = markdown.reply(input("markdown", "input.md")).await;
    assert_eq!(html, input("markdown", "expected.html"));
    assert_eq!(markdown.reply("*a* & b").await.as_ref(), b"<p><em>a</em> &amp; b</p>\n");
    assert!(markdown.refusal(b"\xff").await.contains("not UTF-8"));
}

#[tokio::test]
async fn json_transform_filters_groups_and_adds() {
    let transform = Sample::committed("json-transform");
    let groups = transform.reply(input("json-transform", "input.json")).await;
    assert_eq!(groups, input("json-transform", "expected.json"));
    let mixed = r#"{"group_by":["a"],"sum":["n.x"],"records":[{"a":1,"n":{"x":2}},{"a":1,"n":{"x":0.5}},{"a":"z","n":{"x":-4}}]}"#;
    assert_eq!(
        transform.reply(mixed).await.as_ref(),
        b"[{\"a\":\"z\",\"count\":1,\"sum.n.x\":-4},{\"a\":1,\"count\":2,\"sum.n.x\":2.5}]\n"
    );
    assert!(transform.refusal(b"[1,").await.contains("not JSON"));
    assert!(transform.refusal(b"{\"records\":{}}").await.contains("`records` must be an array"));
    let missing = transform.refusal(b"{\"sum\":[\"n\"],\"records\":[{\"n\":1},{}]}").await;
    assert!(missing.contains("record 1: `n` is null"), "{missing}");
}

#[tokio::test]
async fn primes_counts_them_and_burns_cpu() {
    let primes = Sample::committed("primes");
    for (limit, count) in [(0, 0), (2, 1), (100, 25), (65_538, 6_543), (65_539, 6_544), (10_000_000, 664_579)] {
        let counted = primes.reply(limit.to_string()).await;
        assert_eq!(counted, format!("{{\"limit\":{limit},\"primes\":{count}}}\n"));
    }
    let run = primes.run("200000000").await;
    assert_eq!(run.outcome.expect("succeeds").as_ref(), b"{\"limit\":200000000,\"primes\":11078937}\n");
    assert!(run.usage.cpu > Micros::from_millis(20), "{}", run.usage.cpu);
    assert!(primes.refusal(b"12x").await.contains("not a whole number"));
    assert!(primes.refusal(b"99999999999999999999999").await.contains("over 10000000000"));
}

#[tokio::test]
async fn wait_waits_without_cpu() {
    let wait = Sample::committed("wait");
    let run = wait.run("120").await;
    assert_eq!(run.outcome.expect("succeeds").as_ref(), b"{\"waited_ms\":120}\n");
    assert!(run.usage.wall >= Micros::from_millis(120), "{}", run.usage.wall);
    assert!(run.usage.cpu < Micros::from_millis(30), "{}", run.usage.cpu);
    assert!(wait.refusal(b"soon").await.contains("not a whole number"));
}

/// An image in RGB.
struct Image {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Image {
    fn decode(jpeg: &[u8]) -> Self {
        let mut decoder = jpeg_decoder::Decoder::new(jpeg);
        let pixels = decoder.decode().expect("a JPEG");
        let info = decoder.info().expect("decoded");
        assert_eq!(info.pixel_format, jpeg_decoder::PixelFormat::RGB24);
        Self { width: info.width.into(), height: info.height.into(), pixels }
    }

    /// The mean colour of one cell of a grid laid over the image.
    fn mean(&self, (column, row): (usize, usize), grid: usize) -> [u64; 3] {
        let (xs, ys) = (cells(self.width, column, grid), cells(self.height, row, grid));
        let count = (xs.len() * ys.len()) as u64;
        let mut sum = [0; 3];
        for (x, y) in ys.flat_map(|y| xs.clone().map(move |x| (x, y))) {
            for (channel, sum) in sum.iter_mut().enumerate() {
                *sum += u64::from(self.pixels[(y * self.width + x) * 3 + channel]);
            }
        }
        sum.map(|sum| sum / count)
    }
}

/// The pixels along a side that fall into one cell of a grid.
fn cells(side: usize, index: usize, grid: usize) -> std::ops::Range<usize> {
    side * index / grid..side * (index + 1) / grid
}

#[tokio::test]
async fn thumbnail_is_the_same_picture_but_smaller() {
    let thumbnailer = Sample::committed("thumbnail");
    let original = input("thumbnail", "input.jpg");
    let thumbnail = thumbnailer.reply(original.clone()).await;
    assert!(thumbnail.len() < original.len() / 5, "{} bytes", thumbnail.len());
    let (original, thumbnail) = (Image::decode(&original), Image::decode(&thumbnail));
    assert_eq!((original.width, original.height), (1200, 800));
    assert_eq!((thumbnail.width, thumbnail.height), (256, 171));
    const GRID: usize = 16;
    for cell in (0..GRID * GRID).map(|index| (index % GRID, index / GRID)) {
        let (wanted, got) = (original.mean(cell, GRID), thumbnail.mean(cell, GRID));
        let worst = wanted.iter().zip(got).map(|(wanted, got)| wanted.abs_diff(got)).max();
        assert!(worst < Some(16), "cell {cell:?}: {wanted:?} became {got:?}");
    }
}

#[tokio::test]
async fn thumbnail_reads_png_and_lays_transparent_parts_over_white() {
    let thumbnailer = Sample::committed("thumbnail");
    let thumbnail = Image::decode(&thumbnailer.reply(input("thumbnail", "transparent.png")).await);
    assert_eq!((thumbnail.width, thumbnail.height), (256, 128));
    let near = |cell, wanted: [u64; 3]| {
        let got = thumbnail.mean(cell, 16);
        assert!(got.iter().zip(wanted).all(|(got, wanted)| got.abs_diff(wanted) < 12), "{got:?}, not {wanted:?}");
    };
    near((0, 0), [255, 255, 255]);
    near((4, 8), [200, 40, 40]);
    near((12, 8), [147, 167, 227]);
    assert!(thumbnailer.refusal(b"GIF89a").await.contains("not a JPEG or PNG"));
    assert!(thumbnailer.refusal(b"\x89PNG\r\n\x1a\n").await.contains("not a JPEG or PNG"));
}

#[tokio::test]
async fn thumbnail_survives_damaged_images() {
    let thumbnailer = Sample::committed("thumbnail");
    let mut image = input("thumbnail", "input.jpg").to_vec();
    let length = image.len();
    for offset in (2..length).step_by(length / 40) {
        image[offset] ^= 0x55;
        let run = thumbnailer.run(image.clone()).await;
        let acceptable = matches!(run.outcome, Ok(_) | Err(GuestError::Exit { code: 1, .. } | GuestError::Trap { .. }));
        assert!(acceptable, "flipped {offset}: {:?}", run.outcome);
        image[offset] ^= 0x55;
    }
}

/// Rebuilds all functions; a machine without the compilers fails with the message that names the packages.
fn rebuild(directory: &Path) {
    let script = examples().join("build.sh");
    let built = Command::new("sh").arg(&script).arg(directory).output().expect("a shell");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "failed to rebuild the sample functions: {said}");
}

#[tokio::test]
async fn rebuilt_modules_behave_as_the_committed_ones() {
    let directory = tempfile::tempdir().expect("a directory");
    rebuild(directory.path());
    for function in FUNCTIONS {
        let committed = Sample::committed(function);
        let rebuilt = Sample::of(&directory.path().join(format!("{function}.wasm")));
        let good = INPUTS.iter().filter(|(of, _)| *of == function).map(|(_, file)| input(function, file));
        let bad = BAD_INPUTS.iter().map(|bytes| Bytes::from_static(bytes));
        for payload in good.chain(bad) {
            let (expected, got) = (committed.run(payload.clone()).await, rebuilt.run(payload.clone()).await);
            assert_eq!(got.outcome, expected.outcome, "{function} on {payload:?}");
            assert_eq!(got.log_tail, expected.log_tail, "{function} on {payload:?}");
        }
    }
}
