//! What was learned and what was used this month, kept across a restart.

use merit_pricing::{Pools, UsageProfile};
use merit_store::StoreError;
use merit_store::record::ProfileRow;
use merit_units::{Month, Timestamp};

use crate::Broker;
use crate::clock::month_of;

impl Broker {
    /// Stores every usage profile and the month's usage. Answers when they are on disk.
    ///
    /// # Errors
    /// When the store can't write.
    pub async fn store_learned(&self) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        for function in self.functions.all() {
            for deployment in &function.deployments {
                let Some(profile) = deployment.profile().to_json() else { continue };
                rows.push(ProfileRow {
                    function: function.id.clone(),
                    deployment: deployment.id.clone(),
                    profile: profile.into_bytes(),
                });
            }
        }
        self.store.put_profiles(rows).await?;
        let (month, pools) = self.usage.snapshot();
        self.store.put_meter_totals(month, encode(&pools)).await
    }

    /// Gives deployments back what was learned of them. Reads the disk.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn restore_profiles(&self, now: Timestamp) -> Result<(), StoreError> {
        for row in self.store.profiles()? {
            let Ok(function) = self.functions.get(row.function.as_str()) else { continue };
            let deployment = function.deployments.iter().find(|deployment| deployment.id == row.deployment);
            let (Some(deployment), Ok(text)) = (deployment, std::str::from_utf8(&row.profile)) else { continue };
            match UsageProfile::from_json(text) {
                Ok(profile) => deployment.restore(profile),
                Err(error) => {
                    tracing::warn!(function = %function.id, deployment = %deployment.id, %error, "learns anew")
                }
            }
        }
        for function in self.functions.all() {
            function.rebuild(self, now);
        }
        Ok(())
    }
}

/// The month's usage as it was stored.
///
/// # Errors
/// When the store can't be read.
pub fn stored_usage(store: &merit_store::Store, now: Timestamp) -> Result<(Month, Option<Pools>), StoreError> {
    let month = month_of(now);
    let totals = store.meter_totals(month)?;
    Ok((month, totals.map(|totals| decode(&totals))))
}

/// A line per pool: its name, a tab, its quanta.
fn encode(pools: &Pools) -> Vec<u8> {
    use std::fmt::Write as _;
    let mut text = String::new();
    for (pool, used) in pools.iter() {
        writeln!(text, "{pool}\t{used}").expect("invariant: writing to a string succeeds");
    }
    text.into_bytes()
}

fn decode(totals: &[u8]) -> Pools {
    let text = String::from_utf8_lossy(totals);
    let lines = text.lines().filter_map(|line| {
        let (pool, used) = line.split_once('\t')?;
        Some((pool.to_owned(), used.parse().ok()?))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_back_as_stored() {
        let pools: Pools = [("aws-lambda gb_second", 7_u128), ("x y", u128::MAX)].into_iter().collect();
        assert_eq!(decode(&encode(&pools)), pools);
        assert_eq!(decode(b"broken"), Pools::new());
    }
}
