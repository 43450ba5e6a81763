//! A profile as text, so that what was learned survives a restart.

use merit_units::{MemoryMb, Micros, Quantity};
use serde::{Deserialize, Serialize};

use super::latency::{BUCKETS, Latencies};
use super::ring::Ring;
use super::{Billed, Learned, UsageProfile, WINDOW};
use crate::meter::{MAX_LINES, Meter, Metered, Meters};
use crate::size::{Architecture, Share, Size};

/// Why a stored profile was refused. Starting with an empty one loses what was learned and nothing else.
#[derive(Debug, thiserror::Error)]
#[error("the stored usage profile is damaged: {0}; delete it to learn anew")]
pub struct ProfileError(String);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    samples: u64,
    weight: u32,
    shape: u64,
    memory_mb: u32,
    vcpu_milli: Option<u32>,
    ephemeral_mb: u32,
    architecture: String,
    concurrency: u16,
    /// Meter and quanta; the quanta as text, because JSON numbers end at 2^53.
    mean: Vec<(String, String)>,
    /// As `mean`, by the provider's bill, and the latency in microseconds that half of the calls stayed under then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    billed: Option<(Vec<(String, String)>, u64)>,
    /// Bucket and count of those that are not zero.
    latency: Vec<(u8, u8)>,
    usages: Vec<[u32; 5]>,
    /// The share of its instance that each of them had, in billionths; none when each was alone there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    shares: Vec<u32>,
}

impl UsageProfile {
    /// The profile as JSON; `None` when nothing was learned.
    #[must_use]
    pub fn to_json(&self) -> Option<String> {
        let learned = self.learned.as_deref()?;
        let (usages, shares): (_, Vec<u32>) = learned.usages.iter_packed().unzip();
        let record = Record {
            samples: learned.samples,
            weight: learned.weight,
            shape: learned.shape,
            memory_mb: learned.size.memory.megabytes(),
            vcpu_milli: learned.size.vcpu_milli,
            ephemeral_mb: learned.size.ephemeral.megabytes(),
            architecture: learned.size.architecture.to_string(),
            concurrency: learned.size.concurrency,
            mean: write_mean(&learned.mean),
            billed: learned.billed.as_ref().map(|billed| (write_mean(&billed.mean), billed.latency_p50.get())),
            latency: (0..).zip(learned.latency.counts()).filter(|(_, n)| **n > 0).map(|(at, n)| (at, *n)).collect(),
            usages,
            shares: if shares.iter().all(|share| *share == Share::PER_WHOLE) { Vec::new() } else { shares },
        };
        Some(serde_json::to_string(&record).expect("invariant: a record has string keys only"))
    }

    /// A profile that [`UsageProfile::to_json`] wrote.
    ///
    /// # Errors
    /// [`ProfileError`] when the text is not one.
    pub fn from_json(text: &str) -> Result<Self, ProfileError> {
        let record: Record = serde_json::from_str(text).map_err(refuse)?;
        let mean = read_mean(&record.mean)?;
        let billed = match record.billed {
            None => None,
            Some((mean, micros)) => Some(Billed { mean: read_mean(&mean)?, latency_p50: Micros::new(micros) }),
        };
        // Read by the lines of the mean; one of others would be of another sheet.
        let billed = billed.filter(|billed| billed.mean.meters == mean.meters).map(Box::new);
        let mut counts = [0; BUCKETS];
        for (bucket, count) in record.latency {
            *counts.get_mut(usize::from(bucket)).ok_or_else(|| refuse("a latency bucket that is not there"))? = count;
        }
        let mut usages = Ring::default();
        let shares = record.shares.into_iter().chain(std::iter::repeat(Share::PER_WHOLE));
        record.usages.into_iter().zip(shares).for_each(|packed| usages.push_packed(packed));
        let memory = |megabytes: u32| MemoryMb::try_new(u64::from(megabytes)).map_err(refuse);
        let size = Size {
            memory: memory(record.memory_mb)?,
            vcpu_milli: record.vcpu_milli,
            ephemeral: memory(record.ephemeral_mb)?,
            architecture: record.architecture.parse::<Architecture>().map_err(refuse)?,
            concurrency: record.concurrency,
        };
        let learned = Learned {
            samples: record.samples,
            weight: record.weight.min(WINDOW),
            shape: record.shape,
            size,
            mean,
            billed,
            latency: Latencies::from_counts(counts),
            usages,
        };
        Ok(Self { learned: Some(Box::new(learned)) })
    }
}

fn refuse(problem: impl std::fmt::Display) -> ProfileError {
    ProfileError(problem.to_string())
}

fn write_mean(mean: &Metered) -> Vec<(String, String)> {
    mean.iter().map(|(meter, mean)| (meter.to_string(), mean.quanta().to_string())).collect()
}

fn read_mean(mean: &[(String, String)]) -> Result<Metered, ProfileError> {
    if mean.len() > MAX_LINES {
        return Err(refuse("too many meters"));
    }
    let meters: Result<Vec<Meter>, _> = mean.iter().map(|(meter, _)| meter.parse::<Meter>()).collect();
    let mut quantities = [Quantity::ZERO; MAX_LINES];
    for (quantity, (_, quanta)) in quantities.iter_mut().zip(mean) {
        *quantity = Quantity::from_quanta(quanta.parse().map_err(refuse)?);
    }
    Ok(Metered { quantities, meters: Meters::new(meters.map_err(refuse)?) })
}
