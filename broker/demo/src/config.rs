//! The `merit.toml` of the demo's broker, written from what the simulated clouds say of themselves.

use std::fmt::Write as _;

use crate::clouds::Cloud;
use crate::sample::SAMPLES;

/// The name of the pool as a venue.
pub(crate) const POOL: &str = "pool-local";

/// Memory of a function in the pool: what `merit pool` gives it by default.
const POOL_MEMORY_MB: u64 = 128;

/// Dollars for a yuan. An example, and said to be one: the broker wants the day of a rate, and no
/// rate has one that holds when the demo is run.
pub(crate) const EXAMPLE_USD_PER_CNY: &str = "0.1405";

/// What the broker is configured with.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// Where the broker listens.
    pub listen: String,
    /// Where the simulated clouds are, without a slash at the end.
    pub clouds_url: &'a str,
    /// The simulated clouds.
    pub clouds: &'a [Cloud],
    /// Where the pool is, without a slash at the end.
    pub pool_url: &'a str,
    /// Calls the pool runs at once.
    pub pool_slots: u32,
    /// The day the example exchange rate is said to be of, such as `2026-11-21`.
    pub today: &'a str,
}

impl Plan<'_> {
    /// The configuration as text.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = self.head();
        self.pool(&mut text);
        for cloud in self.clouds {
            self.cloud(&mut text, cloud);
        }
        for sample in &SAMPLES {
            let Self { clouds, .. } = self;
            write(
                &mut text,
                &format!("\n[functions.{}]\nidempotent = {}\ntimeout_ms = 10000\n", sample.name, sample.idempotent),
            );
            deployment(&mut text, sample.name, POOL, POOL_MEMORY_MB, None);
            for cloud in *clouds {
                deployment(&mut text, sample.name, &cloud.name, cloud.memory_mb, cloud.vcpu_milli);
            }
        }
        text
    }

    fn head(&self) -> String {
        let Self { listen, today, .. } = self;
        format!(
            "\
# The configuration of `merit demo`, written by it for this run.

[server]
listen = \"{listen}\"

[store]
dir = \"store\"

[market]
# When a venue with many deployments dies, each of them has to fail a few calls before it is
# ejected, and each of these calls is repeated elsewhere: the saved-up retries must do for all.
retry_burst = 100

[exchange_rates]
# An example, not a rate of any day: put the rate and the day you account by.
CNY = {{ usd = \"{EXAMPLE_USD_PER_CNY}\", date = \"{today}\" }}
"
        )
    }

    fn pool(&self, text: &mut String) {
        let Self { pool_url, pool_slots, .. } = self;
        write(
            text,
            &format!(
                "
# Functions on this machine, `merit pool`. The prices are Merit's starting point for machines of your own.
[venues.{POOL}]
kind = \"http\"
url = \"{pool_url}/\"
region = \"local\"
isolation = \"wasm\"
sheet = \"own/default\"
concurrency = {pool_slots}
"
            ),
        );
    }

    fn cloud(&self, text: &mut String, cloud: &Cloud) {
        let Cloud { name, price_sheet, architecture, concurrency, free_grants, .. } = cloud;
        let (url, region) = (self.clouds_url, cloud.region());
        write(
            text,
            &format!(
                "
[venues.{name}]
kind = \"http\"
url = \"{url}/{name}/\"
region = \"{region}\"
architecture = \"{architecture}\"
sheet = \"{price_sheet}\"
concurrency = {concurrency}
"
            ),
        );
        if !free_grants.is_empty() {
            write(
                text,
                &format!(
                    "# The month's free grants are used up, as its own books have it.\n[venues.{name}.month_to_date]\n"
                ),
            );
        }
        for (meter, quantity) in free_grants {
            write(text, &format!("{meter} = \"{quantity}\"\n"));
        }
    }
}

fn deployment(text: &mut String, function: &str, venue: &str, memory_mb: u64, vcpu_milli: Option<u32>) {
    write(
        text,
        &format!(
            "[functions.{function}.deployments.{venue}-{memory_mb}]\nvenue = \"{venue}\"\ntarget = \"{function}\"\nmemory_mb = {memory_mb}\n"
        ),
    );
    if let Some(milli) = vcpu_milli {
        write(text, &format!("vcpu = \"{}.{:03}\"\n", milli / 1000, milli % 1000));
    }
}

fn write(text: &mut String, more: &str) {
    text.write_str(more).expect("invariant: a string takes all that is written");
}
