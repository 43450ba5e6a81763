//! A comparison in words: the table for people, the same as JSON for programs.

use std::collections::BTreeMap;

use merit_pricing::{Comparison, HOURS_PER_MONTH, PricedMonth};
use merit_units::{Currency, Quantity, vcpu_text};
use serde::Serialize;
use serde_json::json;

use super::CompareArgs;
use super::candidates::{Candidate, Candidates, Rates};
use crate::output::{Output, Table};
use crate::values::four_decimals;

/// What is shown.
pub(super) struct Shown<'a> {
    pub(super) args: &'a CompareArgs,
    pub(super) candidates: &'a Candidates,
    pub(super) comparison: &'a Comparison,
    pub(super) rates: &'a Rates,
}

/// One sheet's month, for programs.
#[derive(Serialize)]
struct MonthView<'a> {
    rank: usize,
    name: &'a str,
    provider: &'a str,
    sheet: &'a str,
    region: Option<String>,
    architecture: Option<String>,
    /// In the sheet's currency.
    month: String,
    currency: String,
    month_usd: String,
    per_million_usd: String,
    per_million_past_grant_usd: String,
    vcpu: Option<String>,
    /// What was assumed: `vcpu`, `cpu_ms`.
    assumed: Vec<&'static str>,
    egress_unpriced: bool,
    billed: BTreeMap<&'static str, String>,
    /// What the month would be without adjustments; absent when none were applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    list_usd: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    adjustments: Vec<String>,
    base_fee: String,
    retrieved: String,
    second_hand: bool,
}

impl Shown<'_> {
    pub(super) fn json(&self, output: &mut Output<'_>) -> std::io::Result<()> {
        let months = self.comparison.priced.iter().enumerate();
        let months: Vec<_> = months.map(|(index, month)| self.view(index + 1, month)).collect();
        let rates: Vec<_> = self
            .rates
            .others()
            .map(|(currency, rate, from)| {
                json!({ "currency": currency.as_str(), "usd": rate.to_string(), "from": from })
            })
            .collect();
        let not_comparable: Vec<_> =
            self.not_comparable().map(|(name, why)| json!({ "name": name, "reason": why })).collect();
        output.json_value(&json!({
            "calls": self.args.calls,
            "hours": HOURS_PER_MONTH,
            "sheets": months,
            "not_comparable": not_comparable,
            "exchange_rates": rates,
        }))
    }

    fn view<'m>(&'m self, rank: usize, month: &'m PricedMonth) -> MonthView<'m> {
        let (sheet, candidate) = (&month.sheet, self.candidates.of(&month.sheet));
        let assumed = [(month.vcpu_assumed, "vcpu"), (month.cpu_assumed, "cpu_ms")];
        MonthView {
            rank,
            name: &candidate.name,
            provider: &candidate.provider,
            sheet: sheet.name().as_str(),
            region: sheet.region().map(ToString::to_string),
            architecture: sheet.architecture().map(|architecture| architecture.to_string()),
            month: month.invoice.round_half_even().map_or_else(|_| String::new(), |money| money.to_string()),
            currency: sheet.currency().to_string(),
            month_usd: month.usd.to_string(),
            per_million_usd: month.per_million.to_string(),
            per_million_past_grant_usd: month.per_million_past_grant.to_string(),
            vcpu: month.size.vcpu_milli.map(vcpu_text),
            assumed: assumed.into_iter().filter_map(|(assumed, what)| assumed.then_some(what)).collect(),
            egress_unpriced: month.egress_unpriced,
            billed: month
                .metered
                .iter()
                .filter(|(_, quantity)| *quantity > Quantity::ZERO)
                .map(|(meter, quantity)| (meter.name(), quantity.to_string()))
                .collect(),
            list_usd: (!month.adjustments.is_empty()).then(|| month.list_usd.to_string()),
            adjustments: month.adjustments.iter().map(ToString::to_string).collect(),
            base_fee: sheet.base_fee().to_string(),
            retrieved: sheet.source().retrieved.to_string(),
            second_hand: sheet.second_hand(),
        }
    }

    fn not_comparable(&self) -> impl Iterator<Item = (String, String)> {
        let sheets = self.comparison.not_comparable.iter();
        let sheets = sheets.map(|(sheet, why)| (self.candidates.of(sheet).name.clone(), why.to_string()));
        sheets.chain(self.candidates.without.iter().cloned())
    }

    pub(super) fn text(&self, output: &mut Output<'_>) -> std::io::Result<()> {
        let args = self.args;
        let what = format!("{} calls a month, {} and {} each", args.calls, args.memory_mb, args.duration_ms);
        output.heading(&format!("{what}: the cheapest month first"))?;
        if !self.comparison.priced.is_empty() {
            output.table(&self.table())?;
            output
                .line("past grants: a million more calls when the free grants are used up, in the first paid tier")?;
        }
        for (currency, rate, from) in self.rates.others().filter(|(currency, ..)| self.uses(*currency)) {
            output.line(&format!("1 {currency} is {rate} USD, {from}"))?;
        }
        let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
        for (name, why) in self.not_comparable() {
            // The same reason for many sheets is said once.
            let own = without_name(&why, &name);
            match reasons.iter_mut().find(|(reason, _)| *reason == own) {
                Some((_, names)) => names.push(name),
                None => reasons.push((own, vec![name])),
            }
        }
        if !reasons.is_empty() {
            output.heading("not comparable")?;
        }
        for (reason, names) in reasons {
            output.line(&format!("{}: {reason}", self.several(&names)))?;
        }
        if let Some(file) = &args.plot {
            output.message(&format!("drawn into {}", file.display()))?;
        }
        Ok(())
    }

    fn uses(&self, currency: Currency) -> bool {
        self.comparison.priced.iter().any(|month| month.sheet.currency() == currency)
    }

    /// One line for each price of a provider.
    fn table(&self) -> Table {
        let mut groups: Vec<(&PricedMonth, &Candidate, Vec<String>)> = Vec::new();
        for month in &self.comparison.priced {
            let candidate = self.candidates.of(&month.sheet);
            let alike = |(first, other, _): &&mut (&PricedMonth, &Candidate, Vec<String>)| {
                let price = |month: &PricedMonth| (month.usd, month.list_usd, month.per_million_past_grant, month.size);
                !self.args.all && other.provider == candidate.provider && price(first) == price(month)
            };
            match groups.iter_mut().find(alike) {
                Some((.., names)) => names.push(candidate.name.clone()),
                None => groups.push((month, candidate, vec![candidate.name.clone()])),
            }
        }
        let what = if self.args.live { "venue" } else { "sheet" };
        let mut table = Table::new(&[what, "month", "a million", "past grants", "notes"]);
        for (month, _, names) in groups {
            table.row([
                self.several(&names),
                four_decimals(month.usd),
                four_decimals(month.per_million),
                four_decimals(month.per_million_past_grant),
                notes(month),
            ]);
        }
        table
    }

    /// The first of several, and how many more there are.
    fn several(&self, names: &[String]) -> String {
        match names {
            names if self.args.all => names.join(", "),
            [first] => first.clone(),
            [first, more @ ..] => format!("{first} and {} more", more.len()),
            [] => String::new(),
        }
    }
}

/// A reason with "it" for the sheet it is told of.
fn without_name(why: &str, name: &str) -> String {
    let word = |word: &str| if word.trim_end_matches(';') == name { word.replace(name, "it") } else { word.to_owned() };
    why.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// What a reader should know about one line.
fn notes(month: &PricedMonth) -> String {
    let mut notes = Vec::new();
    if !month.adjustments.is_empty() {
        let adjustments: Vec<String> = month.adjustments.iter().map(ToString::to_string).collect();
        notes.push(format!("{} by list; {}", four_decimals(month.list_usd), adjustments.join("; ")));
    }
    if month.vcpu_assumed {
        notes.push(format!("{} vCPU assumed", month.size.vcpu_milli.map(vcpu_text).unwrap_or_default()));
    }
    if month.cpu_assumed {
        notes.push("all of the time taken as CPU".to_owned());
    }
    if month.egress_unpriced {
        notes.push("without egress, which it has no price for".to_owned());
    }
    if month.sheet.base_fee() > merit_units::Rate::FREE {
        notes.push(format!("with {} {} a month in any case", month.sheet.base_fee(), month.sheet.currency()));
    }
    if month.sheet.second_hand() {
        notes.push("partly second-hand".to_owned());
    }
    if notes.is_empty() { "-".to_owned() } else { notes.join("; ") }
}
