//! Receipts: written in groups without anybody waiting, and found while they still wait.
//!
//! Amounts are stored as `i64` picodollars, up to 9.2 million dollars. The ledger keeps what an invocation is
//! charged below that; an estimate above it, from an absurd price, is stored as the bound. Sums are formed in `i128`
//! (see `spend.rs`).

use std::sync::Arc;

use merit_units::{AccountId, DeploymentId, FunctionId, InvocationId, KeyId, Micros, Money, Tag, Timestamp, VenueId};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::record::{ReceiptRow, ReceiptStatus};
use crate::{QueueFull, Store, StoreError};

const COLUMNS: &str = "id, at, function, account, key, status, venue, deployment, charge, estimate, explored, \
     estimated, duration_us, overhead_us, tags, detail";

impl Store {
    /// Queues a receipt. It is on disk a few milliseconds later; a second one with the same id is ignored.
    ///
    /// # Errors
    /// [`QueueFull`] gives the receipt back when the disk cannot keep up, or the store is closed.
    pub fn enqueue_receipt(&self, receipt: ReceiptRow) -> Result<(), QueueFull> {
        self.queue().push_receipt(receipt)
    }

    /// Receipts that wait to be written.
    #[must_use]
    pub fn receipts_queued(&self) -> usize {
        self.queue().receipts_queued()
    }

    /// A receipt, on disk or still queued. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn receipt(&self, id: InvocationId) -> Result<Option<Arc<ReceiptRow>>, StoreError> {
        // The queue first: a receipt leaves it only once it is committed.
        if let Some(queued) = self.queue().find(id) {
            return Ok(Some(queued));
        }
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM receipt WHERE id = ?1"))?;
            let found = statement.query_row([id_bytes(id)], |row| Ok(receipt(row))).optional()?;
            Ok(found.transpose()?.map(Arc::new))
        })
    }

    /// Up to `limit` committed receipts with a number above `after`, in order, each with its number. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn receipts_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, ReceiptRow)>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS}, number FROM receipt WHERE number > ?1 ORDER BY number LIMIT ?2"
            ))?;
            statement.query_and_then((after, limit), |row| Ok((row.get("number")?, receipt(row)?)))?.collect()
        })
    }

    /// Deletes up to `limit` receipts admitted before a time, oldest first. How many were.
    pub fn delete_receipts_before(&self, before: Timestamp, limit: u32) -> crate::Durable<usize> {
        self.write(move |connection| {
            let mut delete = connection.prepare_cached(
                "DELETE FROM receipt WHERE number IN (SELECT number FROM receipt WHERE at < ?1 ORDER BY at LIMIT ?2)",
            )?;
            Ok(delete.execute((before.micros(), limit))?)
        })
    }
}

/// Writes a group's receipts, inside its transaction.
pub(crate) fn insert(connection: &Connection, receipts: &[Arc<ReceiptRow>]) -> Result<(), StoreError> {
    if receipts.is_empty() {
        return Ok(());
    }
    let mut insert = connection.prepare_cached(&format!(
        "INSERT INTO receipt ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
         ON CONFLICT (id) DO NOTHING"
    ))?;
    for row in receipts {
        insert.execute(rusqlite::params![
            id_bytes(row.id),
            row.at.micros(),
            row.function.as_str(),
            row.account.as_str(),
            row.key.as_str(),
            row.status.word(),
            row.venue.as_ref().map(VenueId::as_str),
            row.deployment.as_ref().map(DeploymentId::as_str),
            row.charge.pico_saturating_i64(),
            row.estimate.pico_saturating_i64(),
            row.explored.pico_saturating_i64(),
            row.estimated,
            row.duration.get(),
            row.overhead.get(),
            join_tags(&row.tags),
            row.detail,
        ])?;
    }
    Ok(())
}

pub(crate) fn id_bytes(id: InvocationId) -> [u8; 16] {
    id.bits().to_be_bytes()
}

/// Each tag between newlines, which no tag contains, so that one can be searched for: `\nenv=prod\nteam=search\n`.
fn join_tags(tags: &[Tag]) -> String {
    let mut joined = String::new();
    for tag in tags {
        joined.push('\n');
        joined.push_str(tag.as_str());
    }
    if !joined.is_empty() {
        joined.push('\n');
    }
    joined
}

fn receipt(row: &Row<'_>) -> Result<ReceiptRow, StoreError> {
    let word: String = row.get(5)?;
    let money = |column: usize| row.get::<_, i64>(column).map(|pico| Money::from_pico(i128::from(pico)));
    let tags: String = row.get(14)?;
    Ok(ReceiptRow {
        id: InvocationId::from_bits(u128::from_be_bytes(row.get(0)?)),
        at: Timestamp::from_micros(row.get(1)?),
        function: FunctionId::try_new(&row.get::<_, String>(2)?)?,
        account: AccountId::try_new(&row.get::<_, String>(3)?)?,
        key: KeyId::try_new(&row.get::<_, String>(4)?)?,
        status: ReceiptStatus::from_word(&word)
            .ok_or(StoreError::Unreadable { what: "receipt", detail: format!("its status is `{word}`") })?,
        venue: row.get::<_, Option<String>>(6)?.map(|name| VenueId::try_new(&name)).transpose()?,
        deployment: row.get::<_, Option<String>>(7)?.map(|name| DeploymentId::try_new(&name)).transpose()?,
        charge: money(8)?,
        estimate: money(9)?,
        explored: money(10)?,
        estimated: row.get(11)?,
        duration: Micros::new(row.get(12)?),
        overhead: Micros::new(row.get(13)?),
        tags: tags.lines().filter(|tag| !tag.is_empty()).map(Tag::try_new).collect::<Result<_, _>>()?,
        detail: row.get(15)?,
    })
}
