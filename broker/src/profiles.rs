//! What was learned and what was used this month, kept across a restart.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use merit_pricing::UsageProfile;
use merit_store::StoreError;
use merit_store::record::ProfileRow;
use merit_units::{DeploymentId, FunctionId, Month, Timestamp};

use crate::Broker;
use crate::clock::month_of;
use crate::prices::AccountPools;

impl Broker {
    /// Stores every usage profile and the month's usage. Answers when they are on disk.
    ///
    /// # Errors
    /// When the store can't write.
    pub async fn store_learned(&self) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        for function in self.functions.all() {
            for deployment in function.places() {
                let Some(profile) = deployment.profile().to_json() else { continue };
                rows.push(ProfileRow {
                    function: function.id.clone(),
                    deployment: deployment.id.clone(),
                    profile: profile.into_bytes(),
                });
            }
        }
        self.store.put_profiles(rows).await?;
        self.store_providers().await?;
        self.store_usage().await
    }

    /// Stores the month's usage. Answers when it is on disk.
    ///
    /// # Errors
    /// When the store can't write.
    pub async fn store_usage(&self) -> Result<(), StoreError> {
        let (month, pools) = self.usage.snapshot();
        self.store.put_meter_totals(month, encode(&pools)).await
    }

    /// Gives deployments back what was learned of them. Reads the disk.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn restore_profiles(&self, now: Timestamp) -> Result<(), StoreError> {
        for row in self.store.profiles()? {
            let Some(function) = self.functions.find(row.function.as_str()) else { continue };
            let deployment = function.deployments.iter().find(|deployment| deployment.id == row.deployment);
            let Ok(text) = std::str::from_utf8(&row.profile) else { continue };
            let Some(deployment) = deployment else {
                self.keep_for_offer(row.function, row.deployment, text);
                continue;
            };
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

/// What was learned of deployments that providers offered before a restart, and may offer again.
impl Broker {
    /// Keeps a profile whose deployment is named as a provider's offers are.
    fn keep_for_offer(&self, function: FunctionId, deployment: DeploymentId, text: &str) {
        let directory = self.directory.load();
        let mut venues = directory.venues.values().filter(|venue| venue.provider.is_some());
        let offered = venues.any(|venue| {
            let rest = deployment.as_str().strip_prefix(venue.id.as_str());
            rest.is_some_and(|rest| rest.starts_with('.'))
        });
        if let (true, Ok(profile)) = (offered, UsageProfile::from_json(text)) {
            self.learned_before().insert((function, deployment), profile);
        }
    }

    /// Hands out what was learned of a deployment that is offered for the first time since the start.
    pub(crate) fn take_learned(&self, function: &FunctionId, deployment: &DeploymentId) -> Option<UsageProfile> {
        let mut kept = self.learned_before();
        if kept.is_empty() { None } else { kept.remove(&(function.clone(), deployment.clone())) }
    }

    fn learned_before(&self) -> MutexGuard<'_, BTreeMap<(FunctionId, DeploymentId), UsageProfile>> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The month's usage as it was stored; where the store has none of this month, as `seeded`, with what lasts longer than
/// a month as it was when the last one was stored.
///
/// # Errors
/// When the store can't be read.
pub fn stored_usage(
    store: &merit_store::Store,
    now: Timestamp,
    seeded: impl FnOnce() -> AccountPools,
) -> Result<(Month, AccountPools), StoreError> {
    let month = month_of(now);
    if let Some(totals) = store.meter_totals(month)? {
        return Ok((month, decode(&totals)));
    }
    let (mut accounts, former) = (seeded(), store.meter_totals_before(month)?);
    for (account, pools) in former.iter().flat_map(|totals| decode(totals)) {
        let lasting = pools.turned();
        let seeded = accounts.entry(account).or_default();
        *seeded = seeded.iter().chain(lasting.iter()).collect();
    }
    Ok((month, accounts))
}

/// A line per pool: its name, its quanta and, where it has a name, its account, with tabs between them.
fn encode(accounts: &AccountPools) -> Vec<u8> {
    use std::fmt::Write as _;
    let mut text = String::new();
    for (account, pools) in accounts {
        let account = if account.is_empty() { String::new() } else { format!("\t{account}") };
        for (pool, used) in pools.iter() {
            writeln!(text, "{pool}\t{used}{account}").expect("invariant: writing to a string succeeds");
        }
    }
    text.into_bytes()
}

fn decode(totals: &[u8]) -> AccountPools {
    let text = String::from_utf8_lossy(totals);
    let mut accounts: BTreeMap<Box<str>, Vec<(String, u128)>> = BTreeMap::new();
    for line in text.lines() {
        let mut parts = line.split('\t');
        let (Some(pool), Some(used), account) = (parts.next(), parts.next(), parts.next()) else { continue };
        let Ok(used) = used.parse() else { continue };
        accounts.entry(account.unwrap_or_default().into()).or_default().push((pool.to_owned(), used));
    }
    accounts.into_iter().map(|(account, pools)| (account, pools.into_iter().collect())).collect()
}

#[cfg(test)]
mod tests {
    use merit_pricing::Pools;

    use super::*;

    #[test]
    fn what_lasts_longer_than_a_month_outlives_a_stop_over_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let november = crate::testing::START;
        let (store, _) = merit_store::Store::open(folder.path(), november).unwrap();
        let pools: Pools = [("tier:gb_second", 7_u128), ("lasting:adjustment:plan", 9)].into_iter().collect();
        let stored = AccountPools::from([("payer".into(), pools)]);
        store.put_meter_totals(month_of(november), encode(&stored)).wait().unwrap();
        let seeded = || {
            let used: Pools = [("tier:gb_second", 1_u128)].into_iter().collect();
            AccountPools::from([("".into(), used)])
        };
        assert_eq!(stored_usage(&store, november, seeded).unwrap().1, stored);
        let january = november + merit_units::Micros::from_secs(50 * 86_400);
        let (month, accounts) = stored_usage(&store, january, seeded).unwrap();
        assert_eq!(month.to_string(), "2027-01");
        let lasting: Pools = [("lasting:adjustment:plan", 9_u128)].into_iter().collect();
        assert_eq!(accounts, AccountPools::from([("payer".into(), lasting), seeded().pop_first().unwrap()]));
    }

    #[test]
    fn usage_is_read_back_as_stored() {
        let pools: Pools = [("aws-lambda gb_second", 7_u128), ("x y", u128::MAX)].into_iter().collect();
        let other: Pools = [("aws-lambda gb_second", 8_u128)].into_iter().collect();
        let accounts = AccountPools::from([("".into(), pools), ("123456789012".into(), other)]);
        assert_eq!(decode(&encode(&accounts)), accounts);
        assert_eq!(decode(b"broken\nx\tmany"), AccountPools::new());
    }
}
