//! What a person sees when something goes wrong, and which code a script gets.

use merit_wire::{AttemptView, BudgetRefusal, ExclusionView, Problem};

use super::broker::Broker;
use super::{Closed, Setting, run};
use crate::Exit;

const INVOKE: &str = "POST /v1/functions/thumbnail/invocations";

fn problem(status: u16, title: &str, detail: &str) -> Problem {
    Problem {
        kind: "/problems/x".to_owned(),
        title: title.to_owned(),
        status,
        detail: detail.to_owned(),
        request_id: "0199f0a2-7c1e".to_owned(),
        ..Problem::default()
    }
}

async fn failed(problem: &Problem) -> super::Outcome {
    let broker = Broker::start().await;
    broker.problem(INVOKE, problem);
    broker.run(&["invoke", "thumbnail", "--data", ""]).await
}

#[tokio::test]
async fn no_eligible_venue_lists_the_exclusions() {
    let exclusion = |venue: &str, reason: &str, detail: &str| ExclusionView {
        venue: venue.to_owned(),
        deployment: "d".to_owned(),
        reason: reason.to_owned(),
        detail: detail.to_owned(),
    };
    let problem = Problem {
        exclusions: vec![
            exclusion("aws", "over-max-price", "costs 0.0000023, over 0.000001"),
            exclusion("ali", "no-price", "has no price sheet"),
        ],
        ..problem(422, "no eligible venue", "no deployment of thumbnail meets the terms")
    };
    insta::assert_snapshot!(failed(&problem).await.shown(), @r#"
    ---
    error: no eligible venue (422)
      no deployment of thumbnail meets the terms
      not eligible:
        VENUE  DEPLOYMENT  REASON          DETAIL
        aws    d           over-max-price  costs 0.0000023, over 0.000001
        ali    d           no-price        has no price sheet
      request 0199f0a2-7c1e
    --- Refused
    "#);
}

#[tokio::test]
async fn an_exhausted_budget_shows_the_account() {
    let problem = Problem {
        budget: Some(BudgetRefusal {
            account: "search".to_owned(),
            month: "2026-11".to_owned(),
            budget: "100".to_owned(),
            spent: "99.5".to_owned(),
            held: "0.4999".to_owned(),
            needed: "0.0002".to_owned(),
        }),
        ..problem(402, "budget exhausted", "")
    };
    insta::assert_snapshot!(failed(&problem).await.shown(), @r#"
    ---
    error: budget exhausted (402)
      account search in 2026-11: budget $100, spent $99.5, held $0.4999, this call needs $0.0002
      request 0199f0a2-7c1e
    --- Refused
    "#);
}

#[tokio::test]
async fn failed_attempts_are_listed() {
    let problem = Problem {
        retryable: true,
        attempts: vec![AttemptView {
            venue: "aws".to_owned(),
            deployment: "aws-512".to_owned(),
            result: "connect".to_owned(),
            outcome: "not-started".to_owned(),
            message: "connection refused".to_owned(),
            duration_ms: 0.4,
            charge: "0".to_owned(),
            estimated: false,
        }],
        ..problem(502, "every venue failed", "1 attempt failed")
    };
    insta::assert_snapshot!(failed(&problem).await.shown(), @r#"
    ---
    error: every venue failed (502)
      1 attempt failed
      attempts:
        VENUE  DEPLOYMENT  RESULT   OUTCOME        TOOK  CHARGE  MESSAGE
        aws    aws-512     connect  not-started  0.4 ms      $0  connection refused
      the same request may succeed later
      request 0199f0a2-7c1e
    --- Failed
    "#);
}

#[tokio::test]
async fn unknown_functions_name_near_matches() {
    let problem = Problem {
        near: vec!["thumbnail".to_owned()],
        ..problem(404, "no such function", "there is no function thumbnial")
    };
    insta::assert_snapshot!(failed(&problem).await.shown(), @r#"
    ---
    error: no such function (404)
      there is no function thumbnial
      did you mean thumbnail?
      request 0199f0a2-7c1e
    --- NotFound
    "#);
}

#[tokio::test]
async fn programs_get_the_problem_as_json() {
    let broker = Broker::start().await;
    let problem = problem(429, "too many requests", "over the rate");
    broker.problem(INVOKE, &problem);
    let outcome = broker.run(&["invoke", "thumbnail", "--data", "", "--json"]).await;
    assert_eq!(serde_json::from_str::<Problem>(&outcome.err).expect("a problem"), problem);
    assert_eq!((outcome.out.as_str(), outcome.exit), ("", Exit::Refused));
}

#[tokio::test]
async fn every_status_has_its_exit_code() {
    for (status, exit) in [
        (400, Exit::Usage),
        (401, Exit::Forbidden),
        (402, Exit::Refused),
        (403, Exit::Forbidden),
        (404, Exit::NotFound),
        (409, Exit::Refused),
        (413, Exit::Refused),
        (422, Exit::Refused),
        (429, Exit::Refused),
        (500, Exit::Failed),
        (502, Exit::Failed),
        (503, Exit::Refused),
        (504, Exit::Failed),
    ] {
        assert_eq!(failed(&problem(status, "x", "y")).await.exit, exit, "{status}");
    }
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_said_so() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let url = format!("http://{address}");
    let outcome = run(&["functions", "list", "--url", &url]).await;
    let text = outcome.shown().replace(&address.port().to_string(), "PORT");
    insta::assert_snapshot!(text, @r#"
    ---
    error: cannot reach http://127.0.0.1:PORT/: Connection refused (os error 111); start it with `merit serve`, or name another with --url or MERIT_URL
    --- Unreachable
    "#);
    assert_eq!(outcome.exit.code(), 4);
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_the_outcome_open() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(tokio::spawn(async move {
        loop {
            drop(listener.accept().await);
        }
    }));
    let payload = vec![b'x'; 8 << 20];
    for (stdin, hint) in [(&payload[..1], false), (&payload[..], true)] {
        let outcome = Setting { stdin, ..Setting::default() }.run(&["invoke", "f", "--url", &url]).await;
        assert_eq!(outcome.exit, Exit::Failed, "{outcome:?}");
        assert!(outcome.err.contains("whether the request was carried out is not known"), "{}", outcome.err);
        assert_eq!(outcome.err.contains("server.max_payload_bytes"), hint, "{}", outcome.err);
    }
}

#[tokio::test]
async fn something_else_than_a_broker_is_said_so() {
    let broker = Broker::start().await;
    broker.answer("GET /v1/functions", 404, &[("content-type", "text/html")], b"<html>");
    let outcome = broker.run(&["functions", "list"]).await;
    assert_eq!(
        outcome.err,
        format!("error: {}/v1/functions answered 404 with text/html; is it a merit broker?\n", broker.url)
    );
    broker.answer("GET /v1/functions", 200, &[], b"{\"fun\":");
    let outcome = broker.run(&["functions", "list"]).await;
    assert_eq!(outcome.exit, Exit::Failed);
    assert!(outcome.err.contains("answered 200 with a body that is not understood (EOF"), "{}", outcome.err);
}

#[tokio::test]
async fn a_url_that_is_none_is_a_mistake() {
    for url in ["broker:8780", "ftp://x", "not a url"] {
        let outcome = run(&["functions", "list", "--url", url]).await;
        assert_eq!(outcome.exit, Exit::Usage, "{outcome:?}");
        assert!(outcome.err.contains("write it like http://127.0.0.1:8780"), "{}", outcome.err);
    }
}

#[tokio::test]
async fn a_broken_pipe_ends_quietly() {
    let mut err = Vec::new();
    let exit = Setting::default().run_into(&["catalog", "list"], &mut Closed, &mut err).await;
    assert_eq!((exit, err.as_slice()), (Exit::Ok, [].as_slice()));
}

#[tokio::test]
async fn the_key_is_sent_and_never_shown() {
    let broker = Broker::start().await;
    broker.problem("GET /v1/keys", &problem(401, "unauthorized", "the key is not known"));
    let outcome = broker.run(&["keys", "list", "--key", "mk_topsecret"]).await;
    assert_eq!(broker.last().header("authorization"), Some("Bearer mk_topsecret"));
    assert!(!outcome.shown().contains("topsecret"));
    assert_eq!(outcome.exit, Exit::Forbidden);
}
