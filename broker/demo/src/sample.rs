//! The five sample functions with their inputs, as parts of the binary: the demo works from any
//! directory, with nothing but itself.

use std::path::Path;

use bytes::Bytes;

use crate::DemoError;

macro_rules! example {
    ($path:literal) => {
        include_bytes!(concat!("../../../examples/functions/", $path))
    };
}

/// A sample function.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Its name.
    pub name: &'static str,
    /// Whether running it twice does no harm. `wait` stands for a function that calls another service.
    pub idempotent: bool,
    /// Whose calls they are, for spend reports.
    pub team: &'static str,
    /// Its share of the load in percent.
    pub share_percent: u32,
    /// The file that a person may call it with.
    pub input: &'static str,
    module: &'static [u8],
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Thumbnail,
    Markdown,
    JsonTransform,
    Primes,
    Wait,
}

/// All of them. The shares make short calls the most frequent and keep two cores about half busy.
pub const SAMPLES: [Sample; 5] = [
    Sample {
        name: "thumbnail",
        idempotent: true,
        team: "photos",
        share_percent: 15,
        input: "input.jpg",
        module: example!("thumbnail/thumbnail.wasm"),
        kind: Kind::Thumbnail,
    },
    Sample {
        name: "markdown",
        idempotent: true,
        team: "docs",
        share_percent: 30,
        input: "input.md",
        module: example!("markdown/markdown.wasm"),
        kind: Kind::Markdown,
    },
    Sample {
        name: "json-transform",
        idempotent: true,
        team: "orders",
        share_percent: 25,
        input: "input.json",
        module: example!("json-transform/json-transform.wasm"),
        kind: Kind::JsonTransform,
    },
    Sample {
        name: "primes",
        idempotent: true,
        team: "research",
        share_percent: 15,
        input: "input.txt",
        module: example!("primes/primes.wasm"),
        kind: Kind::Primes,
    },
    Sample {
        name: "wait",
        idempotent: false,
        team: "orders",
        share_percent: 15,
        input: "input.txt",
        module: example!("wait/wait.wasm"),
        kind: Kind::Wait,
    },
];

const PHOTO: &[u8] = example!("thumbnail/input.jpg");
const DRAWING: &[u8] = example!("thumbnail/transparent.png");
const PAGES: [&[u8]; 2] = [example!("markdown/input.md"), example!("README.md")];
const ORDERS: &str = include_str!("../../../examples/functions/json-transform/input.json");
/// What the sample input asks for, and what the demo also asks for.
const STATUSES: [&str; 3] = ["paid", "open", "returned"];

/// A payload and its media type.
pub(crate) type Payload = (Bytes, &'static str);

impl Sample {
    /// The input at a place from 0 to 1 among all it is called with: images, pages and orders in turn,
    /// numbers from small to large.
    pub(crate) fn payload(&self, place: f64) -> Payload {
        match self.kind {
            Kind::Thumbnail if nth(place, 2) == 0 => (Bytes::from_static(PHOTO), "image/jpeg"),
            Kind::Thumbnail => (Bytes::from_static(DRAWING), "image/png"),
            Kind::Markdown => (Bytes::from_static(PAGES[nth(place, PAGES.len())]), "text/markdown"),
            Kind::JsonTransform => (orders(STATUSES[nth(place, STATUSES.len())]), "application/json"),
            Kind::Primes => (text(between(place, 5_000_000.0, 40_000_000.0)), "text/plain"),
            Kind::Wait => (text(between(place, 50.0, 250.0)), "text/plain"),
        }
    }
}

/// Which of `count` things a place from 0 to 1 falls to.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a few things"
)]
fn nth(place: f64, count: usize) -> usize {
    ((place * count as f64) as usize).min(count - 1)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two small positive numbers")]
fn between(place: f64, least: f64, most: f64) -> u64 {
    (least + place * (most - least)) as u64
}

fn text(number: u64) -> Bytes {
    number.to_string().into()
}

/// The sample orders, asked for those of another status.
fn orders(status: &str) -> Bytes {
    let asked = format!(r#""where": {{"status": "{status}"}}"#);
    ORDERS.replacen(r#""where": {"status": "paid"}"#, &asked, 1).into()
}

/// Writes modules and inputs under `folder`, as `merit sim` and `merit pool` want them.
///
/// # Errors
/// When a file can't be written.
pub(crate) fn write_all(folder: &Path) -> Result<(), DemoError> {
    for sample in &SAMPLES {
        let own = folder.join(sample.name);
        std::fs::create_dir_all(&own).map_err(DemoError::io(format!("making {}", own.display())))?;
        let input = match sample.kind {
            Kind::Thumbnail => Bytes::from_static(PHOTO),
            Kind::Markdown => Bytes::from_static(PAGES[0]),
            Kind::JsonTransform => Bytes::from_static(ORDERS.as_bytes()),
            Kind::Primes => text(20_000_000),
            Kind::Wait => text(50),
        };
        for (name, bytes) in [(format!("{}.wasm", sample.name), sample.module), (sample.input.to_owned(), &input)] {
            let path = own.join(name);
            std::fs::write(&path, bytes).map_err(DemoError::io(format!("writing {}", path.display())))?;
        }
    }
    Ok(())
}

/// The function an even draw from 0 to 99 falls to, by the shares.
pub(crate) fn drawn(percent: u32) -> usize {
    let mut upto = 0;
    let found = SAMPLES.iter().position(|sample| {
        upto += sample.share_percent;
        percent < upto
    });
    found.expect("invariant: the shares sum to a hundred")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_percent_falls_to_a_function_as_often_as_its_share_says() {
        for (index, sample) in SAMPLES.iter().enumerate() {
            let falls = (0..100).filter(|percent| drawn(*percent) == index).count();
            assert_eq!(u32::try_from(falls).unwrap(), sample.share_percent, "{}", sample.name);
        }
    }

    #[test]
    fn inputs_are_spread_over_all_there_are() {
        let payload = |sample: usize, place| SAMPLES[sample].payload(place);
        assert_eq!(
            [0.0, 0.49, 0.5, 0.99].map(|place| payload(0, place).1),
            ["image/jpeg", "image/jpeg", "image/png", "image/png"]
        );
        assert_eq!(payload(3, 0.0).0, "5000000");
        assert_eq!(payload(4, 0.5).0, "150");
        assert_eq!(payload(1, 1.0).0, PAGES[1]);
    }

    #[test]
    fn orders_are_asked_for_by_status() {
        for status in STATUSES {
            let asked = orders(status);
            let document: serde_json::Value = serde_json::from_slice(&asked).unwrap();
            assert_eq!(document["where"]["status"], status);
            assert!(document["records"].as_array().is_some_and(|records| records.len() > 100));
        }
    }

    #[test]
    fn modules_and_inputs_are_written_where_the_processes_look() {
        let folder = tempfile::tempdir().unwrap();
        write_all(folder.path()).unwrap();
        for sample in &SAMPLES {
            let module = std::fs::read(folder.path().join(sample.name).join(format!("{}.wasm", sample.name))).unwrap();
            assert!(module.starts_with(b"\0asm"), "{}", sample.name);
            assert!(folder.path().join(sample.name).join(sample.input).exists());
        }
    }
}
