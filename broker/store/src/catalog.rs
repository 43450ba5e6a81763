//! Live prices: the sheets that price feeds put in force, with their history, and those that are held.
//!
//! What one look at a feed found is stored in one transaction, so that a crash leaves either all of it or nothing.

use merit_units::{SheetName, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::record::{CatalogHeldRow, CatalogRefresh, CatalogSheetRow};
use crate::{Durable, Store, StoreError};

const SHEET: &str = "name, seq, since, confirmed_at, feed, accepted_by, changes, body";

impl Store {
    /// Stores what one look at a feed found. A sheet whose name and number are stored already is left as it is.
    pub fn put_catalog(&self, refresh: CatalogRefresh) -> Durable<()> {
        self.write(move |connection| {
            refresh.put.iter().try_for_each(|row| put_sheet(connection, row))?;
            let mut confirm = connection.prepare_cached(
                "UPDATE catalog_sheet SET confirmed_at = ?2 WHERE name = ?1
                 AND seq = (SELECT MAX(seq) FROM catalog_sheet WHERE name = ?1)",
            )?;
            for name in &refresh.confirmed {
                confirm.execute((name.as_str(), refresh.at.micros()))?;
            }
            let mut settle = connection.prepare_cached("DELETE FROM catalog_held WHERE name = ?1")?;
            for name in &refresh.settled {
                settle.execute([name.as_str()])?;
            }
            refresh.held.iter().try_for_each(|row| put_held(connection, row))?;
            if let Some((feed, state)) = &refresh.feed {
                connection
                    .prepare_cached("INSERT OR REPLACE INTO catalog_feed (feed, state) VALUES (?1, ?2)")?
                    .execute((feed, state))?;
            }
            Ok(())
        })
    }

    /// The live sheet in force of each name, in order of name. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn catalog_sheets(&self) -> Result<Vec<CatalogSheetRow>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT name, MAX(seq), since, confirmed_at, feed, accepted_by, changes, body FROM catalog_sheet
                 GROUP BY name ORDER BY name",
            )?;
            statement.query_and_then([], sheet)?.collect()
        })
    }

    /// The latest `limit` live sheets of a name, newest first. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn catalog_history(&self, name: &SheetName, limit: u32) -> Result<Vec<CatalogSheetRow>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {SHEET} FROM catalog_sheet WHERE name = ?1 ORDER BY seq DESC LIMIT ?2"
            ))?;
            statement.query_and_then((name.as_str(), limit), sheet)?.collect()
        })
    }

    /// The live sheet of a name that was in force at a time. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn catalog_sheet_at(&self, name: &SheetName, at: Timestamp) -> Result<Option<CatalogSheetRow>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {SHEET} FROM catalog_sheet WHERE name = ?1 AND since <= ?2 ORDER BY seq DESC LIMIT 1"
            ))?;
            let mut rows = statement.query_and_then((name.as_str(), at.micros()), sheet)?;
            rows.next().transpose()
        })
    }

    /// What is held, in order of name. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn catalog_held(&self) -> Result<Vec<CatalogHeldRow>, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT name, at, feed, reasons, body FROM catalog_held ORDER BY name")?;
            statement.query_and_then([], held)?.collect()
        })
    }

    /// The state of each feed, as the broker's JSON, in order of name. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn catalog_feeds(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT feed, state FROM catalog_feed ORDER BY feed")?;
            statement.query_and_then([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
    }
}

fn put_sheet(connection: &Connection, row: &CatalogSheetRow) -> Result<(), StoreError> {
    let CatalogSheetRow { name, seq, since, confirmed_at, feed, accepted_by, changes, body } = row;
    let known: Option<u64> = connection
        .prepare_cached("SELECT seq FROM catalog_sheet WHERE name = ?1 AND seq >= ?2 LIMIT 1")?
        .query_row((name.as_str(), seq), |row| row.get(0))
        .optional()?;
    if known.is_some() {
        return Ok(());
    }
    connection
        .prepare_cached(&format!("INSERT INTO catalog_sheet ({SHEET}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"))?
        .execute((name.as_str(), seq, since.micros(), confirmed_at.micros(), feed, accepted_by, changes, body))?;
    Ok(())
}

fn put_held(connection: &Connection, row: &CatalogHeldRow) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO catalog_held (name, at, feed, reasons, body) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((row.name.as_str(), row.at.micros(), &row.feed, &row.reasons, &row.body))?;
    Ok(())
}

fn sheet(row: &Row<'_>) -> Result<CatalogSheetRow, StoreError> {
    Ok(CatalogSheetRow {
        name: SheetName::try_new(&row.get::<_, String>(0)?)?,
        seq: row.get(1)?,
        since: Timestamp::from_micros(row.get(2)?),
        confirmed_at: Timestamp::from_micros(row.get(3)?),
        feed: row.get(4)?,
        accepted_by: row.get(5)?,
        changes: row.get(6)?,
        body: row.get(7)?,
    })
}

fn held(row: &Row<'_>) -> Result<CatalogHeldRow, StoreError> {
    Ok(CatalogHeldRow {
        name: SheetName::try_new(&row.get::<_, String>(0)?)?,
        at: Timestamp::from_micros(row.get(1)?),
        feed: row.get(2)?,
        reasons: row.get(3)?,
        body: row.get(4)?,
    })
}
