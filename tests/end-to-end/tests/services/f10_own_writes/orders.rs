//! Every order of edit, write, loss and retry of a record that is changed.

use couplet_engine::RunMode;
use couplet_model::message::Direction;
use couplet_model::system::{SystemErrorKind, Write};
use couplet_model::table::Side;
use couplet_model::{RecordId, Value};
use std::sync::Arc;

use super::*;

/// How a record whose trace was lost comes to be looked at again.
#[derive(Clone, Copy, Debug)]
enum Comes {
    /// Its message is delivered again.
    Retry,
    /// A run, both directions, comes before its message is delivered again.
    RunFirst,
    /// Its message is gone with the process; the next start reads everything.
    Restart,
}

/// What a user does at the source between the loss and what comes next.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Nothing,
    PutsBack,
    TypesAnother,
    Empties,
    /// Edits another field at the destination.
    EditsOtherFieldThere,
    /// Edits the same field at the destination.
    EditsSameFieldThere,
}

const THEN: [Then; 6] = [
    Then::Nothing,
    Then::PutsBack,
    Then::TypesAnother,
    Then::Empties,
    Then::EditsOtherFieldThere,
    Then::EditsSameFieldThere,
];

/// One round of all edits side by side, each on a pair of its own.
async fn round(world: &World, pairs: &[Pair], number: usize, direction: Direction, loss: Loss, comes: Comes) {
    let value = |letter: usize, pair: usize| format!("+{number}{pair}{letter}");
    let context = format!("{direction}, {loss:?}, {comes:?}");
    for (index, pair) in pairs.iter().enumerate() {
        edit_source(world, direction, *pair, PHONE, &value(1, index));
    }
    until_quiet(world, &world.engine).await;
    for (index, pair) in pairs.iter().enumerate() {
        edit_source(world, direction, *pair, PHONE, &value(2, index));
    }
    world.find(CUSTOMERS, RunMode::Modified).await;
    let mut back = lose(world, direction, loss, pairs.len() as u64).await;
    // What certainly did not take effect the client repeats by itself.
    let is_known = loss == Loss::Killed(Failpoint::Stored) || back.is_empty();
    assert!(!back.is_empty() || loss == Loss::CutBefore, "the trace was lost: {context}");

    for (index, (pair, then)) in pairs.iter().zip(THEN).enumerate() {
        match then {
            Then::Nothing => {}
            Then::PutsBack => edit_source(world, direction, *pair, PHONE, &value(1, index)),
            Then::TypesAnother => edit_source(world, direction, *pair, PHONE, &value(3, index)),
            Then::Empties => edit_source(world, direction, *pair, PHONE, ""),
            Then::EditsOtherFieldThere => edit_destination(world, direction, *pair, FAX, &value(4, index)),
            Then::EditsSameFieldThere => edit_destination(world, direction, *pair, PHONE, &value(5, index)),
        }
    }
    match comes {
        Comes::Retry => {}
        Comes::RunFirst => {
            world.find(CUSTOMERS, RunMode::Modified).await;
            world.drain().await;
        }
        Comes::Restart => {
            back.clear();
            forget_cursors(world).await;
        }
    }
    for delivery in back {
        world.queue.give_back(delivery);
    }
    world.drain().await;
    world.run(CUSTOMERS, RunMode::Modified).await;

    let conflicted = pairs[5];
    for (index, (pair, then)) in pairs.iter().zip(THEN).enumerate() {
        let expected = match then {
            Then::Nothing | Then::EditsOtherFieldThere => value(2, index),
            Then::PutsBack => value(1, index),
            Then::TypesAnother => value(3, index),
            Then::Empties => String::new(),
            // Unless the write is known to be done, nothing tells whether it arrived before the user's change.
            Then::EditsSameFieldThere if is_known => value(5, index),
            Then::EditsSameFieldThere => {
                let (source, destination) = match (held(world, *pair, PHONE), direction) {
                    (held, Direction::ToDataverse) => held,
                    ((customer, account), Direction::FromDataverse) => (account, customer),
                };
                assert_eq!((source, destination), (value(2, index), value(5, index)), "nothing is lost: {context}");
                continue;
            }
        };
        assert_eq!(held(world, *pair, PHONE), (expected.clone(), expected), "{then:?}: {context}");
        if then == Then::EditsOtherFieldThere {
            let other = value(4, index);
            assert_eq!(held(world, *pair, FAX), (other.clone(), other), "{then:?}: {context}");
        }
    }
    let failures = world.failures(CUSTOMERS).await;
    let others =
        failures.iter().filter(|failure| ![conflicted.customer, conflicted.account].contains(&failure.record.0));
    assert_eq!(others.count(), 0, "{context}: {failures:?}");
    assert_eq!(failures.is_empty(), is_known, "{context}: {failures:?}");
    assert!(world.queue.dead_letters().is_empty(), "{context}");
    // A person settles the conflict, so that the next round begins in step.
    let (customer, _) = held(world, conflicted, PHONE);
    edit(world, conflicted, false, PHONE, &customer);
    edit(world, conflicted, true, PHONE, &customer);
    until_quiet(world, &world.engine).await;
}

async fn all_rounds(loss: Loss) {
    let world = in_step(THEN.len()).await;
    let mut pairs = pairs(&world).await;
    pairs.truncate(THEN.len());
    assert_eq!(pairs.len(), THEN.len());
    let mut number = 10;
    for direction in Direction::BOTH {
        for comes in [Comes::Retry, Comes::RunFirst, Comes::Restart] {
            round(&world, &pairs, number, direction, loss, comes).await;
            number += 1;
        }
    }
}

#[tokio::test]
async fn a_process_killed_before_the_write_takes_no_own_value_for_a_users() {
    all_rounds(Loss::Killed(Failpoint::Claimed)).await;
}

#[tokio::test]
async fn a_process_killed_after_the_write_takes_no_own_value_for_a_users() {
    all_rounds(Loss::Killed(Failpoint::Written)).await;
}

#[tokio::test]
async fn a_process_killed_after_the_follow_up_takes_no_own_value_for_a_users() {
    all_rounds(Loss::Killed(Failpoint::AfterWrite)).await;
}

#[tokio::test]
async fn a_process_killed_after_the_commit_takes_no_own_value_for_a_users() {
    all_rounds(Loss::Killed(Failpoint::Stored)).await;
}

#[tokio::test]
async fn a_connection_cut_before_the_write_makes_no_own_value_a_users() {
    all_rounds(Loss::CutBefore).await;
}

#[tokio::test]
async fn a_connection_cut_after_the_write_makes_no_own_value_a_users() {
    all_rounds(Loss::CutAfter).await;
}

#[tokio::test]
async fn a_users_change_after_our_write_is_no_conflict_when_another_field_proves_that_it_arrived() {
    for direction in Direction::BOTH {
        let world = in_step(1).await;
        let pair = pairs(&world).await[0];
        edit_source(&world, direction, pair, PHONE, "+2");
        edit_source(&world, direction, pair, FAX, "+22");
        world.find(CUSTOMERS, RunMode::Modified).await;
        let back = lose(&world, direction, Loss::Killed(Failpoint::Written), 1).await;
        edit_destination(&world, direction, pair, PHONE, "+5");
        back.into_iter().for_each(|delivery| world.queue.give_back(delivery));
        world.drain().await;
        until_quiet(&world, &world.engine).await;
        assert_eq!(held(&world, pair, PHONE), ("+5".to_owned(), "+5".to_owned()), "{direction}");
        assert_eq!(held(&world, pair, FAX), ("+22".to_owned(), "+22".to_owned()), "{direction}");
        assert!(world.failures(CUSTOMERS).await.is_empty());
    }
}

#[tokio::test]
async fn a_write_that_is_still_under_way_is_refused_when_it_arrives_after_all() {
    for direction in Direction::BOTH {
        let world = in_step(1).await;
        let pair = pairs(&world).await[0];
        edit_source(&world, direction, pair, PHONE, "+1");
        until_quiet(&world, &world.engine).await;
        edit_source(&world, direction, pair, PHONE, "+2");
        world.find(CUSTOMERS, RunMode::Modified).await;
        // What the dying process was about to send, and what it knew.
        let side = direction.destination();
        let mapping =
            world.engine.mappings().into_iter().find(|mapping| mapping.name.as_str() == CUSTOMERS).expect("there");
        let (table, id, column) = match side {
            Side::BusinessCentral => (&mapping.business_central, RecordId(pair.customer), PHONE.0),
            Side::Dataverse => (&mapping.dataverse, RecordId(pair.account), PHONE.1),
        };
        let system = world.engine.system(side);
        let columns = [column.to_owned()];
        let known = system.fetch(table, &[id], &columns).await.expect("answers").remove(0);
        let back = lose(&world, direction, Loss::Killed(Failpoint::Claimed), 1).await;
        edit_source(&world, direction, pair, PHONE, "+1");
        back.into_iter().for_each(|delivery| world.queue.give_back(delivery));
        world.drain().await;
        // Now it arrives.
        let values = [(Arc::from(column), Value::text("+2"))].into();
        let late = system.write(table, &[Write::update(id, known.version, values)]).await.remove(0);
        assert_eq!(late.expect_err("refused").kind, SystemErrorKind::VersionConflict, "{direction}");
        until_quiet(&world, &world.engine).await;
        assert_eq!(held(&world, pair, PHONE), ("+1".to_owned(), "+1".to_owned()), "{direction}");
    }
}
