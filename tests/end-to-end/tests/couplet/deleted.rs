//! Pairs of which one record was deleted: listed, looked for, and mended, whoever dies on the way and however often it is asked.

use couplet_end_to_end::{Life, World, WorldOptions, chosen};
use couplet_engine::{Delivery, EngineOptions};
use couplet_model::message::Remedy;
use couplet_model::request::{Chosen, Want};
use couplet_model::task::Task;
use couplet_model::{MappingName, RecordId, Side};
use jiff::SignedDuration;
use serde_json::json;
use uuid::Uuid;

use crate::coupled_customers::{Pair, coupled, of_customers, pairs, synchronize};
use crate::observing::text;

/// Customers that are made ready for one remedy.
const CUSTOMERS: usize = 14;

/// Claims of dead workers end at once, so that the test need not wait.
fn mortal() -> WorldOptions {
    let engine = EngineOptions { claim: SignedDuration::ZERO, ..EngineOptions::default() };
    WorldOptions { engine, ..of_customers(CUSTOMERS) }
}

/// The pairs that are listed: from which side a record is gone, and the customer.
async fn listed(world: &World) -> Vec<(Side, Uuid)> {
    let lost = world.engine.lost_pairs(&MappingName::from("CUSTOMER")).await.expect("the store answers");
    let mut listed: Vec<_> = lost.into_iter().map(|pair| (pair.gone, pair.business_central.0)).collect();
    listed.sort();
    listed
}

fn rows(accounts: &[Uuid]) -> Chosen {
    Chosen::Records(accounts.iter().map(|account| (Side::Dataverse, RecordId(*account))).collect())
}

/// The messages of what is asked for, as they are in the queue.
async fn messages(world: &World, want: Want, of: Chosen) -> Vec<Delivery> {
    world.engine.ask(&MappingName::from("CUSTOMER"), want, of).await.expect("it can be carried out");
    while let Some(Task::Ask(request)) = world.tasks.next_task() {
        world.engine.work_request(&request, None).await.expect("put into the queue");
    }
    world.queue.take(1000)
}

#[tokio::test]
async fn d2_u10_r84_pairs_are_listed_as_soon_as_somebody_looks_and_no_longer_once_they_are_mended() {
    let (world, pairs) = coupled(of_customers(4)).await;
    pairs[0].delete_customer(&world);
    pairs[1].delete_account(&world);
    assert!(listed(&world).await.is_empty(), "nobody has noticed yet");
    let run = world.ask("CUSTOMER", Want::LookForDeleted, Chosen::Coupled).await.expect("carried out");
    assert_eq!((run.counters.failed, run.finished.is_some()), (2, true), "{:?}", run.counters);
    let mut expected = vec![(Side::BusinessCentral, pairs[0].customer), (Side::Dataverse, pairs[1].customer)];
    expected.sort();
    assert_eq!(listed(&world).await, expected);
    // A run in between tells the same of them.
    synchronize(&world).await;
    assert_eq!(listed(&world).await, expected);
    let run = world.ask("CUSTOMER", Want::Mend(Remedy::Restore), Chosen::Deleted).await.expect("carried out");
    assert_eq!((run.counters.inserted, run.counters.failed), (2, 0), "{:?}", world.failures("CUSTOMER").await);
    assert!(listed(&world).await.is_empty());
    assert_eq!((world.business_central.rows("Customer").len(), world.couplings("CUSTOMER").await), (4, 4));
    assert!(world.failures("CUSTOMER").await.is_empty());
    // The new number of the customer reaches its account.
    synchronize(&world).await;
    let quiet = synchronize(&world).await;
    assert_eq!((quiet.counters.inserted, quiet.counters.modified, quiet.counters.failed), (0, 0, 0), "at peace");
}

#[tokio::test]
async fn c_087_c_088_what_is_left_of_skipped_pairs_is_deleted_and_a_whole_one_stays() {
    let (world, pairs) = coupled(of_customers(3)).await;
    let all: Vec<Uuid> = pairs.iter().map(|pair| pair.customer).collect();
    world.ask("CUSTOMER", Want::Skip, chosen(&all)).await.expect("carried out");
    pairs[0].delete_account(&world);
    pairs[2].delete_customer(&world);
    let of = vec![
        (Side::BusinessCentral, RecordId(pairs[0].customer)),
        (Side::BusinessCentral, RecordId(pairs[1].customer)),
        (Side::Dataverse, RecordId(pairs[2].account)),
    ];
    let run = world.ask("CUSTOMER", Want::Mend(Remedy::Delete), Chosen::Records(of)).await.expect("carried out");
    assert_eq!((run.counters.modified, run.counters.skipped, run.counters.failed), (2, 1, 0), "{:?}", run.counters);
    assert!(world.business_central.row("Customer", pairs[0].customer).is_none(), "C-088");
    assert!(world.dataverse.row("account", pairs[2].account).is_none(), "C-087");
    assert_eq!(world.couplings("CUSTOMER").await, 1);
    assert!(pairs[1].is_coupled(&world).await && pairs[1].is_skipped(&world).await, "C-088");
}

#[tokio::test]
async fn c_089_an_account_that_may_not_be_deleted_stays_with_its_coupling() {
    let (world, pairs) = coupled(of_customers(1)).await;
    world.ask("CUSTOMER", Want::Skip, chosen(&[pairs[0].customer])).await.expect("carried out");
    pairs[0].delete_customer(&world);
    world.dataverse.faults().keep_rows("account", true);
    let delete = || Want::Mend(Remedy::Delete);
    let run = world.ask("CUSTOMER", delete(), rows(&[pairs[0].account])).await.expect("carried out");
    assert_eq!((run.counters.failed, run.finished.is_some()), (1, true), "{:?}", run.counters);
    let failures = world.failures("CUSTOMER").await;
    let told = &failures.first().expect("it is told").message;
    assert!(told.contains("give the integration user the right to delete it"), "{told}");
    assert!(pairs[0].is_coupled(&world).await && pairs[0].is_skipped(&world).await);
    assert!(world.dataverse.row("account", pairs[0].account).is_some());
    world.dataverse.faults().keep_rows("account", false);
    let run = world.ask("CUSTOMER", delete(), rows(&[pairs[0].account])).await.expect("carried out");
    assert_eq!((run.counters.modified, run.counters.failed), (1, 0), "{:?}", run.counters);
    assert_eq!((world.dataverse.row("account", pairs[0].account), world.couplings("CUSTOMER").await), (None, 0));
}

#[tokio::test]
async fn r94_a_record_that_came_back_meanwhile_is_no_reason_to_do_anything() {
    let (world, pairs) = coupled(of_customers(1)).await;
    let before = pairs[0].account(&world);
    pairs[0].delete_account(&world);
    world.ask("CUSTOMER", Want::LookForDeleted, Chosen::Coupled).await.expect("carried out");
    let deliveries = messages(&world, Want::Mend(Remedy::Delete), Chosen::Deleted).await;
    assert_eq!(deliveries.len(), 1);
    // Somebody restores the account under its id.
    let account = json!({"accountid": pairs[0].account, "name": before["name"], "customertypecode": 3});
    world.dataverse.create_as_user("account", account).expect("taken");
    deliveries.into_iter().for_each(|delivery| world.queue.give_back(delivery));
    world.drain().await;
    assert!(world.business_central.row("Customer", pairs[0].customer).is_some(), "the customer stays");
    assert!(pairs[0].is_coupled(&world).await && listed(&world).await.is_empty());
}

/// What is to be seen of a pair that was mended.
async fn picture(world: &World, pair: Pair, was: &str) -> (bool, bool, bool, usize, usize) {
    let coupled = world.coupling("CUSTOMER", pair.customer).await.is_some();
    let named = |rows: Vec<serde_json::Map<String, serde_json::Value>>, column: &str| {
        rows.iter().filter(|row| text(row, column) == was).count()
    };
    (
        world.business_central.row("Customer", pair.customer).is_some(),
        world.dataverse.row("account", pair.account).is_some(),
        coupled,
        named(world.business_central.rows("Customer"), "displayName"),
        named(world.dataverse.rows("account"), "name"),
    )
}

/// Lets a worker die at every moment of a remedy, pair after pair, and delivers everything twice more.
async fn die_at_every_moment(remedy: Remedy, gone: Side) {
    let (mut world, mut ready) = coupled(mortal()).await;
    let (mut expected, mut deaths) = (None, 0);
    for fatal in 0.. {
        if ready.is_empty() {
            (world, ready) = coupled(mortal()).await;
        }
        let pair = ready.remove(0);
        let name = text(&pair.customer(&world), "displayName").to_owned();
        match gone {
            Side::BusinessCentral => pair.delete_customer(&world),
            Side::Dataverse => pair.delete_account(&world),
        }
        world.ask("CUSTOMER", Want::LookForDeleted, Chosen::Coupled).await.expect("carried out");
        // What is made again is asked for in both directions, and is told of no longer in either.
        let (of, count) = match remedy {
            Remedy::Restore => (rows(&[pair.account]), 2),
            Remedy::Delete | Remedy::Uncouple => (Chosen::Deleted, 1),
        };
        let deliveries = messages(&world, Want::Mend(remedy), of).await;
        assert_eq!(deliveries.len(), count, "{remedy:?} {gone}: {:?}", listed(&world).await);
        // The first one shows what has to come of it.
        let life = if fatal == 0 { Life::long() } else { Life::until(fatal) };
        world.work_for_life(&life, deliveries.clone(), mortal().engine).await;
        for _ in 0..2 {
            deliveries.iter().cloned().for_each(|delivery| world.queue.give_back(delivery));
            world.drain().await;
        }
        assert!(world.queue.dead_letters().is_empty(), "{remedy:?} {gone}: {:?}", life.moments());
        let seen = picture(&world, pair, &name).await;
        let when = life.moments().last().cloned();
        assert_eq!(&seen, expected.get_or_insert(seen), "{remedy:?} {gone}: died {when:?}");
        assert!(listed(&world).await.is_empty(), "{remedy:?} {gone}: died {when:?}");
        if fatal > 0 && !life.is_over() {
            break;
        }
        deaths += usize::from(life.is_over());
    }
    assert!(deaths > 2, "hardly anybody died: {deaths}");
    let expected = expected.expect("the first one");
    match remedy {
        Remedy::Restore => assert_eq!((expected.3, expected.4), (1, 1), "one of each: {expected:?}"),
        Remedy::Delete => assert_eq!(expected, (false, false, false, 0, 0)),
        Remedy::Uncouple => assert_eq!((expected.2, expected.3 + expected.4), (false, 1), "{expected:?}"),
    }
    let left = pairs(&world).await;
    assert!(left.len() >= ready.len(), "the others are whole");
}

#[tokio::test]
async fn r94_an_account_is_made_again_once_at_whatever_moment_a_worker_dies() {
    die_at_every_moment(Remedy::Restore, Side::Dataverse).await;
}

#[tokio::test]
async fn r94_a_customer_is_made_again_once_at_whatever_moment_a_worker_dies() {
    die_at_every_moment(Remedy::Restore, Side::BusinessCentral).await;
}

#[tokio::test]
async fn r94_what_is_left_is_deleted_at_whatever_moment_a_worker_dies() {
    die_at_every_moment(Remedy::Delete, Side::BusinessCentral).await;
    die_at_every_moment(Remedy::Delete, Side::Dataverse).await;
}

#[tokio::test]
async fn r94_r209_a_broken_pair_ends_at_whatever_moment_a_worker_dies() {
    die_at_every_moment(Remedy::Uncouple, Side::BusinessCentral).await;
}

#[tokio::test]
async fn r206_records_chosen_by_a_filter_are_uncoupled_and_the_others_stay() {
    let (world, pairs) = coupled(of_customers(5)).await;
    for pair in &pairs[..2] {
        pair.change_customer(&world, json!({"city": "Oslo"}));
    }
    world.business_central.create_as_user("Customer", json!({"displayName": "New", "city": "Oslo"})).expect("taken");
    let conditions = couplet_model::catalogue::read_conditions("city eq Oslo", Side::BusinessCentral);
    let of = Chosen::Matching(Side::BusinessCentral, conditions.expect("a filter"));
    let mapping = MappingName::from("CUSTOMER");
    let meant = world.engine.meant_by(&mapping, Want::Uncouple, of.clone()).await.expect("a look");
    assert_eq!(meant.count, 2);
    let run = world.ask("CUSTOMER", Want::Uncouple, of.clone()).await.expect("carried out");
    assert_eq!((run.counters.uncoupled, run.enqueued), (2, 2), "{:?}", run.counters);
    assert_eq!(world.couplings("CUSTOMER").await, 3);
    assert!(pairs[2].is_coupled(&world).await && !pairs[0].is_coupled(&world).await);
    // With creation, those that are not coupled travel as well; the three of Oslo.
    let create = Want::Synchronize { direction: Some(couplet_model::message::Direction::ToDataverse), create: true };
    let run = world.ask("CUSTOMER", create, of).await.expect("carried out");
    assert_eq!((run.enqueued, world.couplings("CUSTOMER").await), (3, 6), "{:?}", run.counters);
}
