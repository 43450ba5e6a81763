//! A book kept by a reader, by the recipe of `docs/FEED.md`.
//!
//! Invariant: [`LocalBook::levels`] is the broker's book as of [`LocalBook::seq`], or there is none. A frame that was
//! dropped, repeated or put in another place is noticed at the latest by the next heartbeat, and then the book is empty
//! until the next snapshot.

use std::collections::BTreeMap;

use merit_units::Money;
use merit_wire::feed::{FeedBody, FeedData, FeedMessage, LevelView, checksum_text};

/// What a message meant for a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The book has changed.
    Changed,
    /// It stands as it was; or the message is about something else.
    Unchanged,
}

/// Why the book is not the broker's any more: subscribe again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Something between was missed, came twice or in another order.
    #[error("an update follows {prev_seq}, but the last one here was {seq}")]
    Gap {
        /// What the update follows.
        prev_seq: u64,
        /// What was seen last.
        seq: u64,
    },
    /// The last updates were missed.
    #[error("the broker has sent {sent}, but the last one here was {seq}")]
    Behind {
        /// What the heartbeat says was sent.
        sent: u64,
        /// What was seen last.
        seq: u64,
    },
    /// The levels are others.
    #[error("the checksum of {seq} is {told}, but the book here has {own}")]
    Checksum {
        /// Of which update.
        seq: u64,
        /// The broker's.
        told: u32,
        /// The book's own.
        own: u32,
    },
    /// A price is no amount of money.
    #[error("the price `{cost}` of `{deployment}` is no amount")]
    Price {
        /// Of which level.
        deployment: String,
        /// As it was sent.
        cost: String,
    },
}

/// A function's book.
#[derive(Clone, Debug)]
pub struct LocalBook {
    function: String,
    /// Of the last message that was applied; nothing before the first snapshot, and after a break.
    seq: Option<u64>,
    /// By price and name: the book's order.
    levels: BTreeMap<(Money, String), LevelView>,
    prices: BTreeMap<String, Money>,
}

impl LocalBook {
    /// A book that waits for its snapshot.
    #[must_use]
    pub fn new(function: &str) -> Self {
        Self { function: function.to_owned(), seq: None, levels: BTreeMap::new(), prices: BTreeMap::new() }
    }

    /// Takes in a message, whatever it is about.
    ///
    /// # Errors
    /// [`Broken`]: the book is empty now. Subscribe again; until the snapshot comes, updates are passed over.
    pub fn apply(&mut self, message: &FeedMessage) -> Result<Step, Broken> {
        let applied = match message {
            FeedMessage::Snapshot(data) => self.replace(data),
            FeedMessage::Update(data) => self.update(data),
            FeedMessage::Heartbeat { standing, .. } => {
                let of_this = standing.iter().find(|standing| {
                    standing.channel == merit_wire::feed::FeedChannel::Book && standing.function == self.function
                });
                match (of_this, self.seq) {
                    (Some(standing), Some(seq)) if standing.seq != seq => {
                        Err(Broken::Behind { sent: standing.seq, seq })
                    }
                    _ => Ok(Step::Unchanged),
                }
            }
            _ => Ok(Step::Unchanged),
        };
        if applied.is_err() {
            self.clear();
        }
        applied
    }

    /// The levels in the book's order: the cheapest first.
    pub fn levels(&self) -> impl Iterator<Item = &LevelView> {
        self.levels.values()
    }

    /// The last message that was applied.
    #[must_use]
    pub const fn seq(&self) -> Option<u64> {
        self.seq
    }

    fn clear(&mut self) {
        self.seq = None;
        self.levels.clear();
        self.prices.clear();
    }

    fn replace(&mut self, data: &FeedData) -> Result<Step, Broken> {
        let Some((levels, checksum)) = self.of_this(data) else { return Ok(Step::Unchanged) };
        self.clear();
        self.set(levels)?;
        self.check(data.seq, checksum)
    }

    fn update(&mut self, data: &FeedData) -> Result<Step, Broken> {
        let (Some((levels, checksum)), Some(seq)) = (self.of_this(data), self.seq) else {
            return Ok(Step::Unchanged);
        };
        // An update without it can't be placed.
        let prev_seq = data.prev_seq.unwrap_or(0);
        if prev_seq != seq {
            return Err(Broken::Gap { prev_seq, seq });
        }
        self.set(levels)?;
        self.check(data.seq, checksum)
    }

    fn of_this<'a>(&self, data: &'a FeedData) -> Option<(&'a [LevelView], u32)> {
        match &data.body {
            FeedBody::Book { levels, checksum } if data.function == self.function => Some((levels, *checksum)),
            _ => None,
        }
    }

    /// Quantities are absolute: what a level says replaces what was known of it.
    fn set(&mut self, levels: &[LevelView]) -> Result<(), Broken> {
        for level in levels {
            let LevelView { deployment, cost, .. } = level;
            let price: Money =
                cost.parse().map_err(|_| Broken::Price { deployment: deployment.clone(), cost: cost.clone() })?;
            if let Some(former) = self.prices.remove(deployment) {
                self.levels.remove(&(former, deployment.clone()));
            }
            if level.capacity > 0 {
                self.prices.insert(deployment.clone(), price);
                self.levels.insert((price, deployment.clone()), level.clone());
            }
        }
        Ok(())
    }

    fn check(&mut self, seq: u64, told: u32) -> Result<Step, Broken> {
        let own = crc32fast::hash(checksum_text(self.levels.values()).as_bytes());
        if own != told {
            return Err(Broken::Checksum { seq, told, own });
        }
        self.seq = Some(seq);
        Ok(Step::Changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(deployment: &str, cost: &str, free: u32, capacity: u32) -> LevelView {
        let (deployment, cost) = (deployment.to_owned(), cost.to_owned());
        LevelView { deployment, venue: "pool-dc1".to_owned(), cost, free, capacity, why: None }
    }

    fn message(seq: u64, prev_seq: Option<u64>, levels: Vec<LevelView>, checksum: u32) -> FeedMessage {
        let body = FeedBody::Book { levels, checksum };
        let data = FeedData { id: None, function: "thumbnail".to_owned(), seq, prev_seq, at: String::new(), body };
        if prev_seq.is_some() { FeedMessage::Update(data) } else { FeedMessage::Snapshot(data) }
    }

    /// The example of docs/FEED.md.
    #[test]
    fn the_worked_example_is_right() {
        let mut book = LocalBook::new("thumbnail");
        let levels = vec![
            level("pool-128", "0.0000021", 31, 32),
            level("aws-512", "0.0000084", 1000, 1000),
            level("run-256", "0.00001", 80, 80),
        ];
        let text = "pool-128:0.0000021:31:32|aws-512:0.0000084:1000:1000|run-256:0.00001:80:80";
        assert_eq!(checksum_text(&levels), text);
        assert_eq!(book.apply(&message(812, None, levels, crc32fast::hash(text.as_bytes()))), Ok(Step::Changed));
        let text = "aws-512:0.0000079:998:1000|run-256:0.00001:80:80";
        let levels = vec![level("pool-128", "0.0000021", 0, 0), level("aws-512", "0.0000079", 998, 1000)];
        assert_eq!(book.apply(&message(813, Some(812), levels, crc32fast::hash(text.as_bytes()))), Ok(Step::Changed));
        assert_eq!(checksum_text(book.levels()), text);
        let documented = include_str!("../../../../docs/FEED.md");
        for text in [
            "pool-128:0.0000021:31:32|aws-512:0.0000084:1000:1000|run-256:0.00001:80:80",
            "aws-512:0.0000079:998:1000|run-256:0.00001:80:80",
        ] {
            let checksum = crc32fast::hash(text.as_bytes()).to_string();
            assert!(documented.contains(text) && documented.contains(&checksum), "{text}: {checksum}");
        }
    }

    #[test]
    fn what_does_not_fit_empties_the_book_until_a_snapshot() {
        let one = || vec![level("a", "1", 1, 1)];
        let sum = crc32fast::hash(b"a:1:1:1");
        let mut book = LocalBook::new("thumbnail");
        assert_eq!(book.apply(&message(2, Some(1), one(), sum)), Ok(Step::Unchanged), "there was no snapshot");
        assert_eq!(book.apply(&message(1, None, one(), sum)), Ok(Step::Changed));
        assert_eq!(book.apply(&message(3, Some(2), one(), sum)), Err(Broken::Gap { prev_seq: 2, seq: 1 }));
        assert_eq!((book.seq(), book.levels().count()), (None, 0));
        assert_eq!(book.apply(&message(3, None, one(), sum)), Ok(Step::Changed));
        let broken = book.apply(&message(4, Some(3), one(), 7)).expect_err("another checksum");
        assert_eq!(broken, Broken::Checksum { seq: 4, told: 7, own: sum });
        let broken = book.apply(&message(5, None, vec![level("a", "cheap", 1, 1)], sum)).expect_err("no price");
        assert_eq!(broken.to_string(), "the price `cheap` of `a` is no amount");
    }

    #[test]
    fn levels_are_ordered_as_numbers_and_then_by_name() {
        let mut book = LocalBook::new("thumbnail");
        let levels = vec![level("b", "0.1", 1, 1), level("c", "0.02", 1, 1), level("a", "0.1", 1, 1)];
        let sum = crc32fast::hash(b"c:0.02:1:1|a:0.1:1:1|b:0.1:1:1");
        assert_eq!(book.apply(&message(1, None, levels, sum)), Ok(Step::Changed));
    }
}
