//! Proofs that deployments are equal, sample calls, and deployments whose replies differed.
//!
//! They are kept by name, also for functions of the configuration, which no table has. Deleting a function or a
//! deployment that was put through the API deletes what is kept of it here.

use merit_units::{DeploymentId, FunctionId, InvocationId, Timestamp};
use rusqlite::{Connection, Row};

use crate::receipts::id_bytes;
use crate::record::{DivergenceRow, ProofKind, ProofRow, QuarantineRow, SampleRow};
use crate::{Durable, Store, StoreError};

impl Store {
    /// Stores proofs over those there are of their kind.
    pub fn put_proofs(&self, rows: Vec<ProofRow>) -> Durable<()> {
        self.write(move |connection| {
            let mut put = connection.prepare_cached(
                "INSERT OR REPLACE INTO proof (function, deployment, how, by, at, venue, target, digest, samples)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?;
            for row in rows {
                let ProofRow { function, deployment, kind, by, at, venue, target, digest, samples } = row;
                let (function, deployment) = (function.as_str(), deployment.as_str());
                put.execute((function, deployment, kind.code(), by, at.micros(), venue, target, digest, samples))?;
            }
            Ok(())
        })
    }

    /// Takes proofs back. Whether there was any.
    pub fn delete_proof(&self, function: &FunctionId, deployment: &DeploymentId, kind: ProofKind) -> Durable<bool> {
        let (function, deployment) = (function.clone(), deployment.clone());
        self.write(move |connection| {
            let delete = "DELETE FROM proof WHERE function = ?1 AND deployment = ?2 AND how = ?3";
            Ok(connection.execute(delete, (function.as_str(), deployment.as_str(), kind.code()))? > 0)
        })
    }

    /// Every proof. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn proofs(&self) -> Result<Vec<ProofRow>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT function, deployment, how, by, at, venue, target, digest, samples FROM proof",
            )?;
            statement.query_and_then([], proof)?.collect()
        })
    }

    /// Stores a sample, unless the function has `max` already: `None` then, and its number otherwise.
    pub fn put_sample(&self, row: SampleRow, max: usize) -> Durable<Option<u32>> {
        self.write(move |connection| {
            let SampleRow { function, at, by, deployment, content_type, payload, reply, error, .. } = row;
            let (count, last): (usize, u32) = connection
                .prepare_cached("SELECT COUNT(*), COALESCE(MAX(number), 0) FROM sample WHERE function = ?1")?
                .query_row([function.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
            if count >= max {
                return Ok(None);
            }
            let deployment = deployment.as_ref().map(DeploymentId::as_str);
            connection
                .prepare_cached(
                    "INSERT INTO sample (function, number, at, by, deployment, content_type, payload, reply, error)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                )?
                .execute((
                    function.as_str(),
                    last + 1,
                    at.micros(),
                    by,
                    deployment,
                    content_type,
                    payload,
                    reply,
                    error,
                ))?;
            Ok(Some(last + 1))
        })
    }

    /// Deletes one sample of a function, or all of them. How many were.
    pub fn delete_samples(&self, function: &FunctionId, number: Option<u32>) -> Durable<usize> {
        let function = function.clone();
        self.write(move |connection| {
            let delete = "DELETE FROM sample WHERE function = ?1 AND (?2 IS NULL OR number = ?2)";
            Ok(connection.execute(delete, (function.as_str(), number))?)
        })
    }

    /// A function's samples in order of number. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn samples(&self, function: &FunctionId) -> Result<Vec<SampleRow>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT function, number, at, by, deployment, content_type, payload, reply, error FROM sample
                 WHERE function = ?1 ORDER BY number",
            )?;
            statement.query_and_then([function.as_str()], sample)?.collect()
        })
    }

    /// Stores a reply that differed, and at most `kept` of a deployment: the first stay, and the newest takes the
    /// place of the one before it.
    pub fn put_divergence(&self, row: DivergenceRow, kept: u32) -> Durable<()> {
        self.write(move |connection| {
            let names = (row.function.as_str(), row.deployment.as_str());
            let last: u32 = connection
                .prepare_cached(
                    "SELECT COALESCE(MAX(number), 0) FROM divergence WHERE function = ?1 AND deployment = ?2",
                )?
                .query_row(names, |row| row.get(0))?;
            let number = (last + 1).min(kept.max(1));
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO divergence (function, deployment, number, at, invocation, shadow, other,
                        difference, payload, given, reply)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                )?
                .execute((
                    names.0,
                    names.1,
                    number,
                    row.at.micros(),
                    id_bytes(row.invocation),
                    id_bytes(row.shadow),
                    row.other.as_str(),
                    row.difference,
                    row.payload,
                    row.given,
                    row.reply,
                ))?;
            Ok(())
        })
    }

    /// How many replies that differed are kept of each deployment. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn divergence_counts(&self) -> Result<Vec<(FunctionId, DeploymentId, u32)>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT function, deployment, COUNT(*) FROM divergence GROUP BY function, deployment",
            )?;
            let rows = statement.query_and_then([], |row| Ok((function(row)?, deployment(row, 1)?, row.get(2)?)))?;
            rows.collect()
        })
    }

    /// A deployment's replies that differed, oldest first. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn divergences(
        &self,
        function: &FunctionId,
        deployment: &DeploymentId,
    ) -> Result<Vec<DivergenceRow>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT function, deployment, number, at, invocation, shadow, other, difference, payload, given, reply
                 FROM divergence WHERE function = ?1 AND deployment = ?2 ORDER BY number",
            )?;
            statement.query_and_then((function.as_str(), deployment.as_str()), divergence)?.collect()
        })
    }

    /// Puts a deployment in quarantine; one that is there stays as it is.
    pub fn put_quarantine(&self, row: QuarantineRow) -> Durable<()> {
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "INSERT OR IGNORE INTO quarantine (function, deployment, at, why) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute((row.function.as_str(), row.deployment.as_str(), row.at.micros(), row.why))?;
            Ok(())
        })
    }

    /// Lifts a quarantine and forgets the replies that led to it. Whether there was one.
    pub fn lift_quarantine(&self, function: &FunctionId, deployment: &DeploymentId) -> Durable<bool> {
        let (function, deployment) = (function.clone(), deployment.clone());
        self.write(move |connection| {
            let names = (function.as_str(), deployment.as_str());
            connection.execute("DELETE FROM divergence WHERE function = ?1 AND deployment = ?2", names)?;
            Ok(connection.execute("DELETE FROM quarantine WHERE function = ?1 AND deployment = ?2", names)? > 0)
        })
    }

    /// Every deployment in quarantine, in order of name. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn quarantines(&self) -> Result<Vec<QuarantineRow>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT function, deployment, at, why FROM quarantine")?;
            let rows = statement.query_and_then([], |row| {
                let at = Timestamp::from_micros(row.get(2)?);
                Ok(QuarantineRow { function: function(row)?, deployment: deployment(row, 1)?, at, why: row.get(3)? })
            })?;
            rows.collect()
        })
    }
}

/// Forgets all about a deployment, or about all of a function with its samples.
pub(crate) fn forget(connection: &Connection, function: &str, deployment: Option<&str>) -> Result<(), StoreError> {
    for table in ["proof", "quarantine", "divergence"] {
        let delete = format!("DELETE FROM {table} WHERE function = ?1 AND (?2 IS NULL OR deployment = ?2)");
        connection.prepare_cached(&delete)?.execute((function, deployment))?;
    }
    if deployment.is_none() {
        connection.execute("DELETE FROM sample WHERE function = ?1", [function])?;
    }
    Ok(())
}

fn function(row: &Row<'_>) -> Result<FunctionId, StoreError> {
    Ok(FunctionId::try_new(&row.get::<_, String>(0)?)?)
}

fn deployment(row: &Row<'_>, column: usize) -> Result<DeploymentId, StoreError> {
    Ok(DeploymentId::try_new(&row.get::<_, String>(column)?)?)
}

fn proof(row: &Row<'_>) -> Result<ProofRow, StoreError> {
    let unknown = || StoreError::Unreadable { what: "proof", detail: "its kind is unknown".to_owned() };
    Ok(ProofRow {
        function: function(row)?,
        deployment: deployment(row, 1)?,
        kind: ProofKind::from_code(row.get(2)?).ok_or_else(unknown)?,
        by: row.get(3)?,
        at: Timestamp::from_micros(row.get(4)?),
        venue: row.get(5)?,
        target: row.get(6)?,
        digest: row.get(7)?,
        samples: row.get(8)?,
    })
}

fn sample(row: &Row<'_>) -> Result<SampleRow, StoreError> {
    let deployment = row.get::<_, Option<String>>(4)?.map(|name| DeploymentId::try_new(&name)).transpose()?;
    Ok(SampleRow {
        function: function(row)?,
        number: row.get(1)?,
        at: Timestamp::from_micros(row.get(2)?),
        by: row.get(3)?,
        deployment,
        content_type: row.get(5)?,
        payload: row.get(6)?,
        reply: row.get(7)?,
        error: row.get(8)?,
    })
}

fn divergence(row: &Row<'_>) -> Result<DivergenceRow, StoreError> {
    let id = |column: usize| row.get(column).map(|bytes| InvocationId::from_bits(u128::from_be_bytes(bytes)));
    Ok(DivergenceRow {
        function: function(row)?,
        deployment: deployment(row, 1)?,
        number: row.get(2)?,
        at: Timestamp::from_micros(row.get(3)?),
        invocation: id(4)?,
        shadow: id(5)?,
        other: deployment(row, 6)?,
        difference: row.get(7)?,
        payload: row.get(8)?,
        given: row.get(9)?,
        reply: row.get(10)?,
    })
}
