//! The ledger's protocol, searched through: every order in which two processes, the zombies of their lost connections,
//! kills and the server can come together, for one split of two chunks. What `docs/exactly-once.md` promises holds in
//! each of them, somebody can always go on, and without any one part of the protocol a promise is broken.

mod protocol;

use std::collections::{BTreeSet, HashMap};

use protocol::{Faults, Protocol, State, Violation};

/// As it is.
const WHOLE: Protocol = Protocol {
    checks: true,
    locks: true,
    compares_epoch: true,
    compares_owner: true,
    compares_load: true,
    compares_in_move: true,
    one_transaction: true,
    reads_again: true,
    keyed: false,
    most_claims: 20,
};

/// What a search found.
#[derive(Debug)]
struct Found {
    states: usize,
    /// The most claims in any of them.
    claims: u8,
    violations: BTreeSet<Violation>,
    /// States from which the split can never be done.
    stuck: usize,
}

/// Every state that can be reached, breadth first, and then, backwards, all from which an end is reached.
fn search(protocol: Protocol, first: State) -> Found {
    let mut violations = BTreeSet::new();
    let mut numbers = HashMap::from([(first.clone(), 0)]);
    let mut states = vec![first];
    let mut before: Vec<Vec<usize>> = vec![Vec::new()];
    let mut at = 0;
    while let Some(state) = states.get(at).cloned() {
        if state.is_end() && !state.is_exact() {
            violations.insert(Violation::NotExactlyOnce);
        }
        for next in state.next(protocol, &mut violations) {
            let number = *numbers.entry(next).or_insert_with_key(|next| {
                states.push(next.clone());
                before.push(Vec::new());
                states.len() - 1
            });
            before[number].push(at);
        }
        at += 1;
    }
    let mut ends: Vec<usize> = (0..states.len()).filter(|number| states[*number].is_end()).collect();
    let mut reaches = vec![false; states.len()];
    while let Some(number) = ends.pop() {
        if !std::mem::replace(&mut reaches[number], true) {
            ends.extend(&before[number]);
        }
    }
    let claims = states.iter().map(State::claims).max().unwrap_or_default();
    Found {
        states: states.len(),
        claims,
        violations,
        stuck: reaches.iter().filter(|reaches| !**reaches).count(),
    }
}

#[track_caller]
fn breaks(protocol: Protocol, expected: &[Violation]) {
    let faults = Faults { cuts: 1, mistakes: 1, ..Faults::default() };
    breaks_by(protocol, faults, expected);
}

#[track_caller]
fn breaks_by(protocol: Protocol, faults: Faults, expected: &[Violation]) {
    let found = search(Protocol { most_claims: 4, ..protocol }, State::first(faults));
    assert_eq!(found.violations.iter().collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>(), "{found:?}");
}

#[test]
fn no_order_of_events_commits_a_position_twice_or_skips_one_and_somebody_can_always_go_on() {
    for keyed in [false, true] {
        for (cuts, kills, mistakes, fresh) in
            [(0, 0, 0, 0), (1, 1, 1, 0), (2, 0, 1, 0), (0, 2, 1, 0), (1, 0, 2, 1), (0, 1, 1, 1)]
        {
            let faults = Faults { cuts, kills, mistakes, fresh };
            let found = search(Protocol { keyed, ..WHOLE }, State::first(faults));
            assert_eq!((&found.violations, found.stuck), (&BTreeSet::new(), 0), "{found:?}");
            assert!(found.claims < WHOLE.most_claims, "the search was cut short: {found:?}");
            assert!(found.states > if cuts + kills > 0 { 5_000 } else { 50 }, "{found:?}");
        }
    }
}

#[test]
fn without_the_check_before_copy_a_worker_that_lost_its_split_sends_rows() {
    breaks(Protocol { checks: false, ..WHOLE }, &[Violation::StaleRows]);
}

#[test]
fn without_the_lock_a_split_is_lost_between_check_and_copy() {
    breaks(Protocol { locks: false, ..WHOLE }, &[Violation::StaleRows]);
}

#[test]
fn without_epoch_and_owner_an_old_claim_moves_what_somebody_else_claimed() {
    breaks(
        Protocol { compares_epoch: false, compares_owner: false, ..WHOLE },
        &[Violation::StaleRows, Violation::MovedByAnOldClaim],
    );
}

#[test]
fn without_any_comparison_rows_are_loaded_twice() {
    breaks(
        Protocol { checks: false, compares_in_move: false, ..WHOLE },
        &[Violation::NotExactlyOnce, Violation::StaleRows, Violation::MovedByAnOldClaim],
    );
}

#[test]
fn with_rows_and_ledger_in_two_transactions_rows_are_loaded_twice() {
    breaks(Protocol { one_transaction: false, ..WHOLE }, &[Violation::NotExactlyOnce]);
}

#[test]
fn after_a_duplicate_key_the_ledger_tells_a_clash_from_a_bad_row() {
    let unchecked = Protocol { checks: false, keyed: true, ..WHOLE };
    breaks(unchecked, &[Violation::StaleRows]);
    breaks(Protocol { reads_again: false, ..unchecked }, &[Violation::StaleRows, Violation::RowBlamed]);
    // With the check no row of a clash gets as far as the key.
    breaks(Protocol { reads_again: false, keyed: true, ..WHOLE }, &[]);
}

/// A process that is taken for dead, and lives on while another one begins anew.
const FORGOTTEN: Faults = Faults { cuts: 0, kills: 0, mistakes: 1, fresh: 1 };

#[test]
fn without_the_owner_a_worker_of_a_forgotten_load_sends_rows_into_the_next() {
    let protocol = Protocol { compares_owner: false, ..WHOLE };
    breaks_by(protocol, FORGOTTEN, &[Violation::StaleRows, Violation::RowsOfAForgottenLoad]);
}

#[test]
fn without_the_load_a_process_of_a_forgotten_one_claims_splits_of_the_next() {
    let protocol = Protocol { compares_load: false, ..WHOLE };
    breaks_by(protocol, FORGOTTEN, &[Violation::StaleRows, Violation::RowsOfAForgottenLoad]);
}
