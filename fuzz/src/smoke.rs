//! A fuzz target without a fuzzer: its seeds and a few thousand mutations of them, the same each time.
//!
//! No coverage guides this; it catches what breaks at once. The search itself is `make fuzz`. The crates whose
//! formats are read take this file and the targets into their tests.

/// Of each target, so that the slowest takes a few seconds.
const MUTATIONS: u64 = 3_000;
/// What a mutation may put in: what separates fields in the formats that are read.
const MARKS: &[&[u8]] =
    &[b":", b"/", b"\n", b"\t", b"%", b"$", b"=", b"&", b";", b",", b"\"", b"0", b"\xff", b"  ", b"{}"];

/// Runs a target on its seeds, and on mutations of them.
pub(crate) fn smoke(run: fn(&[u8]), seeds: &[Vec<u8>]) {
    seeds.iter().for_each(|seed| run(seed));
    for number in 0..MUTATIONS {
        let mut rng = fastrand::Rng::with_seed(number);
        let data = mutated(&seeds[rng.usize(..seeds.len())], &mut rng);
        let ran = std::panic::catch_unwind(|| run(&data));
        assert!(ran.is_ok(), "mutation {number}: {:?}", String::from_utf8_lossy(&data));
    }
}

/// A seed, changed at a few places.
fn mutated(seed: &[u8], rng: &mut fastrand::Rng) -> Vec<u8> {
    let mut data = seed.to_vec();
    for _ in 0..rng.u32(1..6) {
        let at = rng.usize(..=data.len());
        match rng.u32(..5) {
            0 => data.truncate(at),
            1 => drop(data.splice(at..at, MARKS[rng.usize(..MARKS.len())].iter().copied())),
            2 if at < data.len() => data[at] = rng.u8(..),
            3 if at < data.len() => drop(data.drain(at..data.len().min(at + rng.usize(1..9)))),
            _ => {
                let from = rng.usize(..=data.len());
                let piece = data[from..data.len().min(from + 16)].to_vec();
                data.splice(at..at, piece);
            }
        }
    }
    data
}
