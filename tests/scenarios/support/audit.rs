//! The auditor: it knows nothing of the workload. It reads what the upstreams recorded and what
//! Merit tells, and checks that the two agree.

use std::collections::BTreeMap;

use merit_units::Money;
use merit_wire::BudgetView;

use super::{Client, Upstream, dollars, until};

/// What the upstreams ran.
pub(crate) struct Audit {
    /// How often each invocation was begun, over all upstreams.
    runs: BTreeMap<String, usize>,
}

impl Audit {
    /// Reads the records of the upstreams.
    pub(crate) fn of<'a>(upstreams: impl IntoIterator<Item = &'a Upstream>) -> Self {
        let mut runs = BTreeMap::new();
        for seen in upstreams.into_iter().flat_map(Upstream::seen) {
            assert!(!seen.invocation().is_empty(), "every call names its invocation");
            *runs.entry(seen.invocation().to_owned()).or_default() += 1;
        }
        Self { runs }
    }

    /// The same for the calls of one function only.
    pub(crate) fn of_function<'a>(upstreams: impl IntoIterator<Item = &'a Upstream>, function: &str) -> Self {
        let mut runs = BTreeMap::new();
        let path = format!("/{function}");
        for seen in upstreams.into_iter().flat_map(Upstream::seen).filter(|seen| seen.path == path) {
            *runs.entry(seen.invocation().to_owned()).or_default() += 1;
        }
        Self { runs }
    }

    /// Invocations that ran.
    pub(crate) fn invocations(&self) -> usize {
        self.runs.len()
    }

    /// Runs, repeated ones included.
    pub(crate) fn runs(&self) -> usize {
        self.runs.values().sum()
    }

    /// Invocations that ran more than once.
    pub(crate) fn run_twice(&self) -> Vec<&str> {
        self.runs.iter().filter(|(_, runs)| **runs > 1).map(|(invocation, _)| invocation.as_str()).collect()
    }

    /// Whether an invocation ran.
    pub(crate) fn ran(&self, invocation: &str) -> bool {
        self.runs.contains_key(invocation)
    }

    /// An account's budget once nothing is held of it any more.
    pub(crate) async fn settled(client: &Client, account: &str) -> BudgetView {
        until(&format!("nothing is held of {account}'s budget"), async || {
            let budget = client.budget(account).await;
            (dollars(&budget.held) == Money::ZERO).then_some(budget)
        })
        .await
    }

    /// Checks an account's books against each other: what is left of a hard budget is what was
    /// neither spent nor held, and the receipts add up to what was spent.
    pub(crate) async fn check_books(client: &Client, account: &str) -> BudgetView {
        let budget = Self::settled(client, account).await;
        let spent = dollars(&budget.spent);
        if let (Some(hard), Some(available)) = (&budget.hard, &budget.available) {
            assert_eq!(dollars(available), dollars(hard) - spent, "{budget:?}");
        }
        for group in ["account", "function,account", "venue,account"] {
            // A charge is posted just before its receipt is queued; nobody who waits for a reply sees one without the other.
            until(&format!("receipts by {group} come to the {spent} in the ledger of {account}"), async || {
                let report = client.spend(group).await;
                let rows = report.rows.iter().filter(|row| row.group["account"] == account);
                (rows.map(|row| dollars(&row.charge)).sum::<Money>() == spent).then_some(())
            })
            .await;
        }
        budget
    }
}
