//! The ledger's state as bytes, for the one row of `ledger_checkpoint`.
//!
//! Names are not in it: accounts are written by number, and the names stand in `ledger_account`. A CRC over
//! the whole tells damage that `SQLite` cannot see.

use merit_ledger::{
    AccountIndex, AccountState, Budget, Ending, HoldState, MonthState, SettledState, Snapshot, VenueAccount, VenueState,
};
use merit_units::{AccountId, InvocationId, Money, Timestamp, VenueId};

use crate::journal::record::{month_code, month_of};

const FORMAT: u32 = 1;

/// Encodes everything but names.
pub(crate) fn encode(snapshot: &Snapshot) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + snapshot.settled.len() * 72 + snapshot.holds.len() * 72);
    out.extend(FORMAT.to_le_bytes());
    put_count(&mut out, snapshot.accounts.len());
    for account in &snapshot.accounts {
        put_limit(&mut out, account.budget.hard);
        put_limit(&mut out, account.budget.soft);
        put_months(&mut out, account.earlier, &account.months);
    }
    put_count(&mut out, snapshot.venues.len());
    for venue in &snapshot.venues {
        put_months(&mut out, venue.earlier, &venue.months);
    }
    put_count(&mut out, snapshot.holds.len());
    for hold in &snapshot.holds {
        put_hold(&mut out, hold);
    }
    put_count(&mut out, snapshot.settled.len());
    for settled in &snapshot.settled {
        put_settled(&mut out, settled);
    }
    let crc = crc32fast::hash(&out);
    out.extend(crc.to_le_bytes());
    out
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend((count as u64).to_le_bytes());
}

fn put_money(out: &mut Vec<u8>, money: Money) {
    out.extend(money.pico().to_le_bytes());
}

fn put_limit(out: &mut Vec<u8>, limit: Option<Money>) {
    // No limit is negative.
    put_money(out, limit.unwrap_or(Money::from_pico(-1)));
}

fn put_months(out: &mut Vec<u8>, earlier: Money, months: &[MonthState]) {
    put_money(out, earlier);
    put_count(out, months.len());
    for MonthState { month, posted } in months {
        out.extend(month_code(*month).to_le_bytes());
        put_money(out, *posted);
    }
}

fn put_hold(out: &mut Vec<u8>, hold: &HoldState) {
    out.extend(hold.invocation.bits().to_le_bytes());
    out.extend(hold.account.get().to_le_bytes());
    out.extend(month_code(hold.month).to_le_bytes());
    put_money(out, hold.asked);
    put_money(out, hold.held);
    out.extend(hold.expires_at.micros().to_le_bytes());
    out.extend(hold.attempts.to_le_bytes());
}

fn put_settled(out: &mut Vec<u8>, settled: &SettledState) {
    out.extend(settled.invocation.bits().to_le_bytes());
    out.extend(settled.account.get().to_le_bytes());
    out.extend(month_code(settled.month).to_le_bytes());
    let ending = match settled.ending {
        Ending::Posted => 0_u8,
        Ending::Voided => 1,
        Ending::Expired => 2,
    };
    let flags = [settled.venue.is_some(), settled.late, settled.over_soft, settled.crossed_soft];
    out.push(flags.iter().enumerate().fold(ending, |byte, (bit, flag)| byte | u8::from(*flag) << (bit + 2)));
    out.extend(settled.venue.map_or(0, VenueAccount::get).to_le_bytes());
    put_money(out, settled.amount);
    put_money(out, settled.overrun);
    out.extend(settled.attempts.to_le_bytes());
}

/// Decodes a checkpoint, giving accounts their names in order of number. `None` when it is damaged or there
/// are fewer names than accounts.
pub(crate) fn decode(bytes: &[u8], accounts: &[AccountId], venues: &[VenueId]) -> Option<Snapshot> {
    let (body, crc) = bytes.split_last_chunk::<4>()?;
    if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
        return None;
    }
    let mut reader = Reader(body);
    if reader.u32()? != FORMAT {
        return None;
    }
    let snapshot = Snapshot {
        accounts: reader.named(accounts, |reader, name| {
            let budget = Budget { hard: reader.limit()?, soft: reader.limit()? };
            let (earlier, months) = reader.months()?;
            Some(AccountState { name, budget, earlier, months })
        })?,
        venues: reader.named(venues, |reader, name| {
            let (earlier, months) = reader.months()?;
            Some(VenueState { name, earlier, months })
        })?,
        holds: reader.many(Reader::hold)?,
        settled: reader.many(Reader::settled)?,
    };
    reader.0.is_empty().then_some(snapshot)
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn money(&mut self) -> Option<Money> {
        self.take().map(i128::from_le_bytes).map(Money::from_pico)
    }

    fn limit(&mut self) -> Option<Option<Money>> {
        self.money().map(|limit| (!limit.is_negative()).then_some(limit))
    }

    fn month(&mut self) -> Option<merit_units::Month> {
        month_of(u16::from_le_bytes(self.take()?))
    }

    fn invocation(&mut self) -> Option<InvocationId> {
        self.take().map(u128::from_le_bytes).map(InvocationId::from_bits)
    }

    fn many<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = u64::from_le_bytes(self.take()?);
        (0..count).map(|_| one(self)).collect()
    }

    fn named<Name: Clone, T>(
        &mut self,
        names: &[Name],
        mut one: impl FnMut(&mut Self, Name) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut names = names.iter().cloned();
        self.many(|reader| one(reader, names.next()?))
    }

    fn months(&mut self) -> Option<(Money, Vec<MonthState>)> {
        let earlier = self.money()?;
        let months = self.many(|reader| Some(MonthState { month: reader.month()?, posted: reader.money()? }))?;
        Some((earlier, months))
    }

    fn hold(&mut self) -> Option<HoldState> {
        Some(HoldState {
            invocation: self.invocation()?,
            account: AccountIndex::new(self.u32()?),
            month: self.month()?,
            asked: self.money()?,
            held: self.money()?,
            expires_at: Timestamp::from_micros(u64::from_le_bytes(self.take()?)),
            attempts: self.u32()?,
        })
    }

    fn settled(&mut self) -> Option<SettledState> {
        let (invocation, account, month) = (self.invocation()?, AccountIndex::new(self.u32()?), self.month()?);
        let [byte] = self.take()?;
        let flag = |bit: u8| byte & (1 << (bit + 2)) != 0;
        let venue = VenueAccount::new(self.u32()?);
        Some(SettledState {
            invocation,
            account,
            month,
            ending: *[Ending::Posted, Ending::Voided, Ending::Expired].get(usize::from(byte & 3))?,
            venue: flag(0).then_some(venue),
            amount: self.money()?,
            overrun: self.money()?,
            attempts: self.u32()?,
            late: flag(1),
            over_soft: flag(2),
            crossed_soft: flag(3),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use merit_ledger::{HoldRequest, Ledger};
    use merit_units::Month;

    fn names(names: &[&str]) -> Vec<AccountId> {
        names.iter().map(|name| AccountId::try_new(name).unwrap()).collect()
    }

    /// Two accounts with budgets, open and raised holds, and every ending.
    fn busy() -> Ledger {
        let mut ledger = Ledger::new(100);
        let [a, b] = [0, 1].map(|position| ledger.open(&names(&["a", "b"])[position]));
        let venue = ledger.open_venue(&VenueId::try_new("v").unwrap());
        let dollars = |units| Some(Money::from_units(units));
        ledger.set_budget(a, Budget { hard: dollars(9), soft: dollars(1) }).unwrap();
        let month = Month::try_new(2026, 11).unwrap();
        for number in 0..6_u32 {
            let request = HoldRequest {
                invocation: InvocationId::from_bits(u128::from(number)),
                account: if number % 2 == 0 { a } else { b },
                amount: Money::from_units(1),
                expires_at: Timestamp::from_micros(u64::from(number) + 5),
            };
            ledger.hold(Timestamp::EPOCH, month, &request).unwrap();
        }
        let id = InvocationId::from_bits;
        ledger.post_attempt(id(0), 3, Money::from_pico(7), venue).unwrap();
        ledger.post(id(0), Money::from_units(2), venue).unwrap();
        ledger.void(id(1)).unwrap();
        assert_eq!(ledger.expire(Timestamp::from_micros(8)), [id(2), id(3)]);
        ledger.post(id(2), Money::from_pico(1), venue).unwrap();
        ledger.raise(id(4), Money::from_units(3)).unwrap();
        ledger
    }

    #[test]
    fn a_checkpoint_reads_back_as_it_was_written() {
        let snapshot = busy().snapshot();
        let bytes = encode(&snapshot);
        let venues = [VenueId::try_new("v").unwrap()];
        assert_eq!(decode(&bytes, &names(&["a", "b"]), &venues), Some(snapshot));
        assert_eq!(decode(&bytes, &names(&["a"]), &venues), None, "a name is missing");
    }

    #[test]
    fn damage_is_noticed() {
        let bytes = encode(&busy().snapshot());
        for position in (0..bytes.len()).step_by(13) {
            let mut damaged = bytes.clone();
            damaged[position] ^= 0x10;
            assert_eq!(decode(&damaged, &names(&["a", "b"]), &[VenueId::try_new("v").unwrap()]), None);
        }
        assert_eq!(decode(&bytes[..bytes.len() - 1], &names(&["a", "b"]), &[]), None);
        assert_eq!(decode(&[], &[], &[]), None);
    }
}
