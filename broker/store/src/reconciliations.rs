//! What providers billed, as it was imported, with what it corrected.
//!
//! A row is written before its corrections are posted and marked after: what a broker that stopped in between left
//! open is found by [`Store::open_reconciliations`] and posted then.

use merit_units::{Timestamp, VenueId};
use rusqlite::Row;

use crate::receipts::integer;
use crate::record::ReconciliationRow;
use crate::{Durable, Store, StoreError};

const COLUMNS: &str = "venue, resource, begins, ends, digest, at, posted, outcome";

impl Store {
    /// Stores what was imported. A second row of the same venue, service and beginning takes the place of the first.
    pub fn put_reconciliations(&self, rows: Vec<ReconciliationRow>) -> Durable<()> {
        self.write(move |connection| {
            let mut put = connection.prepare_cached(&format!(
                "INSERT OR REPLACE INTO reconciliation ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
            ))?;
            for row in rows {
                let ReconciliationRow { venue, resource, begins, ends, digest, at, posted, outcome } = row;
                let (begins, ends) = (integer(begins), integer(ends));
                put.execute((venue.as_str(), resource, begins, ends, digest, integer(at), posted, outcome))?;
            }
            Ok(())
        })
    }

    /// The newest `limit` of a venue, newest period first. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn reconciliations(&self, venue: &VenueId, limit: u32) -> Result<Vec<ReconciliationRow>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM reconciliation WHERE venue = ?1 ORDER BY begins DESC, resource LIMIT ?2"
            ))?;
            statement.query_and_then((venue.as_str(), limit), reconciliation)?.collect()
        })
    }

    /// Those whose corrections may not be posted yet. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn open_reconciliations(&self) -> Result<Vec<ReconciliationRow>, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached(&format!("SELECT {COLUMNS} FROM reconciliation WHERE posted = 0"))?;
            statement.query_and_then([], reconciliation)?.collect()
        })
    }
}

fn reconciliation(row: &Row<'_>) -> Result<ReconciliationRow, StoreError> {
    Ok(ReconciliationRow {
        venue: VenueId::try_new(&row.get::<_, String>(0)?)?,
        resource: row.get(1)?,
        begins: Timestamp::from_micros(row.get(2)?),
        ends: Timestamp::from_micros(row.get(3)?),
        digest: row.get(4)?,
        at: Timestamp::from_micros(row.get(5)?),
        posted: row.get(6)?,
        outcome: row.get(7)?,
    })
}
