//! The rules, one test each.

use crate::{AccountIndex, Budget, Ending, Held, Ledger, Posted, Rejection, VenueAccount, Voided};
use merit_units::Money;

use super::books::{Books, WINDOW, at, cast, cents, hard, id, month, request};

const NOBODY: AccountIndex = AccountIndex::new(99);
const NOWHERE: VenueAccount = VenueAccount::new(99);

fn spent_and_held(books: &impl Books, account: AccountIndex, number: u8) -> (Money, Money) {
    assert!(books.sums_up(), "money is conserved");
    let balance = books.balance_of(account, month(number)).expect("the account is open");
    (balance.spent, balance.held)
}

pub(crate) fn a_charge_moves_from_the_caller_to_the_venue(books: &mut impl Books) {
    let (ada, venue) = cast(books);
    let held = books.hold(at(1), month(11), &request(1, ada, cents(10))).unwrap();
    assert_eq!(held, Held { account: ada, month: month(11), amount: cents(10) });
    assert_eq!(spent_and_held(books, ada, 11), (cents(0), cents(10)));
    let posted = books.post(id(1), cents(4), venue).unwrap();
    let clean = Posted {
        account: ada,
        month: month(11),
        charge: cents(4),
        overrun: cents(0),
        late: false,
        over_soft: false,
        crossed_soft: false,
    };
    assert_eq!(posted, clean);
    assert_eq!(spent_and_held(books, ada, 11), (cents(4), cents(0)));
    let state = books.state();
    assert_eq!(state.accounts[0].months, state.venues[0].months, "what ada spent is what the venue earned");
}

pub(crate) fn a_void_frees_what_was_held(books: &mut impl Books) {
    let (ada, _) = cast(books);
    books.set_budget(ada, hard(cents(10))).unwrap();
    books.hold(at(1), month(11), &request(1, ada, cents(10))).unwrap();
    let voided = books.void(id(1)).unwrap();
    assert_eq!(voided, Voided { account: ada, month: month(11), released: cents(10) });
    assert_eq!(spent_and_held(books, ada, 11), (cents(0), cents(0)));
    books.hold(at(1), month(11), &request(2, ada, cents(10))).expect("the budget is free again");
}

pub(crate) fn a_hard_budget_refuses_before_it_is_passed(books: &mut impl Books) {
    let (ada, venue) = cast(books);
    books.set_budget(ada, hard(cents(10))).unwrap();
    books.hold(at(1), month(11), &request(1, ada, cents(4))).unwrap();
    books.post(id(1), cents(3), venue).unwrap();
    books.hold(at(1), month(11), &request(2, ada, cents(5))).unwrap();
    let refusal = books.hold(at(1), month(11), &request(3, ada, cents(3))).unwrap_err();
    let expected = Rejection::BudgetExhausted {
        account: ada,
        month: month(11),
        budget: cents(10),
        spent: cents(3),
        held: cents(5),
        needed: cents(3),
    };
    assert_eq!(refusal, expected);
    books.hold(at(1), month(11), &request(3, ada, cents(2))).expect("exactly the rest may be held");
    assert_eq!(spent_and_held(books, ada, 11), (cents(3), cents(7)));
    assert_eq!(books.balance_of(ada, month(11)).unwrap().available(), Some(cents(0)));
    books.hold(at(1), month(11), &request(4, ada, cents(0))).expect("what costs nothing needs no budget");
}

pub(crate) fn a_soft_budget_tells_once_and_refuses_nothing(books: &mut impl Books) {
    let (ada, venue) = cast(books);
    books.set_budget(ada, Budget { hard: None, soft: Some(cents(10)) }).unwrap();
    let mut told = Vec::new();
    for number in 1..=3 {
        books.hold(at(1), month(11), &request(number, ada, cents(6))).unwrap();
        let posted = books.post(id(number), cents(5), venue).unwrap();
        told.push((posted.over_soft, posted.crossed_soft));
    }
    assert_eq!(told, [(false, false), (false, false), (true, true)], "10 of 10 is not over, 15 is");
    books.hold(at(1), month(11), &request(4, ada, cents(6))).unwrap();
    let posted = books.post(id(4), cents(1), venue).unwrap();
    assert_eq!((posted.over_soft, posted.crossed_soft), (true, false));
}

pub(crate) fn a_lowered_budget_stops_the_next_hold_only(books: &mut impl Books) {
    let (ada, venue) = cast(books);
    books.hold(at(1), month(11), &request(1, ada, cents(50))).unwrap();
    books.set_budget(ada, hard(cents(10))).unwrap();
    books.hold(at(1), month(11), &request(1, ada, cents(50))).expect("a repeat is not a new hold");
    assert!(matches!(books.hold(at(1), month(11), &request(2, ada, cents(1))), Err(Rejection::BudgetExhausted { .. })));
    books.post(id(1), cents(50), venue).expect("the call that runs is paid");
    assert_eq!(spent_and_held(books, ada, 11), (cents(50), cents(0)));
    assert_eq!(books.balance_of(ada, month(11)).unwrap().available(), Some(cents(0)), "never below zero");
    books.set_budget(ada, Budget::UNLIMITED).unwrap();
    books.hold(at(1), month(11), &request(2, ada, cents(1))).unwrap();
}

pub(crate) fn a_raise_is_checked_against_the_budget(books: &mut impl Books) {
    let (ada, _) = cast(books);
    books.set_budget(ada, hard(cents(10))).unwrap();
    books.hold(at(1), month(11), &request(1, ada, cents(4))).unwrap();
    assert_eq!(books.raise(id(1), cents(9)).unwrap().amount, cents(9));
    let refusal = books.raise(id(1), cents(11)).unwrap_err();
    assert!(
        matches!(refusal, Rejection::BudgetExhausted { held, needed, .. } if (held, needed) == (cents(9), cents(2)))
    );
    assert_eq!(spent_and_held(books, ada, 11), (cents(0), cents(9)), "a refused raise leaves the hold");
    assert_eq!(books.raise(id(1), cents(2)).unwrap().amount, cents(9), "a raise never lowers");
}

pub(crate) fn attempts_are_charged_one_by_one(books: &mut impl Books) {
    let (ada, venue) = cast(books);
    let other = books.open_venue(&"pool-dc1".parse().unwrap());
    books.hold(at(1), month(11), &request(1, ada, cents(10))).unwrap();
    books.post_attempt(id(1), 0, cents(3), venue).unwrap();
    assert_eq!(spent_and_held(books, ada, 11), (cents(3), cents(7)), "the rest stays held");
    books.raise(id(1), cents(12)).unwrap();
    books.post_attempt(id(1), 1, cents(2), other).unwrap();
    assert_eq!(spent_and_held(books, ada, 11), (cents(5), cents(10)));
    books.post(id(1), cents(4), other).unwrap();
    assert_eq!(spent_and_held(books, ada, 11), (cents(9), cents(0)));
    let earned: Vec<_> = books.state().venues.iter().map(|venue| venue.months[0].posted).collect();
    assert_eq!(earned, [cents(3), cents(6)]);

    books.hold(at(1), month(11), &request(2, ada, cents(10))).unwrap();
    books.post_attempt(id(2), 0, cents(3), venue).unwrap();
    assert_eq!(books.void(id(2)).unwrap().released, cents(7));
    assert_eq!(spent_and_held(books, ada, 11), (cents(12), cents(0)), "a void leaves charged attempts charged");
}

pub(crate) fn a_charge_above_its_hold_is_posted_and_told(books: &mut impl Books) {
    let (ada, venue) = cast(books);
    books.set_budget(ada, hard(cents(10))).unwrap();
    books.hold(at(1), month(11), &request(1, ada, cents(10))).unwrap();
    assert_eq!(books.post_attempt(id(1), 0, cents(12), venue).unwrap().overrun, cents(2));
    assert_eq!(books.post(id(1), cents(1), venue).unwrap().overrun, cents(1));
    assert_eq!(spent_and_held(books, ada, 11), (cents(13), cents(0)));
    assert!(matches!(books.hold(at(1), month(11), &request(2, ada, cents(1))), Err(Rejection::BudgetExhausted { .. })));
}

pub(crate) fn the_month_of_the_hold_decides(books: &mut impl Books) {
    let (ada, venue) = cast(books);
    books.set_budget(ada, hard(cents(10))).unwrap();
    books.hold(at(1), month(11), &request(1, ada, cents(10))).unwrap();
    let repeated = books.hold(at(2), month(12), &request(1, ada, cents(10))).unwrap();
    assert_eq!(repeated.month, month(11), "a repeat after midnight is the same hold");
    books.hold(at(2), month(12), &request(2, ada, cents(10))).expect("a new month, a new budget");
    assert_eq!(books.post(id(1), cents(8), venue).unwrap().month, month(11));
    assert_eq!(spent_and_held(books, ada, 11), (cents(8), cents(0)));
    assert_eq!(spent_and_held(books, ada, 12), (cents(0), cents(10)));
}

pub(crate) fn an_expired_hold_is_free_and_its_late_charge_is_posted(books: &mut impl Books) {
    let (ada, venue) = cast(books);
    for number in [3, 1, 2] {
        books.hold(at(1), month(11), &request(number, ada, cents(5))).unwrap();
    }
    books.void(id(3)).unwrap();
    assert_eq!(books.expire(at(99)), []);
    assert_eq!(books.expire(at(100)), [id(1), id(2)], "due at the second itself, in order");
    assert_eq!(books.expire(at(101)), []);
    assert_eq!(spent_and_held(books, ada, 11), (cents(0), cents(0)));
    let attempt = books.post_attempt(id(1), 0, cents(1), venue).unwrap();
    assert_eq!((attempt.late, attempt.overrun), (true, cents(1)));
    let posted = books.post(id(1), cents(3), venue).unwrap();
    assert_eq!((posted.late, posted.overrun), (true, cents(3)));
    assert_eq!(books.post(id(1), cents(3), venue).unwrap(), posted);
    assert_eq!(spent_and_held(books, ada, 11), (cents(4), cents(0)));
    assert_eq!(books.void(id(2)).unwrap().released, cents(5), "voiding what expired is a repeat");
}

pub(crate) fn repeats_have_no_second_effect(books: &mut impl Books) {
    let (ada, venue) = cast(books);
    let hold = request(1, ada, cents(10));
    let held = books.hold(at(1), month(11), &hold).unwrap();
    books.raise(id(1), cents(20)).unwrap();
    assert_eq!(books.hold(at(50), month(11), &hold).unwrap(), held, "also after a raise");
    assert_eq!(books.raise(id(1), cents(20)).unwrap().amount, cents(20));
    books.hold(at(1), month(11), &request(2, ada, cents(5))).unwrap();
    let posted = books.post(id(1), cents(7), venue).unwrap();
    let voided = books.void(id(2)).unwrap();
    let state = books.state();
    assert_eq!(books.post(id(1), cents(7), venue).unwrap(), posted);
    assert_eq!(books.void(id(2)).unwrap(), voided);
    assert_eq!(cast(books), (ada, venue), "opening again finds the same accounts");
    assert_eq!(books.state(), state);
}

pub(crate) fn settled_invocations_are_forgotten_in_order(books: &mut impl Books) {
    let (ada, venue) = cast(books);
    for number in 0..=WINDOW as u128 {
        books.hold(at(1), month(11), &request(number, ada, cents(1))).unwrap();
        books.post(id(number), cents(1), venue).unwrap();
    }
    assert_eq!(books.post(id(0), cents(1), venue), Err(Rejection::UnknownHold { invocation: id(0) }));
    books.post(id(1), cents(1), venue).expect("the next is still remembered");
    assert_eq!(books.state().settled.len(), WINDOW);
    assert_eq!(spent_and_held(books, ada, 11), (cents(i128::try_from(WINDOW).unwrap() + 1), cents(0)));
}

fn too_much() -> (Money, Rejection) {
    let amount = Ledger::MAX_AMOUNT + Money::from_pico(1);
    (amount, Rejection::AmountOutOfRange { amount, max: Ledger::MAX_AMOUNT })
}

fn negative(max: Money) -> (Money, Rejection) {
    let amount = Money::from_pico(-1);
    (amount, Rejection::AmountOutOfRange { amount, max })
}

/// An invocation 1 that was posted, 2 voided, 3 expired, 4 open with attempt 0 charged, and a budget that is used up.
fn every_state(books: &mut impl Books) -> (AccountIndex, VenueAccount) {
    let (ada, venue) = cast(books);
    for number in 1..=4 {
        books.hold(at(1), month(11), &request(number, ada, cents(2))).unwrap();
    }
    books.post(id(1), cents(1), venue).unwrap();
    books.void(id(2)).unwrap();
    books.post_attempt(id(4), 0, cents(0), venue).unwrap();
    let expires_at = at(20);
    books.hold(at(1), month(11), &crate::HoldRequest { expires_at, ..request(5, ada, cents(2)) }).unwrap();
    books.void(id(3)).unwrap();
    assert_eq!(books.expire(at(20)), [id(5)]);
    books.set_budget(ada, hard(cents(3))).unwrap();
    (ada, venue)
}

/// Each request also deserves every refusal further down, so each line shows one precedence.
pub(crate) fn hold_refuses_in_order(books: &mut impl Books) {
    let (ada, _) = every_state(books);
    let mut refusal = |number, account, amount, expiry| {
        let request = crate::HoldRequest { expires_at: at(expiry), ..request(number, account, amount) };
        books.hold(at(50), month(11), &request).unwrap_err()
    };
    let much = cents(500);
    for (amount, expected) in [too_much(), negative(Ledger::MAX_AMOUNT)] {
        assert_eq!(refusal(1, NOBODY, amount, 50), expected);
    }
    assert_eq!(refusal(1, NOBODY, much, 50), Rejection::UnknownAccount { account: NOBODY });
    for (number, ending) in [(1, Ending::Posted), (2, Ending::Voided), (5, Ending::Expired)] {
        assert_eq!(refusal(number, ada, much, 50), Rejection::AlreadySettled { invocation: id(number), ending });
    }
    assert_eq!(refusal(4, ada, much, 50), Rejection::Conflicting { invocation: id(4) });
    assert_eq!(refusal(4, ada, cents(2), 99), Rejection::Conflicting { invocation: id(4) }, "another expiry");
    assert_eq!(refusal(9, ada, much, 50), Rejection::ExpiryPassed { expires_at: at(50), now: at(50) });
    assert!(matches!(refusal(9, ada, much, 51), Rejection::BudgetExhausted { .. }));
}

pub(crate) fn raise_refuses_in_order(books: &mut impl Books) {
    every_state(books);
    for (amount, expected) in [too_much(), negative(Ledger::MAX_AMOUNT)] {
        assert_eq!(books.raise(id(9), amount), Err(expected));
    }
    assert_eq!(books.raise(id(9), cents(500)), Err(Rejection::UnknownHold { invocation: id(9) }));
    for (number, ending) in [(1, Ending::Posted), (2, Ending::Voided), (5, Ending::Expired)] {
        let expected = Rejection::AlreadySettled { invocation: id(number), ending };
        assert_eq!(books.raise(id(number), cents(500)), Err(expected));
    }
    assert!(matches!(books.raise(id(4), cents(500)), Err(Rejection::BudgetExhausted { .. })));
}

pub(crate) fn post_attempt_refuses_in_order(books: &mut impl Books) {
    let (_, venue) = every_state(books);
    for (amount, expected) in [too_much(), negative(Ledger::MAX_AMOUNT)] {
        assert_eq!(books.post_attempt(id(9), 32, amount, NOWHERE), Err(expected));
    }
    let charge = cents(1);
    assert_eq!(books.post_attempt(id(9), 32, charge, NOWHERE), Err(Rejection::AttemptOutOfRange { attempt: 32 }));
    assert_eq!(books.post_attempt(id(9), 0, charge, NOWHERE), Err(Rejection::UnknownVenue { venue: NOWHERE }));
    assert_eq!(books.post_attempt(id(9), 0, charge, venue), Err(Rejection::UnknownHold { invocation: id(9) }));
    for (number, ending) in [(1, Ending::Posted), (2, Ending::Voided)] {
        let expected = Rejection::AlreadySettled { invocation: id(number), ending };
        assert_eq!(books.post_attempt(id(number), 0, charge, venue), Err(expected));
    }
    let again = Rejection::AttemptAlreadyPosted { invocation: id(4), attempt: 0 };
    assert_eq!(books.post_attempt(id(4), 0, charge, venue), Err(again));
    books.post_attempt(id(4), Ledger::MAX_ATTEMPT, charge, venue).expect("the highest attempt is allowed");
    books.post_attempt(id(5), 0, charge, venue).expect("an expired hold is charged late");
    let again = Rejection::AttemptAlreadyPosted { invocation: id(5), attempt: 0 };
    assert_eq!(books.post_attempt(id(5), 0, charge, venue), Err(again));
}

pub(crate) fn post_refuses_in_order(books: &mut impl Books) {
    let (_, venue) = every_state(books);
    for (amount, expected) in [too_much(), negative(Ledger::MAX_AMOUNT)] {
        assert_eq!(books.post(id(9), amount, NOWHERE), Err(expected));
    }
    assert_eq!(books.post(id(9), cents(7), NOWHERE), Err(Rejection::UnknownVenue { venue: NOWHERE }));
    assert_eq!(books.post(id(9), cents(7), venue), Err(Rejection::UnknownHold { invocation: id(9) }));
    let other = books.open_venue(&"pool-dc1".parse().unwrap());
    assert_eq!(books.post(id(1), cents(7), venue), Err(Rejection::Conflicting { invocation: id(1) }));
    assert_eq!(books.post(id(1), cents(1), other), Err(Rejection::Conflicting { invocation: id(1) }));
    let expected = Rejection::AlreadySettled { invocation: id(2), ending: Ending::Voided };
    assert_eq!(books.post(id(2), cents(7), venue), Err(expected));
}

pub(crate) fn void_refuses_in_order(books: &mut impl Books) {
    every_state(books);
    assert_eq!(books.void(id(9)), Err(Rejection::UnknownHold { invocation: id(9) }));
    assert_eq!(books.void(id(1)), Err(Rejection::AlreadySettled { invocation: id(1), ending: Ending::Posted }));
}

pub(crate) fn set_budget_refuses_in_order(books: &mut impl Books) {
    let (ada, _) = cast(books);
    let max = Ledger::MAX_BUDGET;
    let above = max + Money::from_pico(1);
    for amount in [above, Money::from_pico(-1)] {
        let expected = Err(Rejection::AmountOutOfRange { amount, max });
        assert_eq!(books.set_budget(NOBODY, hard(amount)), expected);
        assert_eq!(books.set_budget(NOBODY, Budget { hard: None, soft: Some(amount) }), expected);
    }
    assert_eq!(books.set_budget(NOBODY, hard(max)), Err(Rejection::UnknownAccount { account: NOBODY }));
    books.set_budget(ada, hard(max)).expect("the largest budget is allowed");
}

pub(crate) fn a_correction_moves_money_either_way_and_once(books: &mut impl Books) {
    let (ada, venue) = cast(books);
    books.set_budget(ada, hard(cents(10))).unwrap();
    books.hold(at(1), month(11), &request(1, ada, cents(10))).unwrap();
    books.post(id(1), cents(8), venue).unwrap();
    let back = books.correct(id(70), ada, month(11), -cents(5), venue).unwrap();
    assert_eq!((back.charge, back.overrun), (-cents(5), cents(0)));
    assert_eq!(books.correct(id(70), ada, month(11), -cents(5), venue), Ok(back), "a repeat changes nothing");
    assert_eq!(spent_and_held(books, ada, 11), (cents(3), cents(0)));
    books.correct(id(71), ada, month(11), cents(9), venue).expect("the money is spent, whatever the budget");
    assert_eq!(spent_and_held(books, ada, 11), (cents(12), cents(0)));
    let state = books.state();
    assert_eq!(state.accounts[0].months, state.venues[0].months, "what ada spent is what the venue earned");
}

pub(crate) fn correct_refuses_in_order(books: &mut impl Books) {
    let (ada, venue) = every_state(books);
    let beyond = Ledger::MAX_CORRECTION + Money::from_pico(1);
    for amount in [beyond, -beyond] {
        let refusal = books.correct(id(80), NOBODY, month(11), amount, NOWHERE).unwrap_err();
        assert_eq!(refusal, Rejection::AmountOutOfRange { amount, max: Ledger::MAX_CORRECTION });
    }
    let some = -cents(100);
    let refused =
        |books: &mut _, number, account, venue| Books::correct(books, id(number), account, month(11), some, venue);
    assert_eq!(refused(books, 80, NOBODY, NOWHERE), Err(Rejection::UnknownAccount { account: NOBODY }));
    assert_eq!(refused(books, 80, ada, NOWHERE), Err(Rejection::UnknownVenue { venue: NOWHERE }));
    for used in 1..=2 {
        assert_eq!(refused(books, used, ada, venue), Err(Rejection::Conflicting { invocation: id(used) }));
    }
    let posted = spent_and_held(books, ada, 11).0;
    let too_much = Rejection::TakesBackTooMuch { amount: some, posted, month: month(11) };
    assert_eq!(refused(books, 80, ada, venue), Err(too_much));
    assert_eq!(
        too_much.to_string(),
        format!("a correction of -1 dollars takes back more than the {posted} that were posted in 2026-11")
    );
}

pub(crate) fn messages_name_the_figures(books: &mut impl Books) {
    let (ada, _) = every_state(books);
    let message = |rejection: Rejection| rejection.to_string();
    assert_eq!(
        message(books.hold(at(50), month(11), &request(9, ada, cents(1))).unwrap_err()),
        "budget of 0.03 dollars for 2026-11 is exhausted: 0.01 spent, 0.02 held, 0.01 needed; raise the budget or wait \
         for running calls to settle"
    );
    assert_eq!(message(negative(Ledger::MAX_AMOUNT).1), "amount of -0.000000000001 dollars is outside 0 to 250000");
    assert_eq!(
        message(books.void(id(1)).unwrap_err()),
        "invocation 00000000-0000-0000-0000-000000000001 is already settled (Posted)"
    );
}
