//! Idempotency keys: claimed on disk before a call is dispatched, answered again for 24 hours unless configured otherwise.

use merit_units::{AccountId, InvocationId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::receipts::id_bytes;
use crate::record::{IdempotencyBegun, IdempotencyClaim};
use crate::{Durable, Store, StoreError};

impl Store {
    /// Claims a key for a call, or tells what became of the earlier one.
    ///
    /// In this order: a key past [`Options::idempotency_kept`](crate::Options) is free; one with another hash is a mismatch; then done, in flight or
    /// interrupted. Simultaneous claims are decided one after the other.
    pub fn begin_idempotent(&self, claim: IdempotencyClaim, now: Timestamp) -> Durable<IdempotencyBegun> {
        let (run, kept) = (self.run(), self.idempotency_kept());
        self.write(move |connection| {
            let earlier = find(connection, &claim)?.filter(|earlier| earlier.expires_at > now);
            if let Some(refusal) = earlier.and_then(|earlier| earlier.stands_in_the_way(&claim, run)) {
                return Ok(refusal);
            }
            insert(connection, &claim, run, now + kept)?;
            Ok(IdempotencyBegun::Started)
        })
    }

    /// Stores the answer to replay. Whether the key was still this invocation's.
    pub fn finish_idempotent(
        &self,
        account: &AccountId,
        key: String,
        invocation: InvocationId,
        response: Vec<u8>,
    ) -> Durable<bool> {
        let account = account.clone();
        self.write(move |connection| {
            let mut finish = connection.prepare_cached(
                "UPDATE idempotency SET response = ?4 WHERE account = ?1 AND key = ?2 AND invocation = ?3
                 AND response IS NULL",
            )?;
            Ok(finish.execute((account.as_str(), key, id_bytes(invocation), response))? > 0)
        })
    }

    /// Frees a key whose call did not succeed, so that the same request may be sent again. Whether it was still
    /// this invocation's and unanswered.
    pub fn release_idempotent(&self, account: &AccountId, key: String, invocation: InvocationId) -> Durable<bool> {
        let account = account.clone();
        self.write(move |connection| {
            let mut release = connection.prepare_cached(
                "DELETE FROM idempotency WHERE account = ?1 AND key = ?2 AND invocation = ?3 AND response IS NULL",
            )?;
            Ok(release.execute((account.as_str(), key, id_bytes(invocation)))? > 0)
        })
    }

    /// Deletes up to `limit` keys past their time; call it every minute or so. How many were.
    pub fn delete_expired_idempotency(&self, now: Timestamp, limit: u32) -> Durable<usize> {
        self.write(move |connection| {
            let mut delete = connection.prepare_cached(
                "DELETE FROM idempotency WHERE rowid IN
                 (SELECT rowid FROM idempotency WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
            )?;
            Ok(delete.execute((now.micros(), limit))?)
        })
    }
}

struct Earlier {
    request_hash: [u8; 32],
    invocation: InvocationId,
    run: i64,
    response: Option<Vec<u8>>,
    expires_at: Timestamp,
}

impl Earlier {
    fn stands_in_the_way(self, claim: &IdempotencyClaim, run: i64) -> Option<IdempotencyBegun> {
        let Self { invocation, .. } = self;
        if self.request_hash != claim.request_hash {
            return Some(IdempotencyBegun::Mismatch { invocation });
        }
        match self.response {
            Some(response) => Some(IdempotencyBegun::Done { invocation, response }),
            None if self.run == run => Some(IdempotencyBegun::InFlight { invocation }),
            None if claim.rerun_interrupted => None,
            None => Some(IdempotencyBegun::Interrupted { invocation }),
        }
    }
}

fn find(connection: &Connection, claim: &IdempotencyClaim) -> Result<Option<Earlier>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT request_hash, invocation, run, response, expires_at FROM idempotency WHERE account = ?1 AND key = ?2",
    )?;
    Ok(find.query_row((claim.account.as_str(), &claim.key), earlier).optional()?)
}

fn earlier(row: &Row<'_>) -> rusqlite::Result<Earlier> {
    Ok(Earlier {
        request_hash: row.get(0)?,
        invocation: InvocationId::from_bits(u128::from_be_bytes(row.get(1)?)),
        run: row.get(2)?,
        response: row.get(3)?,
        expires_at: Timestamp::from_micros(row.get(4)?),
    })
}

fn insert(
    connection: &Connection,
    claim: &IdempotencyClaim,
    run: i64,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO idempotency (account, key, request_hash, invocation, run, response, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, NULL, ?6)",
    )?;
    let row =
        (claim.account.as_str(), &claim.key, claim.request_hash, id_bytes(claim.invocation), run, expires_at.micros());
    insert.execute(row)?;
    Ok(())
}
