//! No interleaving of calls overspends a hard budget, as long as each is charged no more than was held for it.

use merit_ledger::{Balance, Budget, HoldRequest, Ledger};
use merit_units::{AccountId, InvocationId, Money, Month, Timestamp, VenueId};
use proptest::prelude::*;

/// One step of one of the calls that run at once. Amounts are in hundredths of what is asked or held.
#[derive(Clone, Copy, Debug)]
enum Step {
    Hold { amount: i128 },
    Raise { percent: i128 },
    ChargeAttempt { percent: i128 },
    Post { percent: i128 },
    Void,
    Expire { seconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..2_000_i128).prop_map(|amount| Step::Hold { amount }),
        2 => (0..300_i128).prop_map(|percent| Step::Raise { percent }),
        2 => (0..=100_i128).prop_map(|percent| Step::ChargeAttempt { percent }),
        3 => (0..=100_i128).prop_map(|percent| Step::Post { percent }),
        1 => Just(Step::Void),
        1 => (0..20_u64).prop_map(|seconds| Step::Expire { seconds }),
    ]
}

const CALLS: u128 = 12;

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn no_interleaving_overspends(budget in 0..5_000_i128, steps in prop::collection::vec((0..CALLS, step()), 1..200)) {
        let month = Month::try_new(2026, 11).unwrap();
        let hard = Money::from_pico(budget);
        let mut ledger = Ledger::new(CALLS as usize);
        let account = ledger.open(&AccountId::try_new("ada").unwrap());
        let venue = ledger.open_venue(&VenueId::try_new("pool").unwrap());
        ledger.set_budget(account, Budget { hard: Some(hard), soft: None }).unwrap();
        let mut now = Timestamp::EPOCH;
        for (number, (call, step)) in steps.into_iter().enumerate() {
            let invocation = InvocationId::from_bits(call);
            let held = ledger.open_hold(invocation).map_or(Money::ZERO, |hold| hold.held);
            let share = |percent: i128| Money::from_pico(held.pico() * percent / 100);
            // Whether a step is refused does not matter here, only what it leaves behind.
            let _refused = match step {
                Step::Hold { amount } => {
                    let expires_at = Timestamp::from_micros(now.micros() + 30);
                    let request = HoldRequest { invocation, account, amount: Money::from_pico(amount), expires_at };
                    ledger.hold(now, month, &request).is_err()
                }
                Step::Raise { percent } => ledger.raise(invocation, share(percent)).is_err(),
                Step::ChargeAttempt { percent } => {
                    let attempt = u8::try_from(number % 32).unwrap();
                    ledger.post_attempt(invocation, attempt, share(percent), venue).is_err()
                }
                Step::Post { percent } => ledger.post(invocation, share(percent), venue).is_err(),
                Step::Void => ledger.void(invocation).is_err(),
                Step::Expire { seconds } => {
                    now = Timestamp::from_micros(now.micros() + seconds);
                    ledger.expire(now).is_empty()
                }
            };
            let Balance { spent, held, .. } = ledger.balance(account, month).unwrap();
            prop_assert!(spent + held <= hard, "{spent} spent and {held} held of {hard}");
            prop_assert_eq!(ledger.earned(venue, month), Some(spent));
            prop_assert!(ledger.conserved());
        }
    }
}
