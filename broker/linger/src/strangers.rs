//! Connections of which nobody knows yet whose they are: they are bounded, so that they never keep others out.
//!
//! A connection is a stranger's until its server says that it is known: because a request on it was allowed, by a key or a
//! signature. When there are too many, the one of them that has asked nothing for the longest is closed:
//! of the address that has the most, so that an address that opens thousands closes its own.
//!
//! Known limitation: behind a proxy all connections have one address, and then its own bound is the one that counts.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// What of an IPv6 address is its network: whoever has one address mostly has all of these.
const NETWORK_BITS: u32 = 64;

/// All connections of strangers.
#[derive(Debug)]
pub struct Strangers {
    most: usize,
    most_of_one: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    count: usize,
    /// Those of each address, in the order in which they last asked something.
    of: BTreeMap<IpAddr, BTreeMap<u64, watch::Sender<bool>>>,
}

/// One connection, until it is dropped.
#[derive(Debug)]
pub struct Stranger {
    all: Arc<Strangers>,
    address: IpAddr,
    /// Its place among the others; `None` once it is known.
    number: Mutex<Option<u64>>,
    sent_away: watch::Receiver<bool>,
}

impl Strangers {
    /// At most `most`, and `most_of_one` of an address; both at least one.
    #[must_use]
    pub fn new(most: usize, most_of_one: usize) -> Arc<Self> {
        Arc::new(Self { most, most_of_one, waiting: Mutex::default() })
    }

    /// One more comes in, and another may have to go for it.
    #[must_use]
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Stranger {
        let address = network(address);
        let (send_away, sent_away) = watch::channel(false);
        let mut waiting = self.waiting();
        let number = waiting.add(address, send_away);
        if waiting.of.get(&address).map_or(0, BTreeMap::len) > self.most_of_one {
            waiting.send_away(address);
        } else if waiting.count > self.most {
            let fullest = waiting.of.iter().max_by_key(|(_, those)| those.len()).map(|(address, _)| *address);
            fullest.into_iter().for_each(|address| waiting.send_away(address));
        }
        Stranger { all: Arc::clone(self), address, number: Mutex::new(Some(number)), sent_away }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn add(&mut self, address: IpAddr, send_away: watch::Sender<bool>) -> u64 {
        let number = self.next;
        self.next += 1;
        self.count += 1;
        self.of.entry(address).or_default().insert(number, send_away);
        number
    }

    fn remove(&mut self, address: IpAddr, number: u64) -> Option<watch::Sender<bool>> {
        let those = self.of.get_mut(&address)?;
        let removed = those.remove(&number)?;
        self.count -= 1;
        if those.is_empty() {
            self.of.remove(&address);
        }
        Some(removed)
    }

    /// Sends away the one of this address that has been still for the longest.
    fn send_away(&mut self, address: IpAddr) {
        let first = self.of.get(&address).and_then(|those| those.keys().next().copied());
        if let Some(gone) = first.and_then(|number| self.remove(address, number)) {
            gone.send_replace(true);
        }
    }
}

impl Stranger {
    /// Somebody who may be here: it is no stranger any more, and stays. Not if it had been sent away before.
    pub fn introduce(&self) -> bool {
        let mut place = self.place();
        let Some(number) = *place else { return true };
        let stays = self.all.waiting().remove(self.address, number).is_some();
        if stays {
            *place = None;
        }
        stays
    }

    /// It asks something, and goes to the end of the row.
    pub fn asks(&self) {
        let mut number = self.place();
        let Some(old) = *number else { return };
        let mut waiting = self.all.waiting();
        if let Some(send_away) = waiting.remove(self.address, old) {
            *number = Some(waiting.add(self.address, send_away));
        }
    }

    /// Its place in the row, another one whenever it asks; `None` once it is known.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        *self.place()
    }

    /// Ends when it has to go; never for one that is known.
    pub async fn sent_away(&self) {
        if self.sent_away.clone().wait_for(|away| *away).await.is_err() {
            // It is known: what could have sent it away is gone.
            std::future::pending().await
        }
    }

    fn place(&self) -> MutexGuard<'_, Option<u64>> {
        self.number.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.introduce();
    }
}

/// The address by which strangers are counted.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - NETWORK_BITS))).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn is_sent_away(stranger: &Stranger) -> bool {
        *stranger.sent_away.borrow()
    }

    #[test]
    fn the_stillest_of_the_address_with_the_most_goes_first() {
        let all = Strangers::new(4, 3);
        let (one, two) = (address("192.0.2.1"), address("192.0.2.2"));
        let few = all.enter(two);
        let many: Vec<Stranger> = (0..3).map(|_| all.enter(one)).collect();
        many[0].asks();
        assert!(!many.iter().any(is_sent_away), "there is room");
        let another = all.enter(two);
        assert_eq!(many.iter().map(is_sent_away).collect::<Vec<_>>(), [false, true, false]);
        assert!(!is_sent_away(&few) && !is_sent_away(&another));
        drop(many);
        let one_more: Vec<Stranger> = (0..2).map(|_| all.enter(two)).collect();
        assert!(is_sent_away(&few), "an address has its own bound");
        assert!(!one_more.iter().any(is_sent_away));
    }

    #[test]
    fn who_is_known_stays_and_takes_no_place() {
        let all = Strangers::new(1, 1);
        let known = all.enter(address("192.0.2.1"));
        assert!(known.introduce());
        let others: Vec<Stranger> = (0..3).map(|_| all.enter(address("192.0.2.1"))).collect();
        assert!(known.number().is_none() && !is_sent_away(&known));
        assert_eq!(others.iter().map(is_sent_away).collect::<Vec<_>>(), [true, true, false]);
        assert!(!others[0].introduce() && others[2].introduce(), "too late for one");
        drop((known, others));
        let waiting = all.waiting();
        assert_eq!((waiting.count, waiting.of.len()), (0, 0));
    }

    #[test]
    fn addresses_of_one_network_are_one() {
        assert_eq!(network(address("2001:db8::1")), network(address("2001:db8::ffff:1")));
        assert_ne!(network(address("2001:db8::1")), network(address("2001:db8:0:1::1")));
        assert_eq!(network(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    }
}
