//! The market of the demo, set up: functions written, processes started, configuration made.

use std::ffi::OsString;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::broker::Broker;
use crate::children::Children;
use crate::clouds::Clouds;
use crate::config::{POOL, Plan};
use crate::sample::SAMPLES;
use crate::screen::{Screen, Style};
use crate::{DemoError, Options, sample, story};

/// Bytes of the key's id and of its secret.
const KEY_BYTES: (usize, usize) = (6, 24);

/// Joining takes a moment; a busy machine is given this long.
const JOINED_WITHIN: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Modelled time is waited out in full: the broker believes no venue that says a call took longer than it did.
const REAL_TIME: &str = "1";

/// Everything the demo runs on.
pub(crate) struct Stage {
    /// The demo's folder.
    pub(crate) folder: PathBuf,
    /// The simulated clouds.
    pub(crate) clouds: Clouds,
    /// The broker.
    pub(crate) broker: Broker,
    /// The broker's key.
    pub(crate) key: String,
}

impl Stage {
    /// Sets it up in `folder`.
    ///
    /// # Errors
    /// When a file can't be written or a process does not start.
    pub(crate) async fn set(
        options: &Options,
        folder: &Path,
        children: &mut Children,
        screen: &mut Screen,
    ) -> Result<Self, DemoError> {
        let functions = folder.join("functions");
        sample::write_all(&functions)?;
        screen.say(Style::Faint, "compiling the five functions and starting the clouds ...")?;
        let running = |extra: &[&str]| -> Vec<OsString> {
            let common = ["--functions".into(), functions.clone().into(), "--listen".into(), "127.0.0.1:0".into()];
            let cache = ["--cache".into(), folder.join("cache").into()];
            common.into_iter().chain(cache).chain(extra.iter().map(OsString::from)).collect()
        };
        let clouds_url = children.start("sim", &running(&["--time-scale", REAL_TIME]), None).await?;
        let clouds = Clouds::discover(clouds_url).await?;
        screen.say(Style::Plain, &format!("\n{}\n", story::market(&clouds, options.pool_slots, &options.today)))?;

        let plan = Plan {
            listen: free_or_any(&options.listen),
            clouds_url: clouds.url(),
            clouds: &clouds.all,
            pool_slots: options.pool_slots,
            today: &options.today,
        };
        let config = folder.join("merit.toml");
        std::fs::write(&config, plan.to_toml()).map_err(DemoError::io(format!("writing {}", config.display())))?;
        let key = new_key();
        let args = ["--config".into(), config.into()];
        let url = children.start("serve", &args, Some(("MERIT_BOOTSTRAP_KEY", &key))).await?;
        let broker = Broker::new(url, key.clone())?;
        // It finds the clouds' compiled functions in the cache.
        let slots = options.pool_slots.to_string();
        let join = running(&["--concurrency", &slots, "--join", broker.url(), "--venue", POOL]);
        let provider_key = broker.provider_key(POOL).await?;
        children.start("pool", &join, Some(("MERIT_PROVIDER_KEY", &provider_key))).await?;
        joined(&broker).await?;
        Ok(Self { folder: folder.to_owned(), clouds, broker, key })
    }

    /// The venues on machines of one's own, with their slots: too few to run everything.
    pub(crate) fn small(&self, pool_slots: u32) -> Vec<(String, u32)> {
        let own = self.clouds.all.iter().filter(|cloud| cloud.is_own());
        let own = own.map(|cloud| (cloud.name.clone(), cloud.concurrency));
        std::iter::once((POOL.to_owned(), pool_slots)).chain(own).collect()
    }

    /// The names of all venues.
    pub(crate) fn venues(&self) -> Vec<String> {
        let clouds = self.clouds.all.iter().map(|cloud| cloud.name.clone());
        clouds.chain([POOL.to_owned()]).collect()
    }
}

/// Waits until the pool's offers are in the books.
async fn joined(broker: &Broker) -> Result<(), DemoError> {
    let asks = async {
        for sample in &SAMPLES {
            while !broker.book(sample.name).await?.asks.iter().any(|ask| ask.venue == POOL) {
                sleep(LOOK_AGAIN).await;
            }
        }
        Ok(())
    };
    let late = || DemoError::Request { request: "the books".to_owned(), reason: format!("{POOL} did not join") };
    timeout(JOINED_WITHIN, asks).await.unwrap_or_else(|_| Err(late()))
}

/// The address if nobody listens there, and otherwise any free port.
fn free_or_any(address: &str) -> String {
    match TcpListener::bind(address) {
        Ok(_) => address.to_owned(),
        Err(_) => "127.0.0.1:0".to_owned(),
    }
}

/// A key for this run.
fn new_key() -> String {
    let mut bytes = [0; KEY_BYTES.0 + KEY_BYTES.1];
    aws_lc_rs::rand::fill(&mut bytes).expect("invariant: the operating system gives random bytes");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (id, secret) = bytes.split_at(KEY_BYTES.0);
    format!("mrt_{}_{}", hex(id), hex(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_address_is_left_to_whoever_has_it() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        assert_eq!(free_or_any(&address), "127.0.0.1:0");
        drop(taken);
        assert_eq!(free_or_any(&address), address);
    }

    #[test]
    fn keys_have_the_form_the_broker_takes() {
        let key = new_key();
        let parts: Vec<&str> = key.split('_').collect();
        assert_eq!((parts[0], parts[1].len(), parts[2].len()), ("mrt", 12, 48));
        assert_ne!(key, new_key());
    }
}
