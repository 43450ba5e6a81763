//! `merit catalog compare`: what a function's month would cost under every sheet, cheapest first.
//!
//! The arithmetic is `merit_pricing::compare`'s; here are the options, where sheets and exchange rates come from, and the
//! words. Known limitation: rates of the configuration are taken as they are, however old; their day is shown.

mod candidates;
mod plot;
mod show;

use std::path::PathBuf;

use clap::Args;
use merit_config::Config;
use merit_pricing::{Architecture, Comparison, Date, Share, Size, Usage, Workload};
use merit_units::{Currency, ExchangeRate, MemoryMb, Micros};

use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;
use crate::values::{parse_calls, parse_memory, parse_millis, parse_ppm, parse_vcpu};

use candidates::Candidates;

/// Options of `catalog compare`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Free grants and volume tiers are applied to the sum of the month's calls, as the invoices do it, with the function
alone in its account and its calls spread evenly over 730 hours. It is taken to last as long everywhere. What a sheet
bills and no option says is assumed and marked: without --cpu-ms all of the duration is CPU time; without --vcpu,
where it has to be chosen, the least that is sold with as much CPU as AWS Lambda gives for the memory. Sheets in other
currencies need an exchange rate, from --rate or from [exchange_rates] of the configuration.
With --adjust, discounts, packages and commitments are applied for all of the month; of those that do not begin anew
each month, all that is left is for this one. What a commitment costs itself is not in the figures: it is due in any case.

  merit catalog compare --memory-mb 512 --duration-ms 250 --calls 1e6 --rate CNY=0.14
  merit catalog compare aws azure --memory-mb 1024 --duration-ms 80 --calls 5e7 --plot months.svg
  merit catalog compare aws google --memory-mb 1024 --duration-ms 80 --calls 5e7 --adjust 2026-12-01 --config merit.toml")]
pub struct CompareArgs {
    /// Only sheets (with --live: venues) whose name contains one of these
    #[arg(value_name = "TEXT")]
    pub filter: Vec<String>,
    /// Configured memory in MB
    #[arg(long, value_name = "N", value_parser = parse_memory)]
    pub memory_mb: MemoryMb,
    /// How long a call runs, in milliseconds with at most three decimals
    #[arg(long, value_name = "X", value_parser = parse_millis)]
    pub duration_ms: Micros,
    /// Calls a month, such as 250000 or 1e6
    #[arg(long, value_name = "N", value_parser = parse_calls)]
    pub calls: u64,
    /// Configured vCPUs with at most three decimals, where they can be chosen
    #[arg(long, value_name = "X", value_parser = parse_vcpu)]
    pub vcpu: Option<u32>,
    /// CPU time of a call, in milliseconds
    #[arg(long, value_name = "X", value_parser = parse_millis)]
    pub cpu_ms: Option<Micros>,
    /// Per cent of the calls that start cold
    #[arg(long, value_name = "X", value_parser = parse_ppm, requires = "init_ms")]
    pub cold_percent: Option<u32>,
    /// Initialisation of a cold start, in milliseconds
    #[arg(long, value_name = "X", value_parser = parse_millis, requires = "cold_percent")]
    pub init_ms: Option<Micros>,
    /// Bytes a call sends to the internet
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub egress_bytes: u64,
    /// Scratch disk in MB
    #[arg(long, value_name = "N", value_parser = parse_memory)]
    pub ephemeral_mb: Option<MemoryMb>,
    /// Requests that share a busy instance, where the provider lets them
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// Instances kept warm all month; without, sheets that price them are left out
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub warm_instances: u32,
    /// Only sheets for x86_64 or arm64, and those that do not tell them apart
    #[arg(long, value_name = "ARCH")]
    pub architecture: Option<Architecture>,
    /// Only sheets of this region, and those that hold in several. May be repeated
    #[arg(long, value_name = "REGION")]
    pub region: Vec<String>,
    /// Dollars for one unit of a currency, such as CNY=0.1405; before those of the configuration. May be repeated
    #[arg(long, value_name = "CURRENCY=X", value_parser = parse_rate)]
    pub rate: Vec<(Currency, ExchangeRate)>,
    /// Apply the adjustments that hold on this day, such as 2026-12-01: those of the configuration, to the sheets that its
    /// venues are billed by; with --live those of the broker, to its venues
    #[arg(long, value_name = "DAY")]
    pub adjust: Option<Date>,
    /// The configuration with exchange rates and adjustments; without, MERIT_CONFIG or merit.toml in the working folder
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Ask the broker for its venues, and compare those by the sheets in force there
    #[arg(long)]
    pub live: bool,
    /// Give each sheet a line of its own, also those of one provider at the same price
    #[arg(long)]
    pub all: bool,
    /// Draw the month's cost over the duration of a call into this SVG file, a line for each provider
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

fn parse_rate(text: &str) -> Result<(Currency, ExchangeRate), String> {
    let (currency, rate) = text.split_once('=').ok_or_else(|| format!("{text} has no `=`; write CURRENCY=X"))?;
    let currency = currency.parse::<Currency>().map_err(|error| error.to_string())?;
    let rate = rate.parse::<ExchangeRate>().map_err(|error| format!("{rate} {error}"))?;
    Ok((currency, rate))
}

impl CompareArgs {
    fn workload(&self) -> Workload {
        let size = Size::new(self.memory_mb).with_concurrency(self.concurrency);
        let size = Size { vcpu_milli: self.vcpu, ephemeral: self.ephemeral_mb.unwrap_or(size.ephemeral), ..size };
        let usage = Usage {
            duration: self.duration_ms,
            init: self.init_ms.unwrap_or_default(),
            cpu: self.cpu_ms,
            memory_peak: None,
            egress_bytes: self.egress_bytes,
            share: Share::of(self.concurrency),
        };
        Workload {
            size,
            usage,
            calls: self.calls,
            cold_ppm: self.cold_percent.unwrap_or(0),
            warm_instances: self.warm_instances,
        }
    }
}

pub(super) async fn compare(
    args: &CompareArgs,
    client: impl FnOnce() -> Result<Client, Failure>,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let config = Config::load(args.config.as_deref(), output.env())?;
    let rates = candidates::Rates::read(args, &config);
    let candidates = if args.live {
        Candidates::of_broker(args, &client()?).await?
    } else {
        Candidates::of_catalogue(args, &config)
    };
    if candidates.is_empty() {
        let known = if args.live { "`merit venues list`" } else { "`merit catalog list`" };
        return Err(Failure::usage(format!("no sheet is left by these filters; {known} shows what there is")));
    }
    let workload = args.workload();
    let comparison = Comparison::new(candidates.sheets(), &workload, |currency| rates.at(currency));
    // Drawn first: a file that can't be written is better said before a page of figures than after it.
    if let Some(file) = &args.plot {
        let svg = plot::draw(&comparison, &candidates, &workload, &rates)?;
        std::fs::write(file, svg).map_err(|error| {
            Failure::usage(format!("cannot write {}: {error}; name another file with --plot", file.display()))
        })?;
    }
    let shown = show::Shown { args, candidates: &candidates, comparison: &comparison, rates: &rates };
    if output.json() {
        shown.json(output)?
    } else {
        shown.text(output)?
    }
    Ok(())
}
