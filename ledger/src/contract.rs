//! What every ledger must do, run over the fast one and the naive one alike: rules, refusals in their order
//! of precedence, repeats, months. Money is conserved after every step.

mod books;
mod rules;
mod stream;

/// Runs each test of the suite over both ledgers.
macro_rules! contract {
    ($($test:ident),* $(,)?) => {
        mod fast {
            $(#[test] fn $test() { super::rules::$test(&mut crate::Ledger::new(super::books::WINDOW)); })*
        }
        mod naive {
            $(#[test] fn $test() { super::rules::$test(&mut crate::naive::NaiveLedger::new(super::books::WINDOW)); })*
        }
    };
}

contract!(
    a_charge_moves_from_the_caller_to_the_venue,
    a_void_frees_what_was_held,
    a_hard_budget_refuses_before_it_is_passed,
    a_soft_budget_tells_once_and_refuses_nothing,
    a_lowered_budget_stops_the_next_hold_only,
    a_raise_is_checked_against_the_budget,
    attempts_are_charged_one_by_one,
    a_charge_above_its_hold_is_posted_and_told,
    the_month_of_the_hold_decides,
    an_expired_hold_is_free_and_its_late_charge_is_posted,
    repeats_have_no_second_effect,
    settled_invocations_are_forgotten_in_order,
    hold_refuses_in_order,
    raise_refuses_in_order,
    post_attempt_refuses_in_order,
    post_refuses_in_order,
    void_refuses_in_order,
    set_budget_refuses_in_order,
    a_correction_moves_money_either_way_and_once,
    correct_refuses_in_order,
    messages_name_the_figures,
);
