//! A process that uses the store until it is killed: `merit-store-crash-child DIR SEED`.
//!
//! Each operation is printed on a line of its own once it was answered, as `done NUMBER`, and
//! each flush as `flushed NUMBER`.

mod workload;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use merit_ledger::{AccountIndex, Budget, HoldRequest, Rejection, VenueAccount};
use merit_store::record::{ReceiptRow, ReceiptStatus};
use merit_store::{Options, Store};
use merit_units::{InvocationId, Micros, Money};

use workload::{ACCOUNTS, Books, NOW, VENUES, invocation, month, operation, perform};

/// Operations between two flushes.
const FLUSH_EVERY: u64 = 64;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

struct Durable<'a>(&'a Store);

impl Books for Durable<'_> {
    fn hold(&mut self, request: &HoldRequest) -> bool {
        self.0.ledger().hold(NOW, month(), request).is_ok()
    }

    fn raise(&mut self, invocation: InvocationId, to: Money) -> bool {
        self.0.ledger().raise(invocation, to).is_ok()
    }

    fn post_attempt(
        &mut self,
        id: InvocationId,
        attempt: u8,
        charge: Money,
        venue: VenueAccount,
    ) -> Result<(), Rejection> {
        self.0.ledger().post_attempt(id, attempt, charge, venue).map(drop)
    }

    fn post(&mut self, invocation: InvocationId, charge: Money, venue: VenueAccount) -> Result<(), Rejection> {
        self.0.ledger().post(invocation, charge, venue).map(drop)
    }

    fn void(&mut self, invocation: InvocationId) -> Result<(), Rejection> {
        self.0.ledger().void(invocation).map(drop)
    }

    fn set_budget(&mut self, account: AccountIndex, budget: Budget) {
        // Not waited for: the journal has it already.
        drop(self.0.ledger().set_budget(account, budget));
    }
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let dir: PathBuf = arguments.next().ok_or("no directory")?.into();
    let seed: u64 = arguments.next().ok_or("no seed")?.parse()?;
    // Segments of 250 records, so that a kill often hits a checkpoint.
    let options = Options { segment_bytes: 16_000, ..Options::default() };
    let (store, _) = Store::open_with(&dir, NOW, &options)?;
    for number in 0..ACCOUNTS {
        store.open_account(&format!("account-{number}").parse()?).wait()?;
    }
    for number in 0..VENUES {
        store.open_venue(&format!("venue-{number}").parse()?).wait()?;
    }
    store.put_function(&"thumbnail".parse()?, "{}".to_owned(), Some(BTreeMap::new())).wait()?;
    let mut out = std::io::stdout().lock();
    for number in 0.. {
        perform(&mut Durable(&store), operation(seed, number));
        writeln!(out, "done {number}")?;
        out.flush()?;
        store.enqueue_receipt(receipt(seed, number)?).map_err(|error| error.to_string())?;
        if number % FLUSH_EVERY == 0 {
            store.flush().wait()?;
            writeln!(out, "flushed {number}")?;
            out.flush()?;
        }
    }
    Ok(())
}

fn receipt(seed: u64, number: u64) -> Outcome<ReceiptRow> {
    Ok(ReceiptRow {
        id: invocation(seed, number),
        at: NOW + Micros::new(number),
        function: "thumbnail".parse()?,
        account: "account-0".parse()?,
        key: "k1".parse()?,
        status: ReceiptStatus::Ok,
        venue: Some("venue-0".parse()?),
        deployment: None,
        charge: Money::from_pico(1),
        estimate: Money::from_pico(1),
        explored: Money::ZERO,
        estimated: false,
        duration: Micros::new(1),
        overhead: Micros::new(1),
        tags: Vec::new(),
        detail: vec![b'x'; 200],
    })
}
