//! API keys. Of a secret the hash is stored; where a secret itself is needed, it comes encrypted by the broker.

use merit_units::{AccountId, KeyId, NameError, Timestamp, VenueId};
use rusqlite::Row;

use crate::record::KeyRow;
use crate::{Durable, Store, StoreError};

impl Store {
    /// Stores a new key. Whether its id was free; otherwise nothing is stored.
    pub fn insert_key(&self, key: KeyRow) -> Durable<bool> {
        self.write(move |connection| {
            let KeyRow { id, secret_hash, sealed_secret, account, roles, note, created_at, revoked_at, venues } = key;
            let mut insert = connection.prepare_cached(
                "INSERT INTO api_key (id, secret_hash, account, roles, note, created_at, revoked_at, sealed_secret, venues)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (id) DO NOTHING",
            )?;
            let row = (
                id.as_str(),
                secret_hash,
                account.as_str(),
                roles,
                note,
                created_at.micros(),
                revoked_at.map(Timestamp::micros),
                sealed_secret,
                venues.iter().map(VenueId::as_str).collect::<Vec<_>>().join(","),
            );
            Ok(insert.execute(row)? > 0)
        })
    }

    /// Revokes a key. Whether there was one that was not revoked yet.
    pub fn revoke_key(&self, id: &KeyId, at: Timestamp) -> Durable<bool> {
        let id = id.clone();
        self.write(move |connection| {
            let mut revoke =
                connection.prepare_cached("UPDATE api_key SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL")?;
            Ok(revoke.execute((id.as_str(), at.micros()))? > 0)
        })
    }

    /// All keys, revoked ones too, in order of creation. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn keys(&self) -> Result<Vec<KeyRow>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, secret_hash, account, roles, note, created_at, revoked_at, sealed_secret, venues FROM api_key
                 ORDER BY created_at, id",
            )?;
            statement.query_and_then([], key)?.collect()
        })
    }
}

fn key(row: &Row<'_>) -> Result<KeyRow, StoreError> {
    Ok(KeyRow {
        id: KeyId::try_new(&row.get::<_, String>(0)?)?,
        secret_hash: row.get(1)?,
        account: AccountId::try_new(&row.get::<_, String>(2)?)?,
        roles: row.get(3)?,
        note: row.get(4)?,
        created_at: Timestamp::from_micros(row.get(5)?),
        revoked_at: row.get::<_, Option<u64>>(6)?.map(Timestamp::from_micros),
        sealed_secret: row.get(7)?,
        venues: venues(&row.get::<_, String>(8)?)?,
    })
}

fn venues(text: &str) -> Result<Vec<VenueId>, NameError> {
    text.split(',').filter(|name| !name.is_empty()).map(VenueId::try_new).collect()
}
