//! `functions samples`, `functions vouch`, `functions quarantine` and `venues doctor`.

use merit_wire::{
    DivergenceView, EqualView, QuarantineDetail, QuarantineList, QuarantineView, ReplayView, ReplayedView, SampleList,
    SampleView, SamplesDeleted, StepView, VenueCheckView,
};

use super::broker::Broker;
use super::{Setting, refused};
use crate::Exit;

fn sample() -> SampleView {
    SampleView {
        number: 1,
        at: "2026-11-21T10:44:00Z".to_owned(),
        by: "k1".to_owned(),
        deployment: Some("aws-512".to_owned()),
        content_type: None,
        payload: "eyJ3aWR0aCI6NjR9".to_owned(),
        reply: "gICA".to_owned(),
        error: None,
    }
}

fn quarantine() -> QuarantineView {
    QuarantineView {
        function: "thumbnail".to_owned(),
        deployment: "aws-eu".to_owned(),
        at: "2026-11-21T10:44:00Z".to_owned(),
        why: "3 of its replies differed from those callers got; the last from `aws-512`'s".to_owned(),
    }
}

#[tokio::test]
async fn samples_are_recorded_from_stdin_and_listed() {
    let broker = Broker::start().await;
    broker.json("POST /v1/functions/thumbnail/samples", &sample());
    let setting = Setting { stdin: br#"{"width":64}"#, ..Setting::default() };
    let outcome = broker.run_in(setting, &["functions", "samples", "record", "thumbnail"]).await;
    assert_eq!(broker.last().body, r#"{"payload":"eyJ3aWR0aCI6NjR9"}"#);
    assert_eq!(outcome.err, "recorded sample 1 of thumbnail with aws-512's reply: 3 bytes\n");
    let folder = tempfile::tempdir().unwrap();
    let reply = folder.path().join("reply");
    std::fs::write(&reply, "done").unwrap();
    let line = ["functions", "samples", "record", "thumbnail", "--data", "x", "--reply", reply.to_str().unwrap()];
    broker.run(&line).await;
    assert_eq!(broker.last().body, r#"{"payload":"eA==","reply":"ZG9uZQ=="}"#);
    broker.json(
        "GET /v1/functions/thumbnail/samples",
        &SampleList { function: "thumbnail".to_owned(), samples: vec![sample()] },
    );
    insta::assert_snapshot!(broker.run(&["functions", "samples", "list", "thumbnail"]).await.shown(), @r#"
    SAMPLE  RECORDED              BY  REPLY OF  PAYLOAD           REPLY
         1  2026-11-21T10:44:00Z  k1  aws-512   {\"width\":64}  3 bytes
    ---
    --- Ok
    "#);
    broker.json("DELETE /v1/functions/thumbnail/samples?number=1", &SamplesDeleted { deleted: 1 });
    let outcome = broker.run(&["functions", "samples", "delete", "thumbnail", "--number", "1"]).await;
    assert_eq!((outcome.err.as_str(), outcome.exit), ("deleted 1 samples of thumbnail\n", Exit::Ok));
    assert!(refused(&["functions", "samples", "delete", "thumbnail"]).contains("--number"), "all is to be said");
}

#[tokio::test]
async fn a_replay_shows_what_differs() {
    let broker = Broker::start().await;
    let one = |number, result: &str, detail: &str| ReplayedView {
        number,
        result: result.to_owned(),
        detail: detail.to_owned(),
        invocation: Some(format!("0199f0a2-{number}")),
    };
    let mut view = ReplayView {
        function: "thumbnail".to_owned(),
        deployment: "aws-eu".to_owned(),
        proven: false,
        charge: "0.0000023".to_owned(),
        samples: vec![one(1, "equal", ""), one(2, "differs", "$.width: expected 64, got 65")],
    };
    broker.json("POST /v1/functions/thumbnail/deployments/aws-eu/replay", &view);
    let line = ["functions", "samples", "replay", "thumbnail", "aws-eu"];
    insta::assert_snapshot!(broker.run(&line).await.shown(), @r#"
    SAMPLE  RESULT   INVOCATION
         1  equal    0199f0a2-1
         2  differs  0199f0a2-2
    sample 2 differs
      $.width: expected 64, got 65
    ---
    aws-eu is not proven equal: 1 of 2 replies are equal; charged $0.0000023
    --- Failed
    "#);
    (view.proven, view.samples) = (true, vec![one(1, "equal", "")]);
    broker.json("POST /v1/functions/thumbnail/deployments/aws-eu/replay", &view);
    assert_eq!(broker.run(&line).await.exit, Exit::Ok);
}

#[tokio::test]
async fn a_word_is_given_and_taken_back() {
    let broker = Broker::start().await;
    let word = EqualView {
        by: "word".to_owned(),
        who: Some("k1".to_owned()),
        at: Some("2026-11-21T10:44:00Z".to_owned()),
        samples: None,
    };
    broker.json("PUT /v1/functions/thumbnail/deployments/aws-eu/word", &word);
    let outcome = broker.run(&["functions", "vouch", "thumbnail", "aws-eu"]).await;
    assert_eq!(outcome.err, "aws-eu of thumbnail is equal by: word (k1, 2026-11-21)\n");
    let none = EqualView { by: "none".to_owned(), ..EqualView::default() };
    broker.json("DELETE /v1/functions/thumbnail/deployments/aws-eu/word", &none);
    let outcome = broker.run(&["functions", "vouch", "thumbnail", "aws-eu", "--withdraw"]).await;
    assert_eq!(outcome.err, "aws-eu of thumbnail is equal by: -\n");
}

#[tokio::test]
async fn a_quarantine_shows_both_replies() {
    let broker = Broker::start().await;
    broker.json("GET /v1/quarantine", &QuarantineList { quarantined: vec![quarantine()] });
    let outcome = broker.run(&["functions", "quarantine", "list"]).await;
    assert!(outcome.out.contains("thumbnail  aws-eu      2026-11-21T10:44:00Z  3 of its replies"), "{}", outcome.out);
    let divergence = DivergenceView {
        at: "2026-11-21T10:43:59Z".to_owned(),
        invocation: "0199f0a2-a".to_owned(),
        shadow: "0199f0a2-b".to_owned(),
        other: "aws-512".to_owned(),
        difference: "$: expected 1, got 2".to_owned(),
        payload: "eA==".to_owned(),
        given: "MQ==".to_owned(),
        reply: "Mg==".to_owned(),
    };
    let detail = QuarantineDetail {
        function: "thumbnail".to_owned(),
        deployment: "aws-eu".to_owned(),
        quarantined: Some(quarantine()),
        divergences: vec![divergence],
    };
    broker.json("GET /v1/functions/thumbnail/deployments/aws-eu/quarantine", &detail);
    insta::assert_snapshot!(broker.run(&["functions", "quarantine", "show", "thumbnail", "aws-eu"]).await.shown(), @r#"
    aws-eu of thumbnail is in quarantine since 2026-11-21T10:44:00Z: 3 of its replies differed from those callers got; the last from `aws-512`'s
    2026-11-21T10:43:59Z  shadow 0199f0a2-b
    compared   aws-512's reply, invocation 0199f0a2-a
    payload    x
    expected   1
    got        2
      $: expected 1, got 2
    ---
    --- Ok
    "#);
    broker.answer("DELETE /v1/functions/thumbnail/deployments/aws-eu/quarantine", 204, &[], b"");
    let outcome = broker.run(&["functions", "quarantine", "lift", "thumbnail", "aws-eu"]).await;
    assert_eq!(outcome.err, "aws-eu of thumbnail takes calls again\n");
}

#[tokio::test]
async fn a_doctor_says_what_to_do_first() {
    let broker = Broker::start().await;
    let step = |step: &str, result: &str, found: &str, todo: &str| StepView {
        step: step.to_owned(),
        result: result.to_owned(),
        found: found.to_owned(),
        todo: todo.to_owned(),
    };
    let mut view = VenueCheckView {
        venue: "aws".to_owned(),
        kind: "aws-lambda".to_owned(),
        well: false,
        steps: vec![
            step("credentials", "ok", "there are some", ""),
            step("name", "failed", "x.invalid does not resolve", "mend endpoint_url"),
            step("price sheet", "failed", "there is none", "put one"),
            step("exchange rate", "none", "its prices are in dollars", ""),
        ],
    };
    broker.json("POST /v1/venues/aws/check", &view);
    insta::assert_snapshot!(broker.run(&["venues", "doctor", "aws"]).await.shown(), @r#"
    aws (aws-lambda): not well
    STEP           RESULT  FOUND
    credentials    ok      there are some
    name           failed  x.invalid does not resolve
    price sheet    failed  there is none
    exchange rate  -       its prices are in dollars
    ---
    aws: name: mend endpoint_url
    --- Failed
    "#);
    view.well = true;
    broker.json("POST /v1/venues/aws/check", &view);
    let outcome = broker.run(&["venues", "doctor", "aws", "--json"]).await;
    let read: Vec<VenueCheckView> = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!((read, outcome.exit), (vec![view], Exit::Ok));
}
