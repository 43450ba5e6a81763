//! Reconciliation: what a provider really billed, imported, in place of what Merit's own clock made of the calls.
//!
//! Venues that tell no meters with their replies are charged by the own clock, which takes the network, the platform, cold
//! starts that nobody bills and waits for CPU time. The provider's bill, or its analytics, knows better, a while later:
//! per service and period so many requests and so much of each meter. Importing it does two things. It posts the difference to
//! what was charged, as corrections with receipts of their own; and from then on a call of that deployment is
//! expected, and charged, to be billed the mean of the bill ([`merit_pricing::UsageProfile::correct`]).
//!
//! Invariants: receipts of calls are never changed; a bill is imported once, whoever imports it how often (the rows are kept by
//! venue, service and period); a file is taken whole or refused with everything that is wrong; a broker that is stopped in
//! between posts the rest when it starts.
//!
//! Known limitation: calls that end after the import but began in its period stay estimates, so import a period
//! when it is over; meters of the month's grants and tiers are put right for the current month only, and not when the broker
//! was stopped in between.

mod bill;
#[cfg(test)]
#[expect(unreachable_pub, reason = "the target is the library of the fuzzer too")]
mod fuzz;
mod gather;
mod post;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use merit_pricing::{Meter, Usage};
use merit_store::StoreError;
use merit_store::record::ReconciliationRow;
use merit_units::{FunctionId, KeyId, Micros, Money, Quantity};
use merit_wire::{ReconciledAccount, ReconciledDeployment, ReconciliationList, ReconciliationView};

use crate::Broker;
use crate::clock::rfc3339;
use crate::function::Deployment;
use crate::keys::sha256;
use crate::refusal::Refusal;
use crate::venue::VenueEntry;
use bill::Bill;
use gather::{Job, Place};

/// Rows of a venue that a new bill is compared with.
const KNOWN: u32 = 100_000;

/// Calls that a bill may lack: those at the ends of its period, which clocks put on either side of it.
const MAY_LACK_PERCENT: u64 = 5;
const MAY_LACK_CALLS: u64 = 5;

impl Broker {
    /// Imports what a provider billed, from a file as [`bill`] describes it. With `dry_run` it is only told what
    /// would come of it.
    ///
    /// # Errors
    /// [`Refusal::Unknown`] for a venue there is not; [`Refusal::BadRequest`] with everything that is wrong with the
    /// file, one to a line: nothing is imported then.
    pub async fn reconcile(
        self: &Arc<Self>,
        venue: &str,
        text: String,
        by: KeyId,
        dry_run: bool,
    ) -> Result<ReconciliationList, Refusal> {
        // One at a time: a second one must see what the first has stored.
        let turn = self.reconciling.lock().await;
        let venue = Arc::clone(self.directory.load().venue(venue)?);
        let (broker, own) = (Arc::clone(self), Arc::clone(&venue));
        let prepared = tokio::task::spawn_blocking(move || broker.prepare(&own, &text, &by)).await;
        let prepared = prepared.map_err(|error| Refusal::Internal(error.to_string()))??;
        let mut list = ReconciliationList {
            venue: venue.id.to_string(),
            dry_run,
            corrected: Money::ZERO.to_string(),
            reconciliations: Vec::new(),
        };
        let mut total = Money::ZERO;
        for (mut view, row, job) in prepared {
            if let (false, Some(row), Some(job)) = (dry_run, row, job) {
                self.make_true(&venue, &mut view, row, &job).await?;
            }
            if !view.already {
                let posted = view.accounts.iter().filter(|entry| entry.refused.is_none());
                total += posted.filter_map(|entry| entry.corrected.parse::<Money>().ok()).sum();
            }
            list.reconciliations.push(view);
        }
        if !dry_run {
            self.store_learned().await.map_err(internal)?;
        }
        drop(turn);
        list.corrected = total.to_string();
        Ok(list)
    }

    /// What was imported of a venue, newest period first.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn reconciled(&self, venue: &VenueEntry, limit: u32) -> Result<ReconciliationList, StoreError> {
        let rows = self.store.reconciliations(&venue.id, limit)?;
        Ok(ReconciliationList {
            venue: venue.id.to_string(),
            dry_run: false,
            corrected: Money::ZERO.to_string(),
            reconciliations: rows.iter().filter_map(post::stored).collect(),
        })
    }

    /// Reads the file and computes what it comes to. Reads the disk; changes nothing.
    fn prepare(&self, venue: &VenueEntry, text: &str, by: &KeyId) -> Result<Vec<Prepared>, Refusal> {
        self.store.flush().wait().map_err(internal)?;
        let bills = bill::read(text, self.clock.now()).map_err(|problems| refuse(&problems))?;
        let known = self.store.reconciliations(&venue.id, KNOWN).map_err(internal)?;
        let (mut jobs, mut prepared, mut problems) = (Vec::new(), Vec::new(), Vec::new());
        for bill in bills {
            match self.job(venue, bill, &known) {
                Ok(Found::New(job)) => jobs.push(*job),
                Ok(Found::Known(view)) => prepared.push((*view, None, None)),
                Err(problem) => problems.push(problem),
            }
        }
        problems.extend(claimed_twice(&jobs));
        let mut by_period: BTreeMap<_, Vec<Job>> = BTreeMap::new();
        for job in jobs {
            by_period.entry((job.bill.period.start, job.bill.period.end)).or_default().push(job);
        }
        for jobs in by_period.values_mut() {
            gather::count(&self.store, &venue.id, jobs).map_err(internal)?;
            problems.extend(jobs.iter().filter_map(implausible));
        }
        if !problems.is_empty() {
            return Err(refuse(&problems));
        }
        for mut jobs in by_period.into_values() {
            gather::charge(self, &venue.id, &mut jobs).map_err(internal)?;
            for job in jobs {
                let view = self.view(venue, &job, by, &known);
                let row = row(venue, &job.bill, &view, self.clock.now());
                prepared.push((view, Some(row), Some(job)));
            }
        }
        Ok(prepared)
    }

    /// The deployments that a bill is of, unless it was imported before.
    fn job(&self, venue: &VenueEntry, mut bill: Bill, known: &[ReconciliationRow]) -> Result<Found, String> {
        let line = bill.line;
        let of_it = || known.iter().filter(|row| row.resource == bill.resource);
        if let Some(row) = of_it().find(|row| row.begins < bill.period.end && bill.period.start < row.ends) {
            let same = row.begins == bill.period.start && row.digest == digest(&bill);
            return match post::stored(row).filter(|_| same) {
                Some(view) => Ok(Found::Known(Box::new(ReconciliationView { already: true, ..view }))),
                None => Err(format!(
                    "line {line}: `{}` was reconciled from {} to {} already, with other figures or for another period; what \
                     was posted stays",
                    bill.resource,
                    rfc3339(row.begins),
                    rfc3339(row.ends)
                )),
            };
        }
        let places = self.places_of(venue, &bill.resource);
        if places.is_empty() {
            return Err(format!(
                "line {line}: nothing at {} is `{}`: write the target of a deployment, the name of a function, or the \
                 beginning of targets up to a slash",
                venue.id, bill.resource
            ));
        }
        if let Some((_, kept)) =
            places.iter().find(|(_, one)| one.prices.sheet().is_some_and(|its| its.bills_lifetimes()))
        {
            return Err(format!(
                "line {line}: `{}`: instances of {} are billed for as long as they live, and what they idle is no call's; give \
                 their cost as a commitment in [adjustments] instead (docs/adr/0032)",
                bill.resource, kept.id
            ));
        }
        if let Some(seconds) = bill.instance.take() {
            let by_size = by_size(&places, seconds);
            bill.billed.extend(by_size.map_err(|why| format!("line {line}: `{}`: {why}", bill.resource))?);
            bill.instance = Some(seconds);
        }
        let places = places.into_iter().map(|(function, deployment)| Place {
            function,
            deployment: deployment.id.clone(),
            calls: 0,
            counted: BTreeMap::new(),
            billed: BTreeMap::new(),
        });
        let job = Job { bill, places: places.collect(), accounts: BTreeMap::new(), left: 0 };
        Ok(Found::New(Box::new(job)))
    }

    /// The deployments at a venue that a bill's name stands for: those with that target; else those of the function of that
    /// name; else those whose targets begin with it and a slash, such as the functions of an app.
    fn places_of(&self, venue: &VenueEntry, resource: &str) -> Vec<Placed> {
        let functions = venue.functions();
        let functions = functions.iter().filter_map(|name| self.functions.find(name.as_str()));
        let all: Vec<_> = functions
            .flat_map(|function| {
                let here = function.deployments.iter().filter(|deployment| deployment.venue.id == venue.id);
                here.map(|deployment| (function.id.clone(), Arc::clone(deployment))).collect::<Vec<_>>()
            })
            .collect();
        let target = |deployment: &Deployment| deployment.target.as_str().to_owned();
        let below = |target: &str| target.strip_prefix(resource).is_some_and(|rest| rest.starts_with('/'));
        let rules: [&dyn Fn(&Placed) -> bool; 3] = [
            &|(_, deployment)| target(deployment) == resource,
            &|(function, _)| function.as_str() == resource,
            &|(_, deployment)| below(&target(deployment)),
        ];
        let found = rules.into_iter().map(|rule| all.iter().filter(|place| rule(place)).cloned().collect::<Vec<_>>());
        found.into_iter().find(|places| !places.is_empty()).unwrap_or_default()
    }

    fn view(&self, venue: &VenueEntry, job: &Job, by: &KeyId, known: &[ReconciliationRow]) -> ReconciliationView {
        let Job { bill, places, accounts, left, .. } = job;
        let sum = |at: Option<usize>| {
            let of = accounts.iter().filter(|((_, place), _)| at.is_none_or(|at| at == *place));
            of.fold((Money::ZERO, Money::ZERO), |sum, (_, (before, after))| (sum.0 + *before, sum.1 + *after))
        };
        let newest = known.iter().all(|row| row.resource != bill.resource || row.ends <= bill.period.start);
        let deployment = |(at, place): (usize, &Place)| {
            let (charged, billed) = sum(Some(at));
            ReconciledDeployment {
                function: place.function.to_string(),
                deployment: place.deployment.to_string(),
                calls: place.calls,
                charged: charged.to_string(),
                billed: billed.to_string(),
                learned: newest && place.calls > 0,
            }
        };
        let account = |((account, at), (before, after)): (&(_, usize), &(Money, Money))| {
            let Place { function, deployment, .. } = &places[*at];
            let name: &merit_units::AccountId = account;
            let receipt = post::receipt_id(venue, bill, name, function, deployment);
            ReconciledAccount {
                account: name.to_string(),
                function: function.to_string(),
                deployment: deployment.to_string(),
                corrected: (*after - *before).to_string(),
                receipt: receipt.to_string(),
                refused: None,
            }
        };
        let (charged, billed) = sum(None);
        ReconciliationView {
            venue: venue.id.to_string(),
            resource: bill.resource.clone(),
            from: rfc3339(bill.period.start),
            to: rfc3339(bill.period.end),
            at: rfc3339(self.clock.now()),
            by: by.to_string(),
            calls: job.calls(),
            billed_calls: bill.calls,
            left: *left,
            charged: charged.to_string(),
            billed: billed.to_string(),
            corrected: (billed - charged).to_string(),
            deployments: places.iter().enumerate().map(deployment).collect(),
            accounts: accounts.iter().map(account).collect(),
            already: false,
        }
    }
}

/// A deployment and its function.
type Placed = (FunctionId, Arc<Deployment>);

/// What is told of a bill, what is stored of it, and what it was computed from; the latter two when it is new.
type Prepared = (ReconciliationView, Option<ReconciliationRow>, Option<Job>);

enum Found {
    New(Box<Job>),
    Known(Box<ReconciliationView>),
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err gives")]
fn internal(error: StoreError) -> Refusal {
    Refusal::Internal(error.to_string())
}

fn refuse(problems: &[String]) -> Refusal {
    Refusal::BadRequest(format!("nothing was reconciled:\n{}", problems.join("\n")))
}

fn digest(bill: &Bill) -> [u8; 32] {
    sha256(bill.figures().as_bytes())
}

fn row(venue: &VenueEntry, bill: &Bill, view: &ReconciliationView, at: merit_units::Timestamp) -> ReconciliationRow {
    ReconciliationRow {
        venue: venue.id.clone(),
        resource: bill.resource.clone(),
        begins: bill.period.start,
        ends: bill.period.end,
        digest: digest(bill),
        at,
        posted: false,
        outcome: post::encode(view),
    }
}

/// Instance seconds as vCPU seconds and GiB seconds, by the size of the deployments.
fn by_size(places: &[Placed], seconds: Quantity) -> Result<BTreeMap<Meter, Quantity>, String> {
    let second = Usage { duration: Micros::from_secs(1), ..Usage::default() };
    let mut sizes = places.iter().map(|(_, deployment)| -> Result<BTreeMap<_, _>, String> {
        let sheet = deployment.prices.sheet().ok_or_else(|| format!("{} has no price sheet", deployment.id))?;
        // A second of an instance, whoever shares it.
        let metered = sheet.meter(&deployment.size, &second).map_err(|error| error.to_string())?;
        let of_size = bill::BY_SIZE.map(|meter| (meter, metered.get(meter)));
        Ok(of_size.into_iter().filter(|(_, quantity)| *quantity > Quantity::ZERO).collect())
    });
    let first = sizes.next().unwrap_or_else(|| Ok(BTreeMap::new()))?;
    for other in sizes {
        if other? != first {
            return Err("its deployments have several sizes; write vcpu_second and gib_second instead".to_owned());
        }
    }
    if first.is_empty() {
        return Err("instances are not billed by the sheet in force there; write the meters it bills".to_owned());
    }
    let of = |quantity: Quantity| gather::part_of(seconds.quanta(), quantity.quanta(), Quantity::QUANTA_PER_UNIT);
    Ok(first.into_iter().map(|(meter, quantity)| (meter, Quantity::from_quanta(of(quantity)))).collect())
}

/// Deployments that two services of a file stand for in one period.
fn claimed_twice(jobs: &[Job]) -> Vec<String> {
    let mut problems = Vec::new();
    for (at, job) in jobs.iter().enumerate() {
        for other in &jobs[..at] {
            let (own, its) = (&job.bill.period, &other.bill.period);
            let together = own.start < its.end && its.start < own.end;
            let same = |place: &Place| {
                other.places.iter().any(|its| (&its.function, &its.deployment) == (&place.function, &place.deployment))
            };
            if let Some(place) = job.places.iter().find(|place| together && same(place)) {
                problems.push(format!(
                    "line {}: `{}` stands for deployment {} of {}, and so does `{}` of line {} in that time",
                    job.bill.line,
                    job.bill.resource,
                    place.deployment,
                    place.function,
                    other.bill.resource,
                    other.bill.line
                ));
            }
        }
    }
    problems
}

/// Why a bill can't be of the calls that were made.
fn implausible(job: &Job) -> Option<String> {
    let (Bill { line, resource, calls, .. }, own) = (&job.bill, job.calls());
    if own == 0 {
        return Some(format!("line {line}: no call of `{resource}` in this period was charged by Merit's own clock"));
    }
    let may_lack = (own * MAY_LACK_PERCENT / 100).max(MAY_LACK_CALLS);
    (*calls + may_lack < own).then(|| {
        format!(
            "line {line}: {calls} calls of `{resource}` were billed and {own} were made by Merit; look at the period and the \
             name, or wait until the provider has counted all of them"
        )
    })
}
