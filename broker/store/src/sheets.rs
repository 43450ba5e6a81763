//! The price sheets of venues, with their history.

use merit_units::{Timestamp, VenueId};
use rusqlite::{OptionalExtension, Row};

use crate::record::{SheetPut, SheetRow};
use crate::{Durable, Store, StoreError};

impl Store {
    /// Puts a venue's price sheet, unless one with this or a later number is there.
    pub fn put_sheet(&self, sheet: SheetRow) -> Durable<SheetPut> {
        self.write(move |connection| {
            let current: Option<u64> = connection
                .prepare_cached("SELECT MAX(seq) FROM sheet WHERE venue = ?1")?
                .query_row([sheet.venue.as_str()], |row| row.get(0))
                .optional()?
                .flatten();
            if let Some(current) = current.filter(|current| *current >= sheet.seq) {
                return Ok(SheetPut::Stale { current });
            }
            let SheetRow { venue, seq, valid_from, stored_at, body } = sheet;
            connection
                .prepare_cached(
                    "INSERT INTO sheet (venue, seq, valid_from, stored_at, body) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute((venue.as_str(), seq, valid_from.micros(), stored_at.micros(), body))?;
            Ok(SheetPut::Stored)
        })
    }

    /// The sheet in force for each venue at a time: of those valid by then the one with the highest number. Venues in
    /// order of name. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn sheets_in_force(&self, at: Timestamp) -> Result<Vec<SheetRow>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT venue, MAX(seq), valid_from, stored_at, body FROM sheet WHERE valid_from <= ?1
                 GROUP BY venue ORDER BY venue",
            )?;
            statement.query_and_then([at.micros()], sheet)?.collect()
        })
    }

    /// A venue's latest `limit` sheets, newest first, whether valid yet or not. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn sheet_history(&self, venue: &VenueId, limit: u32) -> Result<Vec<SheetRow>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT venue, seq, valid_from, stored_at, body FROM sheet WHERE venue = ?1 ORDER BY seq DESC LIMIT ?2",
            )?;
            statement.query_and_then((venue.as_str(), limit), sheet)?.collect()
        })
    }
}

fn sheet(row: &Row<'_>) -> Result<SheetRow, StoreError> {
    Ok(SheetRow {
        venue: VenueId::try_new(&row.get::<_, String>(0)?)?,
        seq: row.get(1)?,
        valid_from: Timestamp::from_micros(row.get(2)?),
        stored_at: Timestamp::from_micros(row.get(3)?),
        body: row.get(4)?,
    })
}
