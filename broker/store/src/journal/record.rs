//! The form of a journal record: 64 bytes, little endian, with a CRC over all of it.
//!
//! ```text
//!  0  crc      u32   of bytes 4 to 63
//!  4  kind     u8
//!  5  extra    u8    the attempt, or which limits a budget has (bit 0 hard, bit 1 soft)
//!  6  month    u16   months since January 1970
//!  8  party    u32   the caller's account, or the venue's
//! 12  unsynced u32   records before this one that were not known to be on disk
//! 16  sequence u64
//! 24  time     u64   expiry, microseconds since 1970; of a correction the venue's account
//! 32  first    u128  the invocation or correction, or the soft limit in picodollars
//! 48  second   i128  the amount, or the hard limit in picodollars
//! ```

use merit_ledger::{AccountIndex, Budget, Command, VenueAccount};
use merit_units::{InvocationId, Money, Month, Timestamp};

/// Length of a record, and of a segment's header.
pub(crate) const RECORD_BYTES: usize = 64;

/// The journal format written here.
pub(crate) const FORMAT: u32 = 1;

const MAGIC: &[u8; 8] = b"MERITJNL";
const EPOCH_YEAR: u16 = 1970;

const MARK: u8 = 0;
const HOLD: u8 = 1;
const RAISE: u8 = 2;
const POST_ATTEMPT: u8 = 3;
const POST: u8 = 4;
const VOID: u8 = 5;
const EXPIRE: u8 = 6;
const SET_BUDGET: u8 = 7;
const CORRECT: u8 = 8;

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Nothing but how far the journal was synced.
    Mark,
    Command(Command),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) sequence: u64,
    pub(crate) unsynced: u32,
    pub(crate) entry: Entry,
}

/// Why 64 bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// The CRC does not match: torn or damaged.
    Checksum,
    /// The CRC matches and the kind is not known here: a later format.
    Unknown,
}

/// The fields that the kinds fill in.
#[derive(Clone, Copy, Default)]
struct Fields {
    kind: u8,
    extra: u8,
    month: u16,
    party: u32,
    time: u64,
    first: u128,
    second: i128,
}

impl Record {
    pub(crate) fn encode(&self) -> [u8; RECORD_BYTES] {
        let fields = Fields::of(&self.entry);
        let mut bytes = [0; RECORD_BYTES];
        bytes[4] = fields.kind;
        bytes[5] = fields.extra;
        bytes[6..8].copy_from_slice(&fields.month.to_le_bytes());
        bytes[8..12].copy_from_slice(&fields.party.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.unsynced.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[24..32].copy_from_slice(&fields.time.to_le_bytes());
        bytes[32..48].copy_from_slice(&fields.first.to_le_bytes());
        bytes[48..64].copy_from_slice(&fields.second.to_le_bytes());
        let crc = crc32fast::hash(&bytes[4..]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; RECORD_BYTES]) -> Result<Self, Damage> {
        if crc32fast::hash(&bytes[4..]) != u32::from_le_bytes(take(bytes, 0)) {
            return Err(Damage::Checksum);
        }
        let fields = Fields {
            kind: bytes[4],
            extra: bytes[5],
            month: u16::from_le_bytes(take(bytes, 6)),
            party: u32::from_le_bytes(take(bytes, 8)),
            time: u64::from_le_bytes(take(bytes, 24)),
            first: u128::from_le_bytes(take(bytes, 32)),
            second: i128::from_le_bytes(take(bytes, 48)),
        };
        Ok(Self {
            sequence: u64::from_le_bytes(take(bytes, 16)),
            unsynced: u32::from_le_bytes(take(bytes, 12)),
            entry: fields.entry().ok_or(Damage::Unknown)?,
        })
    }
}

impl Fields {
    fn of(entry: &Entry) -> Self {
        let command = match entry {
            Entry::Mark => return Self { kind: MARK, ..Self::default() },
            Entry::Command(command) => *command,
        };
        let about = |kind, invocation: InvocationId| Self { kind, first: invocation.bits(), ..Self::default() };
        match command {
            Command::Hold { invocation, account, month, amount, expires_at } => Self {
                month: month_code(month),
                party: account.get(),
                time: expires_at.micros(),
                second: amount.pico(),
                ..about(HOLD, invocation)
            },
            Command::Raise { invocation, to } => Self { second: to.pico(), ..about(RAISE, invocation) },
            Command::PostAttempt { invocation, attempt, charge, venue } => {
                Self { extra: attempt, party: venue.get(), second: charge.pico(), ..about(POST_ATTEMPT, invocation) }
            }
            Command::Post { invocation, charge, venue } => {
                Self { party: venue.get(), second: charge.pico(), ..about(POST, invocation) }
            }
            Command::Void { invocation } => about(VOID, invocation),
            Command::Expire { invocation } => about(EXPIRE, invocation),
            Command::Correct { correction, account, month, amount, venue } => Self {
                month: month_code(month),
                party: account.get(),
                time: venue.get().into(),
                second: amount.pico(),
                ..about(CORRECT, correction)
            },
            Command::SetBudget { account, budget } => Self {
                kind: SET_BUDGET,
                extra: u8::from(budget.hard.is_some()) | u8::from(budget.soft.is_some()) << 1,
                party: account.get(),
                // A limit is never negative, so its sign bit is free to be lost.
                first: budget.soft.map_or(0, |soft| soft.pico().unsigned_abs()),
                second: budget.hard.map_or(0, Money::pico),
                ..Self::default()
            },
        }
    }

    fn entry(&self) -> Option<Entry> {
        let invocation = InvocationId::from_bits(self.first);
        let amount = Money::from_pico(self.second);
        let venue = VenueAccount::new(self.party);
        let account = AccountIndex::new(self.party);
        let command = match self.kind {
            MARK => return Some(Entry::Mark),
            HOLD => {
                let expires_at = Timestamp::from_micros(self.time);
                Command::Hold { invocation, account, month: month_of(self.month)?, amount, expires_at }
            }
            RAISE => Command::Raise { invocation, to: amount },
            POST_ATTEMPT => Command::PostAttempt { invocation, attempt: self.extra, charge: amount, venue },
            POST => Command::Post { invocation, charge: amount, venue },
            VOID => Command::Void { invocation },
            EXPIRE => Command::Expire { invocation },
            CORRECT => Command::Correct {
                correction: invocation,
                account,
                month: month_of(self.month)?,
                amount,
                venue: VenueAccount::new(u32::try_from(self.time).ok()?),
            },
            SET_BUDGET => {
                let soft = i128::try_from(self.first).ok()?;
                let hard = (self.extra & 1 != 0).then_some(amount);
                let soft = (self.extra & 2 != 0).then_some(Money::from_pico(soft));
                Command::SetBudget { account, budget: Budget { hard, soft } }
            }
            _ => return None,
        };
        Some(Entry::Command(command))
    }
}

/// Months since January 1970.
pub(crate) fn month_code(month: Month) -> u16 {
    let months = u32::from(month.year().saturating_sub(EPOCH_YEAR)) * 12 + u32::from(month.month()) - 1;
    u16::try_from(months).expect("invariant: months lie between the years 1970 and 7431")
}

/// The month of a code.
pub(crate) fn month_of(code: u16) -> Option<Month> {
    Month::try_new(EPOCH_YEAR + code / 12, u8::try_from(code % 12).ok()? + 1)
}

/// The first 64 bytes of a segment: magic, format, segment number, number of its first record, CRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) segment: u64,
    pub(crate) sequence: u64,
}

/// Why a segment's header is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderDamage {
    Damaged,
    /// Written in this later format.
    Newer(u32),
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.segment.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.sequence.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; RECORD_BYTES]) -> Result<Self, HeaderDamage> {
        let sound = &bytes[..8] == MAGIC && crc32fast::hash(&bytes[..60]) == u32::from_le_bytes(take(bytes, 60));
        if !sound {
            return Err(HeaderDamage::Damaged);
        }
        match u32::from_le_bytes(take(bytes, 8)) {
            FORMAT => {
                Ok(Self { segment: u64::from_le_bytes(take(bytes, 16)), sequence: u64::from_le_bytes(take(bytes, 24)) })
            }
            newer => Err(HeaderDamage::Newer(newer)),
        }
    }
}

fn take<const N: usize>(bytes: &[u8; RECORD_BYTES], from: usize) -> [u8; N] {
    std::array::from_fn(|offset| bytes[from + offset])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn amount() -> impl Strategy<Value = Money> {
        (0..=Money::from_units(1_000_000_000_000).pico()).prop_map(Money::from_pico)
    }

    fn command() -> impl Strategy<Value = Command> {
        let id = || any::<u128>().prop_map(InvocationId::from_bits);
        let month = (1970_u16..3000, 1_u8..=12).prop_map(|(year, month)| Month::try_new(year, month).unwrap());
        let venue = || any::<u32>().prop_map(VenueAccount::new);
        let account = || any::<u32>().prop_map(AccountIndex::new);
        let limit = || proptest::option::of(amount());
        prop_oneof![
            (id(), account(), month.clone(), amount(), any::<u64>()).prop_map(
                |(invocation, account, month, amount, at)| {
                    Command::Hold { invocation, account, month, amount, expires_at: Timestamp::from_micros(at) }
                }
            ),
            (id(), amount()).prop_map(|(invocation, to)| Command::Raise { invocation, to }),
            (id(), 0_u8..32, amount(), venue()).prop_map(|(invocation, attempt, charge, venue)| {
                Command::PostAttempt { invocation, attempt, charge, venue }
            }),
            (id(), amount(), venue()).prop_map(|(invocation, charge, venue)| Command::Post {
                invocation,
                charge,
                venue
            }),
            (id(), account(), month, amount(), any::<bool>(), venue()).prop_map(
                |(correction, account, month, amount, less, venue)| {
                    let amount = if less { -amount } else { amount };
                    Command::Correct { correction, account, month, amount, venue }
                }
            ),
            id().prop_map(|invocation| Command::Void { invocation }),
            id().prop_map(|invocation| Command::Expire { invocation }),
            (account(), limit(), limit())
                .prop_map(|(account, hard, soft)| Command::SetBudget { account, budget: Budget { hard, soft } }),
        ]
    }

    proptest! {
        #[test]
        fn a_record_reads_back_as_it_was_written(command in command(), sequence: u64, unsynced: u32) {
            let record = Record { sequence, unsynced, entry: Entry::Command(command) };
            prop_assert_eq!(Record::decode(&record.encode()), Ok(record));
        }

        #[test]
        fn any_flipped_bit_is_noticed(command in command(), bit in 0_usize..RECORD_BYTES * 8) {
            let mut bytes = Record { sequence: 7, unsynced: 1, entry: Entry::Command(command) }.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Record::decode(&bytes), Err(Damage::Checksum));
        }
    }

    #[test]
    fn zeros_are_neither_a_record_nor_a_header() {
        assert_eq!(Record::decode(&[0; RECORD_BYTES]), Err(Damage::Checksum));
        assert_eq!(SegmentHeader::decode(&[0; RECORD_BYTES]), Err(HeaderDamage::Damaged));
    }

    #[test]
    fn a_later_format_is_told_apart_from_damage() {
        let mut bytes = SegmentHeader { segment: 3, sequence: 9 }.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(SegmentHeader { segment: 3, sequence: 9 }));
        bytes[8] = 2;
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderDamage::Newer(2)));

        let mut bytes = Record { sequence: 0, unsynced: 0, entry: Entry::Mark }.encode();
        bytes[4] = 200;
        let crc = crc32fast::hash(&bytes[4..]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Record::decode(&bytes), Err(Damage::Unknown));
    }
}
