//! What providers said that outlives a restart. Their offers do not: they are sent again.

use merit_units::VenueId;

use crate::record::ProviderRow;
use crate::{Durable, Store, StoreError};

impl Store {
    /// Stores what is known of a provider over what was.
    pub fn put_provider(&self, row: ProviderRow) -> Durable<()> {
        self.write(move |connection| {
            let ProviderRow { venue, state, sealed_secret } = row;
            connection
                .prepare_cached("INSERT OR REPLACE INTO provider (venue, state, sealed_secret) VALUES (?1, ?2, ?3)")?
                .execute((venue.as_str(), state, sealed_secret))?;
            Ok(())
        })
    }

    /// Every provider that ever said something, in order of venue. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn providers(&self) -> Result<Vec<ProviderRow>, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT venue, state, sealed_secret FROM provider ORDER BY venue")?;
            let rows = statement.query_and_then([], |row| {
                Ok(ProviderRow {
                    venue: VenueId::try_new(&row.get::<_, String>(0)?)?,
                    state: row.get(1)?,
                    sealed_secret: row.get(2)?,
                })
            })?;
            rows.collect()
        })
    }
}
