//! What happens to a call when venues fail, told as stories.

use merit_units::{Micros, Money};
use merit_venue::{ErrorKind, Outcome};

use crate::refusal::Refusal;
use crate::settle::{ReplyAccount, Settled};
use crate::testing::{Stage, Step};

fn dollars(text: &str) -> Money {
    text.parse().unwrap()
}

fn replied(settled: Settled) -> ReplyAccount {
    match settled {
        Settled::Replied(replied) => replied.account,
        Settled::Refused(refused) => panic!("refused: {}", refused.refusal),
    }
}

fn refused(settled: Settled) -> Refusal {
    match settled {
        Settled::Replied(replied) => panic!("replied from {}", replied.account.deployment.venue.id),
        Settled::Refused(refused) => *refused.refusal,
    }
}

#[tokio::test]
async fn the_cheapest_runs_it_and_is_paid() {
    let stage = Stage::new(false, &["0.001", "0.002"]).await;
    let account = replied(stage.call(&[]).await.unwrap());
    assert_eq!((account.deployment.venue.id.as_str(), account.charge, account.attempts), ("a", dollars("0.001"), 1));
    assert_eq!(stage.balance(), (dollars("0.001"), Money::ZERO));
}

#[tokio::test]
async fn what_surely_did_not_start_is_tried_at_the_next_and_costs_nothing() {
    let stage = Stage::new(false, &["0.001", "0.002"]).await;
    stage.venues[0].then([Step::Fail(Outcome::NotStarted, ErrorKind::Connect)]);
    let account = replied(stage.call(&[]).await.unwrap());
    assert_eq!((account.deployment.venue.id.as_str(), account.charge, account.attempts), ("b", dollars("0.002"), 2));
    assert_eq!(stage.balance(), (dollars("0.002"), Money::ZERO));
}

#[tokio::test]
async fn an_unknown_outcome_is_not_repeated_and_is_charged_as_an_estimate() {
    let stage = Stage::new(false, &["0.001", "0.002"]).await;
    stage.venues[0].then([Step::Fail(Outcome::Unknown, ErrorKind::ConnectionCut)]);
    let Refusal::VenuesFailed { attempts, retryable, .. } = refused(stage.call(&[]).await.unwrap()) else {
        panic!("another refusal");
    };
    assert!(!retryable);
    assert_eq!(attempts.len(), 1);
    assert_eq!((attempts[0].outcome.as_str(), attempts[0].estimated), ("unknown", true));
    assert_eq!(stage.venues[1].calls(), 0);
    assert_eq!(stage.balance(), (dollars("0.001"), Money::ZERO));
}

#[tokio::test]
async fn an_idempotent_function_is_repeated_and_both_attempts_are_charged() {
    let stage = Stage::new(true, &["0.001", "0.002"]).await;
    stage.venues[0].then([Step::Fail(Outcome::Unknown, ErrorKind::ConnectionCut)]);
    let account = replied(stage.call(&[]).await.unwrap());
    assert_eq!((account.deployment.venue.id.as_str(), account.charge, account.attempts), ("b", dollars("0.003"), 2));
    assert_eq!(stage.balance(), (dollars("0.003"), Money::ZERO));
}

#[tokio::test]
async fn a_retry_that_the_budget_does_not_bear_is_not_made() {
    let stage = Stage::new(true, &["0.001", "0.002"]).await;
    stage.budget("0.0025").await;
    stage.venues[0].then([Step::Fail(Outcome::Unknown, ErrorKind::ConnectionCut)]);
    assert!(matches!(refused(stage.call(&[]).await.unwrap()), Refusal::VenuesFailed { retryable: true, .. }));
    assert_eq!(stage.venues[1].calls(), 0);
    assert_eq!(stage.balance(), (dollars("0.001"), Money::ZERO));
}

#[tokio::test]
async fn attempts_are_bounded_and_all_of_them_are_told() {
    let stage = Stage::new(true, &["0.001", "0.002", "0.003", "0.004"]).await;
    for venue in &stage.venues {
        venue.then([Step::Fail(Outcome::NotStarted, ErrorKind::Unavailable)]);
    }
    let Refusal::VenuesFailed { attempts, retryable, .. } = refused(stage.call(&[]).await.unwrap()) else {
        panic!("another refusal");
    };
    let venues: Vec<_> = attempts.iter().map(|attempt| attempt.venue.as_str()).collect();
    assert_eq!((venues, retryable), (vec!["a", "b", "c"], true));
    assert_eq!(stage.balance(), (Money::ZERO, Money::ZERO));
}

#[tokio::test]
async fn no_fallback_breaks_a_term() {
    let stage = Stage::new(true, &["0.001", "0.002"]).await;
    stage.venues[0].then([Step::Fail(Outcome::NotStarted, ErrorKind::Connect)]);
    refused(stage.call(&[("merit-max-price", "0.0015")]).await.unwrap());
    assert_eq!(stage.venues[1].calls(), 0);
}

#[tokio::test]
async fn a_call_whose_client_goes_away_is_settled_once() {
    let stage = Stage::new(true, &["0.001", "0.002"]).await;
    stage.venues[0].then([Step::Hang]);
    let call = tokio::time::timeout(std::time::Duration::from_millis(20), stage.call(&[])).await;
    assert!(call.is_err(), "the venue never answers");
    assert_eq!(stage.balance(), (dollars("0.001"), Money::ZERO));
    assert_eq!(stage.venues[1].calls(), 0);
    let slot = &stage.broker.functions.get("work").unwrap().deployments[0].slot;
    assert_eq!(slot.room().in_flight, 0);
}

#[tokio::test]
async fn a_budget_refuses_what_it_cannot_bear() {
    let stage = Stage::new(true, &["0.001"]).await;
    stage.budget("0.0025").await;
    for _ in 0..2 {
        replied(stage.call(&[]).await.unwrap());
    }
    let Err(Refusal::BudgetExhausted { budget, spent, held, needed, .. }) = stage.call(&[]).await else {
        panic!("the third call is over the budget");
    };
    assert_eq!((budget, spent, held, needed), (dollars("0.0025"), dollars("0.002"), Money::ZERO, dollars("0.001")));
}

#[tokio::test]
async fn a_resting_order_waits_for_its_price() {
    let stage = Stage::new(true, &["0.002"]).await;
    let terms = [("merit-order", "rest"), ("merit-max-price", "0.001"), ("merit-deadline", "5s")];
    let waiting = stage.call(&terms);
    let cheaper = async {
        tokio::task::yield_now().await;
        stage.broker.put_sheet("a", &crate::testing::per_call("0.001")).unwrap();
    };
    let (settled, ()) = tokio::join!(waiting, cheaper);
    assert_eq!(replied(settled.unwrap()).charge, dollars("0.001"));
}

#[tokio::test]
async fn what_is_learned_moves_the_estimate() {
    let stage = Stage::new(true, &["0.001"]).await;
    stage.venues[0].then([Step::Reply(Micros::from_millis(40))]);
    replied(stage.call(&[]).await.unwrap());
    let view = stage.broker.functions.get("work").unwrap().view();
    assert_eq!(view.book.asks()[0].samples, 1);
    assert_eq!(view.cost(0), dollars("0.001"));
}
