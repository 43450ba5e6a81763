//! `merit catalog price`: what one call, or many alike, are charged under a sheet. Exact, offline.

use std::collections::BTreeMap;

use std::path::PathBuf;

use clap::Args;
use merit_config::Config;
use merit_pricing::{
    Adjusted, Adjustments, Architecture, Date, Meter, Metered, MonthToDate, Pools, PriceSheet, Size, Usage,
};
use merit_units::{MemoryMb, Micros, Overflow, Quantity, SheetName};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Output, Table};
use crate::values::{parse_memory, parse_millis, parse_vcpu};

/// Options of `catalog price`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Without --month-to-date the price is the one after the free grant, in the first paid tier. With it, the meters
named stand where they are said to, counted from the start of the month with the grant; the others stay after
their grant. With --adjust, discounts, packages and commitments are applied, of which all that is left is for these calls.
Meters: request, gb_second, vcpu_second, gib_second, compute_unit, cpu_ms, ephemeral_gb_second, egress_gb.

  merit catalog price aws-lambda/us-east-1/x86_64 --memory-mb 128 --duration-ms 12.34 --init-ms 180.2
  merit catalog price google-run/tier1 --memory-mb 512 --vcpu 0.333 --duration-ms 250.5 --requests 1000000
  merit catalog price alibaba-fc/cn --memory-mb 512 --vcpu 0.35 --duration-ms 80 --adjust 2026-12-01 --config merit.toml")]
pub struct PriceArgs {
    /// The sheet, such as aws-lambda/us-east-1/x86_64
    #[arg(value_parser = SheetName::try_new)]
    pub sheet: SheetName,
    /// Configured memory in MB; what was observed, where that is billed
    #[arg(long, value_name = "N", value_parser = parse_memory)]
    pub memory_mb: Option<MemoryMb>,
    /// How long the call ran, in milliseconds with at most three decimals
    #[arg(long, value_name = "X", value_parser = parse_millis)]
    pub duration_ms: Option<Micros>,
    /// Initialisation of a cold start, in milliseconds
    #[arg(long, value_name = "X", default_value = "0", value_parser = parse_millis)]
    pub init_ms: Micros,
    /// Configured vCPUs with at most three decimals, where they are billed
    #[arg(long, value_name = "X", value_parser = parse_vcpu)]
    pub vcpu: Option<u32>,
    /// CPU time, in milliseconds
    #[arg(long, value_name = "X", value_parser = parse_millis)]
    pub cpu_ms: Option<Micros>,
    /// Bytes sent to the internet
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub egress_bytes: u64,
    /// Scratch disk in MB
    #[arg(long, value_name = "N", value_parser = parse_memory)]
    pub ephemeral_mb: Option<MemoryMb>,
    /// Price this many calls alike, summed exactly and rounded once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub requests: u64,
    /// What was used this month before, such as gb_second=400000. May be repeated
    #[arg(long, value_name = "METER=N", num_args = 1.., value_parser = parse_used)]
    pub month_to_date: Vec<(Meter, Quantity)>,
    /// Apply the adjustments of the configuration that hold on this day, such as 2026-12-01, for the first of its venues that is
    /// billed by the sheet and has some
    #[arg(long, value_name = "DAY")]
    pub adjust: Option<Date>,
    /// The configuration with adjustments; without, MERIT_CONFIG or merit.toml in the working folder
    #[arg(long, value_name = "FILE", requires = "adjust")]
    pub config: Option<PathBuf>,
    /// What the code is built for: x86_64 or arm64; the sheet's own when absent
    #[arg(long, value_name = "ARCH")]
    pub architecture: Option<Architecture>,
}

fn parse_used(text: &str) -> Result<(Meter, Quantity), String> {
    let (meter, quantity) = text.split_once('=').ok_or_else(|| format!("{text} has no `=`; write METER=N"))?;
    let meter = meter.parse::<Meter>().map_err(|error| error.to_string())?;
    let quantity = quantity.parse::<Quantity>().map_err(|error| format!("{quantity} {error}"))?;
    Ok((meter, quantity))
}

/// The answer for programs.
#[derive(Debug, Serialize)]
struct Priced<'a> {
    charge: String,
    currency: String,
    billed: BTreeMap<&'static str, String>,
    sheet: &'a str,
    rule: String,
    /// What it would be without adjustments; absent when none were applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    list: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    adjustments: Vec<String>,
}

pub(super) fn price(args: &PriceArgs, sheet: &PriceSheet, output: &mut Output<'_>) -> Result<(), Failure> {
    let (size, usage) = call(args, sheet)?;
    sheet.check(&size).map_err(|error| Failure::usage(error.to_string()))?;
    let one = sheet.meter(&size, &usage).map_err(|error| Failure::usage(error.to_string()))?;
    let too_large = |error: Overflow| Failure::usage(error.to_string());
    let metered = one.checked_mul(args.requests).map_err(too_large)?;
    let month = month_to_date(args, sheet)?;
    let by_list = sheet.charge(&metered, &month).and_then(|exact| exact.round_half_even()).map_err(too_large)?;
    let agreed = agreed(args, sheet, output)?;
    let charge = match agreed.is_empty() {
        true => by_list,
        false => adjusted(&agreed, args, sheet, &metered)?.charge.round_half_even().map_err(too_large)?,
    };
    let priced = Priced {
        charge: charge.to_string(),
        currency: sheet.currency().to_string(),
        billed: metered.iter().map(|(meter, quantity)| (meter.name(), quantity.to_string())).collect(),
        sheet: sheet.name().as_str(),
        rule: sheet.rule_in_words(),
        list: (!agreed.is_empty()).then(|| by_list.to_string()),
        adjustments: agreed.iter().map(ToString::to_string).collect(),
    };
    if output.json() {
        output.json_value(&priced)?
    } else {
        show(&priced, &metered, args, output)?
    }
    Ok(())
}

fn show(priced: &Priced<'_>, metered: &Metered, args: &PriceArgs, output: &mut Output<'_>) -> std::io::Result<()> {
    let calls = if args.requests == 1 { "1 call".to_owned() } else { format!("{} calls", args.requests) };
    output.heading(&format!("{} {} for {calls} under {}", priced.charge, priced.currency, priced.sheet))?;
    let mut table = Table::new(&["meter", "billed"]);
    for (meter, quantity) in metered.iter().filter(|(_, quantity)| *quantity > Quantity::ZERO) {
        table.row([meter.to_string(), quantity.to_string()]);
    }
    output.table(&table)?;
    if let Some(list) = &priced.list {
        output.line(&format!("{list} {} by list; {}", priced.currency, priced.adjustments.join("; ")))?;
    }
    output.line(&priced.rule)
}

/// What is agreed besides the sheet and holds on the day that was asked for; nothing when none was.
fn agreed(args: &PriceArgs, sheet: &PriceSheet, output: &Output<'_>) -> Result<Adjustments, Failure> {
    let Some(day) = args.adjust else { return Ok(Adjustments::default()) };
    let config = Config::load(args.config.as_deref(), output.env())?;
    Ok(of_configuration(&config, sheet, day))
}

/// The adjustments on a day of the first venue of a configuration that is billed by the sheet and has some.
pub(super) fn of_configuration(config: &Config, sheet: &PriceSheet, day: Date) -> Adjustments {
    let billed = |venue: &merit_config::Venue| venue.sheet.as_ref().is_some_and(|own| own.name() == sheet.name());
    let venues = config.venues.iter().filter(|(_, venue)| billed(venue));
    let agreed = venues.map(|(name, venue)| config.adjustments_of(name, venue).in_force(sheet, day.start()));
    agreed.into_iter().find(|own| !own.is_empty()).unwrap_or_default()
}

/// The charge with adjustments, in the month that the options say.
fn adjusted(
    agreed: &Adjustments,
    args: &PriceArgs,
    sheet: &PriceSheet,
    metered: &Metered,
) -> Result<Adjusted, Failure> {
    let too_large = |error: Overflow| Failure::usage(error.to_string());
    let mut pools = Pools::new();
    let count = |pools: &mut Pools, meter: Meter, quantity: Quantity| {
        let nothing = sheet.billed_meters().try_fold(*metered, |all, meter| all.with(meter, Quantity::ZERO));
        let used = nothing.and_then(|nothing| nothing.with(meter, quantity));
        pools.record(sheet, &used.expect("invariant: the meters are the sheet's own")).map_err(too_large)
    };
    for (meter, quantity) in &args.month_to_date {
        count(&mut pools, *meter, *quantity)?;
    }
    for meter in sheet.billed_meters() {
        if args.month_to_date.iter().all(|(named, _)| *named != meter) {
            let left = pools.month_to_date(sheet).iter().find(|(own, ..)| *own == meter).map(|(_, left, _)| left);
            count(&mut pools, meter, left.unwrap_or(Quantity::ZERO))?;
        }
    }
    pools.charge(sheet, &agreed.discounted(sheet), agreed, metered).map_err(too_large)
}

/// The call's size and usage. What the sheet bills must be given: missing is not cheap.
fn call(args: &PriceArgs, sheet: &PriceSheet) -> Result<(Size, Usage), Failure> {
    let bills = |meters: &[Meter]| sheet.billed_meters().any(|meter| meters.contains(&meter));
    let missing = |what: &str| Failure::usage(format!("{} bills {what}", sheet.name()));
    let timed = bills(&[Meter::GbSecond, Meter::VcpuSecond, Meter::GibSecond, Meter::ComputeUnit]);
    if timed && args.duration_ms.is_none() {
        return Err(missing("the duration; give --duration-ms"));
    }
    if timed && args.memory_mb.is_none() {
        return Err(missing("memory; give --memory-mb"));
    }
    if bills(&[Meter::CpuMs]) && args.cpu_ms.is_none() {
        return Err(missing("CPU time; give --cpu-ms"));
    }
    let smallest = || MemoryMb::try_new(1).expect("invariant: 1 MB is a memory size");
    let size = Size::new(args.memory_mb.unwrap_or_else(smallest));
    let architecture = args.architecture.or(sheet.architecture()).unwrap_or_default();
    let size =
        Size { vcpu_milli: args.vcpu, ephemeral: args.ephemeral_mb.unwrap_or(size.ephemeral), architecture, ..size };
    let usage = Usage {
        duration: args.duration_ms.unwrap_or_default(),
        init: args.init_ms,
        cpu: args.cpu_ms,
        memory_peak: None,
        egress_bytes: args.egress_bytes,
        ..Usage::default()
    };
    Ok((size, usage))
}

/// The month as the options say it: meters that are named count from the month's start, the others are past
/// their grant.
fn month_to_date(args: &PriceArgs, sheet: &PriceSheet) -> Result<MonthToDate, Failure> {
    if args.month_to_date.is_empty() {
        return Ok(MonthToDate::past_grant(sheet));
    }
    let mut used = BTreeMap::new();
    for (meter, quantity) in &args.month_to_date {
        if !sheet.billed_meters().any(|billed| billed == *meter) {
            let billed: Vec<&str> = sheet.billed_meters().map(Meter::name).collect();
            let message = format!("{} does not bill {meter}; it bills {}", sheet.name(), billed.join(", "));
            return Err(Failure::usage(format!("--month-to-date {meter}: {message}")));
        }
        if used.insert(*meter, *quantity).is_some() {
            return Err(Failure::usage(format!("--month-to-date {meter} is given twice")));
        }
    }
    for (meter, grant_left, _) in MonthToDate::month_start(sheet).iter() {
        used.entry(meter).or_insert(grant_left);
    }
    MonthToDate::after_usage(sheet, used).map_err(|error| Failure::usage(error.to_string()))
}
