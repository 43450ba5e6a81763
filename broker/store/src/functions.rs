//! Functions and their deployments.

use std::collections::BTreeMap;

use merit_units::{DeploymentId, FunctionId, NameError};
use rusqlite::Connection;

use crate::record::FunctionRow;
use crate::{Durable, Store, StoreError, equivalence};

impl Store {
    /// Puts a function. With `deployments` it replaces them all; without it they stay as they are.
    pub fn put_function(
        &self,
        name: &FunctionId,
        spec: String,
        deployments: Option<BTreeMap<DeploymentId, String>>,
    ) -> Durable<()> {
        let name = name.clone();
        self.write(move |connection| {
            connection
                .prepare_cached("INSERT OR REPLACE INTO function (name, spec) VALUES (?1, ?2)")?
                .execute((name.as_str(), spec))?;
            let Some(deployments) = deployments else { return Ok(()) };
            delete_others(connection, &name, &deployments)?;
            for (deployment, spec) in &deployments {
                put_deployment(connection, &name, deployment, spec)?;
            }
            Ok(())
        })
    }

    /// Deletes a function with its deployments and their profiles. Whether there was one. Receipts stay.
    pub fn delete_function(&self, name: &FunctionId) -> Durable<bool> {
        let name = name.clone();
        self.write(move |connection| {
            for table in ["deployment", "profile"] {
                connection.execute(&format!("DELETE FROM {table} WHERE function = ?1"), [name.as_str()])?;
            }
            equivalence::forget(connection, name.as_str(), None)?;
            Ok(connection.execute("DELETE FROM function WHERE name = ?1", [name.as_str()])? > 0)
        })
    }

    /// Puts one deployment of a function. Whether there is such a function; without one nothing is stored.
    pub fn put_deployment(&self, function: &FunctionId, name: &DeploymentId, spec: String) -> Durable<bool> {
        let (function, name) = (function.clone(), name.clone());
        self.write(move |connection| {
            let known = connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM function WHERE name = ?1)")?
                .query_row([function.as_str()], |row| row.get(0))?;
            if known {
                put_deployment(connection, &function, &name, &spec)?;
            }
            Ok(known)
        })
    }

    /// Deletes a deployment and its profile. Whether there was one.
    pub fn delete_deployment(&self, function: &FunctionId, name: &DeploymentId) -> Durable<bool> {
        let (function, name) = (function.clone(), name.clone());
        self.write(move |connection| {
            let names = (function.as_str(), name.as_str());
            connection.execute("DELETE FROM profile WHERE function = ?1 AND deployment = ?2", names)?;
            equivalence::forget(connection, names.0, Some(names.1))?;
            Ok(connection.execute("DELETE FROM deployment WHERE function = ?1 AND name = ?2", names)? > 0)
        })
    }

    /// All functions in order of name. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn functions(&self) -> Result<Vec<FunctionRow>, StoreError> {
        self.read(|connection| {
            // One transaction, so that no deployment is seen without its function.
            let transaction = connection.unchecked_transaction()?;
            let mut functions = all_functions(&transaction)?;
            add_deployments(&transaction, &mut functions)?;
            Ok(functions.into_values().collect())
        })
    }
}

fn put_deployment(
    connection: &Connection,
    function: &FunctionId,
    name: &DeploymentId,
    spec: &str,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO deployment (function, name, spec) VALUES (?1, ?2, ?3)")?
        .execute((function.as_str(), name.as_str(), spec))?;
    Ok(())
}

/// Deletes the deployments that are not in `kept`, with their profiles.
fn delete_others(
    connection: &Connection,
    function: &FunctionId,
    kept: &BTreeMap<DeploymentId, String>,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached("SELECT name FROM deployment WHERE function = ?1")?;
    let names: Vec<String> = statement.query_map([function.as_str()], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for name in names.iter().filter(|name| !kept.contains_key(name.as_str())) {
        let names = (function.as_str(), name);
        connection.execute("DELETE FROM profile WHERE function = ?1 AND deployment = ?2", names)?;
        connection.execute("DELETE FROM deployment WHERE function = ?1 AND name = ?2", names)?;
        equivalence::forget(connection, function.as_str(), Some(name))?;
    }
    Ok(())
}

fn all_functions(connection: &Connection) -> Result<BTreeMap<String, FunctionRow>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT name, spec FROM function")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    rows.map(|row| {
        let (name, spec) = row?;
        let function = FunctionRow { name: FunctionId::try_new(&name)?, spec, deployments: BTreeMap::new() };
        Ok((name, function))
    })
    .collect()
}

fn add_deployments(connection: &Connection, functions: &mut BTreeMap<String, FunctionRow>) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached("SELECT function, name, spec FROM deployment")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (function, name): (String, String) = (row.get(0)?, row.get(1)?);
        if let Some(function) = functions.get_mut(&function) {
            function.deployments.insert(DeploymentId::try_new(&name)?, row.get(2)?);
        }
    }
    Ok(())
}

impl From<NameError> for StoreError {
    fn from(error: NameError) -> Self {
        Self::Unreadable { what: error.kind, detail: error.to_string() }
    }
}
