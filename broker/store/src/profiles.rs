//! What was learned: usage profiles, and the month's meter totals. Both are the broker's bytes.

use merit_units::{DeploymentId, FunctionId, Month};
use rusqlite::OptionalExtension;

use crate::record::ProfileRow;
use crate::{Durable, Store, StoreError};

impl Store {
    /// Stores usage profiles over those of the same deployments.
    pub fn put_profiles(&self, profiles: Vec<ProfileRow>) -> Durable<()> {
        self.write(move |connection| {
            let mut put = connection
                .prepare_cached("INSERT OR REPLACE INTO profile (function, deployment, profile) VALUES (?1, ?2, ?3)")?;
            for ProfileRow { function, deployment, profile } in profiles {
                put.execute((function.as_str(), deployment.as_str(), profile))?;
            }
            Ok(())
        })
    }

    /// All usage profiles. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn profiles(&self) -> Result<Vec<ProfileRow>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT function, deployment, profile FROM profile")?;
            statement
                .query_and_then([], |row| {
                    Ok(ProfileRow {
                        function: FunctionId::try_new(&row.get::<_, String>(0)?)?,
                        deployment: DeploymentId::try_new(&row.get::<_, String>(1)?)?,
                        profile: row.get(2)?,
                    })
                })?
                .collect()
        })
    }

    /// Stores a month's meter totals.
    pub fn put_meter_totals(&self, month: Month, totals: Vec<u8>) -> Durable<()> {
        self.write(move |connection| {
            let mut put =
                connection.prepare_cached("INSERT OR REPLACE INTO meter_totals (month, totals) VALUES (?1, ?2)")?;
            put.execute((month.to_string(), totals))?;
            Ok(())
        })
    }

    /// A month's meter totals. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn meter_totals(&self, month: Month) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT totals FROM meter_totals WHERE month = ?1")?;
            Ok(statement.query_row([month.to_string()], |row| row.get(0)).optional()?)
        })
    }

    /// The meter totals of the last month before this one that has any. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn meter_totals_before(&self, month: Month) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT totals FROM meter_totals WHERE month < ?1 ORDER BY month DESC LIMIT 1")?;
            Ok(statement.query_row([month.to_string()], |row| row.get(0)).optional()?)
        })
    }
}
