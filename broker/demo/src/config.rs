//! The `merit.toml` of the demo's broker, written from what the simulated clouds say of themselves.

use std::fmt::Write as _;

use crate::clouds::Cloud;
use crate::sample::SAMPLES;

/// The name of the pool as a venue.
pub(crate) const POOL: &str = "pool-local";

/// Dollars for a yuan. An example, and said to be one: the broker wants the day of a rate, and no
/// rate has one that holds when the demo is run.
pub(crate) const EXAMPLE_USD_PER_CNY: &str = "0.1405";

/// The key pair of AWS's documentation, which the simulated clouds of the demo know.
const EXAMPLE_KEY: (&str, &str) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");

/// What the simulated Workers of the demo ask for.
const EXAMPLE_BEARER: &str = "merit-demo-bearer-token";

/// The token by which the simulated Kubernetes API of the demo lists services, and the gateway's password.
const EXAMPLE_OWN: &str = "merit-demo-cluster-secret";

/// The app registration that the simulated clouds of the demo know.
const EXAMPLE_ENTRA: &str = "\
function_key = \"merit-demo-function-key\"
tenant = \"11111111-1111-1111-1111-111111111111\"
client_id = \"22222222-2222-2222-2222-222222222222\"
client_secret = \"merit-demo-client-secret\"
";

/// What its tokens are for.
const EXAMPLE_SCOPE: &str = "api://33333333-3333-3333-3333-333333333333/.default";

/// As long as the simulated clouds let a call run. All share this machine, and on a busy one a call waits its turn.
const TIMEOUT_MS: u64 = 30_000;

/// What the samples use where memory is billed as it was observed: a runtime's own and a little more.
const ASSUMED_MEMORY_MB: u64 = 128;

/// What the broker is configured with.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// Where the broker listens.
    pub listen: String,
    /// Where the simulated clouds are, without a slash at the end.
    pub clouds_url: &'a str,
    /// The simulated clouds.
    pub clouds: &'a [Cloud],
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
            write(
                &mut text,
                &format!(
                    "\n[functions.{}]\nidempotent = {}\ntimeout_ms = {TIMEOUT_MS}\n",
                    sample.name, sample.idempotent
                ),
            );
            for cloud in self.clouds {
                Place::of(cloud).deployment(&mut text, sample.name);
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
        let Self { pool_slots, .. } = self;
        write(
            text,
            &format!(
                "
# Functions on this machine: a `merit pool` that joins, and says itself what it runs and at what price.
[venues.{POOL}]
kind = \"provider\"
region = \"local\"
isolation = \"wasm\"
offers = [\"*\"]
vouch = true
private_addresses = true
trial_calls = 0
concurrency = {pool_slots}
"
            ),
        );
    }

    fn cloud(&self, text: &mut String, cloud: &Cloud) {
        let Cloud { name, price_sheet, architecture, concurrency, free_grants, .. } = cloud;
        let (reached, region) = (self.reached(cloud), cloud.region());
        write(
            text,
            &format!(
                "
[venues.{name}]
{reached}
region = \"{region}\"
architecture = \"{architecture}\"
sheet = \"{price_sheet}\"
concurrency = {concurrency}
"
            ),
        );
        if cloud.protocol == "workers" {
            write(text, &format!("[venues.{name}.credentials]\nbearer_token = \"{EXAMPLE_BEARER}\"\n"));
        }
        if cloud.openfaas.is_some() {
            write(text, &format!("[venues.{name}.gateway]\nuser = \"admin\"\npassword = \"{EXAMPLE_OWN}\"\n"));
        }
        if cloud.knative.is_some() {
            let url = self.clouds_url;
            write(
                text,
                &format!(
                    "[venues.{name}.cloudevents]\ntype = \"com.example.demo\"\nsource = \"/merit/demo\"\n\
                     [venues.{name}.api]\nurl = \"{url}/{name}/\"\ntoken = \"{EXAMPLE_OWN}\"\n"
                ),
            );
        }
        if let Some((id, secret)) = key_names(cloud) {
            let (own_id, own_secret) = EXAMPLE_KEY;
            let keys = format!("{id} = \"{own_id}\"\n{secret} = \"{own_secret}\"\n");
            write(text, &format!("[venues.{name}.credentials]\n{keys}"));
        }
        if cloud.azure.is_some() {
            write(text, &format!("[venues.{name}.credentials]\n{EXAMPLE_ENTRA}"));
        }
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

impl Plan<'_> {
    /// How the broker reaches a cloud.
    fn reached(&self, cloud: &Cloud) -> String {
        let Cloud { name, lambda, protocol, google, azure, round_trip_ms, .. } = cloud;
        let url = self.clouds_url;
        if let Some(own) = self.own(cloud) {
            return own;
        }
        if let Some(azure) = azure {
            return format!(
                "# It speaks Azure's own protocol, keys and Entra tokens and all, and tells no meters.\n\
                 kind = \"azure-functions\"\nendpoint_url = \"{url}/{name}/api\"\narm_url = \"{url}/{name}\"\n\
                 authority_url = \"{url}/{name}\"\nscope = \"{EXAMPLE_SCOPE}\"\nidentity = \"client-secret\"\n\
                 subscription = \"{}\"\nresource_group = \"{}\"\napps = [\"{}\"]\nassumed_memory_mb = {ASSUMED_MEMORY_MB}\n\
                 round_trip_ms = {}",
                azure.subscription,
                azure.resource_group,
                azure.app,
                round_trip_ms.unwrap_or_default()
            );
        }
        if let Some(google) = google {
            return format!(
                "# It speaks Cloud Run's own protocol, ID tokens and all, and tells no meters.\nkind = \"google-run\"\n\
                 endpoint_url = \"{url}/{name}\"\napi_endpoint_url = \"{url}/{name}\"\nmetadata_url = \"{url}/{name}\"\n\
                 project = \"{}\"\nround_trip_ms = {}",
                google.project,
                round_trip_ms.unwrap_or_default()
            );
        }
        match (protocol.as_str(), lambda) {
            ("fc", _) => format!(
                "# It speaks Function Compute's own protocol, signatures and all.\nkind = \"alibaba-fc\"\n\
                 endpoint_url = \"{url}/{name}\""
            ),
            ("scf", _) => format!(
                "# It speaks SCF's own protocol; the samples take pictures and texts, so they are sent as bodies of events.\n\
                 kind = \"tencent-scf\"\nevents = \"gateway\"\nendpoint_url = \"{url}/{name}\""
            ),
            ("workers", _) => format!(
                "# It answers as Workers do. No reply tells CPU time, so charges are estimates.\n\
                 kind = \"cloudflare-workers\"\nurl = \"{url}/{name}/\""
            ),
            (_, None) => format!("kind = \"http\"\nurl = \"{url}/{name}/\""),
            (_, Some(lambda)) => format!(
                "# It speaks Lambda's own protocol, signatures and all.\nkind = \"aws-lambda\"\n\
                 endpoint_url = \"{url}/{name}\"\naccount = \"{}\"",
                lambda.account
            ),
        }
    }
}

impl Plan<'_> {
    /// How the broker reaches a platform on machines of one's own.
    fn own(&self, Cloud { name, openfaas, knative, .. }: &Cloud) -> Option<String> {
        let url = self.clouds_url;
        if let Some(gateway) = openfaas {
            return Some(format!(
                "# A gateway of OpenFaaS on machines of one's own; its watchdogs tell how long a call took.\n\
                 kind = \"http\"\npreset = \"openfaas\"\nurl = \"{url}/{name}/\"\nnamespace = \"{}\"",
                gateway.namespace
            ));
        }
        let ingress = knative.as_ref()?;
        Some(format!(
            "# An ingress of Knative on machines of one's own, called by CloudEvents; it tells no meters.\n\
             kind = \"http\"\npreset = \"knative\"\nurl = \"{url}/{name}/\"\nnamespace = \"{}\"\ndomain = \"{}\"",
            ingress.namespace, ingress.domain
        ))
    }
}

/// What the parts of a key pair are called, where a cloud's protocol has such.
fn key_names(cloud: &Cloud) -> Option<(&'static str, &'static str)> {
    match cloud.protocol.as_str() {
        "lambda" => Some(("access_key_id", "secret_access_key")),
        "fc" => Some(("access_key_id", "access_key_secret")),
        "scf" => Some(("secret_id", "secret_key")),
        _ => None,
    }
}

/// What a deployment gets at a venue.
struct Place<'a> {
    venue: &'a str,
    memory_mb: u64,
    vcpu_milli: Option<u32>,
    concurrency: u32,
}

impl<'a> Place<'a> {
    fn of(cloud: &'a Cloud) -> Self {
        let Cloud { name, memory_mb, vcpu_milli, concurrency, .. } = cloud;
        Self { venue: name, memory_mb: *memory_mb, vcpu_milli: *vcpu_milli, concurrency: *concurrency }
    }

    fn deployment(&self, text: &mut String, function: &str) {
        let Self { venue, memory_mb, vcpu_milli, concurrency } = self;
        write(
            text,
            &format!(
                "\
[functions.{function}.deployments.{venue}-{memory_mb}]
venue = \"{venue}\"
target = \"{function}\"
memory_mb = {memory_mb}
concurrency = {concurrency}
"
            ),
        );
        if let Some(milli) = vcpu_milli {
            write(text, &format!("vcpu = \"{}.{:03}\"\n", milli / 1000, milli % 1000));
        }
    }
}

fn write(text: &mut String, more: &str) {
    text.write_str(more).expect("invariant: a string takes all that is written");
}
