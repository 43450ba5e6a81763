//! Receipts: written in groups without anybody waiting, and found while they still wait.
//!
//! A receipt's number is made of its id: the milliseconds a version 7 UUID begins with, and 15 of its random bits. So
//! new rows are appended, and the one tree they are in finds them by id and by time. Ids that make the same
//! number stand one behind the other.
//!
//! Invariant: an id's own time and the time the call was admitted differ by less than [`CLOCK_SLACK`]; the
//! broker makes the id when it has read a request's head.
//!
//! Amounts are stored as `i64` picodollars, up to 9.2 million dollars. The ledger keeps what an invocation is
//! charged below that; an estimate above it, from an absurd price, is stored as the bound. Sums are formed in `i128`
//! (see `spend.rs`).

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use merit_units::{AccountId, DeploymentId, FunctionId, InvocationId, KeyId, Micros, Money, Tag, Timestamp, VenueId};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};

use crate::record::{ReceiptRow, ReceiptStatus};
use crate::{QueueFull, Store, StoreError};

/// How far an id's time may be from the admission of its call: a clock that was set, a thread that slept.
pub(crate) const CLOCK_SLACK: Micros = Micros::from_secs(60);

/// Bits of a number below its milliseconds.
const RANDOM_BITS: u32 = 15;

/// How many ids with the same number there is room for; two of 25,000 a second meet every few seconds.
const PROBES: i64 = 4096;

/// Names kept by number while writing; beyond it they are looked up again.
const NAMES_KEPT: usize = 65_536;

/// A receipt with its words, of rows chosen by what follows.
const SELECT: &str =
    "SELECT id, at, function.text, account.text, key.text, status, venue.text, deployment.text, charge,
        estimate, explored, estimated, duration_us, overhead_us, tags, detail, receipt.number
    FROM receipt JOIN name AS function ON function.number = function JOIN name AS account ON account.number = account
        JOIN name AS key ON key.number = key LEFT JOIN name AS venue ON venue.number = venue
        LEFT JOIN name AS deployment ON deployment.number = deployment";

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
            let number = number_of(id);
            let mut statement = connection.prepare_cached(&format!(
                "{SELECT} WHERE receipt.number >= ?1 AND receipt.number < ?1 + {PROBES} AND id = ?2"
            ))?;
            let found = statement.query_row((number, id_bytes(id)), |row| Ok(receipt(row))).optional()?;
            Ok(found.transpose()?.map(Arc::new))
        })
    }

    /// Up to `limit` committed receipts of calls admitted in a period, in order of their numbers, each with its number.
    /// The next page begins `after` the last number of this one. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn receipts_between(
        &self,
        period: Range<Timestamp>,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<(u64, ReceiptRow)>, StoreError> {
        self.read(|connection| {
            let numbers = numbers_of(&period);
            let first = after.and_then(|after| i64::try_from(after).ok()).map_or(numbers.start, |after| after + 1);
            let mut statement = connection.prepare_cached(&format!(
                "{SELECT} WHERE receipt.number >= ?1 AND receipt.number < ?2 AND at >= ?3 AND at < ?4
                 ORDER BY receipt.number LIMIT ?5"
            ))?;
            let values = params![first, numbers.end, integer(period.start), integer(period.end), limit];
            statement.query_and_then(values, |row| Ok((row.get(16)?, receipt(row)?)))?.collect()
        })
    }

    /// As [`Self::receipts_between`], of the calls that ended at one venue.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn receipts_of_venue(
        &self,
        venue: &VenueId,
        period: Range<Timestamp>,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<(u64, ReceiptRow)>, StoreError> {
        self.read(|connection| {
            let numbers = numbers_of(&period);
            let first = after.and_then(|after| i64::try_from(after).ok()).map_or(numbers.start, |after| after + 1);
            let mut statement = connection.prepare_cached(&format!(
                "{SELECT} WHERE receipt.number >= ?1 AND receipt.number < ?2 AND at >= ?3 AND at < ?4
                 AND receipt.venue = (SELECT number FROM name WHERE text = ?6) AND status <> ?7
                 ORDER BY receipt.number LIMIT ?5"
            ))?;
            let (from, to) = (integer(period.start), integer(period.end));
            let correction = ReceiptStatus::Correction.code();
            let values = params![first, numbers.end, from, to, limit, venue.as_str(), correction];
            statement.query_and_then(values, |row| Ok((row.get(16)?, receipt(row)?)))?.collect()
        })
    }

    /// Deletes up to `limit` receipts admitted before a time, oldest first. How many were.
    pub fn delete_receipts_before(&self, before: Timestamp, limit: u32) -> crate::Durable<usize> {
        self.write(move |connection| {
            let numbers = numbers_of(&(Timestamp::EPOCH..before));
            let mut delete = connection.prepare_cached(
                "DELETE FROM receipt WHERE number IN (
                    SELECT number FROM receipt WHERE number < ?1 AND at < ?2 ORDER BY number LIMIT ?3)",
            )?;
            Ok(delete.execute((numbers.end, integer(before), limit))?)
        })
    }
}

/// The number an id asks for.
fn number_of(id: InvocationId) -> i64 {
    let (millis, rand_a, rand_b) = (id.bits() >> 80, id.bits() >> 64 & 0xFFF, id.bits() >> 59 & 0b111);
    i64::try_from(millis << RANDOM_BITS | rand_a << 3 | rand_b).expect("invariant: 48 and 15 bits")
}

/// The numbers of all receipts admitted in a period, and of a minute more at both ends.
pub(crate) fn numbers_of(period: &Range<Timestamp>) -> Range<i64> {
    let number = |micros: u64| i64::try_from(u128::from(micros / 1000) << RANDOM_BITS).unwrap_or(i64::MAX);
    let (from, to) = (period.start.micros(), period.end.micros());
    number(from.saturating_sub(CLOCK_SLACK.get()))..number(to.saturating_add(CLOCK_SLACK.get()))
}

/// A time as it is stored.
pub(crate) fn integer(at: Timestamp) -> i64 {
    i64::try_from(at.micros()).unwrap_or(i64::MAX)
}

/// The numbers of names, as far as the writer has met them. To be cleared when a transaction is rolled back.
#[derive(Default)]
pub(crate) struct Names(HashMap<Box<str>, i64>);

impl Names {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    fn number(&mut self, connection: &Connection, name: &str) -> Result<i64, StoreError> {
        if let Some(number) = self.0.get(name) {
            return Ok(*number);
        }
        let mut put = connection.prepare_cached(
            "INSERT INTO name (text) VALUES (?1) ON CONFLICT (text) DO UPDATE SET text = text RETURNING number",
        )?;
        let number = put.query_row([name], |row| row.get(0))?;
        if self.0.len() >= NAMES_KEPT {
            self.0.clear();
        }
        self.0.insert(name.into(), number);
        Ok(number)
    }
}

/// Writes a group's receipts, inside its transaction.
pub(crate) fn insert(
    connection: &Connection,
    names: &mut Names,
    receipts: &[Arc<ReceiptRow>],
) -> Result<(), StoreError> {
    if receipts.is_empty() {
        return Ok(());
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO receipt (id, at, function, account, key, status, venue, deployment, charge, estimate, explored,
            estimated, duration_us, overhead_us, tags, detail, number)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
         ON CONFLICT (number) DO NOTHING",
    )?;
    for row in receipts {
        let mut number = |name: &str| names.number(connection, name);
        let words = Words {
            function: number(row.function.as_str())?,
            account: number(row.account.as_str())?,
            key: number(row.key.as_str())?,
            venue: row.venue.as_ref().map(|venue| number(venue.as_str())).transpose()?,
            deployment: row.deployment.as_ref().map(|deployment| number(deployment.as_str())).transpose()?,
        };
        insert_one(connection, &mut insert, row, &words)?;
    }
    Ok(())
}

/// The names of a receipt, by number.
struct Words {
    function: i64,
    account: i64,
    key: i64,
    venue: Option<i64>,
    deployment: Option<i64>,
}

/// At the number its id asks for, or the next one that is free.
fn insert_one(
    connection: &Connection,
    insert: &mut CachedStatement<'_>,
    row: &ReceiptRow,
    words: &Words,
) -> Result<(), StoreError> {
    let (id, first) = (id_bytes(row.id), number_of(row.id));
    let tags = join_tags(&row.tags);
    for number in first..first.saturating_add(PROBES) {
        let inserted = insert.execute(params![
            id,
            integer(row.at),
            words.function,
            words.account,
            words.key,
            row.status.code(),
            words.venue,
            words.deployment,
            row.charge.pico_saturating_i64(),
            row.estimate.pico_saturating_i64(),
            row.explored.pico_saturating_i64(),
            row.estimated,
            row.duration.get(),
            row.overhead.get(),
            tags,
            row.detail,
            number,
        ])?;
        if inserted > 0 || id_at(connection, number)? == Some(id) {
            return Ok(());
        }
    }
    Err(StoreError::Unreadable { what: "receipt", detail: format!("{PROBES} others have the number of {}", row.id) })
}

fn id_at(connection: &Connection, number: i64) -> Result<Option<[u8; 16]>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT id FROM receipt WHERE number = ?1")?;
    Ok(statement.query_row([number], |row| row.get(0)).optional()?)
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
    let money = |column: usize| row.get::<_, i64>(column).map(|pico| Money::from_pico(i128::from(pico)));
    let tags: String = row.get(14)?;
    Ok(ReceiptRow {
        id: InvocationId::from_bits(u128::from_be_bytes(row.get(0)?)),
        at: Timestamp::from_micros(row.get(1)?),
        function: FunctionId::try_new(&row.get::<_, String>(2)?)?,
        account: AccountId::try_new(&row.get::<_, String>(3)?)?,
        key: KeyId::try_new(&row.get::<_, String>(4)?)?,
        status: ReceiptStatus::from_code(row.get(5)?)
            .ok_or(StoreError::Unreadable { what: "receipt", detail: "its status is unknown".to_owned() })?,
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
