//! Bills on the command line.

use merit_wire::{ReconciledAccount, ReconciliationList, ReconciliationView};

use super::Setting;
use super::broker::Broker;
use crate::Exit;

fn view() -> ReconciliationView {
    let account = ReconciledAccount {
        account: "search".to_owned(),
        function: "resize".to_owned(),
        deployment: "google".to_owned(),
        corrected: "-0.003".to_owned(),
        receipt: "01995b6e-0000-7000-8000-000000000001".to_owned(),
        refused: None,
    };
    ReconciliationView {
        venue: "google".to_owned(),
        resource: "resize".to_owned(),
        from: "2026-11-20T00:00:00Z".to_owned(),
        to: "2026-11-21T00:00:00Z".to_owned(),
        at: "2026-11-21T08:00:00Z".to_owned(),
        by: "k1".to_owned(),
        calls: 4,
        billed_calls: 8,
        left: 1,
        charged: "0.005".to_owned(),
        billed: "0.002".to_owned(),
        corrected: "-0.003".to_owned(),
        deployments: Vec::new(),
        accounts: vec![account],
        already: false,
    }
}

fn list(reconciliations: Vec<ReconciliationView>, dry_run: bool) -> ReconciliationList {
    ReconciliationList { venue: "google".to_owned(), dry_run, corrected: "-0.003".to_owned(), reconciliations }
}

#[tokio::test]
async fn a_bill_is_sent_as_it_is_and_told() {
    let broker = Broker::start().await;
    broker.json("POST /v1/venues/google/reconciliations", &list(vec![view()], false));
    broker.json("POST /v1/venues/google/reconciliations?dry_run=true", &list(vec![view()], true));
    let setting = || Setting { stdin: b"the bill", ..Setting::default() };
    let outcome = broker.run_in(setting(), &["venues", "reconcile", "google", "-"]).await;
    assert_eq!((broker.last().body.as_str(), broker.last().header("content-type")), ("the bill", Some("text/csv")));
    insta::assert_snapshot!(outcome.shown(), @"
    SERVICE  FROM                  TO                    CALLS  ON THE BILL  CHARGED  BILLED  CORRECTED
    resize   2026-11-20T00:00:00Z  2026-11-21T00:00:00Z      4            8   $0.005  $0.002    -$0.003
    -$0.003 were posted
    ---
    warning: resize: of its calls 1 stay as they were charged, since their price sheet is not kept
    --- Ok
    ");
    let outcome = broker.run_in(setting(), &["venues", "reconcile", "google", "-", "--dry-run"]).await;
    assert!(outcome.out.ends_with("-$0.003 would be posted; nothing was\n"), "{outcome:?}");
    let absent = broker.run(&["venues", "reconcile", "google", "no-such-file.csv"]).await;
    assert_eq!((absent.exit, broker.lines().len()), (Exit::Usage, 2), "nothing is sent");
}

#[tokio::test]
async fn what_was_imported_is_listed() {
    let broker = Broker::start().await;
    broker.json("GET /v1/venues/google/reconciliations", &list(vec![view()], false));
    broker.json("GET /v1/venues/aws/reconciliations", &list(Vec::new(), false));
    let outcome = broker.run(&["venues", "reconcile", "google"]).await;
    assert!(outcome.out.contains("resize") && !outcome.out.contains("posted"), "{outcome:?}");
    let nothing = broker.run(&["venues", "reconcile", "aws"]).await;
    assert_eq!(nothing.out, "nothing was reconciled at google\n");
}
